"""docs/operations/services.md says what the service does."""

import json
import re
from argparse import ArgumentParser
from pathlib import Path

from eyebright_kit.service import options
from eyebright_kit.service.app import _Doors
from eyebright_wire.callbacks import TrainingUpdate
from eyebright_wire.manifest import TrainerManifest
from eyebright_wire.services import TrainingStart

PAGE = (Path(__file__).parents[4] / "docs/operations/services.md").read_text()


def test_every_option_and_variable_is_on_the_page_and_no_other() -> None:
    parser = ArgumentParser()
    options.add_options(parser)
    known = {name for action in parser._actions for name in action.option_strings if name.startswith("--")} - {"--help"}
    assert set(re.findall(r"^\| `(--[a-z-]+)`", PAGE, re.MULTILINE)) == known
    assert {options.TOKEN, options.TOKEN_FILE} == set(re.findall(r"`(EYEBRIGHT_[A-Z_]+)`", PAGE))
    assert set(re.findall(r"`([A-Z0-9_]+_ENDPOINT(?:_URL)?)`", PAGE)) <= set(options.ENDPOINTS)


def test_every_route_is_on_the_page_and_no_other() -> None:
    routes = {
        (method, route.path)
        for route in _Doors(TrainerManifest(name="x", version="1", module="x", licence="MIT", tasks=()), None).routes()
        for method in route.methods - {"HEAD"}
    }
    assert set(re.findall(r"`(GET|POST|DELETE) (/[a-z/{}]+)", PAGE)) == routes


def test_the_bodies_on_the_page_are_what_they_are_said_to_be() -> None:
    start, update = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert TrainingStart.model_validate_json(start).job_id == "123"
    assert TrainingUpdate.model_validate_json(update).progress == 0.5
    assert set(json.loads(update)) <= set(TrainingUpdate.model_fields)
