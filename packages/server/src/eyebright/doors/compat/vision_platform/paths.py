"""Where its callers find jobs."""

from typing import Annotated

from fastapi import Path

PREFIX = "/training/jobs"
PlatformJobId = Annotated[str, Path(description="A UUID, or the native id", max_length=200)]
