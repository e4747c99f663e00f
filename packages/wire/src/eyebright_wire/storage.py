"""What the store of a server holds."""

from pydantic import Field

from eyebright_wire.model import Whole, WireModel


class Garbage(WireModel):
    """Files in the store that nothing names: no data set version, no upload."""

    files: Whole
    size_bytes: Whole
    removed: bool = Field(description="They are gone; else they were only looked for")


class StoredKind(WireModel):
    kind: str = Field(description="The first folder of their keys: blobs (files of data sets), jobs, uploads, store")
    files: Whole
    size_bytes: Whole


class StorageView(WireModel):
    """What the store holds, by the rows of its objects."""

    files: Whole
    size_bytes: Whole
    kinds: tuple[StoredKind, ...]
    unsettled: Whole = Field(
        description="Objects at which somebody is, or may be by a signed URL. What runs write themselves is counted at their end"
    )
    walked_at_ms: int | None = Field(
        description="When the whole store was last compared with the rows and they were mended"
    )


class StorageCheck(WireModel):
    """The whole store, held against the rows of its objects."""

    storage: StorageView
    differing: Whole = Field(description="Objects of which the rows did not say what the store does")
    examples: tuple[str, ...] = Field(description="The keys of some of them")
    mended: bool = Field(description="The rows are right now; else they were only looked at")


class Compacted(WireModel):
    """What goes of jobs that ended long ago: progress that their charts have, and the folders of their runs."""

    jobs: Whole = Field(default=0, description="Of which events go")
    events: Whole = 0
    size_bytes: Whole = Field(default=0, description="Of what the events said")
    runs: Whole = Field(default=0, description="Folders of runs on this machine, with what they printed")
    runs_bytes: Whole = 0
    removed: bool = Field(description="It is gone; else it was only looked for")
