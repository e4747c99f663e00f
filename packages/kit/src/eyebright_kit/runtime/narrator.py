"""An attempt's events as lines for people: what one sees when running a trainer by hand, and in the log."""

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from eyebright_wire.events import Event, EventKind

_log = logging.getLogger("eyebright")


def narrate(event: Event) -> None:
    """Logs the event, if it means anything to a person."""
    if teller := _TELLERS.get(event.kind):
        _log.info("%s", teller(event.data))


def _started(data: Mapping[str, Any]) -> str:
    resumed = data.get("resumed_from_step")
    return f"started (pid {data['pid']})" + (f", resuming from step {resumed}" if resumed is not None else "")


def _progress(data: Mapping[str, Any]) -> str:
    if unit := data.get("unit"):
        return f"{data['step']} of {data.get('steps', '?')} {unit}"
    return " · ".join(_progress_parts(data))


def _progress_parts(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"epoch {data['epoch']}/{data['epochs']}" + (" done" if data["epoch_finished"] else "")
    yield f"step {data['step']}" + (f"/{data['steps']}" if data.get("steps") else "")
    if data["metrics"]:
        yield "  ".join(f"{name} {value:.4g}" for name, value in data["metrics"].items())
    if (speed := data.get("images_per_second")) is not None:
        yield f"{speed:.0f} images/s"
    if (eta := data.get("eta_seconds")) is not None:
        yield f"{int(eta) // 60}:{int(eta) % 60:02d} left"


def _checkpoint(data: Mapping[str, Any]) -> str:
    return f"checkpoint at step {data['step']}" + (", kept as the best" if data["best"] else "")


def _last(data: Mapping[str, Any]) -> str:
    """Of a cancelled run too: to the process either is a signal, and why it came only the control plane knows."""
    step = data.get("step")
    return "there is no checkpoint" if step is None else f"the last checkpoint is of step {step}"


def _artifact(data: Mapping[str, Any]) -> str:
    return f"saved {data['artifact']['path']} ({data['artifact']['size_bytes']:,} bytes)"


def _succeeded(data: Mapping[str, Any]) -> str:
    return "succeeded  " + "  ".join(f"{name} {value:.4g}" for name, value in data["metrics"].items())


_TELLERS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    EventKind.STARTED: _started,
    EventKind.STAGE: lambda data: str(data["stage"]),
    EventKind.PROGRESS: _progress,
    EventKind.CHECKPOINT: _checkpoint,
    EventKind.ARTIFACT: _artifact,
    EventKind.PREEMPTED: lambda data: f"stopped as asked; {_last(data)}",
    EventKind.CANCELLED: lambda _: "cancelled",
    EventKind.SUCCEEDED: _succeeded,
    EventKind.FAILED: lambda data: f"failed ({data['code']}): {data['message']}",
}
