"""What a training service tells the process that it starts for a platform: where the data are, and what to become then."""

from typing import Any

from pydantic import Field

from eyebright_wire.model import WireModel


class Errand(WireModel):
    """Beside the sealed order, which has no data set yet."""

    dataset: str = Field(description="Address of a zip, or of a prefix with a slash at its end")
    module: str = Field(description="The trainer that it becomes")
    fetching: dict[str, Any] = Field(description="The rules by which it may fetch, as an import knows them")
    hidden: tuple[str, ...] = Field(description="Beginnings of variables that the trainer does not get to see")
