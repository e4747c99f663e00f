"""The whole web application in memory: real doors, gate and services over fakes, spoken to without a socket."""

import asyncio
import hashlib
import io
import random
import struct
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from eyebright.app import Parts, running
from eyebright.core.scope import EVERYTHING, within
from eyebright.doors.door import DoorContext
from eyebright.ports.callers import CallersDatabase
from eyebright.ports.objects import attempt_prefix
from eyebright.ports.webhooks import Answer
from eyebright.posting import EgressSender
from eyebright.services.datasets import IMPORTS
from eyebright.settings import Settings
from eyebright.stores.memory import MemoryDatabase
from eyebright.stores.objects.files import FileObjectStore
from eyebright.testing import FakeCatalog, FakeExecutor, FakePredictor, ManualClock
from eyebright_kit.egress import EgressRules
from eyebright_wire.resources import JobView
from eyebright_wire.runs import Handle
from harness.importing import InlineImports

TOKEN = "the-operator"
URL = "http://127.0.0.1:8765"
API = "/api/v1"


@dataclass
class Site:
    app: FastAPI
    http: httpx.AsyncClient
    parts: Parts
    clock: ManualClock
    executor: FakeExecutor
    imports: InlineImports
    folder: Path

    @property
    def context(self) -> DoorContext:
        return self.app.state.context

    async def get(self, path: str, **request: Any) -> httpx.Response:
        return await self.http.get(path, **request)

    async def post(self, path: str, **request: Any) -> httpx.Response:
        """An answer that waits for an import is waited for while that is carried out."""
        asking = asyncio.create_task(self.http.post(path, **request))
        while path.startswith(f"{API}/datasets") and not asking.done():
            await self.import_all()
        return await asking

    async def import_all(self) -> None:
        """Turn the loops by hand, as far as imports need it. Trainings that are queued stay so."""
        services = self.context.services
        with within(EVERYTHING):
            await services.dispatch.fill([IMPORTS])
            await services.sweep.tick()
            await services.sweep.settle()
        await asyncio.sleep(0.001)

    async def add_dataset(self, name: str = "pets") -> str:
        """Imported by the real service; its version id."""
        answer = await self.post(f"{API}/datasets", params={"name": name}, content=pets())
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def order(self, **fields: Any) -> JobView:
        answer = await self.post(f"{API}/jobs", json={"dataset": "pets", **fields})
        assert answer.status_code == 201, answer.text
        return JobView.model_validate_json(answer.content)

    async def launch(self, **fields: Any) -> Handle:
        view = await self.order(**fields)
        with within(EVERYTHING):
            await self.context.services.dispatch.tick()
        return Handle(view.id, 1)

    def job_token(self, handle: Handle) -> dict[str, str]:
        spec = next(s for s in self.executor.launches if (s.job_id, s.attempt) == (handle.job_id, handle.attempt))
        return bearer(spec.token)

    async def say(self, handle: Handle, *events: dict[str, Any], token: dict[str, str] | None = None) -> httpx.Response:
        path = f"{API}/jobs/{handle.job_id}/attempts/{handle.attempt}/events"
        return await self.post(path, json={"events": events}, headers=token or self.job_token(handle))

    def event(self, seq: int, kind: str, **data: Any) -> dict[str, Any]:
        return {"seq": seq, "kind": kind, "at_ms": self.clock.now_ms(), "data": data}

    def leave(self, handle: Handle, path: str, content: bytes) -> dict[str, Any]:
        """The trainer puts a file into its output; the artifact that it then names."""
        file = self.folder / "objects" / attempt_prefix(handle.job_id, handle.attempt) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return {"path": path, "size_bytes": len(content), "sha256": sha256, "kind": "model"}

    async def succeed(self, handle: Handle, seq: int = 2, **fields: Any) -> None:
        artifacts = [self.leave(handle, "model.onnx", b"weights"), self.leave(handle, "curves.png", b"picture")]
        said = {"artifacts": artifacts, "metrics": {"top1": 0.9}, "classes": ["cat", "dog"], **fields}
        answer = await self.say(handle, self.event(seq, "succeeded", **said))
        assert answer.status_code == 200, answer.text
        self.executor.exit(handle, 0)
        with within(EVERYTHING):
            for _ in range(3):
                await self.context.services.sweep.tick()
                await self.context.services.sweep.settle()


class Mailbox(EgressSender):
    """Checks addresses like the real one, and sends nothing."""

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        return Answer(204)


@asynccontextmanager
async def site(
    folder: Path,
    database: Any = None,
    *,
    callers: CallersDatabase | None = None,
    catalog: FakeCatalog | None = None,
    importer: InlineImports | None = None,
    **settings: Any,
) -> AsyncIterator[Site]:
    clock, executor, imports = ManualClock(), FakeExecutor(), importer or InlineImports()
    parts = Parts(
        database=database or MemoryDatabase(),
        objects=FileObjectStore(folder / "objects"),
        catalog=catalog or FakeCatalog(),
        callers=callers,
        executors={"local": executor},
        imports=imports,
        predictor=FakePredictor(),
        sender=Mailbox(EgressRules(), timeout_seconds=1, at_once=1),
        clock=clock,
    )
    chosen = Settings(data_dir=folder, **settings)
    chosen.uploads_dir.mkdir(parents=True, exist_ok=True)
    async with running(chosen, parts, token=TOKEN, base_url=URL, loops=False) as app:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=URL, headers=bearer(TOKEN)) as http:
            yield Site(app, http, parts, clock, executor, imports, folder)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def pets(images: int = 6) -> bytes:
    """A zip of two class folders with images that are the same bytes on every machine: BMP has no compressor."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for label, name in enumerate(("cat", "dog")):
            for number in range(images):
                file.writestr(zipfile.ZipInfo(f"{name}/{number}.bmp"), bmp(16 * number + label))
    return archive.getvalue()


def with_text(archive: bytes, name: str) -> bytes:
    """The zip with one more file, which is a text whatever its name says."""
    more = io.BytesIO(archive)
    with zipfile.ZipFile(more, "a", zipfile.ZIP_STORED) as file:
        file.writestr(zipfile.ZipInfo(name), "I am a text")
    return more.getvalue()


def bmp(shade: int, side: int = 8) -> bytes:
    pixels = random.Random(shade).randbytes(3 * side * side)  # no two of which look alike
    header = struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54)
    return header + struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, len(pixels), 2835, 2835, 0, 0) + pixels
