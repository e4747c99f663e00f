"""The Ultralytics trainer keeps every promise of a trainer."""

from warm_start import IMPORTED

from eyebright_kit.testing import TrainerConformance
from eyebright_ultralytics.manifest import MANIFEST


class TestUltralytics(TrainerConformance):
    manifest = MANIFEST
    weights = "model.safetensors"
    slow = {"epochs": 3, "exports": []}
    warm = IMPORTED
