"""The transformers trainer keeps every promise of a trainer, in each task."""

from pathlib import Path

import pytest

from eyebright_kit.runtime.tinyjob import TinyJob
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

    @pytest.fixture
    def job(self, tmp_path: Path) -> TinyJob:
        """Without ONNX, which takes longer than all else: the finished run and those that are about it make it."""
        return TinyJob(tmp_path, self.manifest, {**self.slow, "exports": []}, task_name=self.task)


class TestSemanticSegmentation(TrainerConformance):
    manifest = MANIFEST
    task = "semantic_segmentation"
    weights = "model.safetensors"
    timeout_seconds = 300.0
    slow = {"epochs": 3, "save_every_steps": 2}
