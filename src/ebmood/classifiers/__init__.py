"""A detector for a classifier in production: scores of its features and logits, calibrated to p-values."""

from ebmood.classifiers.classifier_detector import ClassifierDetector

__all__ = ["ClassifierDetector"]
