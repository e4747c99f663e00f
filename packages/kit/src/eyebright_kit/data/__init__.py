"""Data sets: what formats exist, what a source holds, what an immutable version is, how a trainer gets it on disk."""
