"""Eyebright's timm trainer: image classification."""

__version__ = "0.1.0"
