import errno
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, ValidationError

from eyebright_kit.errors import ConfigInvalid, DiskFull, ExportFailed, NanLoss, StorageUnavailable, TrainerFailure
from eyebright_kit.runtime import failure
from eyebright_kit.runtime.failure import exit_code, explained
from eyebright_wire.errors import ErrorCode, ExitCode
from eyebright_wire.events import Failed


class OutOfMemoryError(RuntimeError):
    """As torch's is called."""


def _caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigInvalid("x"), ErrorCode.CONFIG_INVALID),
        (TrainerFailure(ErrorCode.HUNG, "x"), ErrorCode.HUNG),
        (StorageUnavailable("x"), ErrorCode.STORAGE_ERROR),
        (MemoryError(), ErrorCode.OUT_OF_MEMORY),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), ErrorCode.OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), ErrorCode.OUT_OF_MEMORY),
        (RuntimeError("std::bad_alloc"), ErrorCode.OUT_OF_MEMORY),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
            ErrorCode.OUT_OF_MEMORY,
        ),
        (Exception("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer"), ErrorCode.OUT_OF_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), ErrorCode.OUT_OF_MEMORY),
        (RuntimeError("shape mismatch\nlog: out of memory was not the reason"), ErrorCode.TRAINER_ERROR),
        (OSError(errno.ENOSPC, "No space left on device"), ErrorCode.DISK_FULL),
        (_caused(RuntimeError("cannot save"), OSError(errno.ENOSPC, "full")), ErrorCode.DISK_FULL),
        (RuntimeError("I/O error: No space left on device (os error 28)"), ErrorCode.DISK_FULL),
        (_caused(ExportFailed("cannot be exported"), OSError(errno.ENOSPC, "full")), ErrorCode.DISK_FULL),
        (_caused(StorageUnavailable("x"), OSError(errno.EDQUOT, "full")), ErrorCode.DISK_FULL),
        (_caused(NanLoss("x"), OSError(errno.ENOSPC, "full")), ErrorCode.NAN_LOSS),
        (OSError(errno.EIO, "bad disk"), ErrorCode.TRAINER_ERROR),
        (ZeroDivisionError("division by zero"), ErrorCode.TRAINER_ERROR),
        (SystemExit(3), ErrorCode.TRAINER_ERROR),
        (KeyboardInterrupt(), ErrorCode.TRAINER_ERROR),
    ],
)
def test_each_end_has_its_code(error: BaseException, code: ErrorCode):
    assert explained(error).code == code


def test_a_bug_is_named_with_its_place_and_its_traceback():
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        failed = explained(error)
    assert failed.message.startswith("ZeroDivisionError: division by zero (test_failure.py, line ")
    assert "Traceback" in (failed.detail or "")


def test_a_full_disk_is_named_with_its_room_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(failure, "free_bytes", lambda folder: (3 if folder == tmp_path else 9) << 20)
    message = explained(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "other", tmp_path).message
    assert message.startswith(f"not enough room in {tmp_path} (3 MiB free): OSError: ")
    assert message.endswith("free space there and retry the job")


def test_a_full_disk_is_named_where_no_folder_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Python itself looks for a folder for temporary files by writing one, which fails when all disks are full."""

    def unusable(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", unusable)
    assert explained(OSError(errno.ENOSPC, "full"), tmp_path).message.startswith(f"not enough room in {tmp_path} (")
    assert explained(OSError(errno.ENOSPC, "full")).message.startswith("not enough room in any folder (0 MiB free)")


def test_a_place_that_is_away_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def stale(_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("shutil.disk_usage", stale)
    assert explained(StorageUnavailable("cannot write the output"), tmp_path).code is ErrorCode.STORAGE_ERROR
    assert explained(OSError(errno.ENOSPC, "full"), tmp_path).code is ErrorCode.DISK_FULL


def test_a_name_that_is_no_utf8_can_be_told():
    failed = explained(RuntimeError("cannot read " + os.fsdecode(b"\xffcat.jpg")))
    assert r"\udcffcat.jpg" in failed.message
    assert Failed.model_validate_json(failed.model_dump_json()) == failed


def test_running_out_of_memory_says_which_setting_to_change():
    """And where in its own code a library was when it noticed is left to the traceback."""
    error = RuntimeError("can't allocate memory: you tried to allocate 9 bytes\nframe #0: c10::Error")
    assert explained(error, config={"batch": 8, "imgsz": 64}).message == (
        "memory ran out with batch=8 at imgsz=64; set batch=4, or a smaller imgsz or model "
        "(RuntimeError: can't allocate memory: you tried to allocate 9 bytes)"
    )


def test_huge_messages_stay_small_events():
    failed = explained(RuntimeError("x" * 1_000_000))
    assert len(failed.message) + len(failed.detail or "") < 20_000


@pytest.mark.parametrize(
    ("error", "retryable"), [(DiskFull("x"), False), (StorageUnavailable("x"), True), (NanLoss("x"), False)]
)
def test_whether_trying_again_helps_follows_the_code_unless_told_otherwise(error: TrainerFailure, retryable: bool):
    assert error.retryable is retryable
    assert type(error)("x", retryable=not retryable).retryable is not retryable  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (ErrorCode.CONFIG_INVALID, ExitCode.BAD_CONFIG),
        (ErrorCode.DATASET_INVALID, ExitCode.BAD_DATA),
        (ErrorCode.DISK_FULL, ExitCode.DISK_FULL),
        (ErrorCode.STORAGE_ERROR, ExitCode.TEMPORARY),
        (ErrorCode.TRAINER_ERROR, ExitCode.TRAINER_ERROR),
        (ErrorCode.OUT_OF_MEMORY, ExitCode.TRAINER_ERROR),
    ],
)
def test_each_code_has_its_exit_status(code: ErrorCode, status: int):
    assert exit_code(code) == status


class _Config(BaseModel):
    epochs: int = Field(ge=1)
    lr0: float


def test_a_refused_config_names_each_setting_and_what_was_found():
    with pytest.raises(ValidationError) as caught:
        _Config.model_validate({"epochs": -1, "lr0": "fast"})
    message = ConfigInvalid.of(caught.value).message
    assert "epochs: Input should be greater than or equal to 1 (found -1)" in message
    assert "lr0: " in message
    assert "(found 'fast')" in message
