"""The sections of the tree, each for one part of the product, which receives its own and no other."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from eyebright.settings.values import (
    Addresses,
    Backend,
    Broker,
    BucketName,
    Endpoint,
    LogLevel,
    Networks,
    Numbers,
    Place,
    Ports,
    Postgres,
    PresentFile,
    Printable,
    Server,
    SigningSecret,
    Storage,
    Supabase,
    WebSchemes,
    Words,
)

_MIB = 2**20
#: Two heartbeats may be lost or late before a trainer that lives loses its attempt.
_HEARTBEATS_PER_LEASE = 3


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class PostgresSettings(Section):
    """How the server uses its own Postgres; SQLite has none of it."""

    pool_size: int = Field(
        default=10,
        ge=2,
        le=1000,
        description="Connections that stay open; one of them holds the database for this server",
    )
    pool_overflow: int = Field(
        default=10, ge=0, le=1000, description="Opened besides while all of those are in use, and closed afterwards"
    )
    pool_seconds: float = Field(
        default=10, gt=0, le=600, description="Longest wait for one of them; then a request is answered with 503"
    )
    connect_seconds: float = Field(default=10, gt=0, le=600, description="Longest wait for a new connection")
    statement_seconds: float = Field(
        default=60, ge=0, le=86_400, description="Longest that one statement may take; 0: as long as it takes"
    )
    lock_seconds: float = Field(
        default=10,
        ge=0,
        le=86_400,
        description="Longest wait for a lock that somebody else holds; 0: as long as it takes",
    )

    @property
    def connections(self) -> int:
        """At most."""
        return self.pool_size + self.pool_overflow


class LocalSettings(Section):
    """The executor that runs trainers as child processes of this machine."""

    cpu_slots: int | None = Field(default=None, ge=1, description="Jobs at once on the CPU; default: one per two cores")
    devices: Numbers = Field(default=None, description="CUDA indices to use; default: all")
    devices_per_slot: int = Field(default=1, ge=1, description="GPUs for each job; what is left over stays unused")
    log_limit_bytes: int = Field(default=256 * _MIB, gt=0, description="Kept of an attempt's output")
    niceness: int = Field(default=5, ge=0, le=19, description="Trainers yield the processor to the server")
    many_projects: bool = Field(
        default=False,
        description="Trainers of other projects than `default` may run here, too: all of them could read all data",
    )


class ServiceSettings(Section):
    """Training services, each of which is a place to run: `service:NAME` among EYEBRIGHT_EXECUTORS."""

    urls: Addresses = Field(default=(), description="NAME=http://host:port of each")
    token_file: PresentFile | None = Field(default=None, description="The file with the token that they want")
    connect_seconds: float = Field(default=5, gt=0, description="Longest wait for a connection")
    read_seconds: float = Field(default=60, gt=0, description="Longest wait for an answer")
    places: int = Field(
        default=1, ge=1, description="Trainings at once at a service that does not say how many it takes"
    )
    abandon_seconds: float = Field(
        default=600, gt=0, description="Out of reach for so long, what runs there is given up, and waits for it again"
    )

    @property
    def addresses(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.urls)


class EgressSettings(Section):
    """What may be called when somebody else names the address: data sets by https, webhooks. Buckets are `sources`."""

    schemes: WebSchemes = Field(default=("https",), description="Schemes that may be called: https, http")
    ports: Ports = Field(default=(443,), description="Ports that may be called")
    allow: Networks = Field(
        default=(), description="Networks that may be called although they are not public, such as 10.0.0.0/8"
    )
    authorities: PresentFile | None = Field(
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
    object_bytes: int = Field(
        default=2**30, gt=0, description="Largest single object below a prefix, or result of a foreign trainer"
    )
    objects: int = Field(default=1_500_000, gt=0, description="Most objects below a prefix")
    spare_bytes: int = Field(default=512 * _MIB, ge=0, description="Free disk space that a data set must leave")


class StorageSettings(Section):
    """Where data sets, models and what trainings make are kept. Credentials are those that each store's own tools find in the
    environment."""

    place: Storage | None = Field(
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


class RetentionSettings(Section):
    """What is let go of by itself, and when."""

    events_days: float | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="So long after its end a job's progress is kept as its curves alone; default: every event for ever",
    )
    runs_days: float | None = Field(
        default=None,
        ge=1,
        le=36_500,
        description="So long after its end a job's runs keep their folders, with what they printed; default: for ever",
    )


class TrainingServerSettings(Section):
    """For callers of a Training Server: where they are told what becomes of their styles, and where finished ones are put."""

    backend_url: Backend | None = Field(
        default=None, description="Their API: its /api/webhooks/training/… is told; default: nobody is"
    )
    token: Printable | None = Field(
        default=None, repr=False, description="Sent to their API as `Authorization: Bearer …`"
    )
    secret: SigningSecret | None = Field(
        default=None,
        repr=False,
        description="whsec_…: what their API is told is signed with it, after Standard Webhooks; default: it is not signed",
    )
    progress_seconds: float = Field(
        default=30, ge=1, description="How often their API is told of a training's progress"
    )
    models: Place | None = Field(
        default=None,
        description="Where finished LoRAs are put, as style-<id>/lora_weights.safetensors: gs://bucket/models, "
        "s3://bucket/models or an absolute folder; default: models in data_dir",
    )


class TrainingAgentSettings(Section):
    """For callers of a Training Agent: their database, with the tables projects, datasets, models and agent_logs."""

    database_url: Postgres | None = Field(
        default=None,
        repr=False,
        description="postgresql://… of their database, pooled or not; it goes before the next two",
    )
    supabase_url: Supabase | None = Field(default=None, description="Their Supabase project: https://….supabase.co")
    supabase_key: Printable | None = Field(
        default=None, repr=False, description="The service_role or secret key of that project"
    )
    connect_seconds: float = Field(default=5, gt=0, le=60, description="Longest wait for a connection to it")
    answer_seconds: float = Field(default=5, gt=0, le=60, description="Longest wait for its answer")
    bucket: BucketName | None = Field(
        default=None, description="Their bucket in Google Cloud Storage: models are put below gs://<bucket>/models"
    )
    models: Place | None = Field(
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
    url: Broker | None = Field(
        default=None,
        repr=False,
        description="amqp://user:password@host/vhost, with amqps for TLS; default: what the next five say",
    )
    host: str = Field(default="localhost", description="The broker")
    port: int = Field(default=5672, ge=1, le=65535, description="Of the broker")
    user: str = Field(default="guest", description="Of the broker")
    password_file: PresentFile | None = Field(
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


class OidcSettings(Section):
    """People log in with a provider of the company's own, by OpenID Connect; see /auth/login."""

    issuer: Server | None = Field(default=None, description="Its address, such as https://login.example/realms/company")
    client_id: str | None = Field(default=None, description="What this server is called there")
    client_secret_file: PresentFile | None = Field(
        default=None, description="File that holds the secret it gave this server"
    )
    session_seconds: int = Field(default=12 * 3600, ge=60, le=7 * 86_400, description="How long a login lasts")
    assume_verified: bool = Field(
        default=False,
        description="Believe an address of which the provider does not say whether it is verified (`email_verified`), as "
        "Entra ID says of none",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.issuer is not None and not (self.client_id and self.client_secret_file):
            raise ValueError("a provider needs client_id and client_secret_file too")
        return self


class LogSettings(Section):
    level: LogLevel = "info"
    format: Literal["console", "json"] = Field(default="console", description="For a person, or for a collector")
    access: bool = Field(default=False, description="A line for each request")
