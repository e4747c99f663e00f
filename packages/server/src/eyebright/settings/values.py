"""What one value may be, and why it is refused. Passwords and keys are never part of the reason."""

import re
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import AfterValidator, BeforeValidator, Field, FilePath, IPvAnyNetwork
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

_USERINFO, _UNPRINTABLE, _BROKER, _UNSIGNED = "userinfo_in_url", "unprintable_secret", "no_broker", "not_to_sign_with"
_NO_POSTGRES, _QUERY = "no_postgres", "query_in_url"
#: What is wrong with these is said without showing them.
NOT_SHOWN = frozenset({_USERINFO, _UNPRINTABLE, _BROKER, _UNSIGNED, _NO_POSTGRES, _QUERY})
_ESCAPED = "the / ? # @ and % of a password written as %2F %3F %23 %40 %25"
_WHSEC = "whsec_"
_BUCKET = re.compile(r"(?:gs|s3)://[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){1,220}[a-z0-9](?:/[A-Za-z0-9._=-]+)*/?")


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def server(url: str, elsewhere: str = "set EYEBRIGHT_TOKEN") -> str:
    """The address of a server, and nothing in it that messages must not show."""
    parts = urlsplit(url)
    if "@" in url:  # also behind the host: `u:12/34@h` has a slash in its password
        raise _userinfo(elsewhere)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PydanticCustomError("no_server", "expected http://… or https://…")
    if parts.query or parts.fragment:  # where tokens are put, too
        raise PydanticCustomError(_QUERY, "holds a '?' or '#'; expected an address alone, such as https://host:8443")
    if re.search(r"\s", url) or not _has_port_or_none(parts):
        raise PydanticCustomError("no_server", "expected a host, and behind it no port or one from 1 to 65535")
    return url


def _userinfo(elsewhere: str) -> PydanticCustomError:
    return PydanticCustomError(
        _USERINFO,
        "holds a name or password, which would be shown in messages; leave it out and {elsewhere}",
        {"elsewhere": elsewhere},
    )


