"""`make bench`: the figures that it prints are the ones that the documentation explains."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import registry
from benchmarks.__main__ import main
from benchmarks.figure import Family, Figure, NotHere

ROOT = Path(__file__).parent.parent
FIELDS = {"figure", "value", "unit", "bar", "holds", "against"}
SPEED = Figure(name="speed", unit="m/s", bar=10.0, against="a horse")
WEIGHT = Figure(name="weight", unit="kg", bar=5.0, lower_is_better=True, against="a cat")


def test_the_documentation_explains_each_figure_with_its_bar():
    page = (ROOT / "docs/benchmarks.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| [≥≤] ([\d,.]+) ", page, re.MULTILINE)
    assert rows == [(figure.name, f"{figure.bar:,g}") for figure in registry.figures()]


def test_no_two_figures_share_a_name():
    names = [figure.name for figure in registry.figures()]
    assert len(set(names)) == len(names)


def test_a_figure_is_one_json_line_and_the_rest_is_kept_off_stdout():
    command = [sys.executable, "-m", "benchmarks", "--only", "help_seconds"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = done.stdout.splitlines()
    told = json.loads(line)
    assert set(told) == FIELDS
    assert told["figure"] == "help_seconds"
    assert told["holds"] is (told["value"] <= told["bar"])
    assert "median of 10" in done.stderr


def test_a_figure_that_falls_short_is_printed_and_is_no_failure(told):
    code, lines = told(Family((SPEED, WEIGHT), lambda: {"speed": 9.999, "weight": 5.001}))
    assert code == 0
    assert [(line["figure"], line["holds"]) for line in lines] == [("speed", False), ("weight", False)]


def test_a_bar_that_is_just_reached_holds(told):
    _, lines = told(Family((SPEED, WEIGHT), lambda: {"speed": 10.0, "weight": 5.0}))
    assert [line["holds"] for line in lines] == [True, True]


def test_only_the_figure_that_was_asked_for_is_printed(told):
    _, lines = told(Family((SPEED, WEIGHT), lambda: {"speed": 12.0, "weight": 4.0}), "--only", "weight")
    assert [line["figure"] for line in lines] == ["weight"]


def test_what_this_machine_has_not_got_is_said_and_is_no_failure(told, capsys):
    def absent():
        raise NotHere("there is no horse")

    assert told(Family((SPEED,), absent)) == (0, [])
    assert "speed: not measured here: there is no horse" in capsys.readouterr().err


def test_a_measurement_that_breaks_fails_and_the_others_go_on(told):
    def broken():
        raise RuntimeError("it lies down")

    code, lines = told([Family((SPEED,), broken), Family((WEIGHT,), lambda: {"weight": 4.0})])
    assert code == 1
    assert [line["figure"] for line in lines] == ["weight"]


def test_an_unknown_figure_is_answered_with_the_nearest(capsys):
    assert main(["--only", "help_second"]) == 2
    assert "did you mean 'help_seconds'?" in capsys.readouterr().err


@pytest.fixture
def told(monkeypatch, capsys):
    """Runs with these families alone; the exit code and the lines on stdout."""

    def run(families, *arguments):
        monkeypatch.setattr(registry, "FAMILIES", tuple(families) if isinstance(families, list) else (families,))
        code = main(list(arguments))
        out = capsys.readouterr()
        sys.stderr.write(out.err)
        return code, [json.loads(line) for line in out.out.splitlines()]

    return run
