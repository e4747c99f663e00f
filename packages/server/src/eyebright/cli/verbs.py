"""The verbs by name and one line each. The code of a verb is imported only when it is called: `--help` stays under 0.3 s."""

import importlib
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from eyebright.cli.program import typed_lines


class Verb(NamedTuple):
    module: str
    help: str


VERBS = {
    "demo": Verb("eyebright.cli.demo", "Train on real handwritten digits, from nothing to a model."),
    "serve": Verb("eyebright.cli.serve", "Run the server: HTTP API, scheduler, everything."),
    "train": Verb("eyebright.cli.train", "Train a model from a folder, a zip or a data set."),
    "jobs": Verb("eyebright.cli.jobs", "Show, watch, cancel and retry trainings; read their results."),
    "datasets": Verb("eyebright.cli.datasets", "Inspect, import, list and show data sets."),
    "models": Verb("eyebright.cli.models", "List, show, compare, export and try trained models."),
    "webhooks": Verb("eyebright.cli.webhooks", "Have other programs told of jobs, data sets and models."),
    "projects": Verb("eyebright.cli.projects", "Keep the work of several groups of people apart."),
    "queue": Verb("eyebright.cli.queue", "Show, replay and discard messages that were put aside."),
    "consume": Verb("eyebright.cli.consume", "Hand orders of a message queue to a server."),
    "mcp": Verb("eyebright.cli.mcp", "Let an agent work with Eyebright over stdin and stdout."),
    "token": Verb("eyebright.cli.token", "Make a token for an agent."),
    "recipes": Verb("eyebright.cli.recipes", "What can be trained, and every setting with its default."),
    "trainers": Verb("eyebright.cli.trainers", "List, install and check the training frameworks."),
    "team": Verb("eyebright.cli.team", "Let users and services in, with as much as they need."),
    "admin": Verb("eyebright.cli.admin", "Back up and restore all that a server keeps."),
    "doctor": Verb("eyebright.cli.doctor", "Say what stands in the way of training on this machine."),
    "openapi": Verb("eyebright.cli.openapi", "Print the OpenAPI document of the HTTP API."),
}


class VerbGroup(TyperGroup):
    """Knows every verb by its one line and swaps in the real command once one is chosen."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        for name, verb in VERBS.items():
            self.add_command(TyperCommand(name, help=verb.help, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name in VERBS else command, rest


def load(name: str) -> Any:
    """The real command of a verb."""
    app: typer.Typer = importlib.import_module(VERBS[name].module).app
    command = get_command(app)
    command.name = name
    return command


def group(purpose: str, examples: str) -> typer.Typer:
    """An app for a verb with verbs of its own."""
    return typer.Typer(
        help=purpose, epilog=example(examples), no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )


def single() -> typer.Typer:
    """An app for a verb that is one command."""
    return typer.Typer(rich_markup_mode=None, add_completion=False)


def example(lines: str) -> str:
    """Lines to be shown as they are below a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in typed_lines(lines.strip()).splitlines())
