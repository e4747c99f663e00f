"""Every knob of the product, and the only reader of the environment.

`Settings()` works with nothing set. Each field is the variable `EYEBRIGHT_<FIELD>`, a field of a section
`EYEBRIGHT_<SECTION>__<FIELD>` (`EYEBRIGHT_JOBS__LEASE_SECONDS=60`); lists are separated by commas. Some have a second name,
that of a system which Eyebright takes the place of (`ALIASES`): it counts where the first is not set, and those that any
program may use only where a database of that system's callers is set.
"""

import os
import re
from base64 import b64decode
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args
from urllib.parse import SplitResult, urlsplit

import platformdirs
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    IPvAnyNetwork,
    ValidationError,
    ValidationInfo,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from eyebright.errors import InvalidRequest

PREFIX = "EYEBRIGHT_"
#: Names that callers' deployments set already, and the settings that they are.
ALIASES = {
    "SUPABASE_URL": ("training_agent", "supabase_url"),
    "SUPABASE_KEY": ("training_agent", "supabase_key"),
    "GCP_BUCKET_NAME": ("training_agent", "bucket"),
    "BATCH_SIZE": ("training_agent", "batch"),
    "DEFAULT_EPOCHS": ("training_agent", "epochs"),
    "DEFAULT_LEARNING_RATE": ("training_agent", "learning_rate"),
    "LOG_LEVEL": ("log", "level"),
}
#: Other programs' names too: they count only beside a database of callers.
_GENERIC = frozenset({"GCP_BUCKET_NAME", "BATCH_SIZE", "DEFAULT_EPOCHS", "DEFAULT_LEARNING_RATE"})
#: What says where that database is.
_CALLERS_DATABASE = frozenset({"database_url", "supabase_url"})
#: Names that libraries of ours read by themselves.
_OTHERS = frozenset({"GOOGLE_APPLICATION_CREDENTIALS"})
_MIB = 2**20
#: Of the variable that a line of a `.env` is about.
_NAME = re.compile(r"\s*(?:export\s+)?(\w+)")
#: Two heartbeats may be lost or late before a trainer that lives loses its attempt.
_HEARTBEATS_PER_LEASE = 3
_USERINFO, _UNPRINTABLE, _BROKER, _UNSIGNED = "userinfo_in_url", "unprintable_secret", "no_broker", "not_to_sign_with"
_NO_POSTGRES = "no_postgres"
#: What is wrong with these is said without showing them.
_NOT_SHOWN = frozenset({_USERINFO, _UNPRINTABLE, _BROKER, _UNSIGNED, _NO_POSTGRES})
_WHSEC = "whsec_"
_BUCKET = re.compile(r"(?:gs|s3)://[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){1,220}[a-z0-9](?:/[A-Za-z0-9._=-]+)*/?")


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


def _fits_the_lease(heartbeat: float, info: ValidationInfo) -> float:
    lease = info.data.get("lease_seconds")  # missing when it was refused itself
    if lease is not None and lease < _HEARTBEATS_PER_LEASE * heartbeat:
        raise PydanticCustomError(
            "lease_too_short",
            "expected at most a third of EYEBRIGHT_JOBS__LEASE_SECONDS, which is {lease}: "
            "a trainer that misses one or two must not lose its attempt. Report more often, or lease for longer",
            {"lease": f"{lease:g}"},
        )
    return heartbeat


def _server(url: str, elsewhere: str = "set EYEBRIGHT_TOKEN") -> str:
    """The address of a server, and nothing in it that messages must not show."""
    parts = urlsplit(url)
    if parts.username is not None or (not parts.netloc and "@" in url):
        raise _userinfo(elsewhere)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PydanticCustomError("no_server", "expected http://… or https://…")
    return url


def _userinfo(elsewhere: str) -> PydanticCustomError:
    return PydanticCustomError(
        _USERINFO,
        "holds a name or password, which would be shown in messages; leave it out and {elsewhere}",
        {"elsewhere": elsewhere},
    )


