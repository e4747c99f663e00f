"""Base models in a bucket: fetched by the operator's rules, whole, and once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from eyebright_diffusion import bases, bucket
from eyebright_diffusion.base import pipeline
from eyebright_diffusion.built import TINY
from eyebright_diffusion.trainer import DiffusionTrainer
from eyebright_kit.errors import ConfigInvalid
from eyebright_kit.runtime import Context

_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "of-the-operator", "AWS_SECRET_ACCESS_KEY": "of-the-operator"}
_NO_MORE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}
_ADDRESS = "s3://models/tiny/"


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An S3 with a tiny Stable Diffusion in it; its address."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(store: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {**_CREDENTIALS, **_NO_MORE}.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=store, region_name="us-east-1")
    client.create_bucket(Bucket="models")
    return client


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(bases.FOLDER, str(tmp_path / "bases"))
    return tmp_path / "bases"


@pytest.fixture
def kept(s3: Any, tmp_path: Path) -> None:
    pipeline(TINY).save_pretrained(tmp_path / "saved")
    for file in filter(Path.is_file, (tmp_path / "saved").rglob("*")):
        s3.upload_file(str(file), "models", f"tiny/{file.relative_to(tmp_path / 'saved')}")


def told(context: Context, store: str, **sources: Any) -> Context:
    """As the server seals the order of a trainer that fetches."""
    limits = {"max_objects": 100, "max_total_bytes": 2**30, "max_file_bytes": 1, "spare_bytes": 0}
    found = {"schemes": ["s3"], "endpoints": {"s3": store}, **sources}
    rules = {"egress": {}, "sources": found, "limits": limits}
    context.spec = context.spec.model_copy(update={"fetching": rules})
    return context


def test_a_base_model_comes_out_of_a_bucket_once(job, root: Path, store: str, s3: Any, kept: None):
    context = told(job.context(model="sd15", base_model=_ADDRESS, epochs=1), store)
    DiffusionTrainer().fit(context)
    (folder,) = root.iterdir()
    assert folder.name == bucket.folder_name("s3://models/tiny")
    assert _ADDRESS in (context.output / "model_card.md").read_text().replace("\\", "")
    again = bases.find("sd15", _ADDRESS, lambda address, into: pytest.fail("it was there already"))
    assert again.parts.unet().config["cross_attention_dim"] == TINY.unet().config["cross_attention_dim"]


def test_what_is_no_base_model_is_not_kept(job, root: Path, store: str, s3: Any):
    s3.put_object(Bucket="models", Key="cats/1.jpg", Body=b"cat")
    context = told(job.context(model="sd15", base_model="s3://models/cats/", epochs=1), store)
    with pytest.raises(ConfigInvalid, match="has no folder unet"):
        DiffusionTrainer().fit(context)
    assert not list(root.iterdir())


def test_the_operators_rules_hold(job, root: Path, store: str):
    context = told(job.context(model="sd15", base_model=_ADDRESS, epochs=1), store, only=["s3://others/"])
    with pytest.raises(ConfigInvalid, match="fetches from below s3://others/ only"):
        DiffusionTrainer().fit(context)


def test_nothing_is_fetched_where_no_rules_are_told(job, root: Path):
    context = job.context(model="sd15", base_model=_ADDRESS, epochs=1)
    with pytest.raises(ConfigInvalid, match="put the base model into a folder below"):
        DiffusionTrainer().fit(context)
