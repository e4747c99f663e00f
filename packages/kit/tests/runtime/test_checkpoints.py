import errno
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from eyebright_kit.disk import sha256_of
from eyebright_kit.errors import DiskFull
from eyebright_kit.runtime import checkpoints as checkpoints_module
from eyebright_kit.runtime.checkpoints import Checkpoints, restore, verified
from eyebright_wire.artifacts import Grant
from eyebright_wire.events import CheckpointSaved
from eyebright_wire.jobs import ResumePoint


def _save(own: Checkpoints, step: int, content: bytes = b"weights", best: bool = False) -> CheckpointSaved:
    def write(folder: Path) -> None:
        (folder / "model.bin").write_bytes(content + str(step).encode())
        (folder / "shards").mkdir()
        (folder / "shards" / "0").write_bytes(b"shard")

    return own.save(write, epoch=step // 10, step=step, metrics={"top1": 0.5, "loss": float("nan")}, best=best)


def _point(output: Path, saved: CheckpointSaved) -> ResumePoint:
    return ResumePoint(
        source=Grant(uri=output.as_uri() + "/"), manifest=saved.manifest, epoch=saved.epoch, step=saved.step
    )


def _steps(own: Checkpoints) -> list[str]:
    return [folder.name for folder in own.newest_first()]


def _names(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "checkpoints").iterdir())


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_was_told_is_what_is_there(tmp_path: Path):
    saved = _save(Checkpoints(tmp_path), 10)
    manifest = tmp_path / saved.manifest.path
    assert saved.manifest.path == "checkpoints/step-10/manifest.json"
    assert (sha256_of(manifest), manifest.stat().st_size) == (saved.manifest.sha256, saved.manifest.size_bytes)
    listed = verified(manifest.parent, saved.manifest.sha256)
    assert [file.path for file in listed.files] == ["model.bin", "shards/0"]
    assert saved.metrics == {"top1": 0.5}


def test_the_largest_of_those_that_are_kept_is_told(tmp_path: Path):
    own = Checkpoints(tmp_path, keep=1)
    assert own.largest_bytes is None
    for step, content in ((10, b"a" * 900), (20, b"b" * 300), (30, b"c" * 200)):
        _save(own, step, content, best=step == 20)
        own.retire()
    files = verified(tmp_path / "checkpoints" / "step-20").files
    assert own.largest_bytes == sum(file.size_bytes for file in files) < 900


def test_contents_are_synced_before_the_list_and_the_list_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    order: list[str] = []
    monkeypatch.setattr(checkpoints_module, "sync", lambda path: order.append(path.name.partition("-")[0]))
    monkeypatch.setattr(checkpoints_module, "sync_folders", lambda _: order.append("folders"))
    _save(Checkpoints(tmp_path), 10)
    assert sorted(order[:2]) == ["0", "model.bin"]  # side by side
    assert order[2:] == ["folders", "manifest.json", ".writing", "checkpoints"]


def test_kept_are_the_newest_and_the_best(tmp_path: Path):
    own = Checkpoints(tmp_path, keep=2)
    for step in range(10, 70, 10):
        _save(own, step, best=step in (10, 20))
        own.retire()
    assert _steps(own) == ["step-60", "step-50", "step-20"]
    assert _names(tmp_path) == ["step-20", "step-50", "step-60"]


def test_a_step_saved_twice_keeps_what_was_promised_first(tmp_path: Path):
    own = Checkpoints(tmp_path)
    first, second = _save(own, 10, b"a"), _save(own, 10, b"b")
    assert sha256_of(tmp_path / first.manifest.path) == first.manifest.sha256
    assert second.manifest.path == "checkpoints/step-10.2/manifest.json"
    assert _steps(own) == ["step-10.2", "step-10"]


def test_a_restarted_attempt_knows_its_own_checkpoints(tmp_path: Path):
    _save(Checkpoints(tmp_path), 10, best=True)
    again = Checkpoints(tmp_path)
    _save(again, 20)
    assert again.last_step == 20
    assert _steps(again) == ["step-20", "step-10"]
    restored = restore(Checkpoints(tmp_path), ())
    assert restored is not None
    assert (restored.step, restored.epoch) == (20, 2)


def test_what_was_half_written_is_never_seen_and_is_cleared(tmp_path: Path):
    half = tmp_path / "checkpoints" / ".writing-1234"
    half.mkdir(parents=True)
    (half / "model.bin").write_bytes(b"half")
    own = Checkpoints(tmp_path)
    assert restore(own, ()) is None
    own.remove_leftovers()
    assert not half.exists()


@pytest.mark.parametrize("file", ["model.bin", "shards/0", "manifest.json"])
def test_a_flipped_bit_is_found_and_an_older_checkpoint_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str
):
    earlier, output = Checkpoints(tmp_path / "a1"), tmp_path / "a1"
    old, new = _save(earlier, 10), _save(earlier, 20)
    _flip_a_bit(output / "checkpoints" / "step-20" / file)
    restored = restore(Checkpoints(tmp_path / "a2"), [_point(output, new), _point(output, old)])
    assert restored is not None
    assert restored.step == 10
    assert "step-20 is not usable" in caplog.text


