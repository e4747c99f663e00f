"""`eyebright models …`."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from eyebright.cli.connection import connected
from eyebright.cli.options import Json, ModelId
from eyebright.cli.seeing import show_prediction
from eyebright.cli.summary import attempt_folder, parity_line
from eyebright.cli.terminal import emit, metrics_line, moment, say, show, show_facts, show_table, size
from eyebright.cli.verbs import example, group
from eyebright.errors import InvalidRequest
from eyebright_wire.resources import ModelView

app = group(
    "List, show, download and try trained models.",
    """
eyebright models list
eyebright models predict MODEL photo.jpg
eyebright models download MODEL --to flowers-model/
""",
)


@app.command("list", epilog=example("eyebright models list --json | jq -r .[0].id"))
def list_models(
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50, as_json: Json = False
) -> None:
    """The newest models first."""
    with connected() as client:
        found = list(islice(client.models(), limit))
    if as_json:
        emit(found)
        return
    rows = (
        (m.id, m.name, m.architecture, len(m.classes), metrics_line(_first(m.metrics)), moment(m.created_at_ms))
        for m in found
    )
    show_table(
        ("model", "name", "architecture", "classes", "metrics", "created"), rows, "No models yet. Try `eyebright demo`."
    )


@app.command("show", epilog=example("eyebright models show MODEL"))
def show_model(model_id: ModelId, as_json: Json = False) -> None:
    """A model: what it knows, how good it is, where it came from, which files it has."""
    with connected() as client:
        model = client.model(model_id)
        folder = attempt_folder(client, model.job_id, model.attempt)
    if as_json:
        emit(model)
        return
    show_facts(_facts(model, folder))
    show("")
    show_table(("file", "kind", "size"), ((a.path, a.kind, size(a.size_bytes)) for a in model.artifacts), "No files.")


@app.command(epilog=example("eyebright models download MODEL\neyebright models download MODEL --to flowers-model/"))
def download(
    model_id: ModelId,
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default: a folder named like the model.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch every file of a model; each is checked against its sha256."""
    folder = (to or Path(model_id)).expanduser()
    with connected() as client:
        paths = client.download_model(model_id, folder)
    if as_json:
        emit({"model_id": model_id, "folder": str(folder), "files": [str(path) for path in paths]})
        return
    for path in paths:
        show(str(path))


@app.command(
    epilog=example("eyebright models predict MODEL photo.jpg\neyebright models predict MODEL photo.jpg --top 3 --json")
)
def predict(
    model_id: ModelId,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture file.")],
    top: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many answers, best first; default: 5 classes, or every object."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask a model what is on a picture."""
    content = _picture(image.expanduser())
    with connected() as client:
        prediction = client.predict(model_id, content)
    if as_json:
        emit(prediction)
        return
    show_prediction(prediction, top)
    say(f"{prediction.seconds:.2f} s", style="dim")


def _picture(path: Path) -> bytes:
    """Raises InvalidRequest for what is no plain file: a pipe would keep us waiting for ever."""
    if path.is_dir():
        raise InvalidRequest(f"{path} is a folder; name one picture file")
    if path.exists() and not path.is_file():
        raise InvalidRequest(f"{path} is no plain file; name a picture file")
    if not (content := path.read_bytes()):
        raise InvalidRequest(f"{path} is empty; name a picture file")
    return content


def _first(metrics: dict[str, float]) -> dict[str, float]:
    return dict(islice(metrics.items(), 2))


def _facts(model: ModelView, folder: Path | None) -> list[tuple[str, object]]:
    return [
        ("model", f"{model.id}  {model.name}"),
        ("architecture", model.architecture),
        ("task", model.task),
        ("classes", ", ".join(model.classes)),
        ("metrics", metrics_line(model.metrics)),
        ("job", f"{model.job_id}  attempt {model.attempt}"),
        ("data set", model.dataset_version),
        ("trainer", model.trainer),
        ("created", moment(model.created_at_ms)),
        *((export.format, parity_line(export, folder)) for export in model.exports),
        ("files", folder or ""),
    ]
