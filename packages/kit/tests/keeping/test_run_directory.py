"""The folders of runs, from when their end was noted until they go."""

import os
from pathlib import Path

import pytest

from eyebright_kit.keeping.run_directory import RunDirectory, ended_runs, open_runs, remove_leftovers
from eyebright_wire.runs import Handle

FIRST, SECOND = Handle("job_1", 1), Handle("job_1", 2)
ENDED_MS = 1_700_000_000_000


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two that have ended, one that has not, and what is none."""
    for handle in (FIRST, SECOND, Handle("job_2", 1)):
        run = RunDirectory(tmp_path, handle)
        assert run.claim(1)
        run.log.write_bytes(b"printed")
    for handle in (FIRST, SECOND):
        run = RunDirectory(tmp_path, handle)
        run.write_end(0, out_of_memory=False)
        os.utime(run.path / "gone.json", ns=(ENDED_MS * 10**6, ENDED_MS * 10**6))
    (tmp_path / "job_1" / "about").mkdir()
    return tmp_path


def test_those_are_found_whose_end_was_noted_before(runs: Path) -> None:
    found = ended_runs(runs, ENDED_MS + 1)
    assert list(found) == [FIRST, SECOND]
    assert found[FIRST] == sum(path.stat().st_size for path in RunDirectory(runs, FIRST).path.iterdir())
    assert ended_runs(runs, ENDED_MS) == {}
    assert ended_runs(runs / "nowhere", ENDED_MS + 1) == {}


def test_one_that_is_removed_leaves_nothing_and_the_others_stay(runs: Path) -> None:
    RunDirectory(runs, FIRST).remove()
    RunDirectory(runs, FIRST).remove()
    assert list(ended_runs(runs, ENDED_MS + 1)) == [SECOND]
    (runs / "job_1" / "about").rmdir()
    RunDirectory(runs, SECOND).remove()
    assert sorted(path.name for path in runs.iterdir()) == ["job_2"]


def test_one_whose_removal_was_killed_is_no_open_run_and_goes_the_next_time(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        RunDirectory(runs, FIRST).remove()
    assert open_runs(runs) == [Handle("job_2", 1)]
    assert list(ended_runs(runs, ENDED_MS + 1)) == [SECOND]
    again = RunDirectory(runs, FIRST)
    again.claim(1)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *_, **__: None)
        again.remove()
    assert not again.path.exists(), "what lies there still is in nobody's way"
    remove_leftovers(runs)
    assert sorted(path.name for path in (runs / "job_1").iterdir()) == ["a2", "about"]
