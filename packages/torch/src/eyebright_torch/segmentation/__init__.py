"""Semantic segmentation: which class each pixel is of, with the models of whichever library a trainer brings."""
