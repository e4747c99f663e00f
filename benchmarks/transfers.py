"""Moves objects and takes the time: `python -m benchmarks.transfers race|memory STORE FOLDER MEGABYTES [ROUNDS]`.

One JSON document on stdout: seconds of each transfer by its name, or the megabytes by which the peak has risen.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import structlog
from botocore.client import Config

from eyebright.ports.objects import blob_key
from eyebright.stores.objects.bucket import Manners
from eyebright.stores.objects.bucket_store import BucketObjectStore, Terms
from eyebright.stores.objects.cache import Cache, Room
from eyebright.stores.objects.s3 import S3Bucket
from eyebright_kit.disk import sha256_of

BUCKET, MANY = "bucket", 8


def main(verb: str, told: str, folder: str, megabytes: str, rounds: str = "1") -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    store = json.loads(told)
    os.environ |= {
        "AWS_ACCESS_KEY_ID": store["access_key"],
        "AWS_SECRET_ACCESS_KEY": store["secret_key"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    mover = Mover(store["endpoint"], Path(folder))
    measured = mover.race(int(megabytes), int(rounds)) if verb == "race" else mover.memory(int(megabytes))
    print(json.dumps(measured))


class Mover:
    def __init__(self, endpoint: str, folder: Path) -> None:
        self._endpoint = endpoint
        self._folder = folder
        session: Any = boto3
        style = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        self._boto3 = session.client("s3", endpoint_url=endpoint, config=style)
        self._boto3.create_bucket(Bucket=BUCKET)

    def race(self, megabytes: int, rounds: int) -> dict[str, list[float]]:
        """By turns, so that whatever else the machine does hits both alike; the first round warms up."""
        took: defaultdict[str, list[float]] = defaultdict(list)
        self._round(defaultdict(list), self._file("small", 32), 0)
        big = self._file("big", megabytes)
        for number in range(1, rounds + 1):
            self._round(took, big, number)
        return took

    def memory(self, megabytes: int) -> dict[str, list[float]]:
        self._both_ways({"small": self._file("small", 1)})
        before = _peak()
        self._both_ways({"big": self._file("big", megabytes)})
        self._both_ways({f"many/{number}": self._file(str(number), 128) for number in range(MANY)})
        return {"memory": [_peak() - before]}

    def _round(self, took: defaultdict[str, list[float]], file: Path, number: int) -> None:
        """As a blob, like whatever large comes of a data set: whoever names it has made its sum."""
        key, theirs, fetched = blob_key(sha256_of(file)), f"theirs/{number}", self._folder / "fetched"
        with self._store() as store:
            turns: list[tuple[str, Callable[[], object]]] = [
                ("up", lambda: asyncio.run(store.put([(key, file)]))),
                ("boto3_up", lambda: self._boto3.upload_file(str(file), BUCKET, theirs)),
                ("down", lambda: asyncio.run(store.local(key))),
                ("boto3_down", lambda: self._boto3.download_file(BUCKET, theirs, str(fetched))),
            ]
            for name, move in turns:
                began = time.perf_counter()
                move()
                took[name].append(time.perf_counter() - began)
            asyncio.run(store.remove([key]))
        self._boto3.delete_object(Bucket=BUCKET, Key=theirs)
        fetched.unlink()

    def _both_ways(self, files: dict[str, Path]) -> None:
        with self._store() as store:
            asyncio.run(store.put([*files.items()]))
            for key in {key.rpartition("/")[0] or key for key in files}:
                asyncio.run(store.local(key))
            asyncio.run(store.remove([*files]))

    def _file(self, name: str, megabytes: int) -> Path:
        path = self._folder / name
        with path.open("wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(1_000_000))
        return path

    @contextmanager
    def _store(self) -> Iterator[BucketObjectStore]:
        cache = Cache(self._folder / "copies", Room())
        bucket = S3Bucket(BUCKET, self._endpoint, Manners())
        store = BucketObjectStore(bucket, "bench", cache, self._folder / "work", Terms(), "EYEBRIGHT_STORAGE__PLACE")
        try:
            yield store
        finally:
            store.close()


def _peak() -> float:
    """In MB, of this process since it began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


if __name__ == "__main__":
    main(*sys.argv[1:])
