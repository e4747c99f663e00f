import pytest

from eyebright.core.verdict import of_exit
from eyebright_wire.jobs import JobKind


@pytest.mark.parametrize(
    ("code", "out_of_memory", "reason", "retryable"),
    [
        (-9, False, "worker_lost", True),
        (137, False, "worker_lost", True),
        (143, False, "worker_lost", True),  # SIGTERM before the trainer listens for it, or a second one
        (130, False, "worker_lost", True),
        (139, False, "trainer_error", False),  # SIGSEGV: its own fault
        (None, False, "worker_lost", True),
        (-9, True, "out_of_memory", False),
        (83, False, "preempted", True),
        (75, False, "internal_error", True),
        (64, False, "config_invalid", False),
        (65, False, "dataset_invalid", False),
        (74, False, "disk_full", False),
        (1, False, "trainer_error", False),
        (0, False, "trainer_error", False),
    ],
)
def test_an_exit_without_last_words_is_judged_by_its_status(code, out_of_memory, reason, retryable):
    verdict = of_exit(code, out_of_memory, "")
    assert (verdict.code, verdict.retryable) == (reason, retryable)


def test_who_was_killed_is_told_by_which_signal():
    assert of_exit(143, False, "").message == of_exit(-15, False, "").message
    assert "SIGTERM" in of_exit(143, False, "").message


def test_whoever_is_killed_for_memory_is_told_what_to_lower():
    killed = of_exit(-9, True, "", config={"batch": 64, "imgsz": 1280})
    assert "with batch=64 at imgsz=1280; set batch=32, or a smaller imgsz or model" in killed.message
    assert "import fewer images" in of_exit(-9, True, "", kind=JobKind.IMPORT).message


def test_the_last_lines_of_the_log_are_told():
    assert "ImportError: no module" in of_exit(1, False, "ImportError: no module").message
