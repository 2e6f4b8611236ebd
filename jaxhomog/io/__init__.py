"""Voxel images in, fields out."""

from ._atomic import replacing as replacing
from ._errors import one_line as one_line
from ._errors import optional as optional
from ._h5_write import write_h5 as write_h5
from ._header import free_memory as free_memory
from ._image_data import ImageData as ImageData
from ._read import FORMATS as FORMATS
from ._read import image_size as image_size
from ._read import read_image as read_image
from ._solution import load_solution as load_solution
from ._solution import save_solution as save_solution
from ._stl import write_stl as write_stl
from ._vti import write_vti as write_vti
from ._vti_read import read_vti as read_vti
