"""Images to phases: cropping, coarsening, thresholds, generators, shapes, percolation."""

from . import shapes as shapes
from ._generators import checkerboard as checkerboard
from ._generators import laminate as laminate
from ._generators import overlapping_spheres as overlapping_spheres
from ._generators import random_rotations as random_rotations
from ._generators import sphere_cell as sphere_cell
from ._generators import voronoi as voronoi
from ._image import coarsen as coarsen
from ._image import coarsen_index as coarsen_index
from ._image import crop as crop
from ._image import crop_slices as crop_slices
from ._image import threshold as threshold
from ._percolation import Percolation as Percolation
from ._percolation import percolation as percolation
from ._volume_fraction import enclosing_voxels as enclosing_voxels
from ._volume_fraction import interface_normal as interface_normal
from ._volume_fraction import volume_fraction as volume_fraction
