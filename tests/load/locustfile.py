"""Callers who each upload a data set, order a training, start it and ask for it every second until it is completed.

`make load` runs it against a server of its own. Against yours: `locust --headless -f tests/load/locustfile.py -H URL -u 10 -r 10`
with its token in EYEBRIGHT_TOKEN. It ends when every caller has had its trainings.
"""

import io
import os
import time
import zipfile
from typing import Any

from locust import HttpUser, constant, events, task
from locust.env import Environment
from locust.exception import StopUser
from PIL import Image

TRAININGS = int(os.environ.get("TRAININGS", "3"))  # of each caller, one after the other
SECONDS = 300.0  # a training that takes longer is a failure
CONFIG = {"epochs": 10, "step_seconds": 0.05}


def pictures() -> bytes:
    """A zip with two classes that the toy trainer tells apart at a glance."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, shade in (("dark", 20), ("light", 220)):
            for number in range(12):
                picture = io.BytesIO()
                Image.new("RGB", (16, 16), (shade, abs(shade - 2 * number), shade)).save(picture, "png")
                archive.writestr(f"{name}/{number}.png", picture.getvalue())
    return packed.getvalue()


class Caller(HttpUser):
    wait_time = constant(0)

    def on_start(self) -> None:
        self.client.headers["Authorization"] = f"Bearer {os.environ['EYEBRIGHT_TOKEN']}"
        self.client.trust_env = False
        self._left = TRAININGS

    @task
    def train(self) -> None:
        if not self._left:
            raise StopUser
        self._left -= 1
        began = time.perf_counter()
        told = self._trained()
        self.environment.events.request.fire(
            request_type="training",
            name="upload to completed",
            response_time=1000 * (time.perf_counter() - began),
            response_length=0,
            exception=None if told["status"] == "completed" else RuntimeError(f"{told['status']}: {told.get('error')}"),
            context={},
        )

    def _trained(self) -> dict[str, Any]:
        """How the job ended."""
        form = {"user_id": "load", "dataset_name": "pictures"}
        uploaded = self._asked("POST", "/datasets/upload", data=form, files={"file": ("pictures.zip", pictures())})
        order = {"user_id": "load", "model_name": "softmax", "framework": "toy", "config": CONFIG}
        job = self._asked("POST", "/training/jobs", json={**order, "dataset_s3_uri": uploaded["s3_uri"]})
        self._asked("POST", f"/training/jobs/{job['id']}/start", "/training/jobs/{id}/start")
        deadline = time.monotonic() + SECONDS
        while (job := self._asked("GET", f"/training/jobs/{job['id']}", "/training/jobs/{id}"))["status"] == "running":
            if time.monotonic() > deadline:
                return {**job, "error": f"it took longer than {SECONDS:g} s"}
            time.sleep(1)
        return job

    def _asked(self, method: str, path: str, name: str = "", **options: Any) -> dict[str, Any]:
        """The answer; a refusal, which Locust has counted, ends this caller."""
        answer = self.client.request(method, path, name=name or path, **options)
        if not answer.ok:
            raise StopUser
        return answer.json()


@events.test_start.add_listener
def begin(environment: Environment, **_: Any) -> None:
    """Leave when nobody has anything left to do."""
    assert environment.runner is not None
    runner = environment.runner

    def watch() -> None:
        while runner.user_count == 0:
            time.sleep(0.2)
        while runner.user_count:
            time.sleep(0.2)
        runner.quit()

    runner.greenlet.spawn(watch)
