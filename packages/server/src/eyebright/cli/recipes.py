"""`eyebright recipes …`."""

from typing import Annotated, Any

import typer

from eyebright.cli.connection import connected
from eyebright.cli.options import Json
from eyebright.cli.scalars import written
from eyebright.cli.terminal import emit, show, show_facts, show_table
from eyebright.cli.verbs import example, group
from eyebright.errors import InvalidRequest

app = group(
    "What can be trained, and every setting with its default.",
    """
eyebright recipes list
eyebright recipes show torchvision/classification
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
        "eyebright recipes show torchvision/classification\neyebright recipes show toy/classification --json"
    ),
)
def show_recipe(
    name: Annotated[str, typer.Argument(metavar="TRAINER/TASK", help="As `eyebright recipes list` names it.")],
    as_json: Json = False,
) -> None:
    """The settings that `--set` takes, with default and meaning."""
    trainer, slash, task = name.partition("/")
    if not slash or not trainer or not task:
        raise InvalidRequest(f"{name!r} is not of the form TRAINER/TASK, such as torchvision/classification")
    with connected() as client:
        recipe = client.recipe(trainer, task)
    if as_json:
        emit(recipe)
        return
    show_facts([("recipe", recipe.name), ("models", ", ".join(recipe.models)), ("default", recipe.default_model)])
    show("")
    properties: dict[str, Any] = recipe.config_schema.get("properties", {})
    rows = (
        (key, written(recipe.config.get(key)), _meaning(properties.get(key, {})))
        for key in {**recipe.config, **properties}
    )
    show_table(("setting", "default", "meaning"), rows, "Nothing to set.")


def _meaning(schema: dict[str, Any]) -> str:
    choices = schema.get("enum") or next((option["enum"] for option in schema.get("anyOf", ()) if "enum" in option), ())
    words = [schema.get("description", ""), f"({', '.join(map(str, choices))})" if choices else ""]
    return " ".join(word for word in words if word)
