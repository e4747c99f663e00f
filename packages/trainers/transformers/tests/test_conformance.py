"""The transformers trainer keeps every promise of a trainer, in each task."""

from eyebright_kit.testing import TaskConformance, TrainerConformance
from eyebright_transformers.manifest import MANIFEST

WARM = ("torch._dynamo", "torch.distributed.tensor", "torch.export", "torchvision")


class TestClassification(TrainerConformance):
    manifest = MANIFEST
    task = "classification"
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2}
    warm = WARM


class TestDetection(TaskConformance):
    manifest = MANIFEST
    task = "detection"
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2, "imgsz": 64}
    warm = WARM


class TestInstanceSegmentation(TaskConformance):
    manifest = MANIFEST
    task = "instance_segmentation"
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2, "queries": 8, "points": 64}
    warm = WARM


class TestSemanticSegmentation(TaskConformance):
    manifest = MANIFEST
    task = "semantic_segmentation"
    weights = "model.safetensors"
    slow = {"epochs": 3, "save_every_steps": 2}
    warm = WARM
