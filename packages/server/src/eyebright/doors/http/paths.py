"""The parameters that several endpoints share."""

from typing import Annotated

from fastapi import Path, Query

API = "/api/v1"

Limit = Annotated[int, Query(ge=1, le=500, description="Entries on one page")]
After = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
JobId = Annotated[str, Path(description="Such as job_0192f3…", max_length=200)]
FilePath = Annotated[str, Path(description="As listed", max_length=500)]
