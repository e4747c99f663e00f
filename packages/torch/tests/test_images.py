import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from eyebright_kit.data.local import LocalDataset
from eyebright_kit.errors import DatasetInvalid
from eyebright_torch import cache
from eyebright_torch import images as pictures
from eyebright_torch.classification.data import batches, labels_of
from eyebright_torch.images import Images, in_order, opened
from eyebright_torch.preprocess import Preprocessing
from eyebright_torch.testing import copy_of
from eyebright_wire.datasets import Split

CPU = torch.device("cpu")
RULE = Preprocessing(32)


def test_kept_or_not_and_by_however_many_threads_the_bytes_are_the_same(images: LocalDataset, tmp_path: Path):
    samples = images.samples(Split.TRAIN)
    steps = [np.array([5, 1, 5, 0]), np.array([1, 2, 3]), np.arange(24)]
    seen = []
    for threads in (1, 4):
        for keep in (None, tmp_path / f"kept-{threads}"):
            for shared in (False, True):
                with opened(Images, samples, RULE, threads, keep, shared) as opened_images:
                    seen.append(
                        [
                            batch.pixels.numpy().copy()
                            for batch in batches(opened_images, labels_of(opened_images), steps, CPU)
                        ]
                    )
    for other in seen[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(seen[0], other, strict=True))


def test_where_there_is_room_each_file_is_decoded_once(
    images: LocalDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    read: list[Path] = []
    real = pictures.read_square
    monkeypatch.setattr(pictures, "read_square", lambda path, rule: read.append(path) or real(path, rule))
    with opened(Images, images.samples(Split.VAL), RULE, 2, tmp_path / "kept", False) as found:
        for _ in range(3):
            found.take(np.arange(len(found)))
    assert sorted(read) == sorted(sample.path for sample in images.samples(Split.VAL))


def test_without_room_in_memory_the_disk_is_taken_and_without_both_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(cache, "available_bytes", lambda _device: 0)
    kept = cache.room((10, 4, 4, 3), tmp_path / "kept", shared=False)
    assert isinstance(kept, np.memmap)
    assert (tmp_path / "kept").stat().st_blocks * 512 >= 480
    monkeypatch.setattr(cache, "_DISK_SHARE", 0)
    assert cache.room((10, 4, 4, 3), tmp_path / "other", shared=False) is None


def test_what_a_quota_gave_of_a_cache_that_does_not_fit_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def gives_some(descriptor: int, _offset: int, _size: int) -> None:
        os.write(descriptor, bytes(100))
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(cache, "available_bytes", lambda _device: 0)
    monkeypatch.setattr(os, "posix_fallocate", gives_some)
    assert cache.room((10, 4, 4, 3), tmp_path / "kept", shared=False) is None
    assert list(tmp_path.iterdir()) == []


def test_processes_that_share_a_cache_do_not_wipe_each_others_squares(images: LocalDataset, tmp_path: Path):
    samples = images.samples(Split.VAL)
    with opened(Images, samples, RULE, 1, tmp_path / "kept", True) as first:
        expected = first.take(np.arange(5))
        with opened(Images, samples, RULE, 1, tmp_path / "kept", True) as second:
            second.take(np.arange(3))
        assert np.array_equal(first.take(np.arange(5)), expected)


def test_a_file_that_is_no_image_is_named(images: LocalDataset, tmp_path: Path):
    broken = copy_of(images, tmp_path / "copy")
    sample = broken.samples(Split.TRAIN)[3]
    sample.path.write_text("this is no image")
    found = Images(broken.samples(Split.TRAIN), RULE, 2)
    with pytest.raises(DatasetInvalid, match=sample.source):
        list(batches(found, labels_of(found), [np.arange(24)], CPU))
    found.close()


def test_an_iterator_that_is_left_early_leaves_no_thread_behind(images: LocalDataset):
    import threading

    found = Images(images.samples(Split.TRAIN), RULE, 1)
    iterator = batches(found, labels_of(found), [np.arange(4)] * 50, CPU)
    next(iterator)
    iterator.close()
    found.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("prepare", "decode"))]


def test_the_ranks_parts_of_a_split_make_up_the_whole():
    parts = [np.concatenate(in_order(11, 4, rank, 3)) for rank in range(3)]
    assert sorted(np.concatenate(parts).tolist()) == list(range(11))


def test_what_each_image_is_altered_to_depends_on_nothing_but_the_image(images: LocalDataset):
    def alter(square: np.ndarray, index: int) -> np.ndarray:
        return np.full_like(square, index) + square // 16

    seen = []
    for threads in (1, 4):
        found = Images(images.samples(Split.TRAIN), RULE, threads)
        steps = [np.array([5, 1]), np.array([2, 5, 0])]
        seen.append([batch.pixels.numpy() for batch in batches(found, labels_of(found), steps, CPU, alter)])
        plain = found.take(np.array([5]))[0]
        found.close()
    for few, many in zip(*seen, strict=True):
        assert np.array_equal(few, many)
    assert np.array_equal(seen[0][0][0], seen[0][1][1])
    assert np.array_equal(seen[0][0][0], alter(plain, 5))
