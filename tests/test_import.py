"""`import jaxhomog` prints nothing, changes no configuration, starts no backend and loads no optional package."""

import subprocess
import sys

SCRIPT = """
import sys
import jax
before = dict(jax.config.values)
import jaxhomog
from jax._src import xla_bridge
assert dict(jax.config.values) == before, "configuration changed"
assert not xla_bridge._backends, "a backend was started"
optional = {"matplotlib", "tifffile", "h5py", "nibabel", "imagecodecs", "skimage"} & set(sys.modules)
optional |= {"scipy.ndimage", "scipy.optimize"} & set(sys.modules)
assert not optional, optional
"""


def test_import_is_quiet():
    out = subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True)
    assert (out.returncode, out.stdout, out.stderr) == (0, "", "")


def test_public_names():
    import jaxhomog as jh

    names = (
        "Grid LinearElastic LinearConduction PhaseMixture Rotation homogenize apply certify to_voigt from_voigt"
        " describe read_image save_solution load_solution Solution Result InputError SolverError"
    )
    assert [n for n in names.split() if not hasattr(jh, n)] == []
