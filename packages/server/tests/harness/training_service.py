"""`python -m eyebright_toy serve` in a folder of its own."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from harness.service_process import ServiceProcess

TOY = Path(__file__).parents[4] / "packages" / "trainers" / "toy"


class TrainingService(ServiceProcess):
    """`options` are further words of its command, `variables` of its environment."""

    def __init__(
        self, folder: Path, *options: object, places: int = 2, variables: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(folder)
        serve = [TOY / ".venv/bin/python", "-m", "eyebright_toy", "serve"]
        self.command = [*serve, "--port", self.port, "--folder", folder, "--places", places, *options]
        self.environment = {**os.environ, **(variables or {})}


def training_service(folder: Path, *options: object, **manner: Any) -> AbstractContextManager[TrainingService]:
    return TrainingService(folder, *options, **manner).started()
