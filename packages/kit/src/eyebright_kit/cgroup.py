"""What the kernel's control groups say of this process: how much CPU and memory it may use, and how often memory ran out.

Both generations are read: v2 (`cpu.max`, `memory.max`) and v1 (`cpu.cfs_quota_us`, `memory.limit_in_bytes`). Where nothing
can be read (macOS, a sealed container) the answer is None.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cgroup:
    """The group that this process, and with it every child it starts, belongs to."""

    mount: Path = Path("/sys/fs/cgroup")
    membership: Path = Path("/proc/self/cgroup")
    vmstat: Path = Path("/proc/vmstat")

    def cpu_limit(self) -> float | None:
        """CPUs' worth of time per second, the tightest along the path to the root."""
        limits = [limit for folder in self._folders("cpu") if (limit := _cpu_limit(folder)) is not None]
        return min(limits, default=None)

    def memory_left(self) -> int | None:
        """Bytes that may still be taken, the fewest along the path to the root; None: no limit."""
        return min(
            (left for folder in self._folders("memory") if (left := _memory_left(folder)) is not None), default=None
        )

    def oom_kills(self) -> int | None:
        """Processes killed for memory so far; only a change of it means anything.

        Outside any group that counts, the machine's own count is taken.
        """
        for folder in self._folders("memory"):
            for name in ("memory.events", "memory.oom_control"):
                if (count := _field(folder / name, "oom_kill")) is not None:
                    return count
        return _field(self.vmstat, "oom_kill")

    def _folders(self, controller: str) -> Iterator[Path]:
        """Our own folder first, then its parents. A container sees its own group as the root of the mount."""
        for line in _lines(self.membership):
            _, controllers, path = [*line.split(":", 2), "", ""][:3]
            if not controllers:
                yield from _upwards(self.mount, path)
            elif controller in controllers.split(","):
                yield from _upwards(self.mount / controller, path)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    folder = root / path.lstrip("/")
    yield folder
    while folder != root and root in folder.parents:
        folder = folder.parent
        yield folder


def _cpu_limit(folder: Path) -> float | None:
    quota, period = (
        _words(folder / "cpu.max") or _words(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us") or ("", "")
    )
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # absent, or "max"
        return None
    return limit if limit > 0 else None  # v1 writes -1 for "no limit"


def _memory_left(folder: Path) -> int | None:
    """The limit less what is in use. Files that were read once stay in use until somebody needs the room: they count as left."""
    for limit_file, usage_file, reclaimable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit, usage = _number(folder / limit_file), _number(folder / usage_file)
        if limit is not None and usage is not None:
            return max(0, limit - usage + (_field(folder / "memory.stat", reclaimable) or 0))
    return None


def _number(path: Path) -> int | None:
    """None for "max" too."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _words(*paths: Path) -> tuple[str, str] | None:
    """The two words that stand in these files together."""
    words = [word for path in paths for line in _lines(path) for word in line.split()]
    return (words[0], words[1]) if len(words) == 2 else None


def _field(path: Path, name: str) -> int | None:
    for line in _lines(path):
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
