"""Pictures of coloured boxes with their masks, and a framework of one tiny network that tells pixels apart."""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from eyebright_kit.data.annotations import IGNORED
from eyebright_kit.data.local import LocalDataset, LocalSample
from eyebright_torch.framework import Credits
from eyebright_torch.freezing import Stages
from eyebright_torch.segmentation import fit as story
from eyebright_torch.segmentation.config import SegmentationConfig
from eyebright_torch.segmentation.framework import Framework
from eyebright_torch.testing import Job
from eyebright_torch.weights import Pretrained
from eyebright_wire.datasets import Split

CLASSES = ("ground", "red", "blue")
SIZE = (44, 36)  # width, height
JOB = partial(Job, trainer="tiny", model="speck", task="semantic_segmentation")


class Speck(nn.Module):
    """Looks at a neighbourhood of five pixels; each image alike, whatever lies beside it in the batch."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.drop = nn.Dropout(0.1)
        self.head = nn.Conv2d(8, classes, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(self.first(images)))


def build(_name: str, classes: int, _config: object = None, _pretrained: object = None) -> nn.Module:
    return Speck(classes)


def stages(_name: str, model: nn.Module) -> Stages:
    return [[model.get_submodule("first")]]


def pretrained(_name: str) -> Pretrained:
    raise AssertionError("nothing here begins from weights")


FRAMEWORK = Framework(
    config=SegmentationConfig,
    credits=Credits("eyebright-torch", "safetensors", "Apache-2.0"),
    pretrained=pretrained,
    build=build,
    stages=stages,
)

fit = partial(story.fit, framework=FRAMEWORK)


def make_painted(root: Path, counts: dict[Split, int]) -> LocalDataset:
    rng = np.random.default_rng(5)
    splits = {split: tuple(_sample(root, split, n, rng) for n in range(count)) for split, count in counts.items()}
    return LocalDataset(root, CLASSES, splits)


def _sample(root: Path, split: Split, number: int, rng: np.random.Generator) -> LocalSample:
    """A box of one colour on grey; the outermost columns of the mask are unknown."""
    width, height = SIZE
    pixels = rng.integers(60, 120, (height, width, 3)).astype(np.uint8)
    mask = np.zeros((height, width), dtype=np.uint8)
    label = 1 + number % 2
    left, top = int(rng.integers(2, 24)), int(rng.integers(2, 18))
    box = np.s_[top : top + 14, left : left + 16]
    pixels[box] = (230, 30, 30) if label == 1 else (30, 30, 230)
    mask[box] = label
    mask[:, 0] = mask[:, -1] = IGNORED
    folder = root / split
    folder.mkdir(parents=True, exist_ok=True)
    image, painted = folder / f"{number}.png", folder / f"{number}-mask.png"
    Image.fromarray(pixels).save(image)
    Image.fromarray(mask).save(painted)
    return LocalSample(image, None, f"{split}/{number}.png", width, height, mask=painted)
