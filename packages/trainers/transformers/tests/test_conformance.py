"""The transformers trainer keeps every promise of a trainer."""

from eyebright_kit.testing import TrainerConformance
from eyebright_transformers.manifest import MANIFEST


class TestTransformers(TrainerConformance):
    manifest = MANIFEST
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2}
