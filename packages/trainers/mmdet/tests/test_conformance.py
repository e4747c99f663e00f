"""The MMDetection trainer keeps every promise of a trainer."""

from eyebright_kit.testing import TrainerConformance
from eyebright_mmdet.manifest import MANIFEST


class TestMMDetection(TrainerConformance):
    manifest = MANIFEST
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2}
    warm = ("torch._dynamo", "torchvision")
