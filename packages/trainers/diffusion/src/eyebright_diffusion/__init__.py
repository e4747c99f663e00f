"""Eyebright's diffusion trainer: LoRA for Stable Diffusion."""

__version__ = "0.1.0"
