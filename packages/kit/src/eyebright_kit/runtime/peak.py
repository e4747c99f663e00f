"""The most memory that a process has held."""

from pathlib import Path


def peak_memory_bytes(pid: int | str = "self") -> int | None:
    """Of main memory, since the process began its program; None where the system does not tell (only Linux does), or when it is
    over. `getrusage` would count what the process that started it held at that moment."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    line = next((line for line in lines if line.startswith("VmHWM:")), None)
    return int(line.split()[1]) * 1024 if line else None
