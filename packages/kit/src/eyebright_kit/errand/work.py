"""The way from an address to a trainer that runs: two processes of one run, in its folder.

The import has a folder, a spool and a sandbox of its own, as under a control plane. Of what it finds wrong the run says the same
last word.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Never

from eyebright_kit.data.blobs import blob_path
from eyebright_kit.disk import replace_durably, sha256_of
from eyebright_kit.importing.handover import MANIFEST, WORK, Blob, NotWhole, named, read_blobs
from eyebright_kit.importing.manifest import MODEL, TASK
from eyebright_kit.importing.order import Fetching, ImportOrder
from eyebright_wire.artifacts import Grant
from eyebright_wire.errands import Errand
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import Event, EventKind, Failed, StageChange
from eyebright_wire.jobs import IMPORTER, DatasetGrant, JobSpec, Stage
from eyebright_wire.model import WireModel
from eyebright_wire.run_directory import DATASET, ERRAND, EXIT, FETCHED, SPEC, SPOOL

_log = logging.getLogger("eyebright.errand")


class Refused(Exception):
    """The data cannot be had or cannot be used."""

    def __init__(self, failed: Failed, exit_code: int) -> None:
        super().__init__(failed.message)
        self.failed = failed
        self.exit_code = exit_code


def work(spec_path: Path) -> int:
    """Answers only when it has failed: otherwise this process has become the trainer."""
    folder = spec_path.parent
    spec = JobSpec.model_validate_json(spec_path.read_bytes())
    errand = Errand.model_validate_json((folder / ERRAND).read_bytes())
    _say(folder, EventKind.STAGE, StageChange(stage=Stage.FETCHING))
    try:
        manifest = _imported(folder, spec, errand)
        granted = _granted(spec, folder / DATASET, manifest)
    except Refused as error:
        return _failed(folder, error)
    replace_durably(spec_path, granted.model_dump_json(indent=2).encode())
    return _become(errand, spec_path)


def _become(errand: Errand, spec_path: Path) -> Never:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(errand.hidden)}
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, "-m", errand.module, "run", str(spec_path)], environment)  # noqa: S606


def _imported(folder: Path, spec: JobSpec, errand: Errand) -> str:
    """Its files lie below the data set's folder then; answers the sha256 of its manifest."""
    fetched = folder / FETCHED
    output = fetched / "output"
    output.mkdir(parents=True)
    order = ImportOrder(url=errand.dataset, fetching=Fetching.model_validate(errand.fetching))
    bring = spec.model_copy(
        update={
            "trainer": IMPORTER,
            "task": TASK,
            "model": MODEL,
            "config": order.model_dump(mode="json"),
            "output": Grant(uri=output.as_uri() + "/"),
            "fetching": None,
        }
    )
    replace_durably(fetched / SPEC, bring.model_dump_json().encode())
    done = subprocess.run([sys.executable, "-m", "eyebright_kit.importing", "run", str(fetched / SPEC)], cwd=fetched)
    if done.returncode != ExitCode.DONE:
        raise Refused(_last_word(fetched / SPOOL, done.returncode), done.returncode)
    manifest = _kept(output / WORK, folder / DATASET)
    shutil.rmtree(fetched, ignore_errors=True)
    return manifest


def _kept(made: Path, dataset: Path) -> str:
    """Of what the worker left, the files that its manifest names, each with the content it is named by."""
    try:
        blobs = {blob.sha256: blob for blob in read_blobs(made, None)}
        for sha256 in set(named(made)):
            _keep(blobs[sha256], dataset)
    except (NotWhole, KeyError) as error:
        raise Refused(Failed(code=ErrorCode.STORAGE_ERROR, message=f"the import is not whole: {error}"), 1) from None
    sha256 = sha256_of(made / MANIFEST)
    _link(made / MANIFEST, blob_path(dataset, sha256))
    return sha256


def _keep(blob: Blob, dataset: Path) -> None:
    if sha256_of(blob.path) != blob.sha256:
        raise NotWhole(f"{blob.path.name} is not what the worker said")
    _link(blob.path, blob_path(dataset, blob.sha256))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


def _granted(spec: JobSpec, dataset: Path, manifest: str) -> JobSpec:
    """The order of the trainer, which fetches nothing."""
    grant = DatasetGrant(
        version_id=manifest, name=spec.job_id, manifest_sha256=manifest, blobs=Grant(uri=dataset.as_uri() + "/")
    )
    return spec.model_copy(update={"dataset": grant, "fetching": None})


def _last_word(spool: Path, code: int) -> Failed:
    last = _events(spool)[-1:]
    for event in last:
        if event.kind == EventKind.FAILED:
            return Failed.model_validate(event.data)
    return Failed(code=ErrorCode.TRAINER_ERROR, message=f"the import of the data ended with exit code {code}")


def _failed(folder: Path, error: Refused) -> int:
    _log.error("%s", error)
    _say(folder, EventKind.FAILED, error.failed)
    shutil.rmtree(folder / FETCHED, ignore_errors=True)
    replace_durably(folder / EXIT, json.dumps({"code": error.exit_code}).encode())
    return error.exit_code


def _say(folder: Path, kind: str, body: WireModel) -> None:
    """The next event of the run. Its trainer goes on counting from there."""
    said: dict[str, Any] = body.model_dump(mode="json", exclude_none=True)
    spool = folder / SPOOL
    event = Event(seq=len(_events(spool)) + 1, kind=kind, at_ms=time.time_ns() // 1_000_000, data=said)
    with spool.open("ab") as file:
        file.write(event.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _events(spool: Path) -> list[Event]:
    lines: Iterable[bytes] = spool.read_bytes().splitlines(keepends=True) if spool.exists() else ()
    return [event for line in lines if (event := Event.from_line(line))]
