"""`eyebright recipes …`."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from eyebright.cli.connection import connected
from eyebright.cli.options import Json, Settings, SettingsFile
from eyebright.cli.scalars import settings_of
from eyebright.cli.terminal import emit, say, show, show_facts, show_table
from eyebright.cli.verbs import example, group
from eyebright.core.assignment import written
from eyebright.errors import InvalidRequest
from eyebright_wire.resources import ResolutionRequest


class View(StrEnum):
    """Who is meant to meet a setting."""

    USER = "user"
    DEVELOPER = "developer"


RecipeName = Annotated[str, typer.Argument(metavar="TRAINER/TASK", help="As `eyebright recipes list` names it.")]

app = group(
    "What can be trained, and every setting with its default.",
    """
eyebright recipes list
eyebright recipes show torchvision/classification
eyebright recipes resolve torchvision/classification --set epochs=20
""",
)


@app.command("list", epilog=example("eyebright recipes list --json"))
def list_recipes(as_json: Json = False) -> None:
    """Every task of every installed trainer."""
    with connected() as client:
        found = client.recipes()
        trainers = () if found else client.trainers()
    if as_json:
        emit(found)
        return
    empty = trainers[0].problem if trainers else "There is no trainer."
    rows = ((r.name, r.default_model, ", ".join(m for m in r.models if m != r.default_model)) for r in found)
    show_table(("recipe", "model", "or"), rows, empty)


@app.command(
    "show",
    epilog=example(
        "eyebright recipes show torchvision/classification\n"
        "eyebright recipes show torchvision/classification --view user\n"
        "eyebright recipes show toy/classification --json"
    ),
)
def show_recipe(
    name: RecipeName,
    view: Annotated[View, typer.Option(help="The settings that everybody meets, or every one.")] = View.DEVELOPER,
    as_json: Json = False,
) -> None:
    """The settings that `--set` takes, with default and meaning."""
    trainer, task = _parts(name)
    with connected() as client:
        recipe = client.recipe(trainer, task)
    if as_json:
        emit(recipe)
        return
    also = ", ".join(f"{recipe.trainer}/{alias}" for alias in recipe.aliases)
    show_facts(
        [
            ("recipe", recipe.name),
            ("also called", also),
            ("models", ", ".join(recipe.models)),
            ("default", recipe.default_model),
        ]
    )
    show("")
    properties: dict[str, Any] = recipe.config_schema.get("properties", {})
    settings = {key: properties.get(key, {}) for key in {**recipe.config, **properties}}
    rows = (
        (key, written(recipe.config.get(key)), _meaning(schema))
        for key, schema in settings.items()
        if view is View.DEVELOPER or schema.get("x-view") != View.DEVELOPER
    )
    show_table(("setting", "default", "meaning"), rows, "Nothing to set.")


@app.command(
    "resolve",
    epilog=example(
        "eyebright recipes resolve torchvision/classification --set epochs=20 --set lr0=1e-4\n"
        "eyebright recipes resolve toy/classification --set epochs=3 --json | jq .changes"
    ),
)
def resolve_recipe(
    name: RecipeName,
    settings: Settings = None,
    config: SettingsFile = None,
    model: Annotated[str | None, typer.Option(help="Architecture. Default: the recipe's own.")] = None,
    as_json: Json = False,
) -> None:
    """Lay settings on a recipe and show what would run, as YAML. Nothing is trained."""
    trainer, task = _parts(name)
    request = ResolutionRequest(model=model, config=settings_of(settings, config))
    with connected() as client:
        resolution = client.resolve(trainer, task, request)
    if as_json:
        emit(resolution)
        return
    show(resolution.yaml.rstrip())
    for warning in resolution.warnings:
        say(f"Note: {warning}.")
    say(f"To train with it: {resolution.command}")


def _parts(name: str) -> tuple[str, str]:
    trainer, _, task = name.partition("/")
    if not trainer or not task:
        raise InvalidRequest(f"{name!r} is not of the form TRAINER/TASK, such as torchvision/classification")
    return trainer, task


def _meaning(schema: dict[str, Any]) -> str:
    choices = schema.get("enum") or next((option["enum"] for option in schema.get("anyOf", ()) if "enum" in option), ())
    words = [schema.get("description", ""), f"({', '.join(map(str, choices))})" if choices else ""]
    return " ".join(word for word in words if word)
