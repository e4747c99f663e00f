"""Detection of objects, as boxes or with their outlines, with the models of whichever library a trainer brings."""
