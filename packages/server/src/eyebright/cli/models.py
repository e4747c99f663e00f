"""`eyebright models …`."""

import base64
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from eyebright.cli.comparing import ancestor_line, show_comparison, title
from eyebright.cli.connection import connected
from eyebright.cli.exits import Exit
from eyebright.cli.exporting import target_of, with_export
from eyebright.cli.options import MOST_LISTED, Json, ModelName, NewestFirst
from eyebright.cli.seeing import show_prediction
from eyebright.cli.summary import attempt_folder, parity_line
from eyebright.cli.terminal import agreed, emit, metrics_line, moment, say, show, show_facts, show_table, size
from eyebright.cli.verbs import example, group
from eyebright.errors import InvalidRequest
from eyebright_wire.resources import ModelView, Prediction

_MASKED = "semantic_segmentation"

app = group(
    "List, show, compare, export and try trained models.",
    """
eyebright models list --name flowers
eyebright models compare flowers@production flowers
eyebright models alias flowers@3 production
eyebright models predict flowers@production photo.jpg
eyebright models export flowers@production --format onnx
""",
)


@app.command(
    "list", epilog=example("eyebright models list --name flowers\neyebright models list --json | jq -r .[0].id")
)
def list_models(
    name: Annotated[str | None, typer.Option(help="Only the versions of this name.")] = None,
    limit: NewestFirst = 50,
    as_json: Json = False,
) -> None:
    """The newest models first."""
    with connected() as client:
        found = list(islice(client.models(name), limit))
    if as_json:
        emit(found)
        return
    columns = ("model", "name", "aliases", "architecture", "classes", "metrics", "created")
    none = f"No model is named {name}." if name else "No models yet. Try `eyebright demo`."
    show_table(columns, map(_row, found), none)


@app.command("show", epilog=example("eyebright models show flowers@production\neyebright models show MODEL --json"))
def show_model(model_name: ModelName, as_json: Json = False) -> None:
    """A model: what it knows, how good it is, where it came from, which files it has."""
    with connected() as client:
        model = client.model(model_name)
        folder = attempt_folder(client, model.job_id, model.attempt)
    if as_json:
        emit(model)
        return
    show_facts(_facts(model, folder))
    show("")
    show_table(("file", "kind", "size"), ((a.path, a.kind, size(a.size_bytes)) for a in model.artifacts), "No files.")


@app.command(epilog=example("eyebright models alias flowers production\neyebright models alias flowers@2 production"))
def alias(
    model_name: ModelName,
    word: Annotated[str, typer.Argument(metavar="ALIAS", help="A lower-case word, such as production.")],
    as_json: Json = False,
) -> None:
    """Let a word point to this model. Where it pointed before, among those of the same name, it does no longer."""
    with connected() as client:
        model = client.set_alias(model_name, word)
    if as_json:
        emit(model)
    else:
        show(f"{model.name}@{word} is {title(model)}  {model.id}")


@app.command(epilog=example("eyebright models unalias flowers@2 production"))
def unalias(
    model_name: ModelName,
    word: Annotated[str, typer.Argument(metavar="ALIAS", help="The word to take away from it.")],
    as_json: Json = False,
) -> None:
    """Take an alias away from the model that it points to."""
    with connected() as client:
        model = client.remove_alias(model_name, word)
    if as_json:
        emit(model)
    else:
        show(f"{title(model)} is {word} no longer")


@app.command(epilog=example("eyebright models compare flowers@production flowers"))
def compare(left: ModelName, right: ModelName, as_json: Json = False) -> None:
    """Two models side by side: metrics, settings, data, classes."""
    with connected() as client:
        found = client.compare_models(left, right)
    if as_json:
        emit(found)
    else:
        show_comparison(found)


