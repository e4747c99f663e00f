"""What to change when something ran out, in the same words wherever it is noticed."""

from collections.abc import Mapping
from typing import Any

_SIZES = ("imgsz", "resolution")  # what trainers call the side of an image


def memory_ran_out(config: Mapping[str, Any]) -> str:
    """With the numbers that were ordered: "memory ran out with batch=8 at imgsz=640; set batch=4, or a smaller …"."""
    ordered = {name: config[name] for name in ("batch", *_SIZES) if _counts(config.get(name))}
    numbers = " at ".join(f"{name}={number}" for name, number in ordered.items())
    smaller = " or ".join([*(name for name in _SIZES if name in ordered), "model"])
    batch = ordered.get("batch", 1)
    way_out = f"set batch={batch // 2}, or a smaller {smaller}" if batch > 1 else f"take a smaller {smaller}"
    return f"memory ran out{f' with {numbers}' if numbers else ''}; {way_out}"


def _counts(number: Any) -> bool:
    return isinstance(number, int) and number > 0
