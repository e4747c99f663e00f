"""The lists of images that imports are to fetch, each a file of its own: a job is read and written too often to carry one along.

Whoever can read one can read what signed addresses open, so they lie where the database does, and are for this user alone.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from eyebright.ports.objects import ObjectStore
from eyebright_wire.resources import ImageSource


@asynccontextmanager
async def kept(objects: ObjectStore, job_id: str, images: Sequence[ImageSource]) -> AsyncGenerator[Path]:
    """The list of a job that is about to be queued, as a file with an image in each line. If that fails, it is not kept."""
    key = list_key(job_id)
    with tempfile.TemporaryDirectory(prefix="eyebright-") as folder:
        await objects.put([(key, await asyncio.to_thread(_written, images, Path(folder, "images.jsonl")))])
    try:
        yield await objects.local(key)
    except BaseException:
        await objects.remove([key])
        raise


def list_key(job_id: str) -> str:
    return f"jobs/{job_id}/images.jsonl"


def _written(images: Sequence[ImageSource], file: Path) -> Path:
    file.touch(mode=0o600)  # and so is the copy that is kept
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{image.model_dump_json(exclude_defaults=True)}\n" for image in images)
    return file
