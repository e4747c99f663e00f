"""The folder of one trainer: its lock, its environment, and what it said about itself when it was last asked."""

import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from eyebright.catalog.source import TrainerSource
from eyebright_wire import manifest as manifest_module
from eyebright_wire.manifest import TrainerManifest

_FLOOR = ("eyebright-wire", "eyebright-kit")


@dataclass(frozen=True, slots=True)
class Promise:
    """What a trainer's pyproject.toml says of it, before it is installed and can be asked."""

    description: str
    licence: str | None  # SPDX
    tasks: tuple[str, ...]
    aliases: dict[str, tuple[str, ...]]  # task -> what else it is called


@dataclass(frozen=True, slots=True)
class TrainerProject:
    """Everything here reads the disk: call it in a thread."""

    source: TrainerSource
    path: Path

    @property
    def environment(self) -> Path:
        """Where uv makes the environment by default, so that a developer's `uv sync` makes the same one."""
        return self.path / ".venv"

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def lock(self) -> Path:
        return self.path / "uv.lock"

    def found(self) -> bool:
        return (self.path / "pyproject.toml").is_file() and self.lock.is_file()

    def installed(self) -> bool:
        return self.python.exists()  # False too when the interpreter that it links to was uninstalled

    def begun(self) -> bool:
        """Was it ever installed? Perhaps it must be anew."""
        return self.found() and self.environment.is_dir()

    def lock_sha256(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()

    def promise(self) -> Promise:
        told = self._pyproject()
        project, ours = told.get("project", {}), told.get("tool", {}).get("eyebright", {})
        aliases = {task: tuple(others) for task, others in ours.get("aliases", {}).items()}
        return Promise(project.get("description", ""), project.get("license"), tuple(ours.get("tasks", ())), aliases)

    def fingerprint(self) -> str:
        """Changes with whatever may change the manifest: the lock, the trainer's own files, those of packages beside it that it
        shares with other trainers, the manifest's very definition.

        Contents, not times: a fresh checkout or a copied folder is the same trainer.
        """
        digest = hashlib.sha256()
        for path in self._sources():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def told(self, fingerprint: str) -> TrainerManifest | None:
        """What it said about itself under this fingerprint."""
        try:
            record = json.loads(self._record.read_bytes())
            if record["fingerprint"] != fingerprint:
                return None
            return TrainerManifest.model_validate(record["manifest"])
        except (OSError, ValueError, KeyError, TypeError, ValidationError):
            return None

    def remember(self, fingerprint: str, manifest: TrainerManifest) -> None:
        """Raises OSError; then it will be asked again next time."""
        record = {"fingerprint": fingerprint, "manifest": manifest.model_dump(mode="json")}
        temporary = self._record.with_suffix(".tmp")
        temporary.write_text(json.dumps(record))
        temporary.replace(self._record)

    @property
    def _record(self) -> Path:
        return self.environment / "eyebright-manifest.json"

    def _sources(self) -> Iterable[Path]:
        yield self.lock
        yield self.path / "pyproject.toml"
        yield Path(manifest_module.__file__)
        for project in (self.path, *self._shared()):
            files = (project / "src").rglob("*")
            yield from sorted(path for path in files if path.is_file() and "__pycache__" not in path.parts)

    def _shared(self) -> Iterable[Path]:
        """The projects of uv's path sources, but for wire and kit, which have no say in a manifest and are large."""
        try:
            sources = self._pyproject()["tool"]["uv"]["sources"].items()
            return [self.path / source["path"] for name, source in sources if name not in _FLOOR and "path" in source]
        except (KeyError, TypeError, AttributeError):
            return []

    def _pyproject(self) -> dict[str, Any]:
        """Nothing, of one that cannot be understood: uv will tell what is wrong with it."""
        try:
            return tomllib.loads((self.path / "pyproject.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
