"""The tools that change something, for the persona `operator`: each shows what it would do until it is confirmed."""

import asyncio
import base64
from pathlib import Path
from typing import Annotated

from pydantic import Field

from eyebright.doors.mcp.answers import Deleted, ImportPreview, ModelLoss, SourcePreview, Step, done, previewed
from eyebright.doors.mcp.reading import JobId, ModelName
from eyebright.doors.mcp.tools import tool
from eyebright.doors.mcp.ways import in_tools
from eyebright.errors import InvalidRequest, model_in_use
from eyebright.services import Services
from eyebright_wire.jobs import JobRequest, PreflightRequest, RehearsalRequest
from eyebright_wire.resources import (
    DatasetImport,
    DatasetInspection,
    JobView,
    ModelExport,
    ModelView,
    Prediction,
    Preflight,
)

SOURCE = "mcp"

#: Strict: nobody confirms by "yes" or 1.
Confirm = Annotated[
    bool, Field(strict=True, description="False: nothing is changed, and the answer shows what would be done")
]
Key = Annotated[
    str | None,
    Field(
        min_length=1, max_length=255, description="The same key and order twice is one job, however often it is sent"
    ),
]
Fresh = Annotated[bool, Field(strict=True, description="Begin anew, though there is a checkpoint to go on from")]
#: No name: what it stands for may be another one once it is confirmed.
ModelId = Annotated[str, Field(max_length=200, pattern="^mdl_", description="Its id, such as mdl_0192f3…; no name")]
Form = Annotated[str, Field(max_length=100, description="Such as onnx")]
ImagePath = Annotated[str | None, Field(description="A file that the server itself can read; absolute")]
ImageBase64 = Annotated[str | None, Field(description="The bytes of a JPEG or PNG, in base64")]


