import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from eyebright.cli.ordering import not_ready_message
from eyebright.core.preflight import check_licence, check_ready, model_of, task_of
from eyebright.core.resolve import resolve
from eyebright.errors import ConfigInvalid, DatasetInvalid, LicenceDenied
from eyebright.testing import toy_manifest
from eyebright_wire.datasets import DatasetReport, Readiness

TASK = toy_manifest().tasks[0]


def test_overrides_lie_on_the_recipe_and_only_changes_are_kept():
    resolved = resolve(TASK, {"epochs": 5, "seed": 0})
    assert resolved.config == {"epochs": 5, "lr0": 0.1, "seed": 0}
    assert resolved.changes == {"epochs": 5}


def test_a_setting_that_changes_nothing_is_told():
    assert resolve(TASK, {"epochs": 5, "seed": 0}).idle == {"seed": "seed is the recipe's own value already"}


def test_a_list_may_be_words_with_commas_and_a_whole_number_may_have_an_exponent():
    exports = {"type": "array", "items": {"enum": ["onnx", "torchscript"]}}
    schema = {**TASK.config_schema, "properties": {**TASK.config_schema["properties"], "exports": exports}}
    task = TASK.model_copy(update={"config_schema": schema})
    config = resolve(task, {"exports": "onnx, torchscript", "epochs": 1e1}).config
    assert (config["exports"], repr(config["epochs"])) == (["onnx", "torchscript"], "10")
    assert resolve(task, {"exports": "onnx"}).changes == {"exports": ["onnx"]}
    with pytest.raises(ConfigInvalid, match=r"exports\.1='onx': expected one of onnx, torchscript"):
        resolve(task, {"exports": "onnx,onx"})


def test_of_an_open_schema_any_setting_is_taken_but_what_is_not_for_an_order_to_say():
    schema = {
        "type": "object",
        "properties": {"epochs": {"type": "integer", "minimum": 1}, "address": {"type": "string", "readOnly": True}},
        "additionalProperties": True,
    }
    task = TASK.model_copy(update={"config_schema": schema, "recipe": {}})
    resolved = resolve(task, {"epochs": 5, "mosaic": None, "lr": 0.1})
    assert resolved.config == resolved.changes == {"epochs": 5, "mosaic": None, "lr": 0.1}
    with pytest.raises(ConfigInvalid, match="epochs=0: expected at least 1"):
        resolve(task, {"epochs": 0})
    with pytest.raises(ConfigInvalid, match="address is not for an order to say"):
        resolve(task, {"address": "s3://somebody/else/"})


def test_where_a_trainer_names_no_model_the_order_must():
    task = TASK.model_copy(update={"models": (), "model_pattern": ".+", "default_model": ""})
    with pytest.raises(ConfigInvalid, match="say which one is to be trained"):
        model_of(task, None)
    assert model_of(task, "any") == "any"


#: Values that fit, that do not, and that look like ones that do.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 40),
    st.floats(-1, 40, allow_nan=False),
    st.sampled_from(["", "5", "auto"]),
)
OVERRIDES = st.dictionaries(st.sampled_from([*TASK.recipe, "no_such_setting"]), VALUES, max_size=4)
FITTING = st.fixed_dictionaries(
    {}, optional={"epochs": st.integers(1, 40), "lr0": st.floats(0.001, 1), "seed": st.integers(0, 9)}
)


@given(OVERRIDES)
def test_what_the_schema_refuses_is_never_accepted(overrides):
    laid = {**TASK.recipe, **overrides}
    fits = Draft202012Validator(TASK.config_schema).is_valid(laid) and set(laid) == set(TASK.recipe)
    try:
        assert resolve(TASK, overrides).config == laid
    except ConfigInvalid:
        assert not fits
    else:
        assert fits


@given(FITTING)
def test_resolving_what_was_resolved_changes_nothing(overrides):
    once = resolve(TASK, overrides)
    again = resolve(TASK, once.config)
    assert (again.config, again.changes) == (once.config, once.changes)
    assert resolve(TASK, once.changes).config == once.config


@given(FITTING, st.randoms())
def test_overrides_of_different_settings_may_come_in_any_order(overrides, chance):
    shuffled = list(overrides.items())
    chance.shuffle(shuffled)
    assert resolve(TASK, dict(shuffled)).config == resolve(TASK, overrides).config


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(ConfigInvalid, match=r"unknown setting 'epoch'\. Did you mean 'epochs'\?"):
        resolve(TASK, {"epoch": 5})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"epochs": -1}, "epochs=-1: expected at least 1"),
        ({"epochs": "five"}, "epochs='five': expected integer"),
        ({"lr0": 0}, "lr0=0: expected more than 0"),
    ],
)
def test_a_bad_value_says_what_was_expected(overrides, message):
    with pytest.raises(ConfigInvalid) as refused:
        resolve(TASK, overrides)
    assert message in refused.value.message


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigInvalid) as refused:
        resolve(TASK, {"epochs": 0, "sed": 1})
    assert [problem["field"] for problem in refused.value.errors] == ["sed", "epochs"]


def test_an_optional_value_explains_itself_too():
    schema = {"properties": {"patience": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}}}
    task = TASK.model_copy(update={"config_schema": schema, "recipe": {"patience": None}})
    with pytest.raises(ConfigInvalid, match="patience=-1: expected at least 1"):
        resolve(task, {"patience": -1})


@pytest.mark.parametrize(
    "choice", [{"pattern": "^(auto|[0-9])$"}, {"anyOf": [{"pattern": "^auto$"}, {"type": "integer"}]}]
)
def test_a_setting_that_says_what_it_expects_is_taken_at_its_word(choice):
    schema = {"properties": {"device": {**choice, "x-expected": "auto or an index"}}}
    task = TASK.model_copy(update={"config_schema": schema, "recipe": {"device": "auto"}})
    with pytest.raises(ConfigInvalid, match=r"device='gpu0': expected auto or an index$"):
        resolve(task, {"device": "gpu0"})


