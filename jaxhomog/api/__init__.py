"""The verbs that a user meets."""

from ._apply import Applied as Applied
from ._apply import apply as apply
from ._certify import certify as certify
from ._compliance import Compliance as Compliance
from ._compliance import effective_compliance as effective_compliance
from ._describe import describe as describe
from ._expansion import Expansion as Expansion
from ._expansion import effective_expansion as effective_expansion
from ._homogenize import Fields as Fields
from ._homogenize import Homogenized as Homogenized
from ._homogenize import homogenize as homogenize
from ._shape_bounds import ShapeBounds as ShapeBounds
from ._shape_bounds import shape_bounds as shape_bounds
from ._window_bounds import WindowBounds as WindowBounds
from ._window_bounds import window_bounds as window_bounds
