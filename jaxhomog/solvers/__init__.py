"""Krylov solvers with honest exits, and derivatives through solves and failures."""

from ._cg import CGResult as CGResult
from ._cg import StopRule as StopRule
from ._cg import conjugate_gradients as conjugate_gradients
from ._cg import dot as dot
from ._implicit import guarded as guarded
from ._implicit import replaced as replaced
from ._scalar_root import scalar_root as scalar_root
