"""Detectors of patches: which part of an image is unlike the training images, for aligned scenes."""

from ebmood.detector.patches.patch_detector import PatchDetector
from ebmood.detector.patches.patch_memory import PatchMemory, PatchSettings

__all__ = ["PatchDetector", "PatchMemory", "PatchSettings"]
