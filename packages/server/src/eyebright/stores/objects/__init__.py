"""Where objects are kept: one module for each kind of place. What a store needs is imported only where it is chosen."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eyebright.stores.objects.bucket import Bucket, Manners


def bucket_at(place: str, endpoint: str | None, manners: "Manners") -> "tuple[Bucket, str]":
    """The bucket of a checked place such as `s3://bucket/prefix`, and the prefix within it."""
    scheme, _, rest = place.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3":
        from eyebright.stores.objects.s3 import S3Bucket

        return S3Bucket(bucket, endpoint, manners), prefix
    from eyebright.stores.objects.gcs import GoogleBucket

    return GoogleBucket(bucket, endpoint, manners), prefix
