"""How a trainer is registered: one `TrainerSource` behind an entry point of the group `eyebright.trainers`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrainerSource:
    """`python -m <module>` in the environment of `project`, a folder with a pyproject.toml and a uv.lock.

    A relative `project` lies below the server's folder of trainers. Of the installed trainers that can do a job, the one
    with the lowest `rank` is preferred.
    """

    name: str
    module: str
    project: Path
    rank: int = 50
