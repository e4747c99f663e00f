"""The toy trainer: an honest little classifier without a framework. Copy it to begin a trainer of your own."""
