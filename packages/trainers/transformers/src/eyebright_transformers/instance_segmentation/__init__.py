"""Instance segmentation with Mask2Former."""
