"""What the toy trainer says about itself."""

from pathlib import Path

import yaml

from eyebright_toy.config import ToyConfig
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest

MANIFEST = TrainerManifest(
    name="toy",
    version="0.1.0",
    module="eyebright_toy",
    licence="Apache-2.0",
    description="An honest little classifier without a framework: for tests, and as a pattern to copy.",
    tasks=(
        TaskInfo(
            name="classification",
            models=(
                ModelInfo(name="softmax", parameters=65_000, description="Softmax regression on 8×8 grey pixels"),
                ModelInfo(name="centroid", parameters=64_000, description="Nearest mean image, found step by step"),
            ),
            default_model="softmax",
            config_schema=ToyConfig.model_json_schema(),
            recipe=yaml.safe_load((Path(__file__).parent / "recipes" / "classification.yaml").read_text()),
            exports=("csv",),
            exports_later=True,
            takes_parent=True,
            primary_metric="top1",
        ),
    ),
    reads_only=True,
    conformance={"epochs": 3, "batch": 4},
)
