"""The toy trainer keeps every promise of a trainer."""

from eyebright_kit.testing import TrainerConformance
from eyebright_toy.manifest import MANIFEST


class TestToy(TrainerConformance):
    manifest = MANIFEST
    weights = "model.json"
    slow = {"step_seconds": 0.03, "checkpoint_steps": 4, "epochs": 6}
    warm = ("json",)
