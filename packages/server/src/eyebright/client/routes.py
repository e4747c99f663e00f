"""The paths of the native API: the only place where names that somebody gave become part of an address."""

from urllib.parse import quote

from eyebright.errors import InvalidRequest

API = "/api/v1"
#: What a server, a proxy or httpx itself takes for "here" and "one up", however it is encoded.
_DOTS = frozenset({"", ".", ".."})
#: What comes below a model in an address.
_OF_A_MODEL = frozenset({"aliases", "files"})


def route(*names: str) -> str:
    """One step for each name, percent-encoded. Raises InvalidRequest for a name that would lead elsewhere.

    A slash is such a name's: servers decode it before they look for what is meant.
    """
    if led := [name for name in names if "/" in name]:
        raise InvalidRequest(f"{led[0]!r} is no name or id of anything on a server; expected one without a slash")
    return API + "".join(f"/{_step(name)}" for name in names)


def model_route(model: str, *more: str) -> str:
    """Models of former days may have slashes in their names; they still lead to a model and nothing of it."""
    steps = model.split("/")
    if not _OF_A_MODEL.isdisjoint(steps[1:]):
        raise InvalidRequest(f"{model!r} is no name or id of a model; expected an id, NAME@ALIAS, NAME@3 or NAME")
    return route("models", *steps, *more)


def _step(name: str) -> str:
    if name in _DOTS:
        raise InvalidRequest(
            f"{name!r} is no name or id of anything on a server; expected at least one letter or digit"
        )
    try:
        return quote(name, safe="@")
    except UnicodeEncodeError:
        raise InvalidRequest(f"{name!r} is no name or id of anything on a server; expected text in UTF-8") from None