def _broker(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or not _is_whole(parts):
        raise PydanticCustomError(
            _BROKER, "is no address of a broker; expected amqp://… or amqps://…, with {escaped}", {"escaped": _ESCAPED}
        )
    return url


def _postgres(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not _is_whole(parts):
        raise PydanticCustomError(
            _NO_POSTGRES,
            "is no address of a Postgres database; expected postgresql://user:password@host:port/name, with {escaped}",
            {"escaped": _ESCAPED},
        )
    return url


def _database(url: str) -> str:
    """Of what it may be besides Postgres, and what a Postgres without a host is, the stores know more."""
    parts = urlsplit(url)
    return _postgres(url) if parts.scheme in {"postgresql", "postgres"} and "@" in url else url


def _is_whole(parts: SplitResult) -> bool:
    """Where a password holds a slash, say, its beginning stands in the place of host and port, and its end behind them."""
    return _has_port_or_none(parts) and "@" not in f"{parts.path}{parts.query}" and not parts.fragment


def _has_port_or_none(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _public(url: str) -> str:
    return server(url, "let each caller send its own token").rstrip("/")


def _named_server(entry: str) -> str:
    """`gpus=http://gpu-box:8001`."""
    name, _, url = entry.partition("=")
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", name):
        raise PydanticCustomError(
            "no_name", "expected NAME=http://host:port, the name of small letters, digits, - and _"
        )
    return f"{name}={server(url, 'set EYEBRIGHT_SERVICES__TOKEN_FILE').rstrip('/')}"


def _store(url: str) -> str:
    return server(url, "set the variables that the store's own tools read")


def _backend(url: str) -> str:
    return server(url, "set EYEBRIGHT_TRAINING_SERVER__TOKEN").rstrip("/")


def _supabase(url: str) -> str:
    """The project's, though its page shows the address of the API below it, too."""
    if url.startswith(("postgres://", "postgresql://")):
        raise PydanticCustomError(
            _USERINFO, "is an address of Postgres, which belongs into EYEBRIGHT_TRAINING_AGENT__DATABASE_URL"
        )
    return server(url, "set EYEBRIGHT_TRAINING_AGENT__SUPABASE_KEY").rstrip("/").removesuffix("/rest/v1")


def _licences(names: tuple[str, ...]) -> tuple[str, ...]:
    """A name that nobody knows would refuse nothing, without a word."""
    for name in names:
        try:
            expression = canonicalize_license_expression(name)
        except InvalidLicenseExpression:
            expression = " "
        if " " in expression:
            raise ValueError(f"{name!r} is no name of a licence in the list of SPDX; expected one such as AGPL-3.0")
    return names


def _place(place: str) -> str:
    """A bucket with a prefix of plain words, or a folder that means the same wherever the server is started."""
    if "://" not in place:
        if not (folder := Path(place).expanduser()).is_absolute():
            raise PydanticCustomError(
                "no_place", "expected gs://bucket/models, s3://bucket/models or an absolute folder"
            )
        return str(folder)
    return _bucket(place, "expected gs://bucket/models or s3://bucket/models")


def _storage(place: str) -> str:
    return _bucket(place, "expected s3://bucket/prefix or gs://bucket/prefix")


def _bucket(place: str, expected: str) -> str:
    """With a prefix of plain words, and without a slash at its end."""
    if "@" in place:
        raise _userinfo("set the variables that the store's own tools read")
    if not _BUCKET.fullmatch(place) or {".", ".."} & set(place.split("/")):
        raise PydanticCustomError("no_place", "{expected}", {"expected": expected})
    return place.rstrip("/")


def _bucket_name(name: str) -> str:
    """As Google has it; also with the scheme before it."""
    name = name.removeprefix("gs://").rstrip("/")
    if not _BUCKET.fullmatch(f"gs://{name}") or "/" in name:
        raise PydanticCustomError("no_bucket", "expected the name of a bucket, such as my-models")
    return name


Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[str, ...] = get_args(Level)


def level(word: Any) -> Any:
    """As other programs say it, too."""
    said = word.strip().lower() if isinstance(word, str) else word
    others = {"trace": "debug", "notice": "info", "warn": "warning", "critical": "error", "fatal": "error"}
    return others.get(said, said)


def _printable(secret: str) -> str:
    """It goes into a header as it is; the line's end of a file that it came from does not."""
    if not (text := secret.strip()).isascii() or not text.isprintable() or " " in text:
        raise PydanticCustomError(_UNPRINTABLE, "holds what no header may hold; expected letters, digits and signs")
    return text


def _signing(secret: str) -> str:
    """As Standard Webhooks has it, so that the receiver's library takes the same one."""
    text = secret.strip()
    try:
        key = b64decode(text.removeprefix(_WHSEC), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(_WHSEC) or not 24 <= len(key) <= 64:
        raise PydanticCustomError(
            _UNSIGNED,
            "is no secret of Standard Webhooks; expected whsec_ and then 24 to 64 random bytes in base64, "
            'such as "whsec_$(openssl rand -base64 32)"',
        )
    return text


Folder = Annotated[Path, AfterValidator(_absolute)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Numbers = Annotated[tuple[int, ...] | None, NoDecode, BeforeValidator(_split)]
Ports = Annotated[tuple[Annotated[int, Field(ge=1, le=65535)], ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], NoDecode, BeforeValidator(_split)]
WebSchemes = Annotated[tuple[Literal["https", "http"], ...], NoDecode, BeforeValidator(_split)]
Endpoint = Annotated[str, AfterValidator(_store)]
PresentFile = Annotated[FilePath, AfterValidator(_absolute)]
Server = Annotated[str, AfterValidator(server)]
Addresses = Annotated[tuple[Annotated[str, AfterValidator(_named_server)], ...], NoDecode, BeforeValidator(_split)]
PublicUrl = Annotated[str, AfterValidator(_public)]
Backend = Annotated[str, AfterValidator(_backend)]
Broker = Annotated[str, AfterValidator(_broker)]
Postgres = Annotated[str, AfterValidator(_postgres)]
Database = Annotated[str, AfterValidator(_database)]
Supabase = Annotated[str, AfterValidator(_supabase)]
Place = Annotated[str, AfterValidator(_place)]
Storage = Annotated[str, AfterValidator(_storage)]
BucketName = Annotated[str, AfterValidator(_bucket_name)]
Licences = Annotated[Words, AfterValidator(_licences)]
Printable = Annotated[str, AfterValidator(_printable)]
SigningSecret = Annotated[str, AfterValidator(_signing)]
LogLevel = Annotated[Level, BeforeValidator(level)]