def test_a_list_that_is_not_the_reported_one_is_refused(tmp_path: Path):
    saved = _save(Checkpoints(tmp_path), 10)
    manifest = tmp_path / saved.manifest.path
    manifest.write_text(manifest.read_text().replace('"step": 10', '"step": 11'))
    assert verified(manifest.parent).step == 11
    with pytest.raises(ValueError, match="not the one that was reported"):
        verified(manifest.parent, saved.manifest.sha256)


def test_a_removed_checkpoint_and_an_unreachable_place_are_passed_over(tmp_path: Path):
    output = tmp_path / "a1"
    old = _save(Checkpoints(output), 10)
    gone = old.model_copy(
        update={"manifest": old.manifest.model_copy(update={"path": "checkpoints/step-9/manifest.json"})}
    )
    elsewhere = _point(output, old).model_copy(update={"source": Grant(uri="s3://bucket/")})
    restored = restore(Checkpoints(tmp_path / "a2"), [elsewhere, _point(output, gone), _point(output, old)])
    assert restored is not None
    assert restored.step == 10


def test_a_list_that_points_outside_is_refused(tmp_path: Path):
    saved = _save(Checkpoints(tmp_path), 10)
    manifest = tmp_path / saved.manifest.path
    manifest.write_text(manifest.read_text().replace("model.bin", "../../../etc/passwd"))
    with pytest.raises(ValueError, match="outside the checkpoint"):
        verified(manifest.parent)


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path: Path):
    own = Checkpoints(tmp_path)
    _save(own, 10)

    def write(folder: Path) -> None:
        (folder / "half").write_bytes(b"x")
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        own.save(write, epoch=2, step=20, metrics={}, best=False)
    assert _names(tmp_path) == ["step-10"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: (folder / "manifest.json").write_text("{}"), "another name"),
        (lambda folder: (folder / "last.pt").symlink_to(folder / "best.pt"), "last.pt is no plain file"),
        (lambda folder: (folder / "shards").symlink_to(folder.parent), "shards is no plain file"),
        (lambda folder: os.mkfifo(folder / "pipe"), "pipe is no plain file"),
    ],
    ids=["manifest", "link", "link to a folder", "pipe"],
)
def test_what_could_never_be_verified_is_not_saved(tmp_path: Path, make: Callable[[Path], object], said: str):
    own = Checkpoints(tmp_path)
    _save(own, 10)

    def write(folder: Path) -> None:
        (folder / "best.pt").write_bytes(b"weights")
        make(folder)

    with pytest.raises(ValueError, match=said):
        own.save(write, epoch=2, step=20, metrics={}, best=False)
    assert _names(tmp_path) == ["step-10"]


@pytest.mark.parametrize("hidden_by_a_library", [False, True])
def test_on_a_full_disk_the_previous_checkpoint_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden_by_a_library: bool
):
    own = Checkpoints(tmp_path, keep=3)
    saved = _save(own, 10)

    def write(folder: Path) -> None:
        (folder / "model.bin").write_bytes(b"half")
        if hidden_by_a_library:
            monkeypatch.setattr("eyebright_kit.disk.free_bytes", lambda _: 0)
            raise RuntimeError("PytorchStreamWriter failed writing file data/0")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DiskFull, match=r"step 20.*step 10 is still whole.*keep_checkpoints \(now 3\)"):
        own.save(write, epoch=2, step=20, metrics={}, best=False)
    assert _names(tmp_path) == ["step-10"]
    assert verified(tmp_path / "checkpoints" / "step-10", saved.manifest.sha256).step == 10


def test_on_a_disk_that_is_really_full_the_previous_checkpoint_stays_whole(tiny_disk: Path):
    own = Checkpoints(tiny_disk)
    saved = _save(own, 10, bytes(300_000))
    with pytest.raises(DiskFull, match="step 10 is still whole"):
        _save(own, 20, bytes(3_000_000))
    assert verified(tiny_disk / "checkpoints" / "step-10", saved.manifest.sha256).step == 10
    assert _save(own, 30, bytes(1000)).step == 30


_KILLED = """
import sys
from collections.abc import Callable
from pathlib import Path
from eyebright_kit.runtime.checkpoints import Checkpoints
own = Checkpoints(Path(sys.argv[1]))
step = own.last_step or 0
print("ready", flush=True)
while True:
    step += 1
    def write(folder):
        for part in range(5):
            (folder / f"{part}.bin").write_bytes(bytes([step % 256]) * 50_000)
    own.save(write, epoch=0, step=step, metrics={}, best=step % 7 == 0)
    own.retire()
"""


def test_killed_at_any_moment_the_newest_visible_checkpoint_is_whole(tmp_path: Path):
    reached = 0
    for _ in range(6):
        child = subprocess.Popen([sys.executable, "-c", _KILLED, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(random.uniform(0.02, 0.15))
        child.kill()
        child.wait()
        child.stdout.close()
        own = Checkpoints(tmp_path)
        for folder in own.newest_first():
            verified(folder)
        assert (own.last_step or 0) >= reached
        reached = own.last_step or 0
    assert reached > 0
