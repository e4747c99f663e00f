"""Who runs beside whom.

Trainers of the executor `local` are processes of one user on one machine: they can read whatever the server keeps there, other
projects' data and models among it. No query that stays within a project keeps them from it.
"""

from collections.abc import Collection

from eyebright.core.scope import DEFAULT_PROJECT, current_project
from eyebright.errors import Forbidden

LOCAL = "local"


class Neighbours:
    def __init__(self, executors: Collection[str], *, trusted: bool) -> None:
        """`trusted`: all projects trust each other, so that they may share them."""
        self._executors = executors
        self._trusted = trusted

    def require_apart(self, executor: str = LOCAL) -> None:
        """Raises Forbidden where what is done for the present project would run among those of others."""
        if executor.partition(":")[0] == LOCAL:
            self._require(current_project())

    def require_place(self, project: str) -> None:
        """Raises Forbidden where a project of this name could have nothing run at all."""
        if all(executor.partition(":")[0] == LOCAL for executor in self._executors):
            self._require(project)

    def _require(self, project: str) -> None:
        if project != DEFAULT_PROJECT and not self._trusted:
            raise Forbidden(
                f"trainers of project {project} would run as processes of one user beside those of other projects (executor "
                f"{LOCAL}), and could read what these keep. Give it a training service (EYEBRIGHT_EXECUTORS, "
                "EYEBRIGHT_SERVICES__URLS) and name that as the executor; or, if all projects here trust each other, set "
                "EYEBRIGHT_LOCAL__MANY_PROJECTS=true"
            )