def _broker(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or not _has_port(parts):
        raise PydanticCustomError(_BROKER, "is no address of a broker; expected amqp://… or amqps://…")
    return url


def _postgres(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.hostname or not _has_port(parts):
        raise PydanticCustomError(
            _NO_POSTGRES,
            "is no address of a Postgres database; expected postgresql://user:password@host:port/name, where the password has "
            "its / ? # @ and % written as %2F %3F %23 %40 %25",
        )
    return url


def _has_port(parts: SplitResult) -> bool:
    """Or the usual one. Where a password holds a slash, its beginning stands in the place of the port."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _store(url: str) -> str:
    return _server(url, "set the variables that the store's own tools read")


def _backend(url: str) -> str:
    return _server(url, "set EYEBRIGHT_TRAINING_SERVER__TOKEN").rstrip("/")


def _supabase(url: str) -> str:
    """The project's, though its page shows the address of the API below it, too."""
    if url.startswith(("postgres://", "postgresql://")):
        raise PydanticCustomError(
            _USERINFO, "is an address of Postgres, which belongs into EYEBRIGHT_TRAINING_AGENT__DATABASE_URL"
        )
    return _server(url, "set EYEBRIGHT_TRAINING_AGENT__SUPABASE_KEY").rstrip("/").removesuffix("/rest/v1")


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


def _level(word: Any) -> Any:
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


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobSettings(Section):
    """How long the control plane waits before it concludes something."""

    lease_seconds: float = Field(
        default=60, gt=0, description="A trainer that is silent for so long has lost its attempt"
    )
    heartbeat_seconds: Annotated[float, AfterValidator(_fits_the_lease)] = Field(
        default=15, gt=0, validate_default=True, description="How often trainers report that they live"
    )
    hang_seconds: float = Field(default=1800, gt=0, description="Alive, but no step for so long: hung")
    launch_seconds: float = Field(default=60, gt=0, description="Claimed, but no process to be seen for so long: lost")
    stop_grace_seconds: float = Field(default=30, ge=0, description="Between asking a trainer to stop and killing it")


class RetrySettings(Section):
    """How often a job is tried again, by what went wrong; each class has a budget of its own."""

    failures: int = Field(default=2, ge=0, description="Retries after the training itself went wrong")
    losses: int = Field(default=5, ge=0, description="Retries after machine, disk or network did")
    preemptions: int = Field(default=50, ge=0, description="Retries after it had to make room")
    barren: int = Field(default=3, ge=1, description="Attempts in a row without a new checkpoint that end a job")
    base_seconds: float = Field(default=1, ge=0, description="Wait before the first retry; doubles with each")
    cap_seconds: float = Field(default=300, ge=0, description="Longest wait before a retry")


class UploadSettings(Section):
    """What callers may send."""

    archive_bytes: int = Field(default=20 * 2**30, gt=0, description="Largest data set archive")
    image_bytes: int = Field(default=32 * _MIB, gt=0, description="Largest image to predict on")
    json_bytes: int = Field(default=16 * _MIB, gt=0, description="Largest body of any other request")
    spare_bytes: int = Field(default=512 * _MIB, ge=0, description="Free disk space that an upload must leave")
    expiry_seconds: float = Field(
        default=86_400, gt=0, description="An upload in pieces that nobody continues or uses for so long is removed"
    )


class ImportSettings(Section):
    """Imports run beside trainings, each with a process of its own that reads the data, shut in."""

    at_once: int = Field(default=2, ge=1, le=64, description="Imports at once; more would only fight over the disk")
    memory_bytes: int = Field(default=2048 * _MIB, ge=256 * _MIB, description="Memory that reading the data may take")
    cpu_seconds: int = Field(default=6 * 3600, ge=1, description="Processor time that reading the data may take")
    file_bytes: int = Field(default=4096 * _MIB, ge=_MIB, description="Largest file that an archive may unpack to")


class LocalSettings(Section):
    """The executor that runs trainers as child processes of this machine."""

    cpu_slots: int | None = Field(default=None, ge=1, description="Jobs at once on the CPU; default: one per two cores")
    devices: Numbers = Field(default=None, description="CUDA indices to use; default: all")
    devices_per_slot: int = Field(default=1, ge=1, description="GPUs for each job; what is left over stays unused")
    log_limit_bytes: int = Field(default=256 * _MIB, gt=0, description="Kept of an attempt's output")
    niceness: int = Field(default=5, ge=0, le=19, description="Trainers yield the processor to the server")


class EgressSettings(Section):
    """What may be called when somebody else names the address: data sets by https, webhooks. Buckets are `sources`."""

    schemes: WebSchemes = Field(default=("https",), description="Schemes that may be called: https, http")
    ports: Ports = Field(default=(443,), description="Ports that may be called")
    allow: Networks = Field(
        default=(), description="Networks that may be called although they are not public, such as 10.0.0.0/8"
    )
    authorities: Annotated[FilePath, AfterValidator(_absolute)] | None = Field(
        default=None, description="PEM file of certificate authorities to trust beside the public ones"
    )
    connect_seconds: float = Field(default=10, gt=0, description="Longest wait for a connection")
    read_seconds: float = Field(default=30, gt=0, description="Longest wait for a byte, or for more than a trickle")


class SourceSettings(Section):
    """Where data sets are fetched from. Credentials are those that each store's own tools find in the environment."""

    schemes: Words = Field(default=("https", "s3", "gs", "az"), description="Kinds of address that are open")
    only: Words = Field(
        default=(), description="Addresses below which data sets may lie, such as s3://datasets/; default: anywhere"
    )
    s3_endpoint: Endpoint | None = Field(default=None, description="A store that speaks S3, such as https://minio:9000")
    gs_endpoint: Endpoint | None = Field(default=None, description="A store that speaks Google Cloud Storage")
    az_endpoint: Endpoint | None = Field(
        default=None, description="The account of az://…; default: the one of AZURE_STORAGE_ACCOUNT"
    )
    total_bytes: int = Field(default=500 * 2**30, gt=0, description="Largest data set, packed or as objects")
    object_bytes: int = Field(default=2**30, gt=0, description="Largest single object below a prefix")
    objects: int = Field(default=1_500_000, gt=0, description="Most objects below a prefix")
    spare_bytes: int = Field(default=512 * _MIB, ge=0, description="Free disk space that a data set must leave")


class StorageSettings(Section):
    """Where data sets, models and what trainings make are kept. Credentials are those that each store's own tools find in the
    environment."""

    place: Annotated[str, AfterValidator(_storage)] | None = Field(
        default=None, description="s3://bucket/prefix or gs://bucket/prefix; default: files in data_dir"
    )
    endpoint: Endpoint | None = Field(
        default=None, description="A store that speaks the same dialect, such as https://minio:9000"
    )
    cache_bytes: int = Field(
        default=20 * 2**30, gt=0, description="Copies on this machine of what lies in the bucket and is read here"
    )
    spare_bytes: int = Field(default=512 * _MIB, ge=0, description="Free disk space that such copies must leave")
    object_bytes: int = Field(default=50 * 2**30, gt=0, description="Largest object")
    expires_seconds: int = Field(
        default=900, ge=60, le=7 * 86_400, description="How long a signed URL opens an object to a trainer"
    )
    connect_seconds: float = Field(default=5, gt=0, description="Longest wait for a connection")
    idle_seconds: float = Field(default=30, gt=0, description="Longest wait for a byte to come or go")
    patience_seconds: float = Field(
        default=60,
        ge=0,
        le=600,
        description="How long a request is tried again while the store is busy or out of reach",
    )


class TrainingServerSettings(Section):
    """For callers of a Training Server: where they are told what becomes of their styles, and where finished ones are put."""

    backend_url: Annotated[str, AfterValidator(_backend)] | None = Field(
        default=None, description="Their API: its /api/webhooks/training/… is told; default: nobody is"
    )
    token: Annotated[str, AfterValidator(_printable)] | None = Field(
        default=None, repr=False, description="Sent to their API as `Authorization: Bearer …`"
    )
    secret: Annotated[str, AfterValidator(_signing)] | None = Field(
        default=None,
        repr=False,
        description="whsec_…: what their API is told is signed with it, after Standard Webhooks; default: it is not signed",
    )
    progress_seconds: float = Field(
        default=30, ge=1, description="How often their API is told of a training's progress"
    )
    models: Annotated[str, AfterValidator(_place)] | None = Field(
        default=None,
        description="Where finished LoRAs are put, as style-<id>/lora_weights.safetensors: gs://bucket/models, "
        "s3://bucket/models or an absolute folder; default: models in data_dir",
    )


class TrainingAgentSettings(Section):
    """For callers of a Training Agent: their database, with the tables projects, datasets, models and agent_logs."""

    database_url: Annotated[str, AfterValidator(_postgres)] | None = Field(
        default=None,
        repr=False,
        description="postgresql://… of their database, pooled or not; it goes before the next two",
    )
    supabase_url: Annotated[str, AfterValidator(_supabase)] | None = Field(
        default=None, description="Their Supabase project: https://….supabase.co"
    )
    supabase_key: Annotated[str, AfterValidator(_printable)] | None = Field(
        default=None, repr=False, description="The service_role or secret key of that project"
    )
    connect_seconds: float = Field(default=5, gt=0, le=60, description="Longest wait for a connection to it")
    answer_seconds: float = Field(default=5, gt=0, le=60, description="Longest wait for its answer")
    bucket: Annotated[str, AfterValidator(_bucket_name)] | None = Field(
        default=None, description="Their bucket in Google Cloud Storage: models are put below gs://<bucket>/models"
    )
    models: Annotated[str, AfterValidator(_place)] | None = Field(
        default=None,
        description="Where models are put in place of the bucket, as <project>_model.pth: gs://bucket/models, "
        "s3://bucket/models or an absolute folder; default: agent-models in data_dir",
    )
    epochs: int = Field(default=10, ge=1, description="Where a project's metadata name none")
    batch: int = Field(default=32, ge=1, description="Where a project's metadata name none")
    learning_rate: float = Field(default=0.001, gt=0, description="Where a project's metadata name none")
    pretrained: bool = Field(default=True, description="Begin from ImageNet weights, which are fetched once")
    completed_status: str = Field(
        default="completed", min_length=1, max_length=100, description="Status of a project whose model is in its place"
    )
    starts_per_minute: int = Field(default=60, ge=1, description="More are refused with 429")
    give_up_seconds: float = Field(
        default=900,
        gt=0,
        description="A model that could not be put in its place for so long has failed for its callers",
    )

    @property
    def has_place(self) -> bool:
        """For models, other than this machine."""
        return bool(self.models or self.bucket)


class WebhookSettings(Section):
    """How outgoing webhooks are sent. What may be called is `egress`."""

    timeout_seconds: float = Field(default=15, gt=0, le=300, description="Longest wait for a receiver's answer")
    at_once: int = Field(default=256, ge=1, le=10_000, description="Most requests at once")
    at_once_each: int = Field(default=4, ge=1, le=100, description="Most requests at once to one endpoint")
    give_up_seconds: float = Field(
        default=5 * 86_400, gt=0, description="An endpoint that only fails for so long is disabled"
    )
    delivered_kept_seconds: float = Field(
        default=7 * 86_400, gt=0, description="How long deliveries are remembered; those of progress an hour at most"
    )
    dead_kept_seconds: float = Field(
        default=30 * 86_400, gt=0, description="How long those can be replayed that were given up"
    )


class AmqpSettings(Section):
    """The message queue that orders come through: RabbitMQ, or another broker that speaks AMQP 0-9-1."""

    consume: bool = Field(default=False, description="Take orders within the server; `eyebright serve --amqp`")
    url: Annotated[str, AfterValidator(_broker)] | None = Field(
        default=None,
        repr=False,
        description="amqp://user:password@host/vhost, with amqps for TLS; default: what the next five say",
    )
    host: str = Field(default="localhost", description="The broker")
    port: int = Field(default=5672, ge=1, le=65535, description="Of the broker")
    user: str = Field(default="guest", description="Of the broker")
    password_file: Annotated[FilePath, AfterValidator(_absolute)] | None = Field(
        default=None, description="File with that user's password; default: RabbitMQ's own for guest"
    )
    vhost: str = Field(default="/", description="Virtual host of the broker")
    queue: str = Field(
        default="model_training", min_length=1, max_length=200, description="Made as a durable one if it is missing"
    )
    prefetch: int = Field(default=10, ge=1, le=1000, description="Messages in hand at once")
    dead_letters: str | None = Field(
        default=None,
        max_length=200,
        description="Exchange for what is parked, made with a queue if it is missing; default: the queue's name and .dead",
    )
    replies: bool = Field(default=True, description="Answer to the queue that a message's `reply_to` names")


class McpSettings(Section):
    """Agents that speak the Model Context Protocol, at /mcp."""

    persona: Literal["reader", "operator"] = Field(
        default="reader",
        description="What an agent with the operator's own token may do. reader: look at everything and change nothing; "
        "operator: import, train, cancel, … too. Tokens of `eyebright token` say it themselves",
    )
    revoked: Words = Field(default=(), description="Ids of agents' tokens that count for nothing any more")


class LogSettings(Section):
    level: Annotated[Level, BeforeValidator(_level)] = "info"
    format: Literal["console", "json"] = Field(default="console", description="For a person, or for a collector")
    access: bool = Field(default=False, description="A line for each request")


class Settings(BaseSettings):
    """The whole tree. Raises InvalidRequest, naming the variable, for a value that can't be."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid", env_ignore_empty=True
    )

    data_dir: Folder = Field(
        default_factory=lambda: platformdirs.user_data_path("eyebright"),
        validate_default=True,
        description="Where everything is kept",
    )
    trainers_dir: Folder | None = Field(default=None, description="Where the trainers lie; default: in this checkout")
    database_url: str | None = Field(default=None, description="sqlite:///… or postgresql://…; default: in data_dir")

    projects_root: Folder | None = Field(
        default=None, description="What holds `projects/<Project>/…` of Project Training; default: data_dir"
    )

    base_models: Folder | None = Field(
        default=None,
        description="Base models that a LoRA may begin from, a folder each, as diffusers saves them; default: in data_dir",
    )

    env_file: Path = Field(
        default=Path(".env"),
        description="What `eyebright serve` reads of it counts as variables that are not set otherwise; it need not be there",
    )

    host: str = Field(default="127.0.0.1", description="The address to listen on")
    port: int = Field(default=8765, ge=0, le=65535, description="0 takes a free one; server.json tells which")
    allowed_hosts: Words = Field(default=(), description="Names this server is called by, beside loopback; * = any")
    allowed_origins: Words = Field(default=(), description="Web pages of other servers that may call this one")
    embedded: bool = Field(default=False, description="End when no job is unfinished and nobody has called for a while")
    embedded_idle_seconds: float = Field(default=30, gt=0, description="How long that while is")

    url: Annotated[str, AfterValidator(_server)] | None = Field(
        default=None, description="For clients: the server to call"
    )
    token: str | None = Field(default=None, repr=False, description="For clients: the operator's token of that server")
    state_dir: Folder = Field(
        default_factory=lambda: platformdirs.user_state_path("eyebright"),
        validate_default=True,
        description="For clients: where they note which uploads are unfinished",
    )

    executors: Words = Field(default=("local",), description="Which places to run are open; the first is the default")
    doors: Words = Field(default=(), description="Which ways in are open; default: every one that is installed")
    subscribers: Words = Field(default=(), description="Who is told of changes; default: every one that is installed")
    licence_deny: Annotated[Words, AfterValidator(_licences)] = Field(
        default=(),
        description="SPDX names of trainers' licences to refuse, such as AGPL-3.0, which is AGPL-3.0-only and -or-later too",
    )

    jobs: JobSettings = JobSettings()
    retry: RetrySettings = RetrySettings()
    uploads: UploadSettings = UploadSettings()
    imports: ImportSettings = ImportSettings()
    local: LocalSettings = LocalSettings()
    egress: EgressSettings = EgressSettings()
    sources: SourceSettings = SourceSettings()
    storage: StorageSettings = StorageSettings()
    amqp: AmqpSettings = AmqpSettings()
    mcp: McpSettings = McpSettings()
    training_server: TrainingServerSettings = TrainingServerSettings()
    training_agent: TrainingAgentSettings = TrainingAgentSettings()
    webhooks: WebhookSettings = WebhookSettings()
    log: LogSettings = LogSettings()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidRequest(
                _explain(error), errors=[{"field": _variable(e["loc"])} for e in error.errors()]
            ) from None
        except SettingsError as error:
            raise InvalidRequest(_unreadable(error)) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _Aliases(settings_cls)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'eyebright.db'}"

    @property
    def projects(self) -> Path:
        return self.projects_root or self.data_dir

    @property
    def models(self) -> str:
        """Where finished LoRAs are put."""
        return self.training_server.models or str(self.data_dir / "models")

    @property
    def objects_dir(self) -> Path:
        return self.data_dir / "objects"

    @property
    def copies_dir(self) -> Path:
        """Of objects in a bucket; emptied at each start."""
        return self.data_dir / "copies"

    @property
    def work_dir(self) -> Path:
        """What is done beside the server while objects lie in a bucket."""
        return self.data_dir / "work"

    @property
    def runs_dir(self) -> Path:
        return self.data_dir / "runs"

    @property
    def uploads_dir(self) -> Path:
        """Emptied at each start: what is in it belongs to one request."""
        return self.data_dir / "uploads"

    @property
    def resumable_dir(self) -> Path:
        """Uploads in pieces, which outlive requests and servers."""
        return self.data_dir / "resumable"

    @property
    def agents_models(self) -> str:
        """Where the models of projects are put."""
        chosen = self.training_agent
        return chosen.models or (
            f"gs://{chosen.bucket}/models" if chosen.bucket else str(self.data_dir / "agent-models")
        )

    @property
    def base_models_dir(self) -> Path:
        return self.base_models or self.data_dir / "base-models"


class _Aliases(PydanticBaseSettingsSource):
    """What the environment says by other names, as far as it says it to Eyebright."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        serves_callers = self._serves_callers()
        for name, (section, field) in ALIASES.items():
            if (value := os.environ.get(name)) and (serves_callers or name not in _GENERIC) and not _is_no_level(name):
                found.setdefault(section, {})[field] = value
        return found

    def _serves_callers(self) -> bool:
        """Whether a database of callers is set, by any of its names or by whoever makes the settings."""
        said: object = self.current_state.get("training_agent")
        given = cast(dict[str, Any], said) if isinstance(said, dict) else {}
        return bool(os.environ.get("SUPABASE_URL")) or any(map(given.get, _CALLERS_DATABASE))


def _is_no_level(name: str) -> bool:
    """Each program has levels of its own, and one that is not ours stops nothing."""
    return name == "LOG_LEVEL" and _level(os.environ.get(name)) not in LEVELS


def adopt(file: Path) -> list[str]:
    """Take what a `.env` says into the environment of this process, where it does not say so itself; the names.

    Only names that mean something to Eyebright: `EYEBRIGHT_…`, the aliases, and what a library of ours reads. A file that is
    not there says nothing. Raises InvalidRequest for one that cannot be read, or that anybody may write.
    """
    if not file.is_file():
        return []
    if file.stat().st_mode & 0o002:
        raise InvalidRequest(f"{file} can be written by anybody, who could say what this server does; chmod o-w {file}")
    try:
        _require_parsable(file)
        said = dotenv_values(file)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{file} cannot be read ({error}); mend it, or move it away") from None
    taken = {name: value for name, value in said.items() if value and _ours(name) and name not in os.environ}
    os.environ.update(taken)
    return sorted(taken)


def _require_parsable(file: Path) -> None:
    """Lines of ours that the library would pass over. They may hold a secret."""
    with file.open(encoding="utf-8") as stream:
        for binding in parse_stream(stream):
            name = _NAME.match(binding.original.string)
            if name and binding.value is None and _ours(name[1]):
                raise InvalidRequest(
                    f"line {binding.original.line} of {file} sets no {name[1]}; expected {name[1]}=value, with every quote "
                    "closed"
                )


def _ours(name: str) -> bool:
    return name.startswith(PREFIX) or name in ALIASES or name in _OTHERS


def process_environment() -> Mapping[str, str]:
    """A copy of the environment, for adapters that start processes: what of it they pass on is their decision."""
    return dict(os.environ)


def unknown_variables() -> dict[str, str]:
    """Variables that look like settings but are none, with the nearest known name: a typo must not be dropped in silence."""
    known = list(variables())
    unknown = [name for name in os.environ if name.startswith(PREFIX) and name not in known]
    return {name: next(iter(get_close_matches(name, known, 1)), "") for name in sorted(unknown)}


def ignored_level() -> str | None:
    """What LOG_LEVEL says, where it would count but is no level of ours."""
    said, ours = os.environ.get("LOG_LEVEL"), os.environ.get(_variable(ALIASES["LOG_LEVEL"]))
    return said if said and not ours and _is_no_level("LOG_LEVEL") else None


def variables() -> dict[str, str]:
    """Every variable that is read, with what it means."""
    found: dict[str, str] = {}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, Section):
            section = type(field.default)
            names = {_variable((name, key)): value for key, value in section.model_fields.items()}
            found.update((variable, value.description or "") for variable, value in names.items())
        else:
            found[_variable((name,))] = field.description or ""
    return found


def alias_of(variable: str) -> str:
    """The other name of it; "" where it has none."""
    return next((name for name, location in ALIASES.items() if _variable(location) == variable), "")


def _variable(location: tuple[int | str, ...]) -> str:
    """`("jobs", "lease_seconds")` → `EYEBRIGHT_JOBS__LEASE_SECONDS`; positions in a list don't count."""
    return PREFIX + "__".join(str(part).upper() for part in location if isinstance(part, str))


#: In place of pydantic's own words, which speak of inputs and parsing.
_EXPECTED = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "path_not_file": "a file that is there",
    "ip_any_network": "a network such as 10.0.0.0/8, with no bits set beyond its length",
}


