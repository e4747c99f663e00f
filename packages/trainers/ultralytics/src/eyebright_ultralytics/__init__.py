"""Eyebright's Ultralytics trainer: YOLO models, kept in an environment of their own."""

__version__ = "0.1.0"
