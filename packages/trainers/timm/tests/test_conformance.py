"""The timm trainer keeps every promise of a trainer."""

from eyebright_kit.testing import TrainerConformance
from eyebright_timm.manifest import MANIFEST


class TestTimm(TrainerConformance):
    manifest = MANIFEST
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2}
    warm = ("torch._dynamo", "torchvision")
