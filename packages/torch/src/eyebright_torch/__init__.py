"""What the trainers on PyTorch share: one loop with exact resume, and everything around it that is the same in all of them."""

__version__ = "0.1.0"
