"""Eyebright's torchvision trainer: image classification."""

__version__ = "0.1.0"
