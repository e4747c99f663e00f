"""The figures of docs/benchmarks.md, each measured against a named peer or limit. `python -m benchmarks` prints them."""
