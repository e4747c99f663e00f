"""Files of one grant in a bucket: a Signer asks the control plane for their URLs, and a Courier carries them by these.

The bucket's own credentials never come here. A URL is asked for when it is needed, and again when it is over.
"""

import logging
import re
import time
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Never

import httpx
from pydantic import TypeAdapter, ValidationError

from eyebright_kit.egress import keep_secrets_out_of_logs, shown
from eyebright_kit.errors import StorageUnavailable
from eyebright_kit.remote import failure
from eyebright_kit.remote.address import Address
from eyebright_kit.remote.failure import FetchCode, FetchFailed
from eyebright_kit.remote.https import answered, explained, require_lasting
from eyebright_kit.remote.source import CONNECT_SECONDS, READ_SECONDS, Body, Interrupted
from eyebright_kit.remote.watch import Ledger
from eyebright_kit.runtime.place import Listed
from eyebright_kit.runtime.stop import StopReason, StopRequest
from eyebright_wire.artifacts import FilePath, Grant, UrlsAnswer, UrlsRequest, WantedUrl
from eyebright_wire.errors import Problem
from eyebright_wire.run_directory import SPOOL

_CHUNK_BYTES = 1 << 20
#: A URL that is nearly over is asked for anew: the request must still get there.
_MARGIN_SECONDS = 30.0
#: How often in all a URL that the bucket refuses is asked for anew; from then on the refusal is believed.
_RENEWALS = 2
_DETAIL = 300
_CODE = re.compile(r"<Code>(\w{1,80})</Code>")
_PATH: TypeAdapter[str] = TypeAdapter(FilePath)
_NOTHING_KNOWN = frozenset({FetchCode.ACCESS_DENIED, FetchCode.REFUSED})

#: Asked for along with all that is written, so that it can still be left when the control plane no longer answers.
LAST = WantedUrl(method="PUT", path=SPOOL)


def reading(file: Listed) -> WantedUrl:
    """Raises StorageUnavailable for a path that is none, as all three do: of a checkpoint's list too, which is only a file."""
    return WantedUrl(method="GET", path=checked(file.path))


def writing(file: Listed) -> WantedUrl:
    return WantedUrl(method="PUT", path=checked(file.path), size_bytes=file.size_bytes, sha256=file.sha256)


def removing(path: str) -> WantedUrl:
    return WantedUrl(method="DELETE", path=checked(path))


def checked(path: str) -> str:
    try:
        return _PATH.validate_python(path)
    except ValidationError:
        raise StorageUnavailable(
            f"{path[:100]!r} cannot be a name in a bucket: expected letters, digits, . _ - and single slashes", False
        ) from None


def http_client() -> httpx.Client:
    """Trusts what every machine does and, as all else here, what SSL_CERT_FILE names besides; heeds no proxy."""
    keep_secrets_out_of_logs()
    logging.getLogger("httpx").setLevel(logging.WARNING)  # or the log would have a line for each image
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return httpx.Client(
        verify=context,
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "eyebright", "Accept-Encoding": "identity"},
    )


@dataclass(frozen=True, slots=True)
class Known:
    """A URL, and until when on this machine's own clock a request may begin with it."""

    url: str = field(repr=False)
    holds_until: float

    @property
    def holds(self) -> bool:
        return time.monotonic() < self.holds_until


@dataclass(slots=True)
class Signer:
    """Where URLs below one grant are asked for. `last` is the newest one for the spool."""

    grant: Grant
    token: str = field(repr=False)
    stop: StopRequest
    last: Known | None = None

    def sign(self, client: httpx.Client, wanted: list[WantedUrl]) -> list[Known]:
        """Raises Interrupted, StorageUnavailable when it is refused, Stopped when another attempt has taken over."""
        asked_at = time.monotonic()
        answer = self._answer(client, UrlsRequest(uri=self.grant.uri, wanted=tuple(wanted)))
        if len(answer.urls) != len(wanted):
            raise Interrupted(f"{len(wanted)} URLs were asked for and {len(answer.urls)} came")
        seconds = answer.expires_in_seconds - min(_MARGIN_SECONDS, answer.expires_in_seconds / 10)
        return [Known(url, asked_at + seconds) for url in answer.urls]

    def _answer(self, client: httpx.Client, request: UrlsRequest) -> UrlsAnswer:
        assert self.grant.urls is not None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with explained(Address.of(self.grant.urls)):
            answer = client.post(self.grant.urls, content=request.model_dump_json(exclude_none=True), headers=headers)
        if not answer.is_success:
            self._refuse(answer, self.grant.urls)
        try:
            return UrlsAnswer.model_validate_json(answer.content)
        except ValidationError:
            raise Interrupted("an answer that is no Eyebright's") from None

    def _refuse(self, answer: httpx.Response, urls: str) -> Never:
        problem = _problem(answer)
        if problem.get("code") == Problem.FENCED:
            self.stop.ask(StopReason.FENCED)
            raise failure.Stopped
        require_lasting(answer)
        detail = str(problem.get("detail", ""))[:_DETAIL]
        raise StorageUnavailable(
            f"{shown(urls)} signs no URLs below {self.grant.uri}: HTTP {answer.status_code} {detail}".rstrip(),
            retryable=False,
        )


