"""Laws of materials, and what is known of an effective property without solving for it."""

from ._bounds import Bounds as Bounds
from ._bounds import PolycrystalBounds as PolycrystalBounds
from ._bounds import conduction_bounds as conduction_bounds
from ._bounds import cubic_polycrystal_bounds as cubic_polycrystal_bounds
from ._bounds import elastic_bounds_isotropic as elastic_bounds_isotropic
from ._bounds import voigt_reuss as voigt_reuss
from ._composite import CompositeVoxels as CompositeVoxels
from ._law import AbstractLaw as AbstractLaw
from ._linear_conduction import LinearConduction as LinearConduction
from ._linear_elastic import LinearElastic as LinearElastic
from ._mixture import PhaseMixture as PhaseMixture
from ._response_bounds import response_bounds as response_bounds
from ._symmetry import Symmetry as Symmetry
from ._symmetry import directional_young as directional_young
from ._symmetry import engineering_constants as engineering_constants
from ._symmetry import symmetry_class as symmetry_class
