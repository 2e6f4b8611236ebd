"""A load that is held leaves a point on its threshold: nothing more happens there, whatever rounding says."""

import jax.numpy as jnp
import numpy as np
import pytest

import jaxhomog as jh
from jaxhomog.materials import ArmstrongFrederick, ExponentialSoftening, IsotropicDamage, Step

ELASTIC = jh.LinearElastic.isotropic(100.0, 0.3)
LAWS = {
    "J2": jh.J2Plasticity(ELASTIC, jh.VoceHardening(0.1, 0.2, 30.0)),
    "back stress": jh.J2Plasticity(ELASTIC, jh.LinearHardening(0.1, 2.0), ArmstrongFrederick(5.0, 8.0)),
    "damage": IsotropicDamage(ELASTIC, 1e-5, ExponentialSoftening(5.0)),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_held_load_changes_nothing(law, dtype):
    """Two hundred points at random strains, the last of which is repeated: some would go on by rounding alone."""
    points = law.points((200, 1, 1), dtype)
    strain = jnp.asarray(3e-3 * np.random.default_rng(0).normal(size=(6, 200, 1, 1)), dtype)
    once = points.update(strain, points.initial((200, 1, 1), dtype), Step(jnp.asarray(1.0, dtype), None))
    again = points.update(strain, once.state, Step(jnp.asarray(1.0, dtype), None))
    assert (once.dissipation > 0).sum() > 100
    np.testing.assert_array_equal(again.dissipation, 0)
    np.testing.assert_array_equal(again.state, once.state)
