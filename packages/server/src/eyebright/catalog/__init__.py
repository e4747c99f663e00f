"""Which trainers there are, and the environment of each: a folder with its own lock, made by uv."""
