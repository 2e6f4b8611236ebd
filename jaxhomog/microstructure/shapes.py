"""Shapes for `volume_fraction`: `jaxhomog.shapes.Sphere((0.5, 0.5), 0.3)`."""

from ._fourier_surface import FourierSurface as FourierSurface
from ._shapes import AbstractShape as AbstractShape
from ._shapes import Box as Box
from ._shapes import Cylinder as Cylinder
from ._shapes import Ellipsoid as Ellipsoid
from ._shapes import Sphere as Sphere
from ._shapes import Union as Union
