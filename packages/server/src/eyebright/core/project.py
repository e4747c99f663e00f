"""A project: whose jobs, data sets, models and webhooks are kept apart from those of others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    id: str
    created_at_ms: int
