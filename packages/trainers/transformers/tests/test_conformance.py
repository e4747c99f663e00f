"""The transformers trainer keeps every promise of a trainer, in each task."""

from eyebright_kit.testing import TrainerConformance
from eyebright_transformers.manifest import MANIFEST


class TestClassification(TrainerConformance):
    manifest = MANIFEST
    task = "classification"
    weights = "model.safetensors"
    timeout_seconds = 300.0
    slow = {"epochs": 3, "save_every_steps": 2}


class TestDetection(TrainerConformance):
    manifest = MANIFEST
    task = "detection"
    weights = "model.safetensors"
    timeout_seconds = 300.0
    slow = {"epochs": 3, "save_every_steps": 2, "imgsz": 64}


class TestInstanceSegmentation(TrainerConformance):
    manifest = MANIFEST
    task = "instance_segmentation"
    weights = "model.safetensors"
    timeout_seconds = 300.0
    slow = {"epochs": 3, "save_every_steps": 2, "queries": 8, "points": 64}
    rehearsed = {"exports": []}  # ONNX takes longer than all else


class TestSemanticSegmentation(TrainerConformance):
    manifest = MANIFEST
    task = "semantic_segmentation"
    weights = "model.safetensors"
    timeout_seconds = 300.0
    slow = {"epochs": 3, "save_every_steps": 2}
