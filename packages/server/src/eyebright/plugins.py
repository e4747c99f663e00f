"""The one way to find a plug-in: `load("eyebright.executors", "local")`. Ours and a stranger's are found alike.

A plug-in is an entry point of an installed distribution. Nothing is imported before it is asked for, and the metadata of
all distributions is read once per group (11 ms), so a plug-in installed later is seen after a restart.
"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from eyebright.core.resolve import nearest
from eyebright.errors import NotFound, Unavailable


def names(group: str) -> tuple[str, ...]:
    """Everything registered under a group such as `eyebright.executors`, sorted."""
    return tuple(sorted(_registered(group)))


def load(group: str, name: str) -> Any:
    """The object that `name` stands for.

    Raises NotFound for an unknown name (with the nearest known one), Unavailable when the plug-in is there but cannot be
    imported, or when two distributions claim the name.
    """
    claims = _registered(group).get(name)
    if claims is None:
        raise NotFound(_unknown(group, name))
    if len(claims) > 1:
        owners = " and ".join(_distribution(claim) for claim in claims)
        raise Unavailable(f"both {owners} provide {_kind(group)} {name!r}; uninstall one of them")
    return _import(group, claims[0])


@cache
def _registered(group: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, {})[entry.value] = entry  # the same line seen twice on sys.path is one claim
    return {name: list(claims.values()) for name, claims in found.items()}


def _import(group: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        distribution = _distribution(entry)
        raise Unavailable(
            f"{_kind(group)} {entry.name!r} of {distribution} needs the module {error.name!r}, which is not installed; "
            f"try: pip install '{distribution}[{entry.name}]'"
        ) from error
    except (ImportError, AttributeError) as error:
        raise Unavailable(
            f"{_kind(group)} {entry.name!r} of {_distribution(entry)} cannot be imported from {entry.value}: {error}; "
            "reinstall that distribution"
        ) from error


def _unknown(group: str, name: str) -> str:
    return (
        f"unknown {_kind(group)} {name!r}.{nearest(name, names(group))} "
        f"More come with distributions that register an entry point in the group {group!r}: install the one you need "
        "beside eyebright and restart"
    )


def _kind(group: str) -> str:
    """`eyebright.executors` → `executor`."""
    return group.rpartition(".")[2].removesuffix("s")


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module
