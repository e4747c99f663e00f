"""`eyebright demo`: from nothing to a trained, exported, registered model of real handwritten digits."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from typing import Annotated, Any

import typer

from eyebright.cli.catalogue import catalog_of, install, uv_of
from eyebright.cli.connection import connected
from eyebright.cli.digits import digits_folder
from eyebright.cli.display import display
from eyebright.cli.following import follow
from eyebright.cli.options import Json
from eyebright.cli.ordering import bring, require_ready, submit
from eyebright.cli.program import program
from eyebright.cli.stopwatch import Stopwatch
from eyebright.cli.summary import Outcome, conclude, outcome_of
from eyebright.cli.terminal import show
from eyebright.cli.verbs import example, single
from eyebright.errors import TrainerUnavailable
from eyebright.folder import make_private
from eyebright.settings import Settings
from eyebright_wire.jobs import PreflightRequest

app = single()

TRAINER, TASK, MODEL = "torchvision", "classification", "resnet18"

#: Measured on 2 cores and several seeds: accuracy above 0.98, from random weights, in about a minute of training. At 32 pixels,
#: as large as the pictures are: 64 takes twice as long and is no better. A mirrored digit is another sign, and the scans are
#: centred: what photographs need of augmentation would only slow learning down.
CONFIG: dict[str, Any] = {"epochs": 5, "imgsz": 32, "batch": 32, "flip": 0.0, "crop_scale": 0.8}
#: One epoch over three digits: shows that every part works, not how good a model gets.
SMALL: dict[str, Any] = {**CONFIG, "epochs": 1}

EXAMPLES = """
eyebright demo                        about two minutes on two cores
eyebright demo --epochs 10            a little better
eyebright demo --json | jq .metrics   for scripts
"""


@app.command(epilog=example(EXAMPLES))
def demo(
    epochs: Annotated[int | None, typer.Option(min=1, help=f"Default: {CONFIG['epochs']}.")] = None,
    small: Annotated[
        bool, typer.Option("--small", help="Three digits, a few pictures, one epoch: only that it works.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Train a classifier on real handwritten digits, from nothing to an exported, registered model.

    Installs the torchvision trainer if it is missing, makes a folder of pictures from the digits that scikit-learn ships,
    starts the embedded server if none runs, imports the folder and trains resnet18 from random weights.
    """
    config = (SMALL if small else CONFIG) | ({} if epochs is None else {"epochs": epochs})
    settings = Settings()
    return conclude(lambda: _run(settings, config, small), as_json, then=lambda outcome: _show_next(settings, outcome))


def _run(settings: Settings, config: dict[str, Any], small: bool) -> Outcome:
    watch = Stopwatch()
    make_private(settings.data_dir)
    with watch.lap("total_seconds"), ExitStack() as stack:
        with watch.lap("install_seconds"):
            _ensure_trainer(settings)
        with watch.lap("pictures_seconds"):
            folder = digits_folder(settings.data_dir / "demo", lambda: uv_of(settings), small=small)
        with watch.lap("server_seconds"):
            client = stack.enter_context(connected(settings))
        wanted = PreflightRequest(name=folder.name, task=TASK, trainer=TRAINER, model=MODEL, config=config)
        client.check(wanted)
        with watch.lap("import_seconds"):
            version = bring(client, folder)
            require_ready(version.report, TASK, str(folder))
        with watch.lap("job_seconds"):
            job = follow(client, submit(client, wanted, version.id), display())
        outcome = outcome_of(client, job)
    return replace(outcome, timings={**watch.laps, **outcome.timings})


def _ensure_trainer(settings: Settings) -> None:
    catalog = catalog_of(settings)
    try:
        asyncio.run(catalog.environment(TRAINER))
    except TrainerUnavailable:
        install(catalog, TRAINER)


def _show_next(settings: Settings, outcome: Outcome) -> None:
    if outcome.model is None:
        return
    model = outcome.model.id
    picture = next(iter(sorted((settings.data_dir / "demo" / outcome.job.name / "val").glob("2/*.png"))), "PICTURE")
    show("")
    show(f"Look again: `eyebright serve`, then http://{settings.host}:{settings.port}/docs", "bold")
    show("What to try next:")
    show(f"  {program()} models show {model}")
    show(f"  {program()} models predict {model} {picture}")
    show(f"  {program()} train FOLDER        your own pictures, one sub-folder per class")
