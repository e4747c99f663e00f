"""How a service is asked to run, on its command line and by two variables: EYEBRIGHT_SERVICE_TOKEN and …_TOKEN_FILE."""

import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from eyebright_kit.errors import ConfigInvalid

TOKEN, TOKEN_FILE = "EYEBRIGHT_SERVICE_TOKEN", "EYEBRIGHT_SERVICE_TOKEN_FILE"
#: Of these the first that is set is the store's address.
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "S3_ENDPOINT")
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound
_SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """`callbacks` are beginnings of callback URLs that may be called wherever they lead; `names` what it is called besides its
    address, `results` where platforms find what came of a training, `endpoint` the store's address if it is not Amazon's."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 8001
    places: int | None = None  # trainings at once; None: one for each GPU, else one for two cores
    callbacks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    keep_days: int = 30
    results: str | None = None
    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def loopback(self) -> bool:
        """Only this machine can call it."""
        return is_loopback(self.host)


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=8001, help="default: 8001")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; any but 127.0.0.1 needs a token")
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="where its runs lie; default: in the user's data")
    parser.add_argument(
        "--places", type=_places, metavar="N", help="trainings at once; default: as GPUs or cores allow"
    )
    parser.add_argument(
        "--callback", action="append", default=[], metavar="URL", help="callback URLs that begin so may be called"
    )
    parser.add_argument(
        "--results", type=_bucket, metavar="s3://…", help="where platforms find what came of a training"
    )
    parser.add_argument(
        "--keep-days",
        type=_days,
        default=30,
        metavar="N",
        help="how long folders of trainings that are over stay; default: 30",
    )
    parser.add_argument("--name", action="append", default=[], metavar="HOST", help="another name it is called by")


def options_from(arguments: Namespace, trainer: str, environment: Mapping[str, str] = os.environ) -> ServiceOptions:
    """Raises ConfigInvalid for what would be open to strangers, and for a token that cannot be read."""
    options = ServiceOptions(
        folder=(arguments.folder or default_folder(trainer, environment)).absolute(),
        host=arguments.host,
        port=arguments.port,
        places=arguments.places,
        callbacks=tuple(arguments.callback),
        names=tuple(name.lower() for name in arguments.name),
        keep_days=arguments.keep_days,
        results=arguments.results,
        endpoint=next((environment[name] for name in ENDPOINTS if environment.get(name)), None),
        token=_token(environment),
    )
    if options.token is None and not options.loopback:
        raise ConfigInvalid(
            f"--host {options.host} lets other machines start trainings here, and no token is set; set {TOKEN_FILE} to a "
            f"file with one (or {TOKEN}), or leave --host away to serve this machine alone"
        )
    return options


def default_folder(trainer: str, environment: Mapping[str, str]) -> Path:
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "eyebright-services" / trainer


def is_loopback(host: str) -> bool:
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _token(environment: Mapping[str, str]) -> str | None:
    token, source = environment.get(TOKEN), TOKEN
    if path := environment.get(TOKEN_FILE):
        source = TOKEN_FILE
        try:
            token = Path(path).read_text().strip()
        except (OSError, UnicodeError) as error:
            raise ConfigInvalid(f"{TOKEN_FILE} is {path!r}, which cannot be read: {error}") from None
    if not token and source == TOKEN:
        return None
    if not token or len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigInvalid(
            f"{source} holds no usable token; expected {_SHORTEST_TOKEN} or more letters and digits, as "
            "`openssl rand -hex 32` prints"
        )
    return token


def _port(text: str) -> int:
    return _whole(text, 0, 65535)


def _places(text: str) -> int:
    return _whole(text, 1, 1024)


def _days(text: str) -> int:
    return _whole(text, 1, 36500)


def _bucket(text: str) -> str:
    if not text.startswith("s3://") or not text.removeprefix("s3://").partition("/")[0]:
        raise ArgumentTypeError(f"found {text!r}; expected s3://bucket/ or s3://bucket/prefix/")
    return text


def _whole(text: str, least: int, most: int) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ArgumentTypeError(f"found {text!r}; expected a whole number from {least} to {most}")
    return int(text)
