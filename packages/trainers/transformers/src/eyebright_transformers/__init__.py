"""Eyebright's transformers trainer: vision models of Hugging Face's library."""

__version__ = "0.1.0"
