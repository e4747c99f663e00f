"""How this command is called here, so that every hint can be typed as it stands: in a checkout it is not on PATH."""

import os
import re
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "eyebright"
_COMMAND = re.compile(rf"(^|(?<= )){NAME} ", re.MULTILINE)


def typed(text: str) -> str:
    """The same with each `eyebright …` between backquotes as a person must type it here, and wishes as options."""
    return text.replace(f"`{NAME} ", f"`{program()} ").replace("(leave_out_broken)", "(--leave-out-broken)")


def typed_lines(examples: str) -> str:
    """The same for command lines that stand by themselves, one per line, perhaps with a variable before them."""
    return _COMMAND.sub(f"{program()} ", examples)


@cache
def program() -> str:
    """`eyebright` if that is what a shell would find, else the way to it."""
    return called(sys.argv[0])


def called(argv0: str) -> str:
    """What to type for the command that was started as `argv0`; its plain name when some other program uses it."""
    script = Path(argv0)
    if script.parts[-2:] == (NAME, "__main__.py"):  # python -m eyebright
        script = Path(sys.executable).with_name(NAME)
    if script.name != NAME or not script.exists():
        return NAME
    on_path = shutil.which(NAME)
    return NAME if on_path and script.samefile(on_path) else shlex.quote(_shortest(script.absolute()))


def _shortest(path: Path) -> str:
    """From where the person is, if that is shorter; never a bare name, which a shell would look for elsewhere."""
    near = os.path.relpath(path)
    return min(str(path), near if os.sep in near else f".{os.sep}{near}", key=len)
