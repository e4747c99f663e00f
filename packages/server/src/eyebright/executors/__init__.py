"""Places where trainer processes run. Each module here is one adapter of `ports/executor.py`, or a noun that one needs."""
