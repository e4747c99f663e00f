"""Make and list projects."""

from eyebright.core.project import Project
from eyebright.core.scope import project_id
from eyebright.errors import Conflict
from eyebright.ports.clock import Clock
from eyebright.ports.projects import ProjectStore
from eyebright.services.neighbours import Neighbours
from eyebright_wire.projects import ProjectCreate, ProjectView


class Projects:
    def __init__(self, store: ProjectStore, neighbours: Neighbours, clock: Clock) -> None:
        self._store = store
        self._neighbours = neighbours
        self._clock = clock

    async def create(self, order: ProjectCreate) -> ProjectView:
        """Raises Conflict where there is one of that name, Forbidden where it could have nothing run."""
        self._neighbours.require_place(order.id)
        project = Project(id=project_id(order.id), created_at_ms=self._clock.now_ms())
        if not await self._store.add(project):
            raise Conflict(f"there is a project {order.id} already")
        return _view(project)

    async def list(self) -> tuple[ProjectView, ...]:
        """By name."""
        return tuple(map(_view, await self._store.list()))


def _view(project: Project) -> ProjectView:
    return ProjectView(id=project.id, created_at_ms=project.created_at_ms)
