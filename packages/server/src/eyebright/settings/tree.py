"""The whole tree of settings."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from eyebright.errors import InvalidRequest
from eyebright.settings.environment import Aliases, process_environment
from eyebright.settings.names import PREFIX, mistyped, variable_at, variables_of
from eyebright.settings.refusals import explain, unreadable
from eyebright.settings.sections import (
    AmqpSettings,
    EgressSettings,
    ImportSettings,
    JobSettings,
    LocalSettings,
    LogSettings,
    McpSettings,
    OidcSettings,
    PostgresSettings,
    RetentionSettings,
    RetrySettings,
    ServiceSettings,
    SourceSettings,
    StorageSettings,
    TrainingAgentSettings,
    TrainingServerSettings,
    UploadSettings,
    WebhookSettings,
)
from eyebright.settings.values import Database, Folder, Licences, PresentFile, Printable, PublicUrl, Server, Words


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
    database_url: Database | None = Field(
        default=None, description="sqlite:///… or postgresql://…; default: in data_dir"
    )

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
    public_url: PublicUrl | None = Field(
        default=None,
        description="Where trainers on other machines reach this server; default: the address that it listens on",
    )
    allowed_hosts: Words = Field(default=(), description="Names this server is called by, beside loopback; * = any")
    allowed_origins: Words = Field(default=(), description="Web pages of other servers that may call this one")
    embedded: bool = Field(default=False, description="End when no job is unfinished and nobody has called for a while")
    embedded_idle_seconds: float = Field(default=30, gt=0, description="How long that while is")

    url: Server | None = Field(default=None, description="For clients: the server to call")
    token: Printable | None = Field(
        default=None, repr=False, description="For clients: the operator's token of that server"
    )
    project: str | None = Field(default=None, description="For clients: which project is meant; default: `default`")
    token_file: PresentFile | None = Field(
        default=None,
        description="For servers: the file with the operator's token, the same for all that share a database; default: made at "
        "the first start",
    )
    drain_seconds: float = Field(
        default=0,
        ge=0,
        description="A server that was told to leave answers for so long, while `/ready` says that it leaves",
    )
    state_dir: Folder = Field(
        default_factory=lambda: platformdirs.user_state_path("eyebright"),
        validate_default=True,
        description="For clients: where they note which uploads are unfinished",
    )

    executors: Words = Field(default=("local",), description="Which places to run are open; the first is the default")
    doors: Words = Field(default=(), description="Which ways in are open; default: every one that is installed")
    subscribers: Words = Field(default=(), description="Who is told of changes; default: every one that is installed")
    licence_deny: Licences = Field(
        default=(),
        description="SPDX names of trainers' licences to refuse, such as AGPL-3.0, which is AGPL-3.0-only and -or-later too",
    )

    postgres: PostgresSettings = PostgresSettings()
    jobs: JobSettings = JobSettings()
    retry: RetrySettings = RetrySettings()
    uploads: UploadSettings = UploadSettings()
    imports: ImportSettings = ImportSettings()
    local: LocalSettings = LocalSettings()
    services: ServiceSettings = ServiceSettings()
    egress: EgressSettings = EgressSettings()
    sources: SourceSettings = SourceSettings()
    storage: StorageSettings = StorageSettings()
    retention: RetentionSettings = RetentionSettings()
    amqp: AmqpSettings = AmqpSettings()
    mcp: McpSettings = McpSettings()
    oidc: OidcSettings = OidcSettings()
    training_server: TrainingServerSettings = TrainingServerSettings()
    training_agent: TrainingAgentSettings = TrainingAgentSettings()
    webhooks: WebhookSettings = WebhookSettings()
    log: LogSettings = LogSettings()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidRequest(
                explain(error, type(self)), errors=[{"field": variable_at(e["loc"])} for e in error.errors()]
            ) from None
        except SettingsError as error:
            raise InvalidRequest(unreadable(error, type(self))) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, Aliases(settings_cls)

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
    def services_file(self) -> Path:
        """What training services have last said of themselves."""
        return self.data_dir / "services.json"

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


def variables() -> dict[str, str]:
    """Every variable that is read, with what it means."""
    return variables_of(Settings)


def unknown_variables() -> dict[str, str]:
    """Variables that look like settings but are none, with the nearest known name: a typo must not be dropped in silence."""
    known, environment = list(variables()), process_environment()
    unknown = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    nearest = {name: next(iter(get_close_matches(name, known, 1)), "") for name in unknown}
    return nearest | mistyped([name for name, value in environment.items() if value])