class Courier:
    """Carries the files of one batch. Several threads use it at once.

    Its verbs raise what `Signer.sign` does; StorageUnavailable too when the bucket refuses a URL again and again.
    """

    def __init__(self, signer: Signer, client: httpx.Client) -> None:
        self._signer = signer
        self._client = client
        self._known: dict[WantedUrl, Known] = {}
        self._renewed: dict[WantedUrl, int] = {}

    def ask(self, wanted: list[WantedUrl]) -> None:
        """For the URLs of these, all in one request."""
        self._known.update(zip(wanted, self._signer.sign(self._client, wanted), strict=True))
        self._signer.last = self._known.get(LAST, self._signer.last)

    @contextmanager
    def get(self, file: Listed, start: int) -> Generator[Body]:
        """Its bytes from `start` on, or all. Raises FetchFailed where another URL does not help.

        Its tag is its sha256, which is verified at the end: what stores themselves say differs too much.
        """
        wanted = reading(file)
        web = Address.of(self._url(wanted))
        span = {"Range": f"bytes={start}-"} if start else {}
        try:
            with explained(web), answered(self._client, web, span) as (begin, size, answer):
                yield Body(begin, size, file.sha256, answer.iter_raw())
        except FetchFailed as error:
            if error.code in _NOTHING_KNOWN and self._renew(wanted):
                raise Interrupted(error.message) from None
            raise

    def put(self, wanted: WantedUrl, file: Path, ledger: Ledger) -> None:
        size = file.stat().st_size
        with file.open("rb") as content:
            body, headers = _chunks(content, ledger), {"Content-Length": str(size)}
            self._carry_out(wanted, f"takes no file of {size:,} bytes", content=body, headers=headers)

    def remove(self, wanted: WantedUrl) -> None:
        """What is not there is no error."""
        self._carry_out(wanted, "is not removed")

    def _carry_out(self, wanted: WantedUrl, otherwise: str, **request: Any) -> None:
        address = Address.of(self._url(wanted))
        with explained(address), self._client.stream(wanted.method, address.url, **request) as answer:
            if answer.is_success or (wanted.method == "DELETE" and answer.status_code == 404):
                return
            require_lasting(answer)
            found = _found(answer)
        if not self._renew(wanted):
            raise StorageUnavailable(f"{address.shown} {otherwise}: {found}")
        raise Interrupted(found)

    def _url(self, wanted: WantedUrl) -> str:
        """One that still holds."""
        known = self._signer.last if wanted == LAST else self._known.get(wanted)
        if known is None or not known.holds:
            self.ask([wanted])
            known = self._known[wanted]
        return known.url

    def _renew(self, wanted: WantedUrl) -> bool:
        """The bucket refused its URL. False: so it did those before, and a further one would fare no better."""
        self._known.pop(wanted, None)
        if wanted == LAST:
            self._signer.last = None
        renewed = self._renewed[wanted] = self._renewed.get(wanted, 0) + 1
        return renewed <= _RENEWALS


@dataclass(frozen=True, slots=True)
class Reading:
    """A Reader of one file, wherever its address leads."""

    courier: Courier
    file: Listed

    def read(self, address: Address, start: int, tag: str | None) -> AbstractContextManager[Body]:
        return self.courier.get(self.file, start)


def _chunks(content: BinaryIO, ledger: Ledger) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK_BYTES):
        ledger.add(len(chunk))
        yield chunk


def _found(answer: httpx.Response) -> str:
    """The status, and the store's own word for it, which holds no secret."""
    code = _CODE.search(next(answer.iter_text(4096), ""))
    return f"HTTP {answer.status_code}" + (f" {code[1]}" if code else "")


def _problem(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]
