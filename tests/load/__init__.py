"""Many callers at once: `make load`."""
