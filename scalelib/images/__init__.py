"""Images: crops of photographs as tensors.

The photographs that ``PHOTOGRAPHS`` lists ship inside scikit-image, so that nothing is downloaded.
Each is in the public domain or under CC0, and its file is checked by its SHA-256. Besides, any
folder of images, the photographs of BSDS500 and the IDX files of MNIST and Fashion-MNIST can be
read.
"""

from scalelib.images.catalogue import PHOTOGRAPHS, Photograph
from scalelib.images.collection import Collection
from scalelib.images.idx import read_idx
from scalelib.images.loading import list_names, load

__all__ = ["PHOTOGRAPHS", "Collection", "Photograph", "list_names", "load", "read_idx"]
