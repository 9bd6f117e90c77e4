"""Images: known sets and files of the user, decoded to arrays of bytes of one shape."""

from ebmood.data.images.image_sets import ImageSet
from ebmood.data.images.image_source import CIFAR10, FMNIST, Images, ImageSource

__all__ = ["CIFAR10", "FMNIST", "ImageSet", "ImageSource", "Images"]
