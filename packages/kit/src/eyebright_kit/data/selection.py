"""Which images a plan wants: by patterns on their names."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from eyebright_wire.datasets import DatasetPlan


def wanted(source: str, plan: DatasetPlan) -> bool:
    """Is an image of this name among those to include and none to exclude?"""
    return (not plan.include or matches(source, plan.include)) and not matches(source, plan.exclude)


def matches(source: str, patterns: Sequence[str]) -> bool:
    """Equal to one of the names, or fits one of the patterns, in which `*` crosses folders."""
    return any(source == pattern or fnmatchcase(source, pattern) for pattern in patterns)
