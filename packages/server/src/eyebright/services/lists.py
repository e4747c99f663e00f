"""The lists of images that imports are to fetch, each a file of its own: a job is read and written too often to carry one along.

Whoever can read one can read what signed addresses open, so they lie on this machine, where the database does, and are for this
user alone.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from eyebright.ports.objects import ObjectStore, folder_of
from eyebright_kit.disk import replace_durably
from eyebright_wire.resources import ImageSource


@asynccontextmanager
async def kept(objects: ObjectStore, job_id: str, images: Sequence[ImageSource]) -> AsyncGenerator[Path]:
    """The list of a job that is about to be queued, as a file with an image in each line. If that fails, it is not kept."""
    place = folder_of(objects.workplace(f"jobs/{job_id}/"))
    try:
        yield await asyncio.to_thread(_written, images, place / _NAME)
    except BaseException:
        await objects.remove([list_key(job_id)])
        raise


def list_key(job_id: str) -> str:
    return f"jobs/{job_id}/{_NAME}"


def is_list(key: str) -> bool:
    """It goes with its import, and where objects lie in a bucket it is none of them."""
    return key.startswith("jobs/") and key.count("/") == 2 and key.endswith(f"/{_NAME}")


def _written(images: Sequence[ImageSource], file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(file, "".join(f"{image.model_dump_json(exclude_defaults=True)}\n" for image in images).encode())
    return file


_NAME = "images.jsonl"
