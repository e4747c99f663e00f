"""Projects: whose jobs, data sets, models and webhooks are kept apart from those of others."""

from typing import Annotated

from pydantic import Field

from eyebright_wire.model import RequestModel, Whole, WireModel

#: As many characters as a label of a host name has.
PROJECT_PATTERN = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
ProjectId = Annotated[
    str,
    Field(
        pattern=f"^{PROJECT_PATTERN}$",
        description="1 to 63 lower-case letters, digits and dashes, the first and the last no dash",
    ),
]


class ProjectCreate(RequestModel):
    id: ProjectId


class ProjectView(WireModel):
    id: str
    created_at_ms: Whole = Field(description="0: it was there from the first start on")


class QuotaUpdate(RequestModel):
    """What is left out stays as it is; null takes a limit away."""

    running_jobs: int | None = Field(default=None, ge=0, le=100_000, description="Jobs at once; more of them wait")
    storage_bytes: int | None = Field(default=None, ge=0, le=2**53, description="Of data sets, models and uploads")
    requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000, description="At each server")


class QuotaView(WireModel):
    """What a project may use, null: as much as there is; and what it uses."""

    project: str
    running_jobs: Whole | None = None
    storage_bytes: Whole | None = None
    requests_per_minute: Whole | None = None
    used_running_jobs: Whole
    used_storage_bytes: Whole = Field(description="What two versions of data sets share counts with each")
