"""The parameters that several endpoints share."""

from typing import Annotated

from fastapi import Header, Path, Query
from pydantic import AfterValidator

from eyebright_wire.resources import Alias

API = "/api/v1"

Limit = Annotated[int, Query(ge=1, le=500, description="Entries on one page")]


def _begins_with(prefix: str) -> AfterValidator:
    """What no page can have given would be after everything, and look like the end of the list."""

    def check(cursor: str) -> str:
        if not cursor.startswith(prefix):
            raise ValueError(f"{cursor!r} is not the `next` of a page, which begins with {prefix}")
        return cursor

    return AfterValidator(check)


_NEXT = Query(max_length=200, description="`next` of the page before")
After = Annotated[str | None, _NEXT]
AfterJob = Annotated[Annotated[str, _begins_with("job_")] | None, _NEXT]
AfterModel = Annotated[Annotated[str, _begins_with("mdl_")] | None, _NEXT]
AfterUser = Annotated[Annotated[str, _begins_with("usr_")] | None, _NEXT]
AfterToken = Annotated[Annotated[str, _begins_with("tok_")] | None, _NEXT]
AfterAudit = Annotated[Annotated[str, _begins_with("aud_")] | None, _NEXT]
AfterParked = Annotated[Annotated[str, _begins_with("msg_")] | None, _NEXT]
JobId = Annotated[str, Path(description="Such as job_0192f3…", max_length=200)]
ModelName = Annotated[
    str, Path(description="An id such as mdl_0192f3…, NAME@ALIAS, NAME@3, or NAME, which is its newest", max_length=300)
]
AliasName = Annotated[Alias, Path(description="Such as production")]
VersionNumber = Annotated[int, Path(description="Such as 2", ge=0, le=2**31 - 1)]
FilePath = Annotated[str, Path(description="As listed", max_length=500)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=255, description="The same key and order twice is one job, however often it is sent"
    ),
]
