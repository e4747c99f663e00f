"""What a server has answered, as what it must be: whoever else listens at its address answers too."""

from typing import TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from eyebright.errors import Unavailable
from eyebright_wire.model import WireModel

V = TypeVar("V", bound=WireModel)


def read(view: type[V], response: httpx.Response) -> V:
    """Raises Unavailable for an answer that is none."""
    try:
        return view.model_validate_json(response.content)
    except ValidationError as error:
        raise _no_answer(view, response) from error


def read_all(view: type[V], response: httpx.Response) -> tuple[V, ...]:
    """Likewise, a list of them."""
    try:
        known = TypeAdapter[tuple[V, ...]](tuple[view, ...])  # pyright: ignore[reportInvalidTypeForm] -- it is one at run time
        return known.validate_json(response.content)
    except ValidationError as error:
        raise _no_answer(view, response) from error


def _no_answer(view: type[WireModel], response: httpx.Response) -> Unavailable:
    url, method = response.request.url, response.request.method
    return Unavailable(
        f"the server at {url.copy_with(path='/', query=None)} answered {method} {url.path} with something that is no "
        f"{view.__name__}; is it an Eyebright server of this version?"
    )
