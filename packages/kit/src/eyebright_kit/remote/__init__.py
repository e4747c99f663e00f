"""Data sets that lie elsewhere: how they are fetched from a URL or a bucket."""