@app.command(epilog=example("eyebright models delete flowers@1\neyebright models delete MODEL --yes"))
def delete(
    model_name: ModelName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    """Delete a model with its files and checkpoints, for good. Refused while an alias points to it."""
    with connected() as client:
        model = client.model(model_name)
        if not yes and not agreed(title(model), f"{title(model)} ({model.id}) and its files"):
            say("Nothing was deleted.")
            return Exit.NO
        client.delete_model(model.id)
    if as_json:
        emit({"deleted": model.id})
    else:
        show(f"{title(model)}  {model.id} is deleted")
    return Exit.DONE


@app.command(epilog=example("eyebright models export flowers@production --format onnx --to flowers.zip"))
def export(
    model_name: ModelName,
    form: Annotated[str, typer.Option("--format", help="Such as onnx.")],
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: named after model, number and format.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a FILE that is there already.")] = False,
    as_json: Json = False,
) -> None:
    """One zip with an export, its settings, labels, metrics, model card, certificate and licence; the same bytes each time.

    A form that the training did not make is made now by the model's trainer, where that can, and kept with the model.
    """
    with connected() as client:
        model = client.model(model_name)
        target = target_of(model, form, to, force=force)
        model = with_export(client, model, form)
        written = client.export_model(model.id, form, target)
    if as_json:
        emit({"model_id": model.id, "format": form, "file": str(written)})
    else:
        show(str(written))


@app.command(
    epilog=example(
        "eyebright models download MODEL\neyebright models download MODEL --to flowers-model/\n"
        "eyebright models download MODEL --file pytorch_lora_weights.safetensors --to loras/"
    )
)
def download(
    model_name: ModelName,
    to: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Default: a folder named like the model.")] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file", metavar="NAME", help="This file alone, as `eyebright models show` lists it; repeatable."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch every file of a model; each is checked against its sha256."""
    folder = (to or Path(model_name.replace("/", "-"))).expanduser()
    with connected() as client:
        model = client.model(model_name)
        paths = client.download_model(model.id, folder, files=files or ())
    if as_json:
        emit({"model_id": model.id, "folder": str(folder), "files": [str(path) for path in paths]})
        return
    for path in paths:
        show(str(path))


@app.command(
    epilog=example("eyebright models predict MODEL photo.jpg\neyebright models predict MODEL photo.jpg --top 3 --json")
)
def predict(
    model_name: ModelName,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture file.")],
    top: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_LISTED, help="At most so many answers, best first; default: 5 classes, or every object."
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write the mask, of a model that answers one: a PNG of class indices."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask a model what is on a picture."""
    content = _picture(image.expanduser())
    with connected() as client:
        model = client.model(model_name)
        if mask and model.task != _MASKED:
            raise InvalidRequest(f"{title(model)} is of {model.task} and answers no mask; leave out --mask")
        say(f"Asking {title(model)}; starting {model.trainer} takes a while …", style="dim")
        prediction = client.predict(model.id, content)
    if mask:
        _write_mask(prediction, mask.expanduser())
    if as_json:
        emit(prediction)
        return
    show_prediction(prediction, top)
    say(f"{prediction.seconds:.2f} s", style="dim")


def _write_mask(prediction: Prediction, path: Path) -> None:
    """Raises InvalidRequest for a model that answers something else."""
    if not prediction.mask:
        raise InvalidRequest("this model answers no mask; leave out --mask, or ask a model for semantic segmentation")
    path.write_bytes(base64.b64decode(prediction.mask.png, validate=True))


def _picture(path: Path) -> bytes:
    """Raises InvalidRequest for what is no plain file: a pipe would keep us waiting for ever."""
    if path.is_dir():
        raise InvalidRequest(f"{path} is a folder; name one picture file")
    if path.exists() and not path.is_file():
        raise InvalidRequest(f"{path} is no plain file; name a picture file")
    if not (content := path.read_bytes()):
        raise InvalidRequest(f"{path} is empty; name a picture file")
    return content


def _row(model: ModelView) -> tuple[object, ...]:
    metrics = metrics_line(_first(model.metrics))
    known = (model.architecture, len(model.classes) or "", metrics, moment(model.created_at_ms))
    return model.id, title(model), ", ".join(model.aliases), *known


def _first(metrics: dict[str, float]) -> dict[str, float]:
    return dict(islice(metrics.items(), 2))


def _facts(model: ModelView, folder: Path | None) -> list[tuple[str, object]]:
    return [
        ("model", f"{model.id}  {title(model)}"),
        ("aliases", ", ".join(model.aliases)),
        ("architecture", model.architecture),
        ("task", model.task),
        ("classes", ", ".join(model.classes)),
        ("metrics", metrics_line(model.metrics)),
        ("job", f"{model.job_id}  attempt {model.attempt}"),
        ("data set", model.dataset_version),
        *(("begun from", ancestor_line(ancestor)) for ancestor in model.lineage),
        ("trainer", model.trainer),
        ("licence", model.licence or ""),
        ("created", moment(model.created_at_ms)),
        *((export.format, parity_line(export, folder)) for export in model.exports),
        ("files", folder or ""),
    ]
