"""The Catalog over folders of trainers: what is registered, what is installed, and how to install the rest."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anyio import to_thread
from cachetools import TTLCache
from pydantic import ValidationError

from eyebright.catalog.check import read_check
from eyebright.catalog.project import TrainerProject
from eyebright.catalog.source import TrainerSource
from eyebright.catalog.uv import Uv
from eyebright.catalog.verb import ask, last_line
from eyebright.core.resolve import nearest
from eyebright.errors import EyebrightError, NotFound, TrainerMissing, TrainerUnavailable, Unavailable
from eyebright.ports.executor import Environment
from eyebright_wire.answers import CheckReport
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.resources import TrainerView

_log = logging.getLogger(__name__)

#: Where the trainers lie in a checkout: packages/trainers.
CHECKOUT = Path(__file__).resolve().parents[4] / "trainers"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogSettings:
    """`environment` is the server's own: uv gets what it needs of it (PATH, indexes, proxies), trainers next to nothing."""

    trainers_dir: Path | None = None  # None: this checkout's
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    dev_tools: bool = False  # install each trainer's development tools too, for its tests
    describe_seconds: float = 60.0
    check_seconds: float = 600.0
    remembered_seconds: float = 1.0  # an order asks several times, and each time all of a trainer's files would be read


class TrainerCatalog:
    """Asks each trainer about itself once, and again when its files have changed, which is noticed a moment later."""

    def __init__(self, sources: Sequence[TrainerSource], settings: CatalogSettings | None = None) -> None:
        self._settings = settings or CatalogSettings()
        folder = (self._settings.trainers_dir or CHECKOUT).absolute()
        ordered = sorted(sources, key=lambda source: (source.rank, source.name))
        self._projects = {source.name: TrainerProject(source, folder / source.project) for source in ordered}
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._environments = TTLCache[str, Environment, float](max(1, len(ordered)), self._settings.remembered_seconds)
        self._manifests: dict[str, tuple[str, TrainerManifest]] = {}  # name -> (fingerprint, manifest)

    async def list(self) -> Sequence[TrainerView]:
        return await asyncio.gather(*(self._view(project) for project in self._projects.values()))

    async def environment(self, name: str, executor: str | None = None) -> Environment:
        """All places to run that start trainers of this machine have the same."""
        return await self.here(name)

    async def here(self, name: str) -> Environment:
        project = self._project(name)
        await to_thread.run_sync(_must_be_installed, project)
        async with self._busy[name]:
            return await self._environment(project)

    async def installed(self) -> Sequence[Environment]:
        found = await asyncio.gather(*(self._environment_or_none(name) for name in self._projects))
        return [environment for environment in found if environment is not None]

    def require(self, name: str) -> None:
        """Raises NotFound, with the nearest name, or TrainerMissing, for one that `install` could do nothing for."""
        _must_be_found(self._project(name))

    async def install(self, name: str, say: Callable[[str], None]) -> Environment:
        project = self._project(name)
        await to_thread.run_sync(_must_be_found, project)
        async with self._busy[name]:
            uv = Uv.find(project.path, self._settings.environment)
            await uv.sync(project.path, say, dev_tools=self._settings.dev_tools)
            self._environments.pop(name, None)
            return await self._environment(project)

    async def check(self, name: str) -> CheckReport:
        """Let an installed trainer try itself out on the tiniest job, offline. Raises as `environment` does."""
        environment, settings = await self.here(name), self._settings
        done = await ask(
            self._project(name).python, environment.module, "check", settings.environment, settings.check_seconds
        )
        return read_check(name, done.stdout, done.stderr)

    def _project(self, name: str) -> TrainerProject:
        try:
            return self._projects[name]
        except KeyError:
            raise NotFound(f"unknown trainer {name!r}.{nearest(name, self._projects)}") from None

    async def _view(self, project: TrainerProject) -> TrainerView:
        name, place = project.source.name, str(project.environment)
        try:
            manifest = (await self.environment(name)).manifest
        except EyebrightError as error:
            told = await to_thread.run_sync(project.promise)
            return TrainerView(
                name=name,
                installed=False,
                licence=told.licence,
                description=told.description,
                tasks=dict.fromkeys(told.tasks, ()),
                aliases=told.aliases,
                environment=place,
                problem=error.message,
                stale=await to_thread.run_sync(project.begun),
            )
        return TrainerView.of(manifest, place)

    async def _environment_or_none(self, name: str) -> Environment | None:
        try:
            return await self.environment(name)
        except EyebrightError:
            return None

    async def _environment(self, project: TrainerProject) -> Environment:
        name = project.source.name
        if (known := self._environments.get(name)) is not None:
            return known
        manifest = await self._manifest(project)
        lock_sha256 = await to_thread.run_sync(project.lock_sha256)
        found = self._environments[name] = Environment(
            name, project.source.module, project.python, lock_sha256, manifest
        )
        return found

    async def _manifest(self, project: TrainerProject) -> TrainerManifest:
        name = project.source.name
        fingerprint = await to_thread.run_sync(project.fingerprint)
        known = self._manifests.get(name)
        if known is not None and known[0] == fingerprint:
            return known[1]
        manifest = await to_thread.run_sync(project.told, fingerprint)
        if manifest is None:
            manifest = await self._describe(project)
            await self._remember(project, fingerprint, manifest)
        self._manifests[name] = (fingerprint, manifest)
        return manifest

    async def _describe(self, project: TrainerProject) -> TrainerManifest:
        """Ask it. Only now, when something about it has changed, is it worth comparing its environment with its lock too."""
        source, settings = project.source, self._settings
        done = await ask(project.python, source.module, "describe", settings.environment, settings.describe_seconds)
        try:
            manifest = TrainerManifest.model_validate_json(last_line(done.stdout))
        except ValidationError:
            raise TrainerUnavailable(
                f"trainer {source.name!r} is installed, but does not start: {last_line(done.stderr)}. "
                f"Run `eyebright trainers install {source.name}` again"
            ) from None
        if not await self._in_sync(project):
            raise TrainerUnavailable(
                f"the environment of trainer {source.name!r} is not what its lock says (the lock has changed since): "
                f"run `eyebright trainers install {source.name}` again"
            )
        return manifest

    async def _in_sync(self, project: TrainerProject) -> bool:
        try:
            uv = Uv.find(project.path, self._settings.environment)
        except Unavailable:
            return True  # nobody to ask: a server that was shipped with its environments need not have uv
        return await uv.in_sync(project.path)

    async def _remember(self, project: TrainerProject, fingerprint: str, manifest: TrainerManifest) -> None:
        try:
            await to_thread.run_sync(project.remember, fingerprint, manifest)
        except OSError as error:
            _log.debug("cannot write in %s: %s", project.environment, error)


def _must_be_found(project: TrainerProject) -> None:
    if not project.found():
        raise TrainerMissing(
            f"there is no trainer project in {project.path} (a folder with pyproject.toml and uv.lock): "
            "set EYEBRIGHT_TRAINERS_DIR to the folder packages/trainers of a checkout"
        )


def _must_be_installed(project: TrainerProject) -> None:
    _must_be_found(project)
    if not project.installed():
        name, kind = project.source.name, TrainerUnavailable if project.begun() else TrainerMissing
        raise kind(f"trainer {name!r} is not installed: run `eyebright trainers install {name}`")
