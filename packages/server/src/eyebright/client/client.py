"""The client: one method per verb of the native API."""

import json
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from eyebright.client.answers import read, read_all
from eyebright.client.bundle import export_of, files_of, pack, texts_of
from eyebright.client.files import LeftOut, Told, archive_of, log_left_out, save, untold
from eyebright.client.local import LocalServer, local_token, running_server
from eyebright.client.problems import refusal
from eyebright.client.routes import API, model_route, route
from eyebright.client.transport import TRIES, Transport, is_same
from eyebright.client.unfinished import Unfinished
from eyebright.client.uploading import Uploading
from eyebright.client.watching import Watching
from eyebright.core.resolve import nearest
from eyebright.core.unsuccessful import error_of, errors_of
from eyebright.errors import NotFound, Unauthenticated, Unavailable, import_deleted
from eyebright.settings import Settings
from eyebright_wire.access import (
    AuditView,
    MemberView,
    Role,
    TokenCreate,
    TokenSecret,
    TokenView,
    UserView,
)
from eyebright_wire.artifacts import ArtifactRef
from eyebright_wire.datasets import DatasetPlan, DatasetReport, PictureView
from eyebright_wire.events import EventKind
from eyebright_wire.jobs import JobKind, JobRequest, JobState, PreflightRequest, RehearsalRequest
from eyebright_wire.model import WireModel
from eyebright_wire.names import dataset_name
from eyebright_wire.projects import ProjectView, QuotaView
from eyebright_wire.queue import ParkedView, QueueAnswer
from eyebright_wire.rehearsals import REPORT, RehearsalReport
from eyebright_wire.resources import (
    ArtifactView,
    CheckpointView,
    DatasetImport,
    DatasetInspection,
    DatasetVersionView,
    DatasetView,
    EventView,
    HealthView,
    ImageSource,
    JobView,
    LogChunk,
    MetricSeries,
    ModelComparison,
    ModelExport,
    ModelView,
    Page,
    Prediction,
    Preflight,
    RecipeView,
    Resolution,
    ResolutionRequest,
    TrainerView,
)
from eyebright_wire.storage import StorageView
from eyebright_wire.webhooks import (
    DeliveryStatus,
    DeliveryView,
    ReplayReport,
    WebhookCreate,
    WebhookEvent,
    WebhookSecret,
    WebhookUpdate,
    WebhookView,
)

V = TypeVar("V", bound=WireModel)


