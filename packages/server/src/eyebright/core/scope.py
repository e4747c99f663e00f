"""Whose things are meant: what stores read, count and change is of the scope that was entered, and of no other.

    with within(Scope("birds")):
        await jobs.get(job_id)

Nobody is in a scope by chance. Where none was entered, `current()` raises, so that what forgets to say whose things it means
finds nothing instead of everything.
"""

import re
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from eyebright.errors import InvalidRequest, NoScope
from eyebright_wire.projects import PROJECT_PATTERN

#: There from the first start on; what was there before there were projects is of this one.
DEFAULT_PROJECT = "default"

_entered: ContextVar["Scope"] = ContextVar("eyebright_scope")


@dataclass(frozen=True, slots=True)
class Scope:
    """One project, or all of them (None): only what works for the server itself may mean all."""

    project: str | None

    def __post_init__(self) -> None:
        if self.project is not None:
            project_id(self.project)

    def covers(self, project: str) -> bool:
        return self.project is None or self.project == project


EVERYTHING = Scope(None)


def current() -> Scope:
    """Raises NoScope where none was entered."""
    scope = _entered.get(None)
    if scope is None:
        raise NoScope
    return scope


def current_project() -> str:
    """Whose new things are. Raises NoScope where none, or no single project, was entered."""
    if (project := current().project) is None:
        raise NoScope("this is done for one project, and all of them are meant here")
    return project


@contextmanager
def within(scope: Scope) -> Generator[Scope]:
    """Tasks begun inside keep it for their whole life."""
    token = _entered.set(scope)
    try:
        yield scope
    finally:
        _entered.reset(token)


def project_id(name: str) -> str:
    """The name itself, if a project may be called so. Raises InvalidRequest."""
    if re.fullmatch(PROJECT_PATTERN, name) is None:
        raise InvalidRequest(
            f"{name!r:.100} is no name for a project; expected 1 to 63 lower-case letters, digits and dashes, "
            "the first and the last no dash, such as birds-2"
        )
    return name
