"""Images: from the files of known sets, or of the user's, to arrays of bytes of one shape."""

from ebmood.datasets.images.sets import ImageSet
from ebmood.datasets.images.source import CIFAR10, FMNIST, Images, ImageSource

__all__ = ["CIFAR10", "FMNIST", "ImageSet", "ImageSource", "Images"]
