"""The same image becomes the same, whatever else the process draws meanwhile."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from eyebright_kit.errors import ConfigInvalid
from eyebright_timm.config import TimmConfig
from eyebright_timm.policy import policy
from eyebright_torch.preprocess import Preprocessing

RULE = Preprocessing(64)
RAMP = np.linspace(40, 200, 64)
SQUARE = np.stack([np.add.outer(RAMP, RAMP) / 2, np.subtract.outer(RAMP, RAMP) / 2 + 120, np.tile(RAMP, (64, 1))], 2)
SQUARE = SQUARE.astype(np.uint8)
POLICIES = ["rand-m9-mstd0.5-inc1", "rand-m5-n3-p0.6", "v0", "original-mstd0.5", "3a"]


def altered(text: str, seed: int) -> np.ndarray:
    alter = policy(TimmConfig(auto_augment=text), RULE)
    assert alter
    return alter(SQUARE, np.random.default_rng(seed))


def test_none_is_asked_for_by_default():
    assert policy(TimmConfig(), RULE) is None


@pytest.mark.parametrize("text", POLICIES)
def test_the_same_draws_give_the_same_image_and_others_do_not(text: str):
    found = [altered(text, seed) for seed in range(12)]
    random.seed(1)
    np.random.seed(1)
    assert all(np.array_equal(before, altered(text, seed)) for seed, before in enumerate(found))
    assert all(image.shape == SQUARE.shape and image.dtype == np.uint8 for image in found)
    assert len({image.tobytes() for image in found}) > 2  # some policies often leave an image as it is


def test_several_threads_alter_at_once_and_somebody_else_draws_too():
    expected = [altered("rand-m9-mstd0.5-inc1", seed) for seed in range(40)]
    done = threading.Event()

    def disturb() -> None:
        while not done.is_set():
            random.random()

    stranger = threading.Thread(target=disturb)
    stranger.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda seed: altered("rand-m9-mstd0.5-inc1", seed), range(40)))
    finally:
        done.set()
        stranger.join()
    assert all(map(np.array_equal, found, expected))


def test_a_policy_that_timm_cannot_read_is_told():
    with pytest.raises(ConfigInvalid, match="auto_augment=rand-zz9: timm cannot read it"):
        policy(TimmConfig(auto_augment="rand-zz9"), RULE)
