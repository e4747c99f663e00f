"""Run one command line: whatever happens becomes an exit status and at most one clear message."""

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import typer
from typer.main import get_command

from eyebright.cli.exits import Exit, exit_of
from eyebright.cli.paths import some_of
from eyebright.cli.program import program, typed
from eyebright.cli.root import app
from eyebright.errors import EyebrightError, is_full


@dataclass(frozen=True)
class Failure:
    """Why it did not work, for people (`message`) and programs (`code`, `errors`)."""

    code: str
    message: str
    exit: int
    errors: tuple[dict[str, Any], ...] = ()


def run(argv: list[str]) -> int:
    """The exit status. Never raises, except for a SystemExit of the interpreter's own making."""
    try:
        status = get_command(app)(args=argv, prog_name=program(), standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else Exit.DONE
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # whoever read it has gone; the interpreter must not flush into nothing
        return Exit.NO
    except Exception as error:
        failure = failure_of(error)
        failure = replace(failure, message=typed(failure.message))
        if asked(argv, "--debug"):
            traceback.print_exc()
        _report(failure, as_json=asked(argv, "--json"))
        return failure.exit


def failure_of(error: Exception) -> Failure:
    if isinstance(error, EyebrightError):
        return Failure(error.code, error.message, exit_of(error), error.errors)
    if isinstance(error, typer.TyperException):
        return Failure("usage", _usage(error), Exit.USAGE)
    if isinstance(error, OSError):
        return _system(error)
    if isinstance(error, UnicodeEncodeError):  # Python keeps such bytes of an argument as halves of characters
        return Failure("usage", "an argument is not valid UTF-8, and cannot be sent; give it anew", Exit.USAGE)
    if (refused := _refused_here(error)) is not None:
        return failure_of(refused)
    message = (
        f"{type(error).__name__}: {error}\nThis is a mistake of Eyebright's own. `eyebright --debug …` shows where."
    )
    return Failure("internal", message, Exit.INTERNAL)


def _refused_here(error: Exception) -> EyebrightError | None:
    """What the server would have refused, had the order got as far as that."""
    from pydantic import ValidationError  # here, because `--help` needs none of it

    from eyebright.core.misfit import misfit
    from eyebright_wire.access import TokenCreate
    from eyebright_wire.jobs import PreflightRequest
    from eyebright_wire.resources import DatasetImport
    from eyebright_wire.webhooks import WebhookCreate

    if isinstance(error, ValidationError) and error.title in {
        each.__name__ for each in (PreflightRequest, DatasetImport, WebhookCreate, TokenCreate)
    }:
        return misfit(error.errors())
    return None


def asked(argv: list[str], option: str) -> bool:
    """Was the option given? Looked up by hand because a command line may fail before it is parsed."""
    return option in (argv[: argv.index("--")] if "--" in argv else argv)


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" or context is None:
        return error.format_message()
    return f"{error.format_message()}\nTry `{context.command_path} --help`."


def _system(error: OSError) -> Failure:
    where = f" ({error.filename})" if error.filename else ""
    if is_full(error):
        return Failure("disk_full", f"the disk is full{where}. Free some space and try again.", Exit.UNAVAILABLE)
    if isinstance(error, FileNotFoundError):
        return Failure("not_found", f"no such file or folder{where}", Exit.NOT_FOUND)
    if isinstance(error, PermissionError):
        advice = "Choose another place, or set EYEBRIGHT_DATA_DIR to a folder that you may write."
        return Failure("forbidden", f"permission denied{where}. {advice}", Exit.UNAVAILABLE)
    return Failure("unavailable", f"{error.strerror or error}{where}", Exit.UNAVAILABLE)


def _report(failure: Failure, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": asdict(failure)}, ensure_ascii=False, indent=2))  # noqa: T201
        return
    prefix = "" if failure.message.startswith("Usage:") else typer.style("error: ", fg="red", bold=True)
    typer.echo(prefix + failure.message, err=True)
    for line in filter(None, (_line(item, failure.message) for item in failure.errors)):
        typer.echo(f"  - {line}", err=True)


def _line(item: dict[str, Any], message: str) -> str:
    """Where, what and which; nothing for one that the message already tells."""
    said = typed(str(item.get("msg") or item.get("message") or ""))
    examples: Sequence[str] = item.get("examples") or ()
    if len(examples) < 2 and said in message:
        return ""
    where = item.get("loc") or item.get("field") or ""
    where = ".".join(map(str, where)) if isinstance(where, list | tuple) else str(where)
    which = f" ({some_of(examples, item.get('count') or len(examples))})" if len(examples) > 1 else ""
    return f"{where}: {said}{which}" if where and said else said + which
