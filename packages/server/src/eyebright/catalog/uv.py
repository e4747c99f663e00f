"""Makes environments with `uv`, exactly as their locks say."""

import asyncio
import shutil
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from eyebright.errors import EyebrightError, StorageFull, Unavailable

_NETWORK = ("error sending request", "failed to fetch", "dns error", "connection", "timed out", "network", "offline")
_TOLD_LINES = 12
#: In a checkout this lies below the folder that has `.uv`.
HERE = Path(__file__)


class Uv:
    """The tool, as found next to this interpreter, in the checkout's `.uv`, or on PATH."""

    def __init__(self, executable: Path, environment: Mapping[str, str]) -> None:
        self._executable = executable
        self._environment = environment

    @classmethod
    def find(cls, below: Path, environment: Mapping[str, str]) -> "Uv":
        """`below`: where the trainers lie. Raises Unavailable with how to get it."""
        above = (below, *below.parents, *HERE.parents)
        places = [Path(sys.executable).parent, *(folder / ".uv" / "bin" for folder in above)]
        found = next((place / "uv" for place in places if (place / "uv").is_file()), None)
        on_path = shutil.which("uv", path=environment.get("PATH"))
        if found is None and on_path is None:
            raise Unavailable(
                "`uv` is needed to install trainers, but is neither beside this Python nor on PATH. "
                f"Get it {_way_to_get_it()}"
            )
        return cls(found or Path(str(on_path)), environment)

    @property
    def executable(self) -> Path:
        return self._executable

    async def sync(self, project: Path, say: Callable[[str], None], *, dev_tools: bool = False) -> None:
        """Make `<project>/.venv` what its lock says; `say` gets uv's own lines as they come.

        Raises StorageFull or Unavailable with uv's last lines and what to do.
        """
        last: deque[str] = deque(maxlen=_TOLD_LINES)

        def hear(line: str) -> None:
            last.append(line)
            say(line)

        # Inexact: what a developer added to test the trainer stays.
        groups = [] if dev_tools else ["--no-dev", "--inexact"]
        code = await self._run(["sync", "--frozen", *groups, "--project", str(project)], project, hear)
        if code != 0:
            raise _explained(project, code, list(last))

    async def in_sync(self, project: Path) -> bool:
        """The environment holds what the lock says, perhaps with more beside it, such as development tools.

        A local source whose metadata file was touched (uv marks it `~`) is what it was: only additions and removals count.
        """
        plan: list[str] = []
        arguments = ["sync", "--frozen", "--no-dev", "--check", "--inexact", "--offline", "--project", str(project)]
        code = await self._run(arguments, project, plan.append)
        return code == 0 or not any(line.startswith(("+ ", "- ")) for line in plan)

    async def _run(self, arguments: Sequence[str], project: Path, hear: Callable[[str], None]) -> int:
        process = await asyncio.create_subprocess_exec(
            self._executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._variables(project),
        )
        try:
            async for line in cast(asyncio.StreamReader, process.stdout):
                if text := line.decode(errors="replace").strip():
                    hear(text)
            return await process.wait()
        finally:
            if process.returncode is None:  # we were cancelled; uv leaves no half-made file behind
                process.terminate()
                await process.wait()

    def _variables(self, project: Path) -> dict[str, str]:
        """Everything that uv may want (indexes, proxies, caches), but no environment other than the project's own."""
        kept = {
            name: value
            for name, value in self._environment.items()
            if not name.startswith(("EYEBRIGHT_", "PYTHON")) and name not in ("VIRTUAL_ENV", "UV_PROJECT", "UV_NO_SYNC")
        }
        return {**kept, "UV_PROJECT_ENVIRONMENT": str(project / ".venv"), "NO_COLOR": "1"}


def _way_to_get_it() -> str:
    """One that works: the environment of a checkout has no pip, but the checkout can fetch uv by itself."""
    checkout = next((folder for folder in HERE.parents if (folder / "tools" / "bootstrap_uv.py").is_file()), None)
    if checkout is not None:
        return f"with: python3 {checkout}/tools/bootstrap_uv.py {checkout}/.uv"
    if find_spec("pip") is not None:
        return f"with: {sys.executable} -m pip install uv"
    return "as https://docs.astral.sh/uv/getting-started/installation says"


def _explained(project: Path, code: int, last: Sequence[str]) -> EyebrightError:
    words = "\n".join(last)
    lower = words.lower()
    if "no space left" in lower or "os error 28" in lower:
        return StorageFull(f"the disk is full while installing {project.name}: free some space and try again.\n{words}")
    if any(sign in lower for sign in _NETWORK):
        hint = (
            "the package index cannot be reached: check the network, or set UV_DEFAULT_INDEX and HTTPS_PROXY as needed"
        )
    elif "uv.lock" in lower:
        hint = f"the lock does not fit: run `uv lock --project {project}`"
    else:
        hint = f"to see more, run `uv sync --frozen --verbose --project {project}`"
    return Unavailable(f"uv could not install trainer {project.name!r} (exit {code}); {hint}.\n{words}")
