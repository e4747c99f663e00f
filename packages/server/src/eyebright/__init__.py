"""Eyebright: give it images and a recipe, get back a trained, evaluated, exported, registered vision model.

`import eyebright` costs nothing; `eyebright.Client` is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eyebright.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    if name == "Client":
        from eyebright.client import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
