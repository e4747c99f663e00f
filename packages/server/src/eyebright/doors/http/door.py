"""The native API as a door: one module per resource below `/api/v1`, and what a server needs beside them."""

import re

from eyebright.doors.http import (
    audit,
    datasets,
    documents,
    grants,
    health,
    ingest,
    jobs,
    models,
    outcome,
    pictures,
    projects,
    queue,
    recipes,
    resumable,
    storage,
    stream,
    teams,
    webhooks,
)
from eyebright.doors.http.paths import API

_RESOURCES = (
    ingest,
    jobs,
    stream,
    outcome,
    grants,
    datasets,
    pictures,
    resumable,
    models,
    recipes,
    queue,
    webhooks,
    storage,
    teams,
    audit,
    projects,
    health,
    documents,
)  # the busiest are matched first


class HttpDoor:
    routes = tuple(route for resource in _RESOURCES for route in resource.router.routes)
    public = frozenset({*health.PUBLIC, *documents.PUBLIC})
    project_paths = (re.compile(rf"{API}/(?!training(/|$)).*"),)  # which is another door's
    job_paths = (*ingest.JOB_PATHS, *grants.JOB_PATHS)
