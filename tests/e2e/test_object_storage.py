"""A server whose data sets, models and all lie in a bucket."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from harness.emulated_s3 import endpoint
from harness.laboratory import until
from harness.live import LiveServer, eyebright, pets
from harness.places import clear
from harness.ports import free_port

__all__ = ["endpoint"]


@pytest.fixture
def keys(endpoint: str) -> Iterator[Any]:
    """`keys(prefix)`: what lies in the bucket."""
    client: Any = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    clear(client)
    yield lambda prefix: [
        item["Key"] for item in client.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", ())
    ]
    client.close()


def working(folder: Path) -> list[Path]:
    """What imports have left where they work: it goes shortly after the job has ended."""
    return [*(folder / "data" / "work" / "jobs").glob("*/*")]


def test_a_data_set_is_imported_into_the_bucket_and_shown_from_there(tmp_path: Path, endpoint: str, keys: Any) -> None:
    place = {"EYEBRIGHT_STORAGE__PLACE": "s3://bucket/mine", "EYEBRIGHT_STORAGE__ENDPOINT": endpoint}
    with LiveServer(tmp_path / "data", **place) as live:
        done = live.run("datasets", "import", pets(tmp_path / "pets"), "--name", "pets", "--json")
        assert done.code == 0, done.err
        assert done.document["dataset"] == "pets"
        until(lambda: not working(tmp_path) and not keys("mine/staging/"))
    blobs = keys("mine/blobs/sha256/")
    assert len(blobs) >= 24 + 1  # each image, and the manifest
    (report,) = keys("mine/jobs/")
    assert report.endswith("/a1/report.json")
    assert keys("mine/probe/") == []
    assert not (tmp_path / "data" / "objects").exists()


def test_whatever_becomes_of_an_import_its_workplace_is_cleared(tmp_path: Path, endpoint: str, keys: Any) -> None:
    place = {"EYEBRIGHT_STORAGE__PLACE": "s3://bucket/mine", "EYEBRIGHT_STORAGE__ENDPOINT": endpoint}
    folder = pets(tmp_path / "pets")
    with LiveServer(tmp_path / "data", **place) as live:
        assert live.run("datasets", "import", folder, "--json").code == 0
        kept = keys("mine/blobs/")
        (folder / "cat" / "broken.png").write_text("no picture")
        assert live.run("datasets", "import", folder, "--json").code != 0
        until(lambda: not working(tmp_path))
        assert len([*(tmp_path / "data" / "work" / "jobs").iterdir()]) == 2
        assert keys("mine/blobs/") == kept


@pytest.mark.parametrize(
    ("bucket", "found", "told"),
    [
        ("missing", "NoSuchBucket", "check EYEBRIGHT_STORAGE__PLACE"),
        ("away", "gives no answer", "EYEBRIGHT_STORAGE__ENDPOINT says where it is"),
    ],
)
def test_a_bucket_that_cannot_be_written_is_told_at_the_start(
    tmp_path: Path, endpoint: str, bucket: str, found: str, told: str
) -> None:
    done = eyebright(
        tmp_path / "data",
        "serve",
        EYEBRIGHT_STORAGE__PLACE=f"s3://{bucket}/mine",
        EYEBRIGHT_STORAGE__ENDPOINT=f"http://127.0.0.1:{free_port()}" if bucket == "away" else endpoint,
        EYEBRIGHT_STORAGE__PATIENCE_SECONDS="0",
    )
    assert done.code != 0
    assert f"s3://{bucket}/mine/probe/" in done.err
    assert found in done.err
    assert told in done.err
