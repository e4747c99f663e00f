"""What the operator allows a project: jobs at once but for imports, bytes kept, requests a minute. None: as much as there is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eyebright.core.job import Run

#: The executor of imports, or what its name begins with before a colon. They are short, and somebody waits for them.
UNCOUNTED = "imports"


def counts(executor: str) -> bool:
    """What runs there is among the jobs at once."""
    return executor.partition(":")[0] != UNCOUNTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    project: str
    running_jobs: int | None = None
    storage_bytes: int | None = None
    requests_per_minute: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    running_jobs: int
    storage_bytes: int


def within_room(waiting: Iterable[Run], room: Mapping[str, int]) -> list[Run]:
    """Those of them that may begin, in their order. `room`: how many more of a project; one that is not in it has no quota."""
    left, chosen = dict(room), list[Run]()
    for run in waiting:
        project = run.job.project
        if left.get(project, 1) > 0:
            chosen.append(run)
            left |= {project: left[project] - 1} if project in left else {}
    return chosen
