"""Running out of memory, in words that name the settings."""

import contextlib
from collections.abc import Iterator

from eyebright_kit.errors import OutOfMemory
from eyebright_kit.runtime.failure import is_out_of_memory
from eyebright_ultralytics.config import RunConfig


@contextlib.contextmanager
def explained(config: RunConfig) -> Iterator[None]:
    """Turns torch's ways of saying that memory ran out into one that says what to change."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"memory ran out with batch={config.batch} at imgsz={config.imgsz}; set batch={max(1, config.batch // 2)}, "
            f"or a smaller imgsz or model, and start again"
        ) from error