def test_what_is_wrong_with_one_value_is_said_in_one_sentence():
    schema = {"properties": {"resolution": {"type": "integer", "minimum": 64, "multipleOf": 64}}}
    task = TASK.model_copy(update={"config_schema": schema, "recipe": {"resolution": 512}})
    with pytest.raises(ConfigInvalid, match=r"^resolution=50: expected at least 64 and a multiple of 64$") as refused:
        resolve(task, {"resolution": 50})
    assert len(refused.value.errors) == 1


def test_a_setting_is_refused_with_a_model_that_does_not_have_it():
    schema = {"properties": {"base_model": {"type": "string", "x-not-with-models": ["tiny"]}}}
    task = TASK.model_copy(update={"config_schema": schema, "recipe": {"base_model": ""}})
    assert resolve(task, {"base_model": "our-own"}, "sd15").changes
    assert not resolve(task, {"base_model": ""}, "tiny").changes
    with pytest.raises(ConfigInvalid, match="base_model='our-own': the model tiny has its own"):
        resolve(task, {"base_model": "our-own"}, "tiny")


def test_unknown_models_and_tasks_name_the_nearest():
    with pytest.raises(ConfigInvalid, match="Did you mean 'median'"):
        model_of(TASK, "medan")
    with pytest.raises(ConfigInvalid, match="Known: classification"):
        task_of(toy_manifest(), "painting")


def test_a_task_may_take_models_beyond_its_list_but_no_address():
    task = TASK.model_copy(update={"model_pattern": "[a-z0-9_]+"})
    assert model_of(task, "resnet18d") == "resnet18d"
    with pytest.raises(ConfigInvalid, match="unknown model 'hub:somebody'"):
        model_of(task, "hub:somebody")


def test_a_known_model_that_cannot_be_trained_is_refused_with_the_reason():
    task = TASK.model_copy(update={"model_pattern": ".+", "refused_models": {"swim": "needs water"}})
    with pytest.raises(ConfigInvalid, match=r"^swim needs water$"):
        model_of(task, "swim")


def test_a_name_with_a_dot_of_its_own_is_a_name():
    task = TASK.model_copy(update={"model_pattern": ".+", "more_models": ("net-3.2GF",)})
    assert model_of(task, "net-3.2GF") == "net-3.2GF"
    with pytest.raises(ConfigInvalid, match=r"Did you mean 'net-3\.2GF'"):
        model_of(task, "net-3.2G")


AGPL = ["AGPL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "agpl-3.0-only"]


@pytest.mark.parametrize("denied", AGPL)
@pytest.mark.parametrize("licence", [*AGPL, "Apache-2.0 AND AGPL-3.0-only"])
def test_a_denied_licence_is_refused_under_each_of_its_names(licence, denied):
    with pytest.raises(LicenceDenied, match=rf"under {licence}.*EYEBRIGHT_LICENCE_DENY"):
        check_licence(toy_manifest(licence=licence), ["MIT", denied])


@pytest.mark.parametrize("denied", [[], ["MIT"], ["GPL-3.0"], ["AGPL-1.0-only"]])
def test_a_licence_that_nobody_denies_is_not_refused(denied):
    check_licence(toy_manifest(licence="AGPL-3.0-only"), denied)


def test_an_unready_data_set_lists_every_missing_condition():
    missing = ("train/ has 1 class folder (cats); classification needs 2 or more", "val/ is empty")
    report = DatasetReport(
        format="imagefolder",
        classes=("cats",),
        images={},
        images_per_class={},
        readiness=(Readiness(task="classification", ready=False, missing=missing),),
    )
    with pytest.raises(DatasetInvalid) as refused:
        check_ready(report, "classification", "dsv_1")
    assert [problem["message"] for problem in refused.value.errors] == list(missing)


def test_an_unready_data_set_says_what_it_is_ready_for():
    report = DatasetReport(
        format="coco",
        classes=("cats",),
        images={},
        images_per_class={},
        readiness=(Readiness(task="detection", ready=True), Readiness(task="semantic_segmentation", ready=True)),
    )
    with pytest.raises(DatasetInvalid, match=r"cannot serve classification\. It is ready for detection, semantic_seg"):
        check_ready(report, "classification", "dsv_1")
    said = not_ready_message(report, report.ready_for("classification"), "photos")
    assert said.splitlines()[-1] == "It is ready for detection, semantic_segmentation; choose with --task detection"


def test_a_setting_that_another_one_silences_is_named():
    properties = {
        "optimizer": {"enum": ["auto", "SGD"]},
        "lr0": {"type": "number", "x-ignored-when": {"optimizer": "auto"}},
    }
    task = TASK.model_copy(
        update={"config_schema": {"properties": properties}, "recipe": {"optimizer": "auto", "lr0": 0.01}}
    )
    assert resolve(task, {"lr0": 0.5}).idle == {"lr0": "lr0 has no effect while optimizer=auto"}
    assert resolve(task, {"lr0": 0.5, "optimizer": "SGD"}).idle == {}


def test_where_all_models_are_named_no_other_is_ordered():
    more = {"model_pattern": "[a-z0-9_]+([.][a-z0-9_]+)?", "more_models": ("resnet18", "vit_tiny")}
    task = TASK.model_copy(update=more)
    assert model_of(task, "vit_tiny.in1k") == "vit_tiny.in1k"
    with pytest.raises(ConfigInvalid, match=r"unknown model 'resnet181'.*Did you mean 'resnet18'"):
        model_of(task, "resnet181")
