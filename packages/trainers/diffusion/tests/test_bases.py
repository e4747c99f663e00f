"""Base models: found by name, in safetensors only, and never by a path."""

import json
import shutil
import socket
import time
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from eyebright_diffusion import bases, hub
from eyebright_diffusion.base import Base, pipeline
from eyebright_diffusion.built import TINY
from eyebright_diffusion.trainer import DiffusionTrainer
from eyebright_kit.errors import ConfigInvalid, DiskFull, TrainerFailure
from eyebright_wire.errors import ErrorCode


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As diffusers saves one."""
    folder = tmp_path_factory.mktemp("saved")
    pipeline(TINY).save_pretrained(folder)
    return folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's folder, with nothing in any cache."""
    monkeypatch.setenv(bases.FOLDER, str(tmp_path))
    monkeypatch.setattr(hub.Repository, "cached", lambda _: None)
    return tmp_path


def find(model: str, asked: str) -> Base:
    def fetch(address: str, _into: Path) -> None:
        raise AssertionError(f"{address} was to be fetched")

    return bases.find(model, asked, fetch)


def test_a_folder_of_the_operators_is_a_base_model(root: Path, saved: Path):
    shutil.copytree(saved, root / "ours")
    base = find("sd15", "ours")
    assert base.source == str(root / "ours")
    assert set(base.hashes) == {
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    }
    for part in ("unet", "vae", "text_encoder"):
        mine, theirs = getattr(base.parts, part)().state_dict(), getattr(TINY, part)().state_dict()
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert base.parts.tokenizer()("a cat").input_ids == TINY.tokenizer()("a cat").input_ids
    assert base.parts.scheduler().config["beta_end"] == 0.012


def test_it_is_trained_on_and_told_in_the_card(job, root: Path, saved: Path):
    shutil.copytree(saved, root / "ours")
    context = job.context(model="sd15", base_model="ours", epochs=1)
    DiffusionTrainer().fit(context)
    assert f"| base model | ours, {root / 'ours'}, sha256 " in (context.output / "model_card.md").read_text().replace(
        "\\", ""
    )


def test_other_weights_have_another_hash(root: Path, saved: Path):
    for name in ("one", "other"):
        shutil.copytree(saved, root / name)
    file = root / "other" / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert find("sd15", "one").sha256 != find("sd15", "other").sha256


@pytest.mark.parametrize(
    "name", ["../ours", "/etc", "a/b/c", "..", ".hidden", "a/../b", "https://host/model", "ours\\x", "~"]
)
def test_a_name_never_becomes_a_path(root: Path, name: str):
    with pytest.raises(ConfigInvalid, match="no name of a base model"):
        find("sd15", name)


def test_an_unknown_name_is_told_with_those_that_are_there(root: Path, saved: Path):
    shutil.copytree(saved, root / "ours")
    shutil.copytree(saved, root / ".half.part")
    with pytest.raises(ConfigInvalid, match=r"no folder .*/theirs; there are ours\. Put"):
        find("sd15", "theirs")


def test_a_pickle_is_refused(root: Path, saved: Path):
    shutil.copytree(saved, root / "ours")
    (root / "ours" / "unet" / "diffusion_pytorch_model.safetensors").rename(
        root / "ours" / "unet" / "diffusion_pytorch_model.bin"
    )
    with pytest.raises(ConfigInvalid, match=r"has no diffusion_pytorch_model.safetensors.*a pickle may run code"):
        find("sd15", "ours")


def test_half_precision_is_read_where_there_is_nothing_else(root: Path, saved: Path):
    pipeline(TINY).save_pretrained(root / "half", variant="fp16")
    unet = find("sd15", "half").parts.unet()
    assert torch.equal(unet.conv_in.weight, TINY.unet().conv_in.weight)


def test_what_is_not_read_is_not_hashed(root: Path, saved: Path):
    """Otherwise a run that rests could not go on, once somebody has put more beside its base model."""
    shutil.copytree(saved, root / "ours")
    before = find("sd15", "ours")
    for beside in ("non_ema", "fp16"):
        (root / "ours" / "unet" / f"diffusion_pytorch_model.{beside}.safetensors").write_bytes(b"other weights")
    assert find("sd15", "ours").hashes == before.hashes


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_weights_in_pieces_are_read_and_hashed_as_such(root: Path, variant: str | None):
    """With others beside them, which would be read were they asked for."""
    pipeline(TINY).save_pretrained(root / "cut", variant=variant, max_shard_size="100KB")
    if not variant:
        (root / "cut" / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"other weights")
    base = find("sd15", "cut")
    pieces = [name for name in base.hashes if name.startswith("unet/")]
    assert len(pieces) > 1
    assert all("-of-" in name for name in pieces)
    assert torch.equal(base.parts.unet().conv_in.weight, TINY.unet().conv_in.weight)
    assert base.parts.text_encoder().config.hidden_size == 32


