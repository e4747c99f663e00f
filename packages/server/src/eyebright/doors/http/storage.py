"""What the store of the server holds."""

from fastapi import APIRouter

from eyebright.doors.door import Verbs
from eyebright.doors.http.paths import API
from eyebright.doors.http.route import NativeRoute
from eyebright.doors.problems import refusals
from eyebright_wire.storage import StorageView

router = APIRouter(prefix=API, tags=["server"], route_class=NativeRoute)


@router.get("/storage", operation_id="get_storage", summary="How many bytes the store holds", responses=refusals())
async def get_storage(verbs: Verbs) -> StorageView:
    """By the rows that are kept of its objects; the store is not asked. `eyebright admin storage --check` compares the two."""
    return await verbs.storage.view()
