"""A control plane that puts and removes objects without end: `python -m harness.hoarder URL FOLDER SEED`, to be killed at it."""

import asyncio
import random
import sys
from contextlib import suppress
from pathlib import Path

from eyebright.errors import Unavailable
from eyebright.ports.clock import SystemClock
from eyebright.services.ledgered import LedgeredObjectStore
from eyebright.stores.objects.files import FileObjectStore
from eyebright.stores.sql.database import Database


async def main(url: str, folder: Path, seed: str) -> None:
    chosen = random.Random(seed)
    database = await Database.open(url)
    objects = LedgeredObjectStore(FileObjectStore(folder / "objects"), database.stored, SystemClock(), url_seconds=60)
    sources = [folder / f"{seed}-{number}" for number in range(8)]
    for number, source in enumerate(sources):
        source.write_bytes(bytes(1000 * number))
    await asyncio.gather(*(hoard(objects, chosen, sources) for _ in range(3)))


async def hoard(objects: LedgeredObjectStore, chosen: random.Random, sources: list[Path]) -> None:
    while True:
        keys = [f"jobs/j/a{chosen.randrange(3)}/{chosen.randrange(5)}" for _ in range(chosen.randrange(1, 4))]
        with suppress(OSError, Unavailable):  # files that two remove at once
            if chosen.random() < 0.6:
                await objects.put([(key, chosen.choice(sources)) for key in keys])
            else:
                await objects.remove(keys if chosen.random() < 0.5 else [f"jobs/j/a{chosen.randrange(3)}/"])
        sys.stdout.write(".")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
