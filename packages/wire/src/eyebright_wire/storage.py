"""What the store of a server holds."""

from pydantic import Field

from eyebright_wire.model import Whole, WireModel


class Garbage(WireModel):
    """Files in the store that nothing names: no data set version, no upload."""

    files: Whole
    size_bytes: Whole
    removed: bool = Field(description="They are gone; else they were only looked for")