@pytest.mark.parametrize("name", ["unet.bin", "../vae/diffusion_pytorch_model.safetensors", "gone.safetensors"])
def test_an_index_names_only_safetensors_beside_it(root: Path, saved: Path, name: str):
    shutil.copytree(saved, root / "ours")
    unet = root / "ours" / "unet"
    (unet / "unet.bin").write_bytes(b"a pickle")
    (unet / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(ConfigInvalid, match="expected names of safetensors files that lie beside it"):
        find("sd15", "ours")


def test_another_kind_of_model_is_refused(root: Path, saved: Path):
    shutil.copytree(saved, root / "xl")
    config = root / "xl" / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "addition_embed_type": "text_time"}))
    with pytest.raises(ConfigInvalid, match=r"not a Stable Diffusion 1\.x"):
        find("sd15", "xl")


def test_without_a_network_the_error_says_what_belongs_where(root: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*_given: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    def patient(seconds: float) -> None:
        raise AssertionError(f"asked again after {seconds} s, though nothing will have changed")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(time, "sleep", patient)
    with pytest.raises(TrainerFailure) as told:
        find("sd15", "")
    assert (told.value.code, told.value.retryable) == (ErrorCode.NO_CAPACITY, False)
    for fact in (str(root / "stable-diffusion-v1-5--stable-diffusion-v1-5"), "unet/config.json", "model=tiny"):
        assert fact in str(told.value)


@pytest.mark.parametrize(("asked", "code"), [("", ErrorCode.NO_CAPACITY), (bases.SD15, ErrorCode.CONFIG_INVALID)])
def test_a_base_that_nobody_asked_for_is_no_mistake_of_the_order(root: Path, saved: Path, asked: str, code: ErrorCode):
    shutil.copytree(saved, root / bases.SD15.replace("/", "--"))
    shutil.rmtree(root / bases.SD15.replace("/", "--") / "unet")
    with pytest.raises(TrainerFailure, match="has no folder unet") as told:
        find("sd15", asked)
    assert told.value.code is code


def test_what_is_fetched_is_there_whole_or_not_at_all(root: Path, saved: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    def fetched(url: str, file: Path) -> None:
        asked.append(url)
        part = Path(url).parts[-2:]
        if url.endswith("merges.txt") and asked.count(url) == 1:
            raise URLError("the line is down")
        source = saved.joinpath(*part)
        shutil.copy(source, file) if source.exists() else file.write_text("#version: 0.2\n")

    monkeypatch.setattr(hub, "download", fetched)
    with pytest.raises(ConfigInvalid, match="the line is down"):
        hub.Repository("them/theirs").fetch(root / "them--theirs")
    assert not (root / "them--theirs").exists()
    hub.Repository("them/theirs").fetch(root / "them--theirs")
    assert {str(path.relative_to(root / "them--theirs")) for path in (root / "them--theirs").rglob("*.*")} == set(
        hub.FILES
    )
    assert len(asked) == len(set(asked)) + 1


@pytest.mark.parametrize(
    "lacking",
    [
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_what_the_hubs_client_has_in_part_only_is_not_there(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
):
    shutil.copytree(saved, tmp_path / "snapshot")
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: str(tmp_path / "snapshot"))
    assert hub.Repository("them/theirs").cached() == tmp_path / "snapshot"
    (tmp_path / "snapshot" / lacking).unlink()
    assert hub.Repository("them/theirs").cached() is None


def test_weights_whose_last_piece_has_not_come_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pipeline(TINY).save_pretrained(tmp_path, max_shard_size="100KB")
    monkeypatch.setattr(hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert hub.Repository("them/theirs").cached() == tmp_path
    max((tmp_path / "unet").glob("*-of-*.safetensors")).unlink()
    assert hub.Repository("them/theirs").cached() is None


def test_what_came_incomplete_is_fetched_again(root: Path, saved: Path, monkeypatch: pytest.MonkeyPatch):
    lengths = [100, None]

    def fetched(url: str, file: Path) -> None:
        source = saved.joinpath(*Path(url).parts[-2:])
        content = source.read_bytes() if source.exists() else b""
        file.write_bytes(
            content[: lengths.pop(0)] if url.endswith("unet/diffusion_pytorch_model.safetensors") else content
        )

    monkeypatch.setattr(hub, "download", fetched)
    with pytest.raises(ConfigInvalid, match="came incomplete"):
        hub.Repository("them/theirs").fetch(root / "them--theirs")
    assert hub.Repository("them/theirs").fetch(root / "them--theirs").is_dir()


def test_a_run_that_another_one_overtakes_takes_what_that_fetched(root: Path, monkeypatch: pytest.MonkeyPatch):
    def overtaken(*_given: object) -> None:
        (root / ".them--theirs.part").rename(root / "them--theirs")
        raise FileNotFoundError("the folder has gone")

    monkeypatch.setattr(hub, "download", overtaken)
    assert hub.Repository("them/theirs").fetch(root / "them--theirs") == root / "them--theirs"


def test_a_full_disk_is_told_as_that(root: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hub, "download", full)
    with pytest.raises(DiskFull, match="no room left"):
        find("sd15", "")


def test_the_tiny_model_takes_no_other_base(root: Path):
    with pytest.raises(ConfigInvalid, match="leave base_model empty"):
        find("tiny", "ours")


def test_a_base_that_leads_to_another_one_is_refused(root: Path, saved: Path):
    shutil.copytree(saved, root / "ours")
    (root / "ours" / "text_encoder" / "adapter_config.json").write_text('{"base_model_name_or_path": "theirs/other"}')
    with pytest.raises(ConfigInvalid, match="leads to weights elsewhere"):
        find("sd15", "ours")
