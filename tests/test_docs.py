"""The documentation says what the product does."""

import ast
import builtins
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tools.reference import REFERENCE, pages

from eyebright.services.messages import SETTINGS
from eyebright.services.webhooks.training_server import ERROR_CODES, VERBS
from eyebright_wire.datasets import DatasetPlan

ROOT = Path(__file__).parent.parent
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "events.md", "errors.md", "api.md", "datasets.md"])
def test_the_reference_is_what_the_code_says(name):
    assert (REFERENCE / name).read_text() == pages()[name], "run `make reference`"


def test_every_refusal_has_a_code_of_its_own():
    """By which a client knows its class again."""
    table = (REFERENCE / "errors.md").read_text().partition("## Of jobs")[0]
    codes = re.findall(r"^\| `(\w+)` \| \d+ \|", table, re.MULTILINE)
    assert len(codes) > 20
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} points to {target}"


@pytest.mark.parametrize(
    ("page", "lines"),
    [(page, lines) for page in PROSE for lines in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)],
    ids=lambda given: given.stem if isinstance(given, Path) else "",
)
def test_lines_of_python_can_be_pasted_as_they_stand(page: Path, lines: str):
    """Each is a file of its own: what it names it has imported or made."""
    tree = ast.parse(lines, page.name)
    compile(tree, page.name, "exec")
    assert _names_from_nowhere(tree) == set()


def test_a_name_that_comes_from_nowhere_is_found():
    assert _names_from_nowhere(ast.parse("import os\nprint(os.environ[key], token)")) == {"key", "token"}


def _names_from_nowhere(tree: ast.Module) -> set[str]:
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in named if not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        if isinstance(node, ast.arg):
            made.add(node.arg)
        if isinstance(node, ast.alias):
            made.add((node.asname or node.name).partition(".")[0])
    return {node.id for node in named} - made - set(dir(builtins))


def test_the_commands_of_the_readme_exist():
    mentioned = set(re.findall(r"\.venv/bin/eyebright ([a-z]+(?: [a-z]+)?)", (ROOT / "README.md").read_text()))
    assert mentioned
    for words in mentioned:
        command = [sys.executable, "-m", "eyebright", *words.split()[:2], "--help"]
        if words.split()[0] in ("train", "serve", "demo"):
            command = [sys.executable, "-m", "eyebright", words.split()[0], "--help"]
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


def test_the_targets_of_the_documents_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PROSE for name in _make_targets(page.read_text())}
    assert named
    assert named <= targets


def test_a_target_is_told_from_the_verb_to_make():
    page = (
        "A shelf to make room: `make demo`, or\n\n    make test  # everything\n\nwhich can make a difference.\nmake way"
    )
    assert _make_targets(page) == ["demo", "test"]


def test_every_decision_is_listed_under_its_number():
    """In order and without a hole, so that the next page knows its number."""
    decisions = ROOT / "docs" / "decisions"
    pages = sorted(page for page in decisions.glob("*.md") if page.name != "README.md")
    titles = [page.read_text().partition("\n")[0].removeprefix("# ") for page in pages]
    assert [page.name[:5] for page in pages] == [f"{number:04}-" for number in range(1, len(pages) + 1)]
    listed = re.findall(r"^(\d+\.) \[(.+)\]\((.+)\)$", (decisions / "README.md").read_text(), re.MULTILINE)
    assert [(f"{number} {title}", name) for number, title, name in listed] == [
        (title, page.name) for title, page in zip(titles, pages, strict=True)
    ]


def _make_targets(text: str) -> list[str]:
    """What is given to `make` in backticks or in an indented command line; in prose it is a verb."""
    return re.findall(r"(?:`|^(?: {4}|\t))make ([a-z]+)", text, re.MULTILINE)


def test_the_plan_in_the_guide_is_one_and_shows_every_wish():
    guide = (ROOT / "docs/guide/datasets.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    plan = DatasetPlan.model_validate(yaml.safe_load(block))
    assert plan.model_fields_set == set(DatasetPlan.model_fields)


def test_callers_of_a_training_server_get_what_the_guide_shows():
    guide = (ROOT / "docs/guide/training-server.md").read_text()
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", guide, re.DOTALL)]
    golden = ROOT / "packages/server/tests/services/golden/training_server"
    said = [json.loads((golden / f"{verb}.json").read_text()) for verb in VERBS]
    assert shown == [each["body"] for each in said]
    for each in said:
        assert f"`{each['method']} {each['path']}`" in guide


def test_the_guide_to_a_training_server_lists_every_code_and_every_name_of_a_setting():
    guide = (ROOT / "docs/guide/training-server.md").read_text()
    codes = re.findall(r"^\| `([A-Z_]+)` \| ([a-z_, ]+) \|", guide, re.MULTILINE)
    assert {reason: code for code, reasons in codes for reason in reasons.split(", ")} == ERROR_CODES
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| `(\w+)` \|$", guide, re.MULTILINE)
    assert {name: ours for names, ours in rows for name in re.findall(r"\w+", names)} == SETTINGS
