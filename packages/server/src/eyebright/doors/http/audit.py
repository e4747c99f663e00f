"""Who has changed what, or tried to."""

from fastapi import APIRouter

from eyebright.doors.door import Verbs
from eyebright.doors.guests import Caller
from eyebright.doors.http.paths import API, AfterAudit, Limit
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright_wire.access import AuditView
from eyebright_wire.resources import Page

router = APIRouter(prefix=f"{API}/audit", tags=["teams"], route_class=NativeRoute)


@router.get("", operation_id="list_audit", summary="List what callers have changed, newest first", responses=refusals())
async def list_audit(verbs: Verbs, caller: Caller, after: AfterAudit = None, limit: Limit = 50) -> Page[AuditView]:
    """Every call that was meant to change something, by whoever had a token, whatever came of it. The operator reads all of it,
    an admin of a project what was done there."""
    return await verbs.audit.list(after, limit, caller and caller.project)
