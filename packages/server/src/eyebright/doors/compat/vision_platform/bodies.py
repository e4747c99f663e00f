"""What a Vision AI Training Platform's callers send, and what they are answered."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from eyebright_wire.model import Line

Status = Literal["pending", "running", "completed", "failed", "cancelled"]
_LONGEST_WORD, _LONGEST_ADDRESS = 200, 1024


class JobOrder(BaseModel):
    """Unknown fields are ignored, as they always were."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    user_id: Line = Field(min_length=1, max_length=_LONGEST_WORD, description="Kept and told; it gives no rights")
    model_name: Line = Field(min_length=1, max_length=_LONGEST_WORD, description="Such as yolo11n")
    framework: Line = Field(min_length=1, max_length=_LONGEST_WORD, description="Such as ultralytics")
    dataset_s3_uri: Line = Field(
        min_length=1, max_length=_LONGEST_ADDRESS, description="s3://bucket/folder/ or s3://bucket/data.zip"
    )
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="What differs from the recipe; `task` chooses among the tasks that have the model",
    )


class PlatformJobView(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    id: str = Field(description="A UUID")
    user_id: str
    model_name: str
    framework: str
    dataset_s3_uri: str
    config: dict[str, Any]
    status: Status = Field(description="pending until it is started; what waits for its turn then is running")
    progress: float = Field(description="0 to 1")
    message: str = Field(description="What it is doing, or waits for")
    metrics: dict[str, int | float] | None = Field(description="The newest; `epoch` counts from 0")
    checkpoint_s3_uri: str | None = Field(
        description="The best weights of a completed job; null where objects are kept as files"
    )
    error: str | None = Field(description="Why it failed")
    callback_url: str | None = Field(description="Where whoever trains it may report how it stands")
    created_at: datetime
    updated_at: datetime = Field(description="Of its newest change of status")


class Started(BaseModel):
    status: Literal["started"] = "started"


class UploadWords(BaseModel):
    """Of the form around an uploaded file, or of the query."""

    model_config = ConfigDict(frozen=True)

    user_id: Line = Field(min_length=1, max_length=_LONGEST_WORD)
    dataset_name: Line = Field(min_length=1, max_length=_LONGEST_WORD)


class Uploaded(BaseModel):
    s3_uri: str = Field(description="What a job names as dataset_s3_uri; where objects are kept as files, one of those")
    size: int = Field(description="Bytes")
