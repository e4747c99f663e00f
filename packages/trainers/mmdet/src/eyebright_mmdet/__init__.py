"""Eyebright's MMDetection trainer: object detection."""

__version__ = "0.1.0"
