"""A data set on disk as the kit lays it out, of the tiny set of a task."""

from collections.abc import Callable
from pathlib import Path

import pytest

from eyebright_kit.data.blobs import blob_path, copied
from eyebright_kit.data.local import LocalDataset
from eyebright_kit.data.manifest import Manifest
from eyebright_kit.data.materialise import materialise
from eyebright_kit.runtime.tinyset import tiny_set


@pytest.fixture(scope="session")
def fenced(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Ultralytics may be imported here. The first fence of a process counts, so there is one."""
    from eyebright_ultralytics import fence

    fence.put_up(tmp_path_factory.mktemp("fence"))


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[[str], LocalDataset]:
    def laid_out(task: str) -> LocalDataset:
        blobs = tmp_path / "blobs"
        manifest = Manifest(blob_path(blobs, tiny_set(task).store(blobs)))
        return materialise(manifest, blobs, tmp_path / "data", copied)

    return laid_out
