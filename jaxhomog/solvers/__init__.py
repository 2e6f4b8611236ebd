"""Krylov solvers with honest exits, and derivatives through solves and failures."""

from ._cg import CGResult as CGResult
from ._cg import StopRule as StopRule
from ._cg import conjugate_gradients as conjugate_gradients
from ._cg import dot as dot
from ._implicit import guarded as guarded
from ._implicit import replaced as replaced
from ._null_projector import null_projector as null_projector
from ._scalar_root import scalar_root as scalar_root
from ._truncated_bicgstab import truncated_bicgstab as truncated_bicgstab
from ._truncated_cg import Truncated as Truncated
from ._truncated_cg import tree_dot as tree_dot
from ._truncated_cg import truncated_cg as truncated_cg
