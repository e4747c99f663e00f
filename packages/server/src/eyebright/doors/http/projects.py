"""Projects, whose things are kept apart. Which one a request means its header `Eyebright-Project` says."""

from fastapi import APIRouter

from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright_wire.projects import ProjectCreate, ProjectView

router = APIRouter(prefix=API, tags=["projects"], route_class=NativeRoute)


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
