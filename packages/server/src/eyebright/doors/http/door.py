"""The native API as a door: one module per resource below `/api/v1`, and what a server needs beside them."""

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
    queue,
    recipes,
    resumable,
    storage,
    stream,
    teams,
    webhooks,
)

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
    health,
    documents,
)  # the busiest are matched first


class HttpDoor:
    routes = tuple(route for resource in _RESOURCES for route in resource.router.routes)
    public = frozenset({*health.PUBLIC, *documents.PUBLIC})
    job_paths = (*ingest.JOB_PATHS, *grants.JOB_PATHS)
