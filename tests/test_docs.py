"""The documentation says what the product does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tools.reference import REFERENCE, pages

ROOT = Path(__file__).parent.parent
PROSE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("name", ["cli.md", "settings.md", "events.md", "errors.md", "api.md", "datasets.md"])
def test_the_reference_is_what_the_code_says(name):
    assert (REFERENCE / name).read_text() == pages()[name], "run `make reference`"


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} points to {target}"


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
    named = set(re.findall(r"`?make ([a-z]+)", "".join(page.read_text() for page in PROSE)))
    assert named <= targets
