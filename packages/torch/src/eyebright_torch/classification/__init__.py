"""Image classification, with the models of whichever library a trainer brings."""
