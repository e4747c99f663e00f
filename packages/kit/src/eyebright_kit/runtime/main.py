"""The command line that every trainer has: `python -m eyebright_X describe | run SPEC | predict MODEL IMAGE | check | serve`."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

from eyebright_kit.errors import DatasetInvalid, TrainerFailure
from eyebright_kit.runtime.context import Trainer
from eyebright_kit.runtime.failure import exit_code, explained
from eyebright_kit.service.options import add_options, options_from
from eyebright_wire.answers import PredictionAnswer
from eyebright_wire.errors import ExitCode
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.predictions import ClassMask, ClassScore, Found, FoundObject

#: Libraries that report home unless told not to. onnxruntime does so from native code, which no audit hook sees.
_NO_REPORTS = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
_VERBS = ("describe", "run", "predict", "check", "serve")


def main(manifest: TrainerManifest, load: Callable[[], Trainer], argv: Sequence[str] | None = None) -> int:
    """Does one verb and answers the process's exit code. `load` imports the framework, so it is called as late as possible."""
    arguments = _parser(manifest).parse_args(argv)
    os.environ.update(_NO_REPORTS)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S"
    )
    match arguments.verb:
        case "describe":
            return _describe(manifest)
        case "run":
            return _run(manifest, load, arguments.spec, arguments.into)
        case "predict":
            return _predict(load, arguments.model, arguments.image)
        case "serve":
            return _serve(manifest, arguments)
        case _:
            return _check(manifest)


class _Parser(argparse.ArgumentParser):
    """Answers a wrong command line with the nearest right one, and with the exit code of a bad order."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.BAD_CONFIG, f"{self.prog}: {message}\n{self._near()}{self.format_usage()}")

    def _near(self) -> str:
        near = get_close_matches(sys.argv[1], _VERBS, n=1) if len(sys.argv) > 1 else []
        return f"did you mean {near[0]!r}?\n" if near and near[0] != sys.argv[1] else ""


def _parser(manifest: TrainerManifest) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m {manifest.module}", description=manifest.description or f"The trainer {manifest.name}."
    )
    parser.add_argument("--version", action="version", version=f"{manifest.name} {manifest.version}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=_Parser)
    verbs.add_parser("describe", help="print what this trainer can do, as JSON")
    run = verbs.add_parser("run", help="run the sealed order in a spec.json")
    run.add_argument("spec", type=Path, metavar="SPEC")
    run.add_argument(
        "--into", type=Path, metavar="FOLDER", help="run it again by hand: report to nobody, leave everything in FOLDER"
    )
    predict = verbs.add_parser("predict", help="ask a model about one image, print JSON")
    predict.add_argument("model", type=Path, metavar="MODEL_FOLDER")
    predict.add_argument("image", type=Path, metavar="IMAGE")
    verbs.add_parser("check", help="run the tiniest honest job offline, print what was found as JSON")
    add_options(verbs.add_parser("serve", help="take orders over HTTP, and train each in a process of its own"))
    return parser


def _describe(manifest: TrainerManifest) -> int:
    _print(manifest.model_dump_json())
    return ExitCode.DONE


def _run(manifest: TrainerManifest, load: Callable[[], Trainer], spec: Path, into: Path | None) -> int:
    from eyebright_kit.runtime.run import run  # here, because `describe` needs none of it

    return run(manifest, load, spec, into)


def _predict(load: Callable[[], Trainer], model: Path, image: Path) -> int:
    began = time.monotonic()
    try:
        _check_image(image)
        found = load().predict(model, image)
    except Exception as error:
        failed = explained(error)
        sys.stderr.write(f"{failed.message}\n")
        logging.getLogger("eyebright").debug("predict failed", exc_info=error)
        return exit_code(failed.code)
    _print(_answer(found, seconds=round(time.monotonic() - began, 4)).model_dump_json())
    return ExitCode.DONE


def _answer(found: Found, seconds: float) -> PredictionAnswer:
    if isinstance(found, ClassMask):
        return PredictionAnswer(mask=found, seconds=seconds)
    return PredictionAnswer(
        scores=tuple(score for score in found if isinstance(score, ClassScore)),
        objects=tuple(thing for thing in found if isinstance(thing, FoundObject)),
        seconds=seconds,
    )


def _check_image(image: Path) -> None:
    """Refuses what is no image, or too large to decode, before a framework is imported for it."""
    from eyebright_kit.data.images import Unusable, examine

    if not image.exists():
        raise DatasetInvalid(f"there is no file {image}")
    if isinstance(verdict := examine(image), Unusable):
        found = verdict.code.replace("_", " ") + (f": {verdict.detail}" if verdict.detail else "")
        raise DatasetInvalid(f"{image.name} cannot be used ({found}); send a JPEG, PNG or WebP picture")


def _check(manifest: TrainerManifest) -> int:
    from eyebright_kit.runtime.check import check

    report = check(manifest)
    _print(report.model_dump_json())
    return ExitCode.DONE if report.ok else ExitCode.TRAINER_ERROR


def _serve(manifest: TrainerManifest, arguments: argparse.Namespace) -> int:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell every callback
    try:
        from eyebright_kit.service.serving import serve  # here, because no other verb needs a server
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"this environment cannot serve: {error.name} is not installed; add the extra: "
            f"pip install 'eyebright-trainer-{manifest.name}[serve]', or `uv sync --extra serve` in its project\n"
        )
        return ExitCode.BAD_CONFIG
    try:
        return serve(manifest, options_from(arguments, manifest.name))
    except TrainerFailure as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error.code)


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
