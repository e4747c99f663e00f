"""The conformance suite notices a trainer that breaks a promise: each of these toys does, in one way."""

from pathlib import Path
from typing import Any

import pytest

from eyebright_kit.runtime.tinyjob import TinyJob
from eyebright_kit.runtime.trace import stays_offline, traced
from eyebright_kit.testing import TrainerConformance
from eyebright_toy.manifest import MANIFEST


def _suite(**misbehaviour: Any) -> TrainerConformance:
    suite = TrainerConformance()
    suite.manifest = MANIFEST
    suite.weights = "model.json"
    suite.slow = misbehaviour
    return suite


@pytest.mark.parametrize(
    ("misbehaviour", "complaint"),
    [
        ({"keep_still": True}, "fault did not come|told only of"),
        ({"seem_to_move": True}, "it hangs and says that it moves"),
    ],
    ids=["one that is silent", "one that pretends"],
)
def test_a_hang_that_nobody_could_see_is_noticed(tmp_path: Path, misbehaviour: dict[str, Any], complaint: str):
    with pytest.raises(AssertionError, match=complaint):
        _suite(**misbehaviour).test_it_moves_with_each_step_and_each_evaluation_and_no_more_when_it_hangs(tmp_path)


def test_memory_that_is_called_something_else_is_noticed(tmp_path: Path):
    suite = _suite(hide_memory=True)
    with pytest.raises(AssertionError, match="trainer_error"):
        suite.test_memory_that_runs_out_is_told_with_the_settings_to_lower(TinyJob(tmp_path, MANIFEST, suite.slow))


@pytest.mark.parametrize(
    ("misbehaviour", "complaint"),
    [
        ("trust_names", "the canary sings"),
        ("trust_pickles", "the canary sings"),
        ("litter", "toyrc"),
        ("mend_names", "other names"),
        ("boast", "card.md has names of classes as they are"),
    ],
)
def test_data_that_does_harm_is_noticed(tmp_path: Path, misbehaviour: str, complaint: str):
    with pytest.raises(AssertionError, match=complaint):
        _suite(**{misbehaviour: True}).test_a_data_set_that_attacks_harms_nobody(tmp_path)


@pytest.mark.parametrize("way", ["name", "lookup", "datagram", "child", "alone"])
def test_whoever_looks_for_another_machine_is_noticed(tmp_path: Path, way: str):
    """A child that knows nothing of our hooks too."""
    trace = traced(MANIFEST.module, TinyJob(tmp_path, MANIFEST).write_spec(phone_home=way, epochs=1), 60)
    assert trace.exit_code == 0, trace.summary()
    with pytest.raises(AssertionError, match=r"tried to reach the network: .*(nobody\.invalid|192\.0\.2\.1)"):
        stays_offline(trace)
