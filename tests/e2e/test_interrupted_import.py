"""A person sends a large data set to another machine, presses Ctrl-C, and later types the same command again."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from harness.line import line_to
from harness.live import LiveServer, environment, pets

MIB = 2**20
SIZE = 200 * MIB


def test_the_same_command_goes_on_with_the_same_upload(tmp_path: Path) -> None:
    photos = archive(tmp_path)
    with LiveServer(tmp_path / "server") as live, line_to(address(live)) as line:
        line.up.stalls_at = 8 * MIB
        order = ("datasets", "import", photos, "--name", "sent", "--json", "--server", line.url)
        token = {"EYEBRIGHT_TOKEN": live.token}
        resumable = live.data_dir / "resumable"
        code, said = interrupted(tmp_path / "here", order, token, resumable)
        assert code == 130, said
        assert "the same command goes on from there" in said
        (begun,) = resumable.glob("*.bytes")
        assert 0 < begun.stat().st_size < SIZE
        line.up.stalls_at = None
        again = command(tmp_path / "here", order, token)
        out, err = again.communicate(timeout=240)
        assert again.returncode == 0, err
        assert '"dataset": "sent"' in out
        assert {path.name for path in resumable.glob("*.bytes")} <= {begun.name}, "it began anew"


def archive(folder: Path) -> Path:
    path = folder / "photos.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for image in sorted(pets(folder / "pets").rglob("*.png")):
            file.write(image, image.relative_to(folder / "pets"))
        with file.open("notes.bin", "w") as notes:
            for _ in range(SIZE // MIB):
                notes.write(os.urandom(MIB))
    return path


def address(live: LiveServer) -> str:
    from eyebright.client import running_server

    server = running_server(live.settings)
    assert server is not None
    return server.url


def command(data_dir: Path, order: tuple[object, ...], variables: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "eyebright", *map(str, order)],
        env=environment(data_dir, **variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )


def interruptible() -> None:
    """A shell lets what it starts in the background ignore Ctrl-C, and that is inherited."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupted(
    data_dir: Path, order: tuple[object, ...], variables: dict[str, str], resumable: Path
) -> tuple[int, str]:
    """Ctrl-C once some of it has arrived."""
    process = command(data_dir, order, variables)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > MIB for path in resumable.glob("*.bytes")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    return process.returncode, said