class Changing:
    def __init__(self, services: Services, image_bytes: int) -> None:
        """`image_bytes`: the largest image to predict on."""
        self._services = services
        self._image_bytes = image_bytes

    @tool("plan", "Rehearse a training", changes=True)
    async def rehearse_training(
        self, order: JobRequest, confirm: Confirm = False, key: Key = None
    ) -> Step[Preflight, JobView]:
        """Have the first batches of an order tried, with its checkpoint and exports, for about a minute; no model comes of it.
        The preview is estimate_training's; the result is a job, and describe_rehearsal tells what it found."""
        if not confirm:
            return await self._looked_at(order)
        rehearsal = RehearsalRequest(**order.model_dump())
        return done((await self._services.jobs.rehearse(rehearsal, source=SOURCE, key=key)).view)

    @tool("discover", "Inspect data", changes=True, open_world=True)
    async def inspect_dataset(
        self, order: DatasetInspection, confirm: Confirm = False, key: Key = None
    ) -> Step[SourcePreview, JobView]:
        """Look at a folder, a zip or an address as an import would, and keep nothing of it. The result is a job: watch it with
        watch_job, then describe_inspection."""
        if not confirm:
            return previewed(SourcePreview(source=(await self._services.datasets.check(order)).shown))
        return done(await self._services.datasets.order(order, source=SOURCE, key=key))

    @tool("discover", "Import a data set", changes=True, open_world=True)
    async def import_dataset(
        self, order: DatasetImport, confirm: Confirm = False, key: Key = None
    ) -> Step[ImportPreview, JobView]:
        """Make an immutable version of a folder, a zip or an address. The result is a job: watch it with watch_job; its
        `imported_version` names the version in the end."""
        if not confirm:
            source = await self._services.datasets.check(order)
            return previewed(ImportPreview(source=source.shown, name=order.name or source.name))
        return done(await self._services.datasets.order(order, source=SOURCE, key=key))

    @tool("train", "Start a training", changes=True)
    async def start_training(
        self, order: JobRequest, confirm: Confirm = False, key: Key = None
    ) -> Step[Preflight, JobView]:
        """Order a training. Only `dataset` must be given. The preview is estimate_training's; the result is a job."""
        if not confirm:
            return await self._looked_at(order)
        return done((await self._services.jobs.submit(order, source=SOURCE, key=key)).view)

    @tool("train", "Cancel a job", changes=True, destroys=True)
    async def cancel_job(self, job_id: JobId, confirm: Confirm = False) -> Step[JobView, JobView]:
        """A queued job is cancelled at once; a running one is asked to stop, and may still finish first."""
        jobs = self._services.jobs
        return done(await jobs.cancel(job_id)) if confirm else previewed(await jobs.cancellable(job_id))

    @tool("train", "Run a job again", changes=True, open_world=True)
    async def retry_job(self, job_id: JobId, fresh: Fresh = False, confirm: Confirm = False) -> Step[JobView, JobView]:
        """A new job with the order of one that has ended. A training that was cancelled or failed goes on from its newest whole
        checkpoint, unless it is to be `fresh`."""
        jobs = self._services.jobs
        return done(await jobs.retry(job_id, fresh=fresh)) if confirm else previewed(await jobs.repeatable(job_id))

    @tool("manage", "Export a model", changes=True)
    async def export_model(
        self, model: ModelName, form: Form, confirm: Confirm = False
    ) -> Step[ModelView, ModelExport]:
        """Have a form of a model made that its training did not make. What it has already is only shown."""
        if not confirm:
            return previewed(await self._services.exports.check(model, form))
        return done(await self._services.exports.order(model, form))

    @tool("manage", "Predict on an image", changes=True)
    async def predict(
        self, model: ModelName, path: ImagePath = None, image: ImageBase64 = None, confirm: Confirm = False
    ) -> Step[ModelView, Prediction]:
        """Ask a model about one image, given as exactly one of `path` and `image`. It starts a process on the server, so it is
        confirmed like everything that takes resources."""
        content = await self._image(path, image)
        if not confirm:
            return previewed(await self._services.models.get(model))
        return done(await self._services.models.predict(model, content))

    @tool("manage", "Delete a model", changes=True, destroys=True)
    async def delete_model(self, model_id: ModelId, confirm: Confirm = False) -> Step[ModelLoss, Deleted]:
        """Forget a model and remove its files, for good. One that an alias points to is refused until the alias is taken away."""
        if confirm:
            await self._services.models.delete(model_id)
            return done(Deleted(id=model_id))
        model = await self._services.models.get(model_id)
        if model.aliases:
            raise model_in_use(f"{model.name}@{model.number}", model.aliases)
        size_bytes = sum(artifact.size_bytes for artifact in model.artifacts)
        return previewed(ModelLoss(model=model, files=len(model.artifacts), size_bytes=size_bytes))

    async def _looked_at(self, order: JobRequest) -> Step[Preflight, JobView]:
        return previewed(await self._services.preflights.preflight(PreflightRequest(**order.model_dump()), in_tools))

    async def _image(self, path: str | None, image: str | None) -> bytes:
        if (path is None) == (image is None):
            raise InvalidRequest("expected exactly one of path and image")
        content = await asyncio.to_thread(self._file, Path(path)) if path is not None else _decoded(image or "")
        if len(content) > self._image_bytes:
            raise InvalidRequest(
                f"the image is larger than {self._image_bytes} bytes; see EYEBRIGHT_UPLOADS__IMAGE_BYTES"
            )
        return content

    def _file(self, path: Path) -> bytes:
        """One byte more than may be, at most, so that it is refused like one that was sent."""
        if not path.is_absolute() or not path.is_file():
            raise InvalidRequest(f"there is no file {path} on the server; expected the absolute path of an image")
        try:
            with path.open("rb") as file:
                return file.read(self._image_bytes + 1)
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be read on the server: {error.strerror}") from None


def _decoded(image: str) -> bytes:
    try:
        return base64.b64decode(image, validate=True)
    except ValueError:
        raise InvalidRequest("image is not in base64") from None
