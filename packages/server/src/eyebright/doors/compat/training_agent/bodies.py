"""What a Training Agent's callers send, and what they are answered."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from eyebright_wire.model import Line


class TrainingRequest(BaseModel):
    """Unknown fields are ignored, as they always were."""

    model_config = ConfigDict(frozen=True)

    project_id: Line = Field(max_length=100, description="The id of a row of `projects`: a UUID")


class TrainingResponse(BaseModel):
    success: bool
    model_url: str | None = Field(default=None, description="gs://bucket/models/<project>_model.pth")
    error: str | None = None


class AgentLog(BaseModel):
    """A row of `agent_logs`."""

    id: str
    project_id: str
    agent_name: str
    message: str
    log_level: str
    created_at: datetime


class StatusResponse(BaseModel):
    status: str = Field(description="The project's own: pending_training, training, completed or failed")
    progress: dict[str, Any] = Field(
        description="Epoch, epochs, percent, … of the job under way; empty before the first"
    )
    logs: tuple[AgentLog, ...] = Field(description="The newest 50, the oldest of them first")
