"""What `eyebright doctor` looks at: one function per part of the machine, each with a verdict and what to do about it.

Nothing is changed: no folder is made, no schema upgraded, no server started.
"""

import asyncio
import os
import platform
import shlex
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import partial
from pathlib import Path

from pydantic import BaseModel

from eyebright.cli.catalogue import catalog_of, uv_of
from eyebright.cli.entry import failure_of
from eyebright.cli.serve import try_out
from eyebright.client import Client, running_server
from eyebright.errors import EyebrightError
from eyebright.folder import TOKEN, nearest_existing, probe
from eyebright.settings import LEVELS, Settings, adopt, foresee, ignored_level, unknown_variables

OLDEST_PYTHON = (3, 11)
#: A data set, its checkpoints and its exports; less than this ends in a full disk sooner than one thinks.
SCARCE_BYTES = 5 * 10**9
TOO_LITTLE_BYTES = 500 * 10**6


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(BaseModel, frozen=True):
    """One part: how it is (`found`) and, unless all is well, what to do (`advice`)."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


ok, warn, fail = (partial(Check, verdict=verdict) for verdict in Verdict)


def examine_here(file: Path | None = None) -> Iterable[Check]:
    """As this machine is set up, and as a file of settings says besides; where they cannot be understood, that and the checks
    that need none of them."""
    try:
        if file is not None:
            adopt(file)
        settings = Settings()
    except EyebrightError as error:
        unread = fail(name="settings", found=error.message, advice="correct or unset the variable, then look again")
        return [_made("python", python), unread, _made("gpu", gpu)]
    return examine(settings)


def examine(settings: Settings) -> Iterable[Check]:
    """Every check in turn. One that breaks is a failure of its own and does not keep the others from being made."""
    return (_made(name, partial(look, settings)) for name, look in CHECKS.items())


def _made(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Exception as error:
        return fail(name=name, found=failure_of(error).message)


def python(settings: Settings | None = None) -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return fail(name="python", found=found, advice="use Python 3.11 or newer")
    return ok(name="python", found=found)


def variables(settings: Settings) -> Check:
    unknown = unknown_variables()
    if not unknown and (level := ignored_level()):
        advice = f"unset it, or set EYEBRIGHT_LOG__LEVEL to one of {', '.join(LEVELS)}"
        return warn(
            name="settings", found=f"LOG_LEVEL is {level!r}, which is none of ours and is ignored", advice=advice
        )
    if not unknown:
        return ok(name="settings", found="every EYEBRIGHT_… variable is known")
    words = ", ".join(f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items())
    return warn(name="settings", found=f"no such setting: {words}", advice="correct or unset the variable")


def env_file(settings: Settings) -> Check:
    """What `eyebright serve` would take of it. It is read here for who names it only: in a folder from elsewhere, where one asks
    what is wrong, it could name trainers to run."""
    name, file = "env file", settings.env_file.absolute()
    found = foresee(file)
    if found.taken:
        return warn(
            name=name,
            found=f"`eyebright serve` takes {', '.join(found.taken)} from {file}; the checks here did not",
            advice=f"look with them: `eyebright doctor --env-file {shlex.quote(str(settings.env_file))}`",
        )
    if found.left:
        return warn(name=name, found="; ".join(f"{left} in {file} {why}" for left, why in found.left.items()))
    return ok(name=name, found=f"{file} says nothing else" if file.is_file() else "none")


def data_folder(settings: Settings) -> Check:
    """Can be written, or made; with room for what trainings leave."""
    name, folder = "data folder", settings.data_dir
    there = nearest_existing(folder)
    try:
        probe(there)
    except EyebrightError as error:
        return fail(name=name, found=error.message)
    free = shutil.disk_usage(there).free
    found = f"{folder}{'' if there == folder else ' (made at the first start)'}, {free / 1e9:.1f} GB free"
    if free < TOO_LITTLE_BYTES:
        return fail(name=name, found=found, advice="free some space")
    if free < SCARCE_BYTES:
        return warn(name=name, found=found, advice="free some space: checkpoints and environments need gigabytes")
    return ok(name=name, found=found)


def token(settings: Settings) -> Check:
    path = settings.data_dir / TOKEN
    if not path.exists():
        return ok(name="token", found="made at the first start")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return fail(name="token", found=f"{path} has mode {mode:04o}: others can read it", advice=f"chmod 600 {path}")
    if not os.access(path, os.R_OK):
        return fail(
            name="token", found=f"{path} belongs to somebody else", advice="set EYEBRIGHT_TOKEN, or become that user"
        )
    return ok(name="token", found=f"{path} is yours alone")


def uv(settings: Settings) -> Check:
    try:
        return ok(name="uv", found=str(uv_of(settings)))
    except EyebrightError as error:
        return warn(name="uv", found="not found; only installing trainers needs it", advice=error.message)


def trainers(settings: Settings) -> Check:
    views = asyncio.run(catalog_of(settings).list())
    installed = [f"{view.name} {view.version}" for view in views if view.installed]
    problems = [view.problem for view in views if not view.installed]
    broken = [view.problem for view in views if view.stale]
    if not installed and settings.services.urls:
        return ok(name="trainers", found="none here; training services bring theirs")
    if not installed:
        found = "none can be used" if broken else "none is installed"
        return fail(name="trainers", found=found, advice=next(iter([*broken, *problems]), ""))
    if broken:
        return warn(name="trainers", found="; ".join([*installed, *broken]), advice="install it again")
    return ok(name="trainers", found=", ".join(installed))


def gpu(settings: Settings | None = None) -> Check:
    from eyebright_kit.keeping.slots import cuda_devices, usable_cores

    cores = usable_cores()
    devices = cuda_devices()
    if devices:
        return ok(name="gpu", found=f"{len(devices)} CUDA: {', '.join(map(str, devices))}")
    return ok(name="gpu", found=f"none; trains on the CPU with {cores} core{'s' if cores > 1 else ''}")


def database(settings: Settings) -> Check:
    """Reachable, with which schema, and whether it has room for the server. Opened for reading only."""
    path = settings.database.removeprefix("sqlite:///")
    if path != settings.database and not Path(path).exists():
        return ok(name="database", found=f"{path} (made at the first start)")
    found, newest, room = asyncio.run(_looked_at(settings))
    if room is not None and room < settings.postgres.connections:
        return warn(
            name="database",
            found=f"{_shown(settings.database)} lets {room} connections in, this server may open {settings.postgres.connections}",
            advice="lower EYEBRIGHT_POSTGRES__POOL_SIZE or EYEBRIGHT_POSTGRES__POOL_OVERFLOW, or raise its max_connections",
        )
    if found == newest:
        return ok(name="database", found=f"{_shown(settings.database)}, schema {found}")
    if found is None:
        return ok(name="database", found=f"{_shown(settings.database)}, empty (filled at the first start)")
    return warn(
        name="database",
        found=f"{_shown(settings.database)} has schema {found}, this version knows {newest}",
        advice="an older one is upgraded at the next start; a newer one needs a newer Eyebright",
    )


def server(settings: Settings) -> Check:
    local = running_server(settings)
    if local is None and settings.url is None:
        return ok(name="server", found="none runs; commands start one when they need it")
    with Client(settings=settings, tries=1) as client:
        view = client.ready()
        found = f"{client.url} is ready, version {view.version}"
        troubled = [f"{name}: {condition}" for name, condition in view.checks.items() if condition != "ok"]
        if troubled:
            return warn(name="server", found=f"{found}, but {'; '.join(troubled)}", advice="its log has the details")
        return ok(name="server", found=found)


def training_agent(settings: Settings) -> Check:
    """Where projects are read, and where their models are put."""
    name, chosen = "training agent", settings.training_agent
    if chosen.supabase_url and not (chosen.supabase_key or chosen.database_url):
        return warn(name=name, found="SUPABASE_URL is set and SUPABASE_KEY is not", advice="set both")
    if not (chosen.database_url or chosen.supabase_url):
        return ok(name=name, found="no database of projects is set")
    if problems := asyncio.run(_problems_of_projects(settings)):
        return warn(name=name, found="; ".join(problems.values()))
    unasked = "" if chosen.database_url else " (whether its key may write, only writing tells)"
    return ok(name=name, found=f"its database answers{unasked}; models are put into {settings.agents_models}")


def port(settings: Settings) -> Check:
    local = running_server(settings)
    if local and local.url.endswith(f":{settings.port}"):
        return ok(name="port", found=f"{settings.port} is our own server's")
    try:
        try_out(settings, local)
    except EyebrightError as error:
        return warn(name="port", found=error.message)
    return ok(name="port", found=f"{settings.host}:{settings.port} is free")


def services(settings: Settings) -> Check:
    """Each training service, asked from here; whether it may call the server back, only a training tells."""
    name = "services"
    if not settings.services.urls:
        return ok(name=name, found="none is set")
    asked = asyncio.run(_asked(settings))
    found = "; ".join(f"{service}: {said}" for service, (_, said) in asked.items())
    if not all(good for good, _ in asked.values()):
        return warn(
            name=name, found=found, advice="jobs wait for a service that is away; start it, or correct its address"
        )
    return ok(name=name, found=found)


CHECKS: dict[str, Callable[[Settings], Check]] = {
    "python": python,
    "settings": variables,
    "env file": env_file,
    "data folder": data_folder,
    "token": token,
    "database": database,
    "uv": uv,
    "trainers": trainers,
    "gpu": gpu,
    "server": server,
    "services": services,
    "training agent": training_agent,
    "port": port,
}


async def _problems_of_projects(settings: Settings) -> dict[str, str]:
    from eyebright.app.rules import agents_shelf
    from eyebright.ports.clock import SystemClock
    from eyebright.services.training_agent.checks import Checks
    from eyebright.stores.projects import callers_database_at

    database = callers_database_at(settings.training_agent)
    assert database is not None
    checks = Checks(database, agents_shelf(settings), SystemClock())
    try:
        return await checks.problems()
    finally:
        await checks.close()
        await database.close()


async def _asked(settings: Settings) -> dict[str, tuple[bool, str]]:
    """Whether each answers, and what it offers or what is the matter."""
    from eyebright.executors.service import ServiceExecutor

    found: dict[str, tuple[bool, str]] = {}
    for service in settings.services.addresses:
        executor = ServiceExecutor.configured(settings, service)
        try:
            manifest = await executor.describe()
            found[service] = True, f"{manifest.name} {manifest.version}".strip()
        except EyebrightError as error:
            found[service] = False, error.message
        finally:
            await executor.close()
    return found


async def _looked_at(settings: Settings) -> tuple[str | None, str, int | None]:
    """The schema it has, the newest, and how many connections it lets in: None = as many as one likes."""
    from eyebright.stores.sql.engine import connect, connections
    from eyebright.stores.sql.migrations import REVISIONS, revision

    engine = connect(settings.database, settings.postgres)
    try:
        async with engine.reading() as connection:
            return await connection.run_sync(revision), REVISIONS[-1], await connections(connection)
    finally:
        await engine.close()


def _shown(url: str) -> str:
    """Without the password."""
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)
