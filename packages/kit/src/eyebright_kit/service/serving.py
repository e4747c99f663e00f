"""The verb `serve`: from a command line to a listening service, and its farewell."""

import fcntl
import logging
import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import uvicorn

from eyebright_kit.cgroup import Cgroup
from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.keeping.inheritance import CREDENTIALS
from eyebright_kit.keeping.keeper import House, Keeper
from eyebright_kit.keeping.local_run import Manners, Program
from eyebright_kit.keeping.slots import cuda_devices, plan_slots, usable_cores
from eyebright_kit.service.app import service
from eyebright_kit.service.destinations import Destinations
from eyebright_kit.service.foreign import Elsewhere
from eyebright_kit.service.options import ServiceOptions
from eyebright_kit.service.runs import Runs
from eyebright_wire.errors import ExitCode
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.runs import Slot

_LOG_LIMIT_BYTES = 256 * 2**20  # of a run's output; the oldest part of a longer one is dropped

_log = logging.getLogger("eyebright.service")


def serve(manifest: TrainerManifest, options: ServiceOptions) -> int:
    """Until it is told to stop. Trainings go on, and the next service on the same folder takes them over.

    Raises ConfigInvalid when the port or the folder is taken, or cannot be used.
    """
    with _alone(options.folder), _listening(options) as listener:
        anyio.run(_serve, manifest, options, listener)
    return ExitCode.DONE


async def _serve(manifest: TrainerManifest, options: ServiceOptions, listener: socket.socket) -> None:
    slots = _slots(options)
    runs = _runs(manifest, options, slots)
    adopted = await runs.adopt()
    _announce(manifest, options, listener, slots, adopted)
    config = uvicorn.Config(
        service(manifest, runs, options),
        log_config=None,
        log_level="warning",
        access_log=False,  # it would hold the names of runs once a second
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    await uvicorn.Server(config).serve(sockets=[listener])
    _log.info("stopped; trainings go on, and the next service on %s takes them over", options.folder)


def _runs(manifest: TrainerManifest, options: ServiceOptions, slots: tuple[Slot, ...]) -> Runs:
    runs_dir = options.folder / "runs"
    house = House(
        runs_dir=runs_dir,
        environment=os.environ,
        manners=Manners(to_fetch=CREDENTIALS),
        log_limit_bytes=_LOG_LIMIT_BYTES,
    )
    keeper = Keeper(house, _now_ms, Cgroup())
    program = Program(Path(sys.executable), manifest.module)
    destinations = Destinations(options.callbacks, loopback=options.loopback)
    elsewhere = Elsewhere(options.results, options.endpoint)
    return Runs(runs_dir, manifest, program, slots, keeper, destinations, _now_ms, elsewhere)


def _slots(options: ServiceOptions) -> tuple[Slot, ...]:
    devices = cuda_devices(os.environ.get("CUDA_VISIBLE_DEVICES"))
    places = options.places
    if places is None:
        return plan_slots(usable_cores(), devices)
    return plan_slots(usable_cores(), devices[:places], max(0, places - len(devices)))


def _announce(
    manifest: TrainerManifest, options: ServiceOptions, listener: socket.socket, slots: tuple[Slot, ...], adopted: int
) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    _log.info("%s %s listens on http://%s:%d", manifest.name, manifest.version, shown, port)
    _log.info("runs lie in %s; %d at once (%s)", options.folder, len(slots), _places(slots))
    _log.info("%s", "its token is needed" if options.token else "no token: only this machine can call it")
    if adopted:
        _log.info("took over %d running training%s", adopted, "" if adopted == 1 else "s")
    _log.info("Ctrl+C stops it; trainings go on meanwhile")


def _places(slots: tuple[Slot, ...]) -> str:
    devices = [device for slot in slots for device in slot.resources.devices]
    return f"GPU {', '.join(map(str, devices))}" if devices else "CPU"


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Two services on one folder would start the same runs."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "service.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigInvalid(f"cannot write in {folder}: {error.strerror}; name another with --folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigInvalid(
            f"another service works in {folder}; stop it, or name another folder with --folder"
        ) from None
    finally:
        os.close(lock)


@contextmanager
def _listening(options: ServiceOptions) -> Generator[socket.socket]:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listener = socket.create_server((options.host.strip("[]"), options.port), family=family, backlog=128)
    except OSError as error:
        raise ConfigInvalid(
            f"cannot listen on {options.host} port {options.port}: {_reason(error)}; choose another with --port"
        ) from error
    with listener:
        yield listener


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and not isinstance(error, socket.gaierror) else str(error)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
