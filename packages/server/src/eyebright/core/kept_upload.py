"""A data set as its sender uploaded it, kept until somebody imports it."""

from dataclasses import dataclass

from eyebright.core.scope import DEFAULT_PROJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUpload:
    """`user_id` and `dataset_name` are told as they were said, and are part of no path."""

    id: str  # upl_…
    user_id: str
    dataset_name: str
    size_bytes: int
    created_at_ms: int
    project: str = DEFAULT_PROJECT