def _explain(error: ValidationError) -> str:
    return "; ".join(map(_sentence, error.errors(include_url=False)))


def require_server(name: str, url: str) -> None:
    """For an address that was given as `name`, which is no variable. Raises InvalidRequest as the settings would."""
    try:
        _server(url)
    except PydanticCustomError as error:
        raise InvalidRequest(_refusal(name, error.type, url, error.message())) from None


def _sentence(found: Any) -> str:
    variable, kind = _variable(found["loc"]), found["type"]
    if kind == "extra_forbidden":
        near = get_close_matches(variable, variables(), 1)
        return f"there is no setting {variable}{f'; did you mean {near[0]}?' if near else ''}"
    if kind == "model_type":
        return _no_section(variable)
    expected = f"expected {_EXPECTED[kind].format_map(found.get('ctx', {}))}" if kind in _EXPECTED else found["msg"]
    return _refusal(_as_set(variable), kind, found["input"], expected)


def _as_set(variable: str) -> str:
    """By the name that it was set by."""
    other = alias_of(variable)
    return other if other in os.environ and variable not in os.environ else variable


def _refusal(name: str, kind: str, given: object, why: str) -> str:
    return f"{name} {why}" if kind in _NOT_SHOWN else f"{name} is {given!r}: {why}"


def _unreadable(error: SettingsError) -> str:
    """The text of a whole section is no JSON. Only the message tells which."""
    return next(
        (_no_section(_variable((name,))) for name in Settings.model_fields if f'"{name}"' in str(error)), str(error)
    )


def _no_section(variable: str) -> str:
    fields = [name for name in variables() if name.startswith(f"{variable}__")]
    return f"{variable} is a section and cannot be set as a whole; set {', '.join(fields)}"
