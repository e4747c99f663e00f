"""The importer: fetches what is to be imported, has a worker read it, and reports. It opens none of the data itself."""

import shutil
import subprocess
from pathlib import Path

from eyebright_kit.errors import ConfigInvalid, StorageUnavailable
from eyebright_kit.importing.fetching import fetched
from eyebright_kit.importing.handover import REPORT, WORK, NotWhole, read_report
from eyebright_kit.importing.manifest import MANIFEST
from eyebright_kit.importing.messages import Enclosed, Moved, Prepared
from eyebright_kit.importing.order import Fetching, ImportOrder, WorkOrder
from eyebright_kit.importing.source import Source
from eyebright_kit.importing.supervision import ImportRefused, Supervision
from eyebright_kit.runtime import Context, Result
from eyebright_kit.runtime.place import local_folder
from eyebright_wire.artifacts import ArtifactKind
from eyebright_wire.datasets import DatasetReport
from eyebright_wire.events import Unit
from eyebright_wire.jobs import JobSpec, Stage
from eyebright_wire.predictions import ClassScore

_UNITS = {"unpacking": Unit.BYTES}


class Importer:
    """A Trainer to its runtime. The result lies below `work` in the output: a manifest, and the files that it names."""

    manifest = MANIFEST

    def __init__(self, worker: "subprocess.Popen[bytes] | None" = None) -> None:
        self._worker = worker

    def fit(self, ctx: Context) -> Result:
        order = ctx.config_as(ImportOrder)
        work = _fresh(local_folder(ctx.spec.output) / WORK)
        source = _source(ctx, order, work)
        ctx.stage(Stage.VALIDATING)
        try:
            prepared = self._read(ctx, order, source, work)
        except ImportRefused as refused:
            source.told_again(refused)
            raise
        (ctx.output / REPORT).write_text(_retold(work, source))
        ctx.artifact(REPORT, ArtifactKind.METRICS, "application/json")
        metrics = {"images": float(prepared.images), "size_bytes": float(prepared.size_bytes)}
        return Result(metrics=metrics, dataset=prepared.dataset if order.keep else None)

    def predict(self, model: Path, image: Path) -> tuple[ClassScore, ...]:
        raise ConfigInvalid("an import makes no model, so there is nothing to predict with")

    def relaunch(self, spec: JobSpec) -> list[str] | None:
        return None

    def _read(self, ctx: Context, order: ImportOrder, source: Source, work: Path) -> Prepared:
        def heard(message: Enclosed | Moved) -> None:
            if isinstance(message, Enclosed):
                ctx.log.info("the worker is shut in: %s", _listed(message.layers))
            else:
                _tell(ctx, message.doing, message.done, message.total)

        with Supervision(self._worker, order.limits) as worker:
            return worker.carry_out(
                WorkOrder(
                    source=str(source.path),
                    missing=source.missing,
                    manifest=order.manifest,
                    work=str(work),
                    shown=order.shown or str(source.path),
                    leave_out_broken=order.leave_out_broken,
                    keep=order.keep,
                    plan=order.plan,
                    limits=order.limits,
                    importer=worker.parent,
                ),
                heard=heard,
                stopping=lambda: ctx.stopping is not None,
            )


def _fresh(work: Path) -> Path:
    """A process of this attempt that was killed may have left its own."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    return work


def _source(ctx: Context, order: ImportOrder, work: Path) -> Source:
    rules = order.fetching or Fetching()
    if order.url is not None:
        return Source(fetched(ctx, order.url, rules, work / "fetched"))
    if order.images is not None:
        from eyebright_kit.importing.listed import listed, read_list  # here, because few imports list any

        return listed(
            ctx, read_list(Path(order.images)), rules, work, leave_out=order.leave_out_broken or not order.keep
        )
    if order.path is None:
        raise ConfigInvalid("the order names no source; expected a path or an address")
    path = Path(order.path)
    if not path.exists():
        raise ConfigInvalid(f"there is no file or folder {path} any more; import it again once it is there")
    return Source(path.resolve())


def _retold(work: Path, source: Source) -> str:
    """The worker's report in the words of whoever gave the source, which from now on is what lies in the work folder too."""
    report = _report(work)
    if source.addresses:
        report = source.retold(report)
        (work / REPORT).unlink()
        with (work / REPORT).open("x") as file:  # the worker has gone, but may have left links
            file.write(report.model_dump_json())
    return report.model_dump_json()


def _report(work: Path) -> DatasetReport:
    try:
        return read_report(work)
    except NotWhole as error:
        raise StorageUnavailable(f"{error}, so nothing of the import is believed", False) from None


def _tell(ctx: Context, doing: str, done: int, total: int) -> None:
    unit = _UNITS.get(doing, Unit.IMAGES)
    ctx.progress(epoch=1, epochs=1, step=done, steps=total, unit=unit)


def _listed(layers: dict[str, str]) -> str:
    return "; ".join(f"{name}: {wall}" for name, wall in layers.items())
