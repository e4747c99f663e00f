"""The trainer of the laboratory behind a real training service, in a process of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import httpx

from eyebright.executors.service import ServiceExecutor, ServiceExecutorSettings
from eyebright.ports.executor import Executor
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle
from harness.laboratory import JOB, Laboratory, spec, until
from harness.ports import free_port

#: Nobody listens there: what the trainer says is tried again for ever, and is no matter here.
NOBODY = "http://127.0.0.1:9/callback"
TOKEN = "secret-of-this-attempt"

SERVICE = """
    import logging, sys
    from pathlib import Path
    from eyebright_kit.service.options import ServiceOptions
    from eyebright_kit.service.serving import serve
    from eyebright_wire.manifest import TrainerManifest
    folder = Path({folder!r})
    sys.executable = str(folder / "python")  # what starts trainers
    logging.basicConfig(level=logging.INFO)
    manifest = TrainerManifest(name="fake", version="1", module="fake_trainer", licence="Apache-2.0", tasks=())
    serve(manifest, ServiceOptions(folder=folder, port={port}, places=4))
"""


class ServiceLaboratory(Laboratory):
    """Executors of one service, which starts anew as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._port = free_port()  # one that stays its own while it is down
        self._service: subprocess.Popen[bytes] | None = None

    def executor(self, **settings: Any) -> Executor:
        self.serve()
        chosen = ServiceExecutorSettings(name="lab", url=self.url, fresh_seconds=0, **settings)
        made = ServiceExecutor(chosen, self.clock)
        self._made.append(made)
        return made

    async def launch(self, executor: Executor, do: str, **config: Any) -> Handle:
        return await self.launch_as(executor, JOB, do, **config)

    async def launch_as(
        self, executor: Executor, handle: Handle, do: str, *, token: str = TOKEN, **config: Any
    ) -> Handle:
        return await executor.launch(self.order(handle, do, token=token, **config), self.environment())

    def order(self, handle: Handle, do: str, *, token: str = TOKEN, **config: Any) -> JobSpec:
        named = {"job_id": handle.job_id, "attempt": handle.attempt, "token": token, "callback_url": NOBODY}
        return spec(do=do, **config).model_copy(update=named)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def serve(self) -> None:
        """A service on the folder, unless there is one."""
        if self._service is not None and self._service.poll() is None:
            return
        program = textwrap.dedent(SERVICE.format(folder=str(self._folder), port=self._port))
        log = self._folder / "service.log"
        with log.open("wb") as output:
            self._service = subprocess.Popen(
                [sys.executable, "-c", program],
                env={"PATH": os.defpath, "HOME": "/home/me", "PYTHONPATH": os.pathsep.join(sys.path)},
                stderr=output,
            )
        until(lambda: b"listens on" in log.read_bytes() or self.has_ended)
        self._port = int(log.read_text().partition("listens on http://127.0.0.1:")[2].split()[0])

    @property
    def has_ended(self) -> bool:
        return self._service is not None and self._service.poll() is not None

    def end_service(self) -> None:
        """As a power cut would; its trainers go on."""
        if self._service is not None:
            self._service.kill()
            self._service.wait(30)

    def crash_after_launch(self, do: str, **config: Any) -> None:
        """The service dies, too, and the next one takes over."""
        self.serve()
        order = self.order(JOB, do, **config)
        start = {
            "job_id": order.job_id,
            "dataset_s3_uri": "s3://data/set/",
            "callback_url": NOBODY,
            "spec": {**order.model_dump(mode="json"), "token": order.token},
        }
        httpx.post(f"{self.url}/training/start", json=start, trust_env=False).raise_for_status()
        self.end_service()
        self.serve()

    async def close(self) -> None:
        self.serve()
        await super().close()
        for executor in self._made:
            await executor.close()
        self.end_service()
