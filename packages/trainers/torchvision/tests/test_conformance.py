"""The torchvision trainer keeps every promise of a trainer."""

from eyebright_kit.testing import TrainerConformance
from eyebright_torchvision.manifest import MANIFEST


class TestTorchvision(TrainerConformance):
    manifest = MANIFEST
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2}
    warm = ("torch._dynamo", "torchvision")
