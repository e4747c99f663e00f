"""How long a person waits for an answer before a training: what would run (`resolve`), and what stands in its way (`preflight`).

Both are asked over HTTP of a real server with the toy trainer, on one connection: `resolve` fifty times, `preflight` twenty times
about a data set of its own, each after one that warms what is read once. So the way there and back is in both.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from benchmarks.figure import Family, Figure
from benchmarks.pictures import photographs
from benchmarks.server import Server, serving
from benchmarks.spread import middle

RESOLVE = Figure(
    name="resolve_ms",
    unit="ms",
    bar=5.0,
    lower_is_better=True,
    against="POST to answer: settings on a recipe, median of 50",
)
PREFLIGHT = Figure(
    name="preflight_ms",
    unit="ms",
    bar=300.0,
    lower_is_better=True,
    against="POST to answer with data, disk and memory, without a rehearsal, median of 20",
)

_RESOLVES, _PREFLIGHTS = 50, 20
_CONFIG = {"epochs": 3, "lr0": 0.2}


def answers() -> Mapping[str, float]:
    with serving() as server, tempfile.TemporaryDirectory(prefix="eyebright-bench-") as folder, _http(server) as http:
        dataset = _imported(http, photographs(Path(folder, "pictures"), train=160, val=40, size=(64, 48)))
        resolve = "/api/v1/recipes/toy/classification:resolve"
        order = {"dataset": dataset, "trainer": "toy", "config": _CONFIG}
        return {
            RESOLVE.name: _median("resolve", _RESOLVES, lambda: http.post(resolve, json={"config": _CONFIG})),
            PREFLIGHT.name: _median("preflight", _PREFLIGHTS, lambda: http.post("/api/v1/jobs:preflight", json=order)),
        }


def _http(server: Server) -> httpx.Client:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.Client(base_url=server.url, headers=headers, timeout=120, trust_env=False)


def _imported(http: httpx.Client, pictures: Path) -> str:
    answer = http.post("/api/v1/datasets:import", json={"path": str(pictures), "name": "pictures"})
    answer.raise_for_status()
    return answer.json()["id"]


def _median(name: str, times: int, ask: Callable[[], httpx.Response]) -> float:
    took = [_took(ask) for _ in range(times + 1)]
    return middle(name, took[1:]) * 1000


def _took(ask: Callable[[], httpx.Response]) -> float:
    began = time.monotonic()
    answer = ask()
    took = time.monotonic() - began
    answer.raise_for_status()
    return took


FAMILIES = (Family((RESOLVE, PREFLIGHT), answers),)
