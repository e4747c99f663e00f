"""Whatever strangers send, it ends in a report or a refusal, soon: the kept corpus, and a short while of mutating it.

To search for longer, guided by coverage: `make fuzz TARGET=coco SECONDS=600`, which adds what reaches new code to `corpus/`.
"""

import time
from pathlib import Path
from random import Random

import pytest

from fuzz.mutation import mutated
from fuzz.seeds import CORPUS
from fuzz.targets import TARGETS

_MUTATIONS = 60
_LONGEST_SECONDS = 10.0  # what a hostile file may cost; a mutated one costs a few hundredths


def kept() -> list[Path]:
    return sorted(path for path in CORPUS.rglob("*") if path.is_file())


def test_every_target_has_a_sound_file() -> None:
    assert {path.parent.name for path in kept() if path.name == "sound"} == set(TARGETS)


@pytest.mark.parametrize("path", kept(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_before_is_survived(path: Path) -> None:
    began = time.monotonic()
    TARGETS[path.parent.name](path.read_bytes())
    assert time.monotonic() - began < _LONGEST_SECONDS


@pytest.mark.parametrize("name", TARGETS)
def test_mutations_of_the_corpus_are_survived(name: str) -> None:
    for path in kept():
        if path.parent.name == name:
            for seed in range(_MUTATIONS):
                content = mutated(path.read_bytes(), Random(f"{path.name}{seed}"))
                began = time.monotonic()
                try:
                    TARGETS[name](content)
                except Exception as error:
                    raise AssertionError(f"worth keeping in the corpus of {name}: {content!r}") from error
                assert time.monotonic() - began < _LONGEST_SECONDS
