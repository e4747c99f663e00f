"""One run's way to its callback URL: POST, and what the answer means."""

import json
from dataclasses import dataclass

import httpx
from pydantic import ValidationError

from eyebright_kit.egress import AnswerTooLarge, EgressDenied, EgressRules, async_client
from eyebright_wire.callbacks import CallbackAnswer, TrainingUpdate
from eyebright_wire.errors import Problem

#: Of an answer, which says little.
_MAX_BYTES = 1 << 20
#: Trying again can help: it is busy, away, or does not know the job yet that it has just ordered.
_TEMPORARY = frozenset({408, 409, 425, 429})


class Undelivered(Exception):
    """Nothing was settled: try again later."""


class Rejected(Exception):
    """It will not be taken, however often it is said."""


@dataclass(frozen=True, slots=True)
class Taken:
    """`acked` None: who listens does not number what it hears."""

    acked: int | None = None
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class Expects:
    """Who listens misses what came before this number."""

    seq: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """Another attempt has taken over, or the job is over."""


Answer = Taken | Expects | Fenced


class Line:
    """Follows no redirect, and calls only what `rules` permit. The URL may hold a key, so it is in no message."""

    def __init__(self, url: str, token: str, rules: EgressRules) -> None:
        self._url = url
        self._client = async_client(rules, max_bytes=_MAX_BYTES, connections=1)
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}

    async def post(self, update: TrainingUpdate) -> Answer:
        """Raises Undelivered or Rejected."""
        content = update.model_dump_json(exclude_none=True).encode()
        try:
            answer = await self._client.post(self._url, content=content, headers=self._headers)
        except EgressDenied:
            raise Rejected("its address may not be called any more; see serve --callback") from None
        except (httpx.HTTPError, AnswerTooLarge) as error:
            raise Undelivered(f"{type(error).__name__}: {error}".rstrip(": ")) from None
        return understand(answer.status_code, answer.content)

    async def close(self) -> None:
        await self._client.aclose()


def understand(status: int, body: bytes) -> Answer:
    """Raises Undelivered when trying again can help, Rejected when it cannot."""
    if 200 <= status < 300:
        return _taken(body)
    if status == 409 and (problem := _problem(body)) is not None:
        return problem
    if status >= 500 or status in _TEMPORARY:
        raise Undelivered(f"HTTP {status}")
    raise Rejected(f"HTTP {status}; expected 200" + (" (redirects are not followed)" if 300 <= status < 400 else ""))


def _taken(body: bytes) -> Taken:
    try:
        answer = CallbackAnswer.model_validate_json(body)
    except ValidationError:  # a platform may answer what it likes
        return Taken()
    return Taken(answer.acked, bool(answer.cancel))


def _problem(body: bytes) -> Answer | None:
    try:
        problem = json.loads(body)
        match problem["code"]:
            case Problem.GAP:
                return Expects(int(problem["expected"]))
            case Problem.FENCED:
                return Fenced()
            case Problem.EVENT_CONFLICT:
                raise Rejected("who listens holds other events under the same numbers")
            case _:
                return None
    except (ValueError, KeyError, TypeError):
        return None