class Client:
    """Speaks to one server; use it in a `with`, or `close()` it.

    Without arguments it takes `EYEBRIGHT_URL` and `EYEBRIGHT_TOKEN`, or finds the server of this machine and its token in the
    data folder; `EYEBRIGHT_PROJECT` says which project it means. Every refusal is raised as the class of `eyebright.errors`
    that the server meant. Calls that may safely be sent twice are tried again when the network or the server hiccups; `find`
    says where the server of this machine is by then. `sleep` (between tries) and `through` (what carries the bytes) are for
    tests.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        settings: Settings | None = None,
        tries: int = TRIES,
        find: Callable[[Settings], LocalServer | None] = running_server,
        sleep: Callable[[float], None] = time.sleep,
        through: httpx.BaseTransport | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self._find = find
        self.server = find(self.settings)
        named = url or self.settings.url
        url = named or self._here()
        self._shown = token or self._token(named)
        self._transport = Transport(
            url,
            self._shown,
            project=self.settings.project,
            tries=tries,
            moved=self._moved if named is None else lambda: None,
            sleep=sleep,
            through=through,
        )
        self._unfinished = Unfinished(self.settings.state_dir, named or str(self.settings.data_dir))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    @property
    def url(self) -> str:
        return self._transport.url

    @property
    def local(self) -> LocalServer | None:
        """The server that is spoken to, if it works on this machine's own data folder: then both see the same files."""
        return self.server if self.server and self.server.url.rstrip("/") == self.url else None

    @property
    def may_name_paths(self) -> bool:
        """Whether data may be ordered by its path: the server sees the same files, and the token is its operator's."""
        return self.local is not None and self._shown == local_token(self.settings)

    # -- teams

    def add_user(self, name: str) -> UserView:
        return self._post(route("users"), UserView, again=False, json={"name": name})

    def users(self) -> Iterator[UserView]:
        """Those who were removed too."""
        return self._pages(route("users"), UserView)

    def remove_user(self, user_id: str) -> UserView:
        """From every project; their tokens, and those of services that they made, are revoked."""
        return read(UserView, self._transport.ask("DELETE", route("users", user_id)))

    def members(self, project: str) -> tuple[MemberView, ...]:
        return self._list(route("projects", project, "members"), MemberView)

    def set_member(self, project: str, user_id: str, role: Role) -> MemberView:
        path = route("projects", project, "members", user_id)
        return read(MemberView, self._transport.ask("PUT", path, json={"role": role}))

    def remove_member(self, project: str, user_id: str) -> None:
        """Their tokens for the project, and those of services that they made, are revoked."""
        self._transport.ask("DELETE", route("projects", project, "members", user_id), again=False)

    def create_token(self, order: TokenCreate) -> TokenSecret:
        """The only answer that has it whole."""
        return self._post(route("tokens"), TokenSecret, again=False, json=order.model_dump(mode="json"))

    def tokens(self) -> Iterator[TokenView]:
        """Newest first, those that count no longer too."""
        return self._pages(route("tokens"), TokenView)

    def revoke_token(self, token_id: str) -> TokenView:
        """With all that it has made."""
        return self._post(f"{route('tokens', token_id)}:revoke", TokenView)

    def audit(self) -> Iterator[AuditView]:
        """What callers have changed, or tried to, newest first."""
        return self._pages(route("audit"), AuditView)

    # -- server

    def health(self) -> HealthView:
        """The process is up. Needs no token."""
        return self._get("/health", HealthView)

    def ready(self) -> HealthView:
        """It can take work. Raises Unavailable, with what is missing, when it cannot."""
        return self._get("/ready", HealthView)

    def openapi(self) -> dict[str, Any]:
        return self._transport.ask("GET", "/openapi.json").json()

    def prometheus(self) -> str:
        """Metrics in Prometheus' text format."""
        return self._transport.ask("GET", "/metrics").text

    # -- data sets

    def import_dataset(
        self, path: str | Path, name: str | None = None, *, leave_out_broken: bool = False
    ) -> DatasetVersionView:
        """Import a folder or zip that the server can read at this very path. The same content twice is one version.

        Raises DatasetInvalid for files that mean to be images and cannot be used, unless they shall be left out.
        """
        order = DatasetImport(
            path=str(Path(path).expanduser().absolute()), name=name, leave_out_broken=leave_out_broken
        )
        return self.imported(self.order_import(order))

    def import_images(
        self, images: Iterable[str | ImageSource], name: str | None = None, *, leave_out_broken: bool = False
    ) -> DatasetVersionView:
        """Have the server fetch images by their addresses, in this order. Raises as `import_dataset` does, and DatasetInvalid for
        those that are not there."""
        listed = tuple(ImageSource(url=image) if isinstance(image, str) else image for image in images)
        return self.imported(
            self.order_import(DatasetImport(images=listed, name=name, leave_out_broken=leave_out_broken))
        )

    def derive_dataset(self, version_id: str, plan: DatasetPlan, name: str | None = None) -> DatasetVersionView:
        """What the plan makes of a stored version, as the next version of its data set or of `name`."""
        return self.imported(self.order_import(DatasetImport(version=version_id, plan=plan, name=name)))

    def order_import(self, order: DatasetImport) -> JobView:
        """Begin an import: a job to watch, wait for and cancel like any other. `imported` says what came of it."""
        return self._order(f"{API}/datasets:import", order)

    def imported(self, job: JobView) -> DatasetVersionView:
        """The version that an import has made, or is making. Raises what it came to instead: DatasetInvalid for files that
        mean to be images and cannot be used, Conflict when it was cancelled, and so on."""
        ended = self._succeeded(job)
        with suppress(NotFound):
            for version in self.dataset(ended.name).versions:
                if version.id == ended.imported_version:
                    return version
        raise import_deleted(ended.id, ended.name)

    def inspect_dataset(self, order: DatasetInspection) -> DatasetReport:
        """What the server finds in a source; nothing is kept. Raises as `imported` does, but not for files that are broken."""
        job = self._succeeded(self._order(f"{API}/datasets:inspect", order))
        response = self._transport.ask("GET", route("jobs", job.id, "artifacts", "report.json"))
        return read(DatasetReport, response)

    def upload_dataset(
        self, path: str | Path, name: str | None = None, *, leave_out_broken: bool = False, told: Told = untold
    ) -> DatasetVersionView:
        """Send a folder or zip as `upload` does, and import it; `told(done, total)` hears how many bytes are on their way.

        Raises DatasetInvalid for files that mean to be images and cannot be used, unless they shall be left out; then they
        need not be sent again. Links that lead out of the folder count as such files, and are logged.
        """
        upload_id = self.upload(path, told=told, left_out=log_left_out if leave_out_broken else None)
        chosen = name or dataset_name(Path(path).expanduser().resolve().name)
        order = DatasetImport(upload=upload_id, name=chosen, leave_out_broken=leave_out_broken)
        return self.imported(self.order_import(order))

    def upload(self, path: str | Path, *, told: Told = untold, left_out: LeftOut | None = None) -> str:
        """Send a zip, or a folder as one, in pieces; the id of the complete upload, which the server keeps for a while.

        A cut line is taken up where it broke, and so is a call that was interrupted: the next one on the same unchanged path
        goes on. `told(done, total)` hears how many bytes are on their way; `left_out(path, target)` of links that lead out of
        the folder or to nothing, for which it is refused without. Raises NotFound without such a path, StorageFull or TooLarge
        when the server cannot take it.
        """
        path = Path(path).expanduser()
        with archive_of(path, left_out) as archive:
            key = self._unfinished.key_of(path)
            return Uploading(self._transport, self._unfinished, archive, path.resolve().name, key, told).run()

    def datasets(self) -> Iterator[DatasetView]:
        return self._pages(route("datasets"), DatasetView)

    def dataset(self, name: str) -> DatasetView:
        return self._get(route("datasets", name), DatasetView)

    def delete_dataset(self, name: str, number: int | None = None) -> None:
        """For good: all its versions, or the one of this number. Jobs and models that came of them stay. Raises Conflict while a
        job that has not ended needs one."""
        which = () if number is None else ("versions", str(number))
        self._transport.ask("DELETE", route("datasets", name, *which), again=False)

    def dataset_version(self, version_id: str) -> DatasetVersionView:
        return self._get(route("dataset-versions", version_id), DatasetVersionView)

    def pictures(
        self, version_id: str, *, split: str | None = None, class_name: str | None = None
    ) -> Iterator[PictureView]:
        """The images of a version with their objects, in its own order; pages are fetched as needed."""
        pictures = route("dataset-versions", version_id, "pictures")
        return self._pages(pictures, PictureView, split=split, class_name=class_name)

    def thumbnail(self, version_id: str, number: int, *, side: int = 256, labels: bool = True) -> bytes:
        """An image of a version as a JPEG, drawn with its labels."""
        thumbnail = route("dataset-versions", version_id, "pictures", str(number), "thumbnail")
        return self._transport.ask("GET", thumbnail, params=_given({"side": side, "labels": labels})).content

    def sheet(self, version_id: str, *, limit: int = 48, columns: int = 8, side: int = 192) -> bytes:
        """Many images of a version on one PNG, drawn with their labels."""
        params = _given({"limit": limit, "columns": columns, "side": side})
        return self._transport.ask("GET", route("dataset-versions", version_id, "sheet"), params=params).content

    def changes(self, version_id: str, dataset: str | None = None) -> Iterator[dict[str, str]]:
        """What a version leaves out or alters against its source: code, source, detail. `dataset` says which source, if
        several came to the same version."""
        params = _given({"dataset": dataset})
        with self._transport.stream("GET", route("dataset-versions", version_id, "changes"), params=params) as response:
            yield from map(json.loads, response.iter_lines())

    # -- recipes and trainers

    def recipes(self) -> tuple[RecipeView, ...]:
        return self._list(route("recipes"), RecipeView)

    def recipe(self, trainer: str, task: str) -> RecipeView:
        return self._get(route("recipes", trainer, task), RecipeView)

    def resolve(self, trainer: str, task: str, request: ResolutionRequest) -> Resolution:
        """What would run with these settings; nothing is kept."""
        body = request.model_dump(mode="json", exclude_unset=True)
        return self._post(f"{route('recipes', trainer, task)}:resolve", Resolution, json=body)

    def trainers(self) -> tuple[TrainerView, ...]:
        return self._list(route("trainers"), TrainerView)

    # -- queue

    def deliver(self, body: bytes, size_bytes: int | None = None) -> QueueAnswer:
        """Hand over a message of a queue; once this has returned, it is settled. `size_bytes`: of the whole, where `body` is only
        its beginning."""
        params = _given({"size_bytes": size_bytes})
        return self._post(route("queue", "messages"), QueueAnswer, content=body, params=params)

    def parked(self) -> Iterator[ParkedView]:
        """Messages that were put aside, newest first."""
        return self._pages(route("queue", "parked"), ParkedView)

    def parked_message(self, parked_id: str) -> ParkedView:
        return self._get(route("queue", "parked", parked_id), ParkedView)

    def replay(self, parked_id: str) -> QueueAnswer:
        """Have it taken as if it came now. Raises Conflict for one of which only the beginning is kept."""
        return self._post(f"{route('queue', 'parked', parked_id)}:replay", QueueAnswer)

    def discard(self, parked_id: str) -> None:
        """For good."""
        self._transport.ask("DELETE", route("queue", "parked", parked_id), again=False)

    # -- storage

    def storage(self) -> StorageView:
        """How many bytes the server's store holds."""
        return self._get(route("storage"), StorageView)

    # -- projects

    def create_project(self, project: str) -> ProjectView:
        """Raises Conflict where there is one of that name, Forbidden where it could have nothing run."""
        return self._post(route("projects"), ProjectView, again=False, json={"id": project})

    def quota(self, project: str) -> QuotaView:
        """What it may use, and uses."""
        return self._get(route("projects", project, "quota"), QuotaView)

    def set_quota(self, project: str, **limits: int | None) -> QuotaView:
        """`limits`: as QuotaUpdate has them; one that is None goes."""
        return read(QuotaView, self._transport.ask("PUT", route("projects", project, "quota"), json=limits))

    def projects(self) -> tuple[ProjectView, ...]:
        """By name."""
        return self._list(route("projects"), ProjectView)

    # -- webhooks

    def create_webhook(self, order: WebhookCreate) -> WebhookSecret:
        """Have somebody told. The secret is in this answer only."""
        asked = order.model_dump(mode="json", exclude_defaults=True)
        return self._post(route("webhooks"), WebhookSecret, again=False, json=asked)

    def webhooks(self) -> tuple[WebhookView, ...]:
        return self._list(route("webhooks"), WebhookView)

    def webhook(self, webhook_id: str) -> WebhookView:
        return self._get(route("webhooks", webhook_id), WebhookView)

    def update_webhook(self, webhook_id: str, order: WebhookUpdate) -> WebhookView:
        """What was not set stays as it is. Raises Conflict for one that the server's settings declare."""
        asked = order.model_dump(mode="json", exclude_unset=True)
        return read(WebhookView, self._transport.ask("PATCH", route("webhooks", webhook_id), json=asked))

    def delete_webhook(self, webhook_id: str) -> None:
        """With its deliveries, for good."""
        self._transport.ask("DELETE", route("webhooks", webhook_id), again=False)

    def rotate_webhook(self, webhook_id: str) -> WebhookSecret:
        """A new secret; for 24 hours deliveries are signed with the old one, too."""
        return self._post(f"{route('webhooks', webhook_id)}:rotate", WebhookSecret, again=False)

    def test_webhook(self, webhook_id: str) -> DeliveryView:
        """Send webhook.test now, once; what came of it."""
        return self._post(f"{route('webhooks', webhook_id)}:test", DeliveryView, again=False)

    def deliveries(
        self,
        webhook_id: str,
        *,
        status: DeliveryStatus | None = None,
        event: WebhookEvent | None = None,
        job_id: str | None = None,
    ) -> Iterator[DeliveryView]:
        """Newest first."""
        wanted = {"status": status, "event": event, "job_id": job_id}
        return self._pages(route("webhooks", webhook_id, "deliveries"), DeliveryView, **wanted)

    def replay_delivery(self, webhook_id: str, delivery_id: str) -> DeliveryView:
        """Send it again, the same bytes under the same webhook-id. Raises Conflict while the webhook is disabled."""
        return self._post(f"{route('webhooks', webhook_id, 'deliveries', delivery_id)}:replay", DeliveryView)

    def replay_deliveries(self, webhook_id: str, since_ms: int = 0) -> ReplayReport:
        """All that were given up, of those created since. Raises Conflict while the webhook is disabled."""
        return self._post(f"{route('webhooks', webhook_id)}:replay", ReplayReport, json={"since_ms": since_ms})

    # -- jobs

    def preflight(self, request: PreflightRequest) -> Preflight:
        """Everything that is wrong with an order, and what it would take; without a data set, all but that."""
        return self._post(f"{API}/jobs:preflight", Preflight, json=request.model_dump(mode="json", exclude_unset=True))

    def check(self, request: PreflightRequest) -> Preflight:
        """`preflight`, but raises what `submit` would refuse the order with."""
        found = self.preflight(request)
        if (refused := refusal(found)) is not None:
            raise refused
        return found

    def submit(self, request: JobRequest, *, key: str | None = None) -> JobView:
        """Order a training. The same `key` and order twice is one job; without a key each call is an order of its own."""
        return self._post(
            f"{API}/jobs",
            JobView,
            json=request.model_dump(mode="json", exclude_unset=True),
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    def rehearse(self, request: RehearsalRequest, *, key: str | None = None) -> JobView:
        """Have the first batches of an order tried, as a job whose report `rehearsal` fetches."""
        return self._post(
            f"{API}/jobs:rehearse",
            JobView,
            json=request.model_dump(mode="json", exclude_unset=True),
            headers={"Idempotency-Key": key or str(uuid.uuid4())},
        )

    def rehearsal(self, job_id: str) -> RehearsalReport:
        """What a rehearsal that has succeeded found. Raises NotFound before that."""
        return self._get(route("jobs", job_id, "artifacts", REPORT), RehearsalReport)

    def jobs(
        self,
        *,
        kind: JobKind | None = None,
        state: JobState | None = None,
        trainer: str | None = None,
        dataset_version: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Iterator[JobView]:
        """Newest first."""
        label = [f"{key}:{value}" for key, value in (labels or {}).items()]
        wanted = {"kind": kind, "state": state, "trainer": trainer, "dataset_version": dataset_version}
        return self._pages(route("jobs"), JobView, **wanted, label=label)

    def job(self, job_id: str) -> JobView:
        return self._get(route("jobs", job_id), JobView)

    def cancel(self, job_id: str) -> JobView:
        """Ask it to stop; a queued job is cancelled at once. Raises Conflict when it has already ended."""
        return self._post(f"{route('jobs', job_id)}:cancel", JobView, again=False)

    def retry(self, job_id: str, *, fresh: bool = False, config: Mapping[str, Any] | None = None) -> JobView:
        """The same order once more, as a new job with `rerun_of`; of one that was cancelled or failed, from its last checkpoint
        on, unless it is to be `fresh`. `config` changes exports and export_tolerance."""
        how = {"params": {"fresh": fresh}, "json": {"config": dict(config or {})}}
        return self._post(f"{route('jobs', job_id)}:retry", JobView, again=False, **how)

    def watch(self, job_id: str, after: int = 0) -> Iterator[JobView | EventView]:
        """The job as it is, then every change and every event after position `after`, until the final JobView.

        A lost connection is taken up where it broke; nothing is given twice.
        """
        return iter(Watching(self._transport, job_id, after))

    def wait(self, job_id: str, *, timeout_seconds: float | None = None) -> JobView:
        """Until it has succeeded, failed or been cancelled. Raises TimeoutError; the job itself goes on."""
        watching = Watching(self._transport, job_id)
        if timeout_seconds is not None:
            watching.deadline = watching.monotonic() + timeout_seconds
        views = (item for item in watching if isinstance(item, JobView))
        return next(view for view in views if view.state.final)

    def events(self, job_id: str, after: int = 0) -> Iterator[EventView]:
        """What is stored by now, oldest first."""
        return self._pages(route("jobs", job_id, "events"), EventView, after=str(after))

    def logs(self, job_id: str, offset: int = 0, attempt: int | None = None) -> LogChunk:
        """What the attempt (default: the newest) printed from byte `offset` on."""
        return self._get(route("jobs", job_id, "logs"), LogChunk, offset=offset, attempt=attempt)

    def metrics(self, job_id: str) -> tuple[MetricSeries, ...]:
        return self._list(route("jobs", job_id, "metrics"), MetricSeries)

    def checkpoints(self, job_id: str) -> tuple[CheckpointView, ...]:
        return self._list(route("jobs", job_id, "checkpoints"), CheckpointView)

    def artifacts(self, job_id: str) -> tuple[ArtifactView, ...]:
        return self._list(route("jobs", job_id, "artifacts"), ArtifactView)

    def download_artifact(
        self, job_id: str, path: str, target: Path, *, sha256: str | None = None, told: Told = untold
    ) -> Path:
        return self._download(route("jobs", job_id, "artifacts", *path.split("/")), target, sha256, told)

    # -- models

    # A `model` is named by its id, `NAME@ALIAS`, `NAME@3`, or `NAME`, which is its newest.

    def models(self, name: str | None = None) -> Iterator[ModelView]:
        """Newest first; only the versions of a name, if one is given."""
        return self._pages(route("models"), ModelView, name=name)

    def model(self, model: str) -> ModelView:
        """Raises NotFound with the nearest, or with when it was deleted."""
        return self._get(model_route(model), ModelView)

    def compare_models(self, left: str, right: str) -> ModelComparison:
        return self._get(f"{API}/models:compare", ModelComparison, left=left, right=right)

    def set_alias(self, model: str, alias: str) -> ModelView:
        """Let an alias of its name point to it; wherever it pointed before, it does no longer."""
        return self._alias("PUT", model, alias)

    def remove_alias(self, model: str, alias: str) -> ModelView:
        """Raises NotFound when the alias does not point to this model."""
        return self._alias("DELETE", model, alias, again=False)

    def delete_model(self, model: str) -> None:
        """For good, with its files. Raises Conflict while an alias points to it."""
        self._transport.ask("DELETE", model_route(model), again=False)

    def download_model(
        self, model: str, folder: Path, *, files: Collection[str] = (), told: Told = untold
    ) -> tuple[Path, ...]:
        """Every file of the model, or `files` alone, verified by its sha256. Raises NotFound for one that it does not have."""
        found = self.model(model)
        known = {artifact.path: artifact for artifact in found.artifacts}
        for file in files:
            if file not in known:
                raise NotFound(f"model {found.id} has no file {file!r}.{nearest(file, known)}")
        return self._fetch(found, [known[file] for file in files or known], folder, told)

    def order_export(self, model: str, form: str) -> ModelExport:
        """Have a form made that the model lacks; asked twice, it is one job. `exported` says what came of it."""
        return self._post(f"{model_route(model)}:export", ModelExport, json={"format": form})

    def exported(self, order: ModelExport) -> ModelView:
        """The model with the form that was ordered. Raises what became of the job instead."""
        if order.job is not None:
            self._succeeded(order.job)
        return self.model(order.model.id)

    def export_model(self, model: str, form: str, target: Path, *, told: Told = untold) -> Path:
        """One zip of an export (such as `onnx`) with its labels, metrics, card, certificate and licence; always the same bytes.

        A file at `target` is written over. Raises NotFound when the model lacks that export.
        """
        found = self.model(model)
        export = export_of(found, form)
        refs = files_of(found, export)
        with tempfile.TemporaryDirectory(prefix="eyebright-") as folder:
            fetched = self._fetch(found, refs, Path(folder), told)
            files = {ref.path: path for ref, path in zip(refs, fetched, strict=True)}
            pack(target, files, texts_of(found, export))
        return target

    def predict(self, model: str, image: Path | bytes) -> Prediction:
        """Classify one image (a file or its bytes)."""
        content = image if isinstance(image, bytes) else Path(image).read_bytes()
        headers = {"Content-Type": "application/octet-stream"}
        return self._post(f"{model_route(model)}:predict", Prediction, content=content, headers=headers, timeout=None)

    # -- how

    def _here(self) -> str:
        if self.server is None:
            folder = self.settings.data_dir
            raise Unavailable(
                f"no server runs on {folder}. Start one with `eyebright serve`, or name one with EYEBRIGHT_URL."
            )
        return self.server.url

    def _moved(self) -> str | None:
        """Where the server of this machine is now: it may have been restarted since."""
        self.server = self._find(self.settings) or self.server
        return self.server.url if self.server else None

    def _token(self, named: str | None) -> str:
        """The token that was given, or the one of the data folder for the server that works on it: no other gets to see that,
        not even one of this machine."""
        ours = named is None or (self.server is not None and is_same(named, self.server.url))
        found = self.settings.token or (local_token(self.settings) if ours else None)
        if found is None:
            raise Unauthenticated(
                "no token: set EYEBRIGHT_TOKEN to what the server keeps in the file `token` of its data folder."
            )
        return found

    def _order(self, path: str, order: DatasetImport | DatasetInspection) -> JobView:
        """One job, even if the answer is lost on the way and it has to be sent again."""
        asked = order.model_dump(mode="json", exclude_defaults=True)
        headers = {"Prefer": "respond-async", "Idempotency-Key": str(uuid.uuid4())}
        return self._post(path, JobView, json=asked, headers=headers)

    def _succeeded(self, job: JobView) -> JobView:
        ended = job if job.state.final else self.wait(job.id)
        if ended.state is JobState.SUCCEEDED:
            return ended
        failed = [event for event in self.events(job.id) if event.kind == EventKind.FAILED]
        last = failed[-1].data if failed and failed[-1].attempt == ended.attempt else {}
        raise error_of(ended.reason, ended.message, errors_of(last))

    def _get(self, path: str, view: type[V], **params: Any) -> V:
        return read(view, self._transport.ask("GET", path, params=_given(params)))

    def _post(self, path: str, view: type[V], *, again: bool = True, **request: Any) -> V:
        return read(view, self._transport.ask("POST", path, again=again, **request))

    def _list(self, path: str, view: type[V]) -> tuple[V, ...]:
        return read_all(view, self._transport.ask("GET", path))

    def _pages(self, path: str, view: type[V], **params: Any) -> Iterator[V]:
        while True:
            page = self._get(path, Page[view], **params)
            yield from page.items
            if page.next is None:
                return
            params["after"] = page.next

    def _alias(self, method: str, model: str, alias: str, *, again: bool = True) -> ModelView:
        response = self._transport.ask(method, model_route(model, "aliases", alias), again=again)
        return read(ModelView, response)

    def _fetch(self, model: ModelView, refs: Iterable[ArtifactRef], folder: Path, told: Told) -> tuple[Path, ...]:
        return tuple(
            self._download(model_route(model.id, "files", *ref.path.split("/")), folder / ref.path, ref.sha256, told)
            for ref in refs
        )

    def _download(self, path: str, target: Path, sha256: str | None, told: Told) -> Path:
        with self._transport.stream("GET", path, headers={"Accept-Encoding": "identity"}) as response:
            return save(response, target, sha256=sha256, told=told)


def _given(params: Mapping[str, Any]) -> httpx.QueryParams:
    return httpx.QueryParams({key: value for key, value in params.items() if value is not None})
