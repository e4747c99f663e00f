"""An executor of imports that reads the data right here: the worker's own work, without its process and its walls."""

import asyncio
from pathlib import Path
from typing import Any

from eyebright.ports.executor import Environment
from eyebright.testing import FakeExecutor
from eyebright_kit.importing.handover import REPORT, WORK
from eyebright_kit.importing.messages import Prepared, Refused
from eyebright_kit.importing.order import ImportOrder, WorkOrder
from eyebright_kit.importing.worker import outcome
from eyebright_wire.events import Event, Failed, Succeeded
from eyebright_wire.jobs import JobSpec
from eyebright_wire.runs import Handle
from harness.objects import artifact


class InlineImports(FakeExecutor):
    """Each import has ended when its launch returns; what it says lies in its spool, for the sweeper to find.

    `paused`: launched imports do nothing, so that a test can act for them. `brought`: what lies at every address.
    """

    def __init__(self, brought: Path | None = None) -> None:
        super().__init__()
        self.paused = False
        self.brought = brought

    async def launch(self, spec: JobSpec, environment: Environment) -> Handle:
        handle = await super().launch(spec, environment)
        if not self.paused:
            await asyncio.to_thread(self.carry_out, spec)
        return handle

    def carry_out(self, spec: JobSpec) -> None:
        handle = Handle(spec.job_id, spec.attempt)
        order = ImportOrder.model_validate(spec.config)
        output = Path(spec.output.uri.removeprefix("file://"))
        (output / WORK).mkdir(parents=True)
        source = order.path or str(self.brought)
        done = outcome(_work_order(order, source, output / WORK))
        self.say(handle, "started", pid=1, host="here")
        if isinstance(done, Refused):
            said = Failed(code=done.code, message=done.message, retryable=False, errors=done.errors)
            self.say(handle, "failed", **said.model_dump(mode="json"))
        else:
            self.say(handle, "succeeded", **_succeeded(done, order, output).model_dump(mode="json"))
        self.exit(handle, 0)

    def say(self, handle: Handle, kind: str, **data: Any) -> None:
        spool = self.spools.setdefault(handle, [])
        spool.append(Event(seq=len(spool) + 1, kind=kind, at_ms=0, data=data))


def _work_order(order: ImportOrder, source: str, work: Path) -> WorkOrder:
    return WorkOrder(
        source=source,
        work=str(work),
        shown=order.shown,
        leave_out_broken=order.leave_out_broken,
        keep=order.keep,
        plan=order.plan,
        limits=order.limits,
        importer=0,
    )


def _succeeded(done: Prepared, order: ImportOrder, output: Path) -> Succeeded:
    report = (output / WORK / REPORT).read_bytes()
    (output / REPORT).write_bytes(report)
    return Succeeded(artifacts=(artifact(REPORT, report),), metrics={}, dataset=done.dataset if order.keep else None)
