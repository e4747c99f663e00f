"""A platform's start as an order of ours."""

from typing import Any

import pytest

from eyebright_kit.service.foreign import Elsewhere, plain_id, require_data, spec_of
from eyebright_kit.service.problems import Refused
from eyebright_wire.manifest import ModelInfo, TaskInfo, TrainerManifest
from eyebright_wire.services import TrainingStart


def task(name: str, *models: str, aliases: tuple[str, ...] = (), **more: Any) -> TaskInfo:
    return TaskInfo(
        name=name,
        aliases=aliases,
        models=tuple(ModelInfo(name=model) for model in models),
        default_model=models[0],
        config_schema={"properties": {"epochs": {}, "lr0": {}}},
        recipe={"epochs": 50, "lr0": 0.01},
        **more,
    )


MANIFEST = TrainerManifest(
    name="fake",
    version="1",
    module="fake",
    licence="Apache-2.0",
    tasks=(task("detection", "yolo11n", aliases=("detect",)), task("classification", "yolo11n-cls")),
)


def asked(job_id: str = "123", **config: Any) -> TrainingStart:
    return TrainingStart(job_id=job_id, config=config, dataset_s3_uri="s3://d/x/", callback_url="http://localhost/")


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ({}, ("detection", "yolo11n", {"epochs": 50, "lr0": 0.01})),
        ({"model": "yolo11n", "epochs": 10}, ("detection", "yolo11n", {"epochs": 10, "lr0": 0.01})),
        ({"model": "yolo11n-cls"}, ("classification", "yolo11n-cls", {"epochs": 50, "lr0": 0.01})),
        (
            {"task": "classification", "framework": "fake"},
            ("classification", "yolo11n-cls", {"epochs": 50, "lr0": 0.01}),
        ),
        ({"task": "detect"}, ("detection", "yolo11n", {"epochs": 50, "lr0": 0.01})),
    ],
)
def test_the_model_says_the_task_and_the_recipe_the_rest(config: dict[str, Any], found: tuple[Any, ...]) -> None:
    spec = spec_of(asked(**config), MANIFEST, "file:///x/")
    assert (spec.task, spec.model, spec.config) == found


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"model": "yolo11m"}, "did you mean 'yolo11n'"),
        ({"model": "yolo11n", "task": "classification"}, "model 'yolo11n' is not known"),
        ({"model": 3}, "config.model is 3"),
        ({"task": ["x"]}, "config.task"),
        ({"task": "x"}, "there are detection, classification"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"__class__": 3}, "config.__class__ is no setting"),
    ],
)
def test_what_the_trainer_does_not_know_is_refused_with_what_it_does(config: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused) as refusal:
        spec_of(asked(**config), MANIFEST, "file:///x/")
    assert (refusal.value.status, word in refusal.value.detail) == (422, True)


@pytest.mark.parametrize("job_id", ["..", "../x", "a/b", "a b", "ä", "x" * 65, "-x", ".x", "a\\b", "%2e%2e"])
def test_an_id_that_could_mean_something_is_replaced_by_its_hash(job_id: str) -> None:
    assert plain_id(job_id).startswith("job-")
    assert plain_id(job_id).removeprefix("job-").isalnum()
    assert plain_id(job_id) != plain_id(job_id + "x")


@pytest.mark.parametrize("job_id", ["123", "0192f3a0-7c1e-7abc-8def-000000000000", "job_0192"])
def test_an_id_that_means_nothing_stays_itself(job_id: str) -> None:
    assert plain_id(job_id) == job_id
    assert Elsewhere("s3://bucket/p").results_of(job_id) == f"s3://bucket/p/jobs/{job_id}/"


@pytest.mark.parametrize("url", ["s3://datasets/x/", "https://example.com/x.zip"])
def test_data_may_lie_in_a_bucket_or_behind_public_https(url: str) -> None:
    require_data(url, Elsewhere())


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/",
        "http://10.0.0.1/x.zip",
        "https://127.0.0.1/x.zip",
        "https://u:secret@example.com/x",
        "x",
        "s3://",
    ],
)
def test_data_may_lie_nowhere_else(url: str) -> None:
    with pytest.raises(Refused) as refusal:
        require_data(url, Elsewhere())
    assert refusal.value.status == 422
    assert "secret" not in refusal.value.detail
