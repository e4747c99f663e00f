from pathlib import Path

import pytest
from street import make_street

from eyebright_torch.testing import Job
from eyebright_transformers.manifest import MANIFEST
from eyebright_wire.datasets import Split


@pytest.fixture
def street(tmp_path: Path) -> Job:
    """Digits on textures: 16 training and 6 validation images."""
    data = make_street(tmp_path / "street", {Split.TRAIN: 16, Split.VAL: 6})
    return Job(
        tmp_path,
        data,
        MANIFEST.name,
        "segformer-b0",
        {"imgsz": 64, "batch": 8, "ema": False},
        task="semantic_segmentation",
    )
