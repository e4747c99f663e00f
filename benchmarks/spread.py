"""Repeated measurements: their median counts, their spread is said. For the person who watches, on stderr."""

import sys
from collections.abc import Sequence
from statistics import median


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def middle(what: str, values: Sequence[float], unit: str = "s") -> float:
    """The median; says it with the whole range."""
    value = median(values)
    say(f"{what}: {value:.4g} {unit} (median of {len(values)}; {min(values):.4g} to {max(values):.4g})")
    return value


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 1).__int__() - 1)]
