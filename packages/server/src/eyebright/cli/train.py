"""`eyebright train`."""

from typing import Annotated

import typer

from eyebright.cli.connection import connected
from eyebright.cli.display import display
from eyebright.cli.exits import Exit
from eyebright.cli.following import follow
from eyebright.cli.foretelling import forecast_line
from eyebright.cli.options import DataSource, Json, LeaveOutBroken
from eyebright.cli.ordering import dataset_for, submit, takes_order
from eyebright.cli.summary import Outcome, conclude, outcome_of
from eyebright.cli.terminal import emit, say, show
from eyebright.cli.verbs import example, single
from eyebright.client import Client
from eyebright_wire.jobs import PreflightRequest
from eyebright_wire.resources import JobView

app = single()

UNKNOWN = "Nobody knows yet how long it takes: no training like it has succeeded here."

EXAMPLES = """
eyebright train photos/                                       a folder with one sub-folder per class
eyebright train photos.zip --model resnet50 --set epochs=20 --set imgsz=224
eyebright train flowers --set lr0=1e-4 --name "gentle"        a data set that was imported before
eyebright train flowers --config my.yaml                      settings of a file
eyebright train more-photos/ --from flowers@production        go on from a trained model
eyebright train flowers --detach --json | jq -r .job.id       order it and go on
"""


@app.command(epilog=example(EXAMPLES))
@takes_order
def train(
    source: DataSource,
    order: PreflightRequest,
    leave_out_broken: LeaveOutBroken = False,
    detach: Annotated[bool, typer.Option("--detach", help="Order it, print its id and leave.")] = False,
    as_json: Json = False,
) -> int:
    """Train a model from a folder, a zip or an imported data set.

    A path is imported first and must be ready for the task: a file in it that means to be an image and cannot be used is refused,
    unless --leave-out-broken goes on without it. Uses the server of this machine, or the one named by EYEBRIGHT_URL;
    if there is none, one is started and ends by itself once nothing is left to do. Ctrl-C asks whether to cancel the training or
    to leave it running.
    """
    with connected() as client:
        plan = client.check(order)  # before an import that a refused order would leave behind
        dataset = dataset_for(client, source, plan.task, leave_out_broken=leave_out_broken)
        job = submit(client, order, dataset)
        say(f"Takes {forecast_line(job.forecast)}." if job.forecast else UNKNOWN)
        return _leave(job, as_json) if detach else accompany(client, job, as_json)


def accompany(client: Client, job: JobView, as_json: bool) -> int:
    """Show the job until it ends, then what came of it."""
    return conclude(lambda: outcome_of(client, follow(client, job, display())), as_json)


def _leave(job: JobView, as_json: bool) -> int:
    if as_json:
        emit(Outcome(job).document())
    else:
        show(job.id)
        say(f"Watch it with `eyebright jobs watch {job.id}`.")
    return Exit.DONE
