"""A server of a few lines: what it answers is said by each test, what it was asked is kept."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from eyebright_wire.jobs import JobState
from eyebright_wire.resources import EventView, JobView, ProblemDetails

Answer = Callable[[httpx.Request], httpx.Response]


class Scripted:
    """Gives the answers in turn; the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer | httpx.Response | Exception] = []
        self.asked: list[httpx.Request] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


def job(state: JobState = JobState.RUNNING, **fields: Any) -> JobView:
    known: dict[str, Any] = {
        "id": "job_1", "name": "digits", "state": state, "trainer": "toy", "task": "classification", "model": "tiny",
        "dataset_version": "dsv_1", "created_at_ms": 1, "attempt": 1,
    }  # fmt: skip
    return JobView(**{**known, **fields})


def event(position: int, kind: str = "progress") -> EventView:
    return EventView(seq=position, kind=kind, at_ms=1, position=position, attempt=1)


def ok(document: Any, status: int = 200) -> httpx.Response:
    content = document.model_dump_json() if hasattr(document, "model_dump_json") else json.dumps(document)
    return httpx.Response(status, content=content, headers={"content-type": "application/json"})


def page(*items: Any, following: str | None = None) -> httpx.Response:
    return ok({"items": [item.model_dump(mode="json") for item in items], "next": following})


def problem(status: int, code: str, detail: str = "this and that", **more: Any) -> httpx.Response:
    details = ProblemDetails(title=code, status=status, detail=detail, code=code, **more)
    return httpx.Response(
        status, content=details.model_dump_json(), headers={"content-type": "application/problem+json"}
    )


def stream(*items: JobView | EventView) -> httpx.Response:
    lines = [
        f"event: job\ndata: {item.model_dump_json()}\n\n"
        if isinstance(item, JobView)
        else f"event: {item.kind}\nid: {item.position}\ndata: {item.model_dump_json()}\n\n"
        for item in items
    ]
    return httpx.Response(200, content="".join(lines), headers={"content-type": "text/event-stream"})
