"""Answers what a model makes of an image, in a child process that holds the framework for just so long."""

import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess

import anyio
from pydantic import ValidationError

from eyebright.errors import ConfigInvalid, InvalidRequest, TrainerUnavailable, Unavailable
from eyebright.ports.executor import Environment
from eyebright_kit.keeping.child_environment import child_environment
from eyebright_wire.answers import PredictionAnswer
from eyebright_wire.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSettings:
    """`environment` is the server's own; the child gets to see only what is harmless of it."""

    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout_seconds: float = 60.0
    at_once: int = 2  # each holds a framework and a model in memory
    threads: int = 1


#: A name that means to be an image: of another file only its not being one would be told. Nobody sees it.
_PICTURE = "image.jpg"


class ChildProcessPredictor:
    """The Predictor that starts `python -m <trainer> predict` anew for each image: 1 s, but nothing stays in memory."""

    def __init__(self, settings: PredictionSettings | None = None) -> None:
        self._settings = settings or PredictionSettings()
        self._places = anyio.Semaphore(self._settings.at_once)

    async def predict(self, environment: Environment, model: Path, image: bytes) -> PredictionAnswer:
        async with self._places:
            with tempfile.TemporaryDirectory(prefix="eyebright-predict-") as folder:  # mode 0700
                picture = anyio.Path(folder) / _PICTURE
                await picture.write_bytes(image)
                done = await self._run(environment, model, Path(picture))
        return _answer(done, environment.trainer)

    async def _run(self, environment: Environment, model: Path, image: Path) -> "CompletedProcess[bytes]":
        seconds, python = self._settings.timeout_seconds, _python(environment)
        command = [str(python), "-m", environment.module, "predict", str(model), str(image)]
        try:
            with anyio.fail_after(seconds):
                return await anyio.run_process(
                    command, check=False, cwd=image.parent, env=self._variables(environment), start_new_session=True
                )
        except TimeoutError:
            raise Unavailable(
                f"the prediction took longer than {seconds:g} s and was ended; try a smaller image or when less is running"
            ) from None
        except OSError as error:
            raise TrainerUnavailable(
                f"cannot run {python} ({error.strerror}): run `eyebright trainers install {environment.trainer}`"
            ) from error

    def _variables(self, environment: Environment) -> dict[str, str]:
        variables = child_environment(self._settings.environment, _python(environment), threads=self._settings.threads)
        return {**variables, "MALLOC_ARENA_MAX": "2"}  # glibc reserves memory per thread and core otherwise


def _python(environment: Environment) -> Path:
    assert environment.python is not None, "who asks for a prediction takes the trainer as it is here"
    return environment.python


def _answer(done: "CompletedProcess[bytes]", trainer: str) -> PredictionAnswer:
    if done.returncode == ExitCode.BAD_DATA:
        raise InvalidRequest(
            _last_line(done.stderr).replace(_PICTURE, "the image", 1)
            or "this is not an image that can be read; send a JPEG or PNG file"
        )
    if done.returncode == ExitCode.BAD_CONFIG:  # of the model, and for good: not Unavailable, which clients try again
        raise ConfigInvalid(_last_line(done.stderr) or f"trainer {trainer!r} cannot predict with this model")
    if done.returncode != ExitCode.DONE:
        raise Unavailable(_failure(done, trainer))
    try:
        answer = PredictionAnswer.model_validate_json(_last_line(done.stdout))
    except ValidationError:
        raise Unavailable(f"trainer {trainer!r} gave no answer but {_last_line(done.stdout)!r}") from None
    scores = tuple(sorted(answer.scores, key=lambda score: -score.score))
    objects = tuple(sorted(answer.objects, key=lambda found: -found.score))
    return answer.model_copy(update={"scores": scores, "objects": objects})


def _failure(done: "CompletedProcess[bytes]", trainer: str) -> str:
    if done.returncode in (-signal.SIGKILL, ExitCode.KILLED):
        return f"the prediction of trainer {trainer!r} was killed, most likely for memory; try when less is running"
    return f"the prediction of trainer {trainer!r} failed (exit {done.returncode}): {_last_line(done.stderr)}"


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""
