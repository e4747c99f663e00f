"""Places where finished models are put: in a folder, or a bucket. What a store needs is imported only where it is chosen."""

from collections.abc import Mapping
from pathlib import Path

from eyebright.ports.shelf import Shelf


def shelf_at(place: str, endpoints: Mapping[str, str | None], setting: str) -> Shelf:
    """The shelf of a checked place: `gs://bucket/models`, `s3://bucket/models` or an absolute folder.

    `endpoints` are addresses of stores to call in place of the usual ones, by scheme; `setting` is the variable that names the
    place, for messages.
    """
    scheme, separator, _ = place.partition("://")
    if not separator:
        from eyebright.stores.shelves.folder import FolderShelf

        return FolderShelf(Path(place))
    from eyebright.stores.shelves.bucket import BucketShelf

    return BucketShelf(place, endpoints.get(scheme), setting)
