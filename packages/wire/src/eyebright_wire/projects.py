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
