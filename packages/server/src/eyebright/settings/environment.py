"""The environment of this process: what it says by other names, and what a `.env` adds to it. Nothing else reads it."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from dotenv import dotenv_values
from dotenv.parser import Original, parse_stream
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from eyebright.errors import InvalidRequest
from eyebright.settings.names import (
    ALIASES,
    CALLERS_DATABASE,
    CLIENTS,
    GENERIC,
    PLATFORM,
    PLATFORMS,
    alias_of,
    is_ours,
    mistyped,
    variable_at,
)
from eyebright.settings.values import LEVELS, level

#: Of the variable that a line of a `.env` is about.
_NAME = re.compile(r"\s*(?:export\s+)?(\w+)")


#: What their one service is called here, and where they keep data unless they say otherwise. Below a prefix, because addresses of
#: their own data sets in that bucket stay open.
_SERVICE, _BUCKET, _PREFIX = "trainer", "vision-platform", "eyebright"


class Aliases(PydanticBaseSettingsSource):
    """What the environment says by other names, as far as it says it to Eyebright."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        serves_callers = self._serves_callers()
        for name, (section, *key) in ALIASES.items():
            if name == PLATFORM or name in PLATFORMS or not (value := os.environ.get(name)):
                continue
            if (serves_callers or name not in GENERIC) and not _is_no_level(name):
                found.setdefault(section, {})[key[0]] = value
        return found | platform(os.environ) if self._serves_a_platform() else found

    def _serves_a_platform(self) -> bool:
        """Its service is set by their name for it, and not by ours."""
        said: object = self.current_state.get("services")
        return bool(os.environ.get(PLATFORM)) and not (isinstance(said, dict) and "urls" in said)

    def _serves_callers(self) -> bool:
        """Whether a database of callers is set, by any of its names or by whoever makes the settings."""
        said: object = self.current_state.get("training_agent")
        given = cast(dict[str, Any], said) if isinstance(said, dict) else {}
        return bool(os.environ.get("SUPABASE_URL")) or any(map(given.get, CALLERS_DATABASE))


def platform(said: Mapping[str, str]) -> dict[str, Any]:
    """What a Vision AI Training Platform's variables come to, its service's address among them. It trains at its service before
    it trains on this machine, but for the mode `subprocess`; of another mode it is found out whether there is such a place."""
    service, mode = f"service:{_SERVICE}", said.get("TRAINING_MODE", "").strip().lower()
    first = {"": service, "subprocess": "local"}.get(mode, mode)
    found: dict[str, Any] = {
        "services": {"urls": f"{_SERVICE}={said[PLATFORM]}"},
        "executors": tuple(dict.fromkeys((first, service, "local"))),
    }
    if endpoint := said.get("S3_ENDPOINT"):
        found["sources"] = {"s3_endpoint": endpoint}
        found["storage"] = {"endpoint": endpoint}
    if endpoint or said.get("BUCKET_NAME"):
        found.setdefault("storage", {})["place"] = f"s3://{said.get('BUCKET_NAME') or _BUCKET}/{_PREFIX}"
    others = {"public_url": "BACKEND_BASE_URL", "database_url": "DATABASE_URL"}
    return found | {setting: said[name] for setting, name in others.items() if said.get(name)}


def _is_no_level(name: str) -> bool:
    """Each program has levels of its own, and one that is not ours stops nothing."""
    return name == "LOG_LEVEL" and level(os.environ.get(name)) not in LEVELS


@dataclass(frozen=True, slots=True)
class Adopted:
    """The names of a `.env` that count now; and those that look as if they did, with why they do not."""

    taken: tuple[str, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict[str, str])


def adopt(file: Path) -> Adopted:
    """Take what a `.env` says into the environment of this process, where it does not say so itself.

    Only names that mean something to a server: `EYEBRIGHT_…`, the aliases, and what a library of ours reads. A file that is
    not there says nothing. Raises InvalidRequest for one that cannot be read, or that anybody may write.
    """
    said = _said(file)
    found = _adoptable(said)
    os.environ.update((name, said[name]) for name in found.taken)
    return found


def foresee(file: Path) -> Adopted:
    """What `adopt` would take, and nothing is taken. Raises as it does."""
    return _adoptable(_said(file))


def _said(file: Path) -> Mapping[str, str]:
    if not file.is_file():
        return {}
    if file.stat().st_mode & 0o002:
        raise InvalidRequest(f"{file} can be written by anybody, who could say what this server does; chmod o-w {file}")
    try:
        _require_parsable(file)
        return {name: value for name, value in dotenv_values(file).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read ({error}); mend it, or move it away") from None


def _adoptable(said: Mapping[str, str]) -> Adopted:
    beside = {*said, *os.environ}
    taken = (name for name in said if is_ours(name, beside) and name not in CLIENTS and name not in os.environ)
    return Adopted(tuple(sorted(taken)), _left(said))


def _left(said: Mapping[str, str]) -> dict[str, str]:
    nearly = {name: near for name, near in mistyped({*said, *os.environ}).items() if name in said}
    why = {name: f"is no setting; did you mean {near}?" for name, near in nearly.items()}
    return why | {name: f"is for clients; {servers}" for name, servers in CLIENTS.items() if name in said}


def _require_parsable(file: Path) -> None:
    """Lines of ours that the library would pass over, also for what somebody else's line before them leaves open. They may hold
    a secret."""
    with file.open(encoding="utf-8") as stream:
        beside = {*os.environ, *(name[1] for line in stream if (name := _NAME.match(line)))}
        stream.seek(0)
        for binding in parse_stream(stream):
            if binding.value is None and (found := _first_of_ours(binding.original, beside)):
                number, name = found
                raise InvalidRequest(
                    f"line {number} of {file} sets no {name}; expected {name}=value, with every quote closed, there and in "
                    "the lines before"
                )


def _first_of_ours(original: Original, beside: Collection[str]) -> tuple[int, str] | None:
    """The number of its line, and the name. Some names are ours beside others only."""
    for number, line in enumerate(original.string.split("\n"), original.line):
        if (name := _NAME.match(line)) and is_ours(name[1], beside):
            return number, name[1]
    return None


def process_environment() -> Mapping[str, str]:
    """A copy of the environment, for adapters that start processes: what of it they pass on is their decision."""
    return dict(os.environ)


def ignored_level() -> str | None:
    """What LOG_LEVEL says, where it would count but is no level of ours."""
    said, ours = os.environ.get("LOG_LEVEL"), os.environ.get(variable_at(ALIASES["LOG_LEVEL"]))
    return said if said and not ours and _is_no_level("LOG_LEVEL") else None


def as_set(variable: str) -> str:
    """By the name that it was set by."""
    other = alias_of(variable)
    return other if other in os.environ and variable not in os.environ else variable
