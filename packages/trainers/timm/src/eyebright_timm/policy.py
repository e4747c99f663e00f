"""RandAugment and AutoAugment by timm's own operations, each image by a generator of its own."""

import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from timm.data import auto_augment
from timm.data.auto_augment import AutoAugment, RandAugment, auto_augment_transform, rand_augment_transform

from eyebright_kit.errors import ConfigInvalid
from eyebright_timm.config import TimmConfig
from eyebright_torch.preprocess import Pixels, Preprocessing

Alteration = Callable[[Pixels, np.random.Generator], Pixels]


class _Draws(threading.local):
    """Stands where timm's operations look for Python's module `random`.

    That one is shared with every thread of the process, the reporter's among them: what an image becomes would depend on
    them. Here each thread has a generator of its own, set anew for each image.
    """

    def __init__(self) -> None:
        self.generator = random.Random()  # noqa: S311 - pictures, not secrets

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generator, name)


_draws = _Draws()
auto_augment.random = _draws  # pyright: ignore[reportAttributeAccessIssue]


def policy(config: TimmConfig, rule: Preprocessing) -> Alteration | None:
    """What the setting `auto_augment` does to one square of bytes; None where it is empty. Raises ConfigInvalid."""
    if not config.auto_augment:
        return None
    operations = _parsed(config.auto_augment, rule)

    def alter(square: Pixels, rng: np.random.Generator) -> Pixels:
        _draws.generator.seed(int(rng.integers(2**63)))
        image = Image.fromarray(square)
        for operation in _chosen(operations, rng):
            image = operation(image)
        return np.asarray(image)

    return alter


def _parsed(text: str, rule: Preprocessing) -> RandAugment | AutoAugment:
    hints = {
        "translate_const": int(rule.imgsz * 0.45),  # as timm's create_transform hands them over
        "img_mean": tuple(min(255, round(255 * mean)) for mean in rule.mean),
    }
    parse = rand_augment_transform if text.startswith("rand") else auto_augment_transform
    try:
        return _mended(parse(text, hints))
    except (AssertionError, KeyError, ValueError) as error:
        raise ConfigInvalid(
            f"auto_augment={text}: timm cannot read it ({error or 'unknown part'}); expected something like rand-m9-mstd0.5-inc1"
        ) from error


def _mended(operations: RandAugment | AutoAugment) -> RandAugment | AutoAugment:
    chains = operations.policy if isinstance(operations, AutoAugment) else [operations.ops]
    for operation in (operation for chain in chains for operation in chain):
        if operation.aug_fn is auto_augment.posterize:
            operation.aug_fn = _posterize
    return operations


def _posterize(image: Image.Image, bits: int, **given: Any) -> Image.Image:
    """Some policies of timm's keep 0 bits, which Pillow refuses since its version 12: then the first one stays."""
    return auto_augment.posterize(image, max(1, bits), **given)


def _chosen(operations: RandAugment | AutoAugment, rng: np.random.Generator) -> Any:
    """What timm's own call would choose, but by our generator: it asks numpy's global one."""
    if isinstance(operations, AutoAugment):
        return operations.policy[rng.integers(len(operations.policy))]
    weights = operations.choice_weights
    picked = rng.choice(len(operations.ops), operations.num_layers, replace=weights is None, p=weights)
    return [operations.ops[index] for index in picked]
