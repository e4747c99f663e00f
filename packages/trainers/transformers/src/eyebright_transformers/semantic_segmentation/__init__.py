"""Semantic segmentation with SegFormer."""
