"""Projects, whose things are kept apart. Which one a request means its header `Eyebright-Project` says."""

from typing import Annotated

from fastapi import APIRouter, Path

from eyebright.doors.door import Verbs
from eyebright.doors.guests import Caller
from eyebright.doors.http.paths import API
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright.errors import no_project
from eyebright_wire.projects import ProjectCreate, ProjectView, QuotaUpdate, QuotaView

router = APIRouter(prefix=API, tags=["projects"], route_class=NativeRoute)

Named = Annotated[str, Path(description="Such as default", max_length=63)]


@router.post(
    "/projects",
    operation_id="create_project",
    summary="Make a project",
    status_code=201,
    responses=refusals(403, 409),
)
async def create_project(order: ProjectCreate, verbs: Verbs) -> ProjectView:
    """What is done with the header `Eyebright-Project: NAME` is done in it from then on; without one, in `default`. A project is
    refused where its trainings could only run among those of others."""
    return await verbs.projects.create(order)


@router.get("/projects", operation_id="list_projects", summary="List projects by name", responses=refusals())
async def list_projects(verbs: Verbs) -> tuple[ProjectView, ...]:
    return await verbs.projects.list()


@router.get(
    "/projects/{project}/quota",
    operation_id="get_quota",
    summary="What a project may use, and uses",
    responses=refusals(404),
)
async def get_quota(project: Named, verbs: Verbs, caller: Caller) -> QuotaView:
    if caller is not None and project != caller.project:
        raise no_project(project)
    return await verbs.quotas.view(project)


@router.put(
    "/projects/{project}/quota",
    operation_id="set_quota",
    summary="Limit what a project may use",
    responses=refusals(404),
)
async def set_quota(project: Named, order: QuotaUpdate, verbs: Verbs) -> QuotaView:
    """Jobs that are too many wait; what would keep too much is refused (`quota_exceeded`), and so are requests of its tokens that
    come too often (`too_many_requests`). What there is already stays."""
    return await verbs.quotas.update(project, order)
