"""How a toy run goes wrong on purpose, so that tests can see how the platform takes it."""

import os
import pickle
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from eyebright_kit.runtime import Context
from eyebright_toy.config import ToyConfig
from eyebright_wire.artifacts import ArtifactKind


def misbehave(ctx: Context, config: ToyConfig, step: int) -> None:
    """Does what the config asks for at this step, which mostly is nothing."""
    time.sleep(config.step_seconds)
    if config.misbehave_attempts and ctx.spec.attempt > config.misbehave_attempts:
        return
    if step == config.fail_at_step:
        raise RuntimeError(f"told to fail at step {step}")
    if step == config.memory_at_step:
        raise MemoryError
    if step == config.exit_at_step:
        os._exit(config.exit_code)
    if step == config.hang_at_step:
        while config.ignore_stop or ctx.stopping is None:
            time.sleep(0.01)


def moved(ctx: Context, config: ToyConfig, step: int | None = None) -> None:
    """Says that training moves, unless it was told to be silent about it, or to say so for ever."""
    if config.keep_still:
        return
    if config.seem_to_move and step == 1:
        threading.Thread(target=_seem_to_move, args=(ctx,), daemon=True).start()
    try:
        ctx.step(step)
    except MemoryError as error:
        if config.hide_memory:
            raise RuntimeError("something went wrong") from error
        raise


def _seem_to_move(ctx: Context) -> None:
    while True:
        ctx.desk.moved(None)
        time.sleep(0.01)


def phone_home(way: str) -> None:
    """Looks for a machine that nobody has (RFC 5737, RFC 6761), in this way; that it is in vain is no reason to stop."""
    asks = {
        "name": "import socket; socket.getaddrinfo('nobody.invalid', 443)",
        "lookup": "import socket; socket.gethostbyname('nobody.invalid')",
        "datagram": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 443))",
        "child": "import socket; socket.create_connection(('192.0.2.1', 443))",
        "alone": "import socket; socket.create_connection(('192.0.2.1', 443))",
    }
    if way in ("child", "alone"):
        subprocess.run([sys.executable, *(["-I"] if way == "alone" else []), "-c", asks[way]], env={}, check=False)
    elif way:
        with suppress(OSError):
            exec(asks[way])  # noqa: S102 - one of our own lines


def believe(ctx: Context, config: ToyConfig) -> None:
    """Takes the data set for harmless, where it was told to."""
    if config.trust_names:
        for name in ctx.data.classes:
            subprocess.run(f"echo {name}", shell=True, check=False)  # noqa: S602 - what is to be noticed
    if config.trust_pickles and (weights := Path(f"{ctx.model}.pt")).exists():
        pickle.loads(weights.read_bytes())  # noqa: S301 - likewise
    if config.litter:
        (Path.home() / ".toyrc").write_text("I was here")


def handed_over(ctx: Context, config: ToyConfig) -> tuple[str, ...]:
    """The names of the classes as the model is to know them."""
    if config.boast:
        (ctx.output / "card.md").write_text("\n".join(ctx.data.classes))
        ctx.artifact("card.md", ArtifactKind.CARD, "text/markdown")
    return tuple(map(ascii, ctx.data.classes)) if config.mend_names else ctx.data.classes


def loss_of(config: ToyConfig, step: int, loss: float) -> float:
    """The loss, unless it was told to diverge here."""
    return float("nan") if step == config.nan_at_step else loss
