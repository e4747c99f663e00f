"""Places where finished models are put: one module for each kind. What a store needs is imported only where it is chosen."""

from collections.abc import Mapping
from pathlib import Path

from eyebright.ports.shelf import Shelf


def shelf_at(place: str, endpoints: Mapping[str, str | None], setting: str) -> Shelf:
    """The shelf of a checked place: `gs://bucket/models`, `s3://bucket/models` or an absolute folder.

    `endpoints` are addresses of stores to call in place of the usual ones, by scheme; `setting` is the variable that names the
    place, for messages.
    """
    scheme, separator, rest = place.partition("://")
    if not separator:
        from eyebright.stores.shelves.folder import FolderShelf

        return FolderShelf(Path(place))
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if scheme == "s3":
        from eyebright.stores.shelves.s3 import S3Shelf

        return S3Shelf(bucket, prefix, endpoints.get(scheme), setting)
    from eyebright.stores.shelves.gs import GoogleShelf

    return GoogleShelf(bucket, prefix, endpoints.get(scheme), setting)
