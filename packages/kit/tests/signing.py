"""A bucket behind signed URLs: moto, a gateway before it that fails on request, and a control plane that signs."""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import httpx
from botocore.client import Config

from eyebright_kit.testing.ingest import IngestServer, Reply
from eyebright_wire.artifacts import Grant, UrlsAnswer, UrlsRequest, WantedUrl

BUCKET = "training"
ROOT = f"s3://{BUCKET}/"


class Visit(BaseHTTPRequestHandler):
    """One request to the gateway."""

    protocol_version = "HTTP/1.1"
    gateway: "Gateway"

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_PUT(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

    def do_DELETE(self) -> None:
        self._pass_on(b"")

    def _pass_on(self, body: bytes) -> None:
        gateway = self.gateway
        gateway.visits.append((self.command, self.path.partition("?")[0], self.headers["Range"]))
        fault = next((fault for fault in list(gateway.faults) if fault(self)), None)
        if fault is not None:
            return
        headers = {"Range": self.headers["Range"]} if self.headers["Range"] else {}
        found = httpx.request(self.command, gateway.behind + self.path, content=body, headers=headers, trust_env=False)
        self.answer(found.status_code, found.content, found.headers.get("Content-Range"))

    def answer(self, status: int, content: bytes = b"", span: str | None = None, cut: int | None = None) -> bool:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        self.wfile.write(content[:cut])
        if cut is not None:
            self.wfile.flush()
            self.hang_up()
        return True

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


#: Answers in place of the bucket and says True, or lets the request pass.
Fault = Callable[[Visit], bool]


class Gateway:
    """The way to the bucket."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.faults: list[Fault] = []
        self.visits: list[tuple[str, str, str | None]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("_Visit", (Visit,), {"gateway": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def once(self, method: str, part: str, fault: Callable[[Visit], Any]) -> None:
        """The next such request meets with this."""

        def meet(visit: Visit) -> bool:
            if visit.command != method or part not in visit.path:
                return False
            self.faults.remove(meet)
            fault(visit)
            return True

        self.faults.append(meet)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class Bucket:
    """What lies in the bucket, seen by the operator."""

    def __init__(self, endpoint: str) -> None:
        self.client: Any = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", config=Config(signature_version="s3v4")
        )
        self.client.create_bucket(Bucket=BUCKET)

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def put_tree(self, root: Path, prefix: str) -> None:
        for file in (file for file in root.rglob("*") if file.is_file()):
            self.put(prefix + file.relative_to(root).as_posix(), file.read_bytes())

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def keys(self, prefix: str = "") -> list[str]:
        return [item["Key"] for item in self.client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]

    def clear(self) -> None:
        for key in self.keys():
            self.client.delete_object(Bucket=BUCKET, Key=key)


class ControlPlane(IngestServer):
    """Hears events as ever, and signs URLs that lead through the gateway."""

    def __init__(self, bucket: Bucket, gateway: Gateway) -> None:
        super().__init__()
        self.bucket = bucket
        self.gateway = gateway
        self.asked: list[UrlsRequest] = []
        self.seconds = 3600.0
        self.refusals: list[Reply] = []  # given to whoever asks for URLs, one each

    @property
    def urls(self) -> str:
        return self.url.removesuffix("events") + "urls"

    def grant(self, prefix: str) -> Grant:
        return Grant(uri=ROOT + prefix, urls=self.urls)

    def take(self, path: str, token: str, body: bytes) -> Reply:
        if not path.endswith("/urls"):
            return super().take(path, token, body)
        self.tokens.add(token)
        request = UrlsRequest.model_validate_json(body)
        self.asked.append(request)
        if self.refusals:
            return self.refusals.pop(0)
        urls = tuple(self._signed(request.uri, wanted) for wanted in request.wanted)
        return Reply(body=UrlsAnswer(urls=urls, expires_in_seconds=self.seconds).model_dump())

    def _signed(self, uri: str, wanted: WantedUrl) -> str:
        verb = {"GET": "get_object", "PUT": "put_object", "DELETE": "delete_object"}[wanted.method]
        key = uri.removeprefix(ROOT) + wanted.path
        url = self.bucket.client.generate_presigned_url(verb, Params={"Bucket": BUCKET, "Key": key})
        return url.replace(self.bucket.client.meta.endpoint_url, self.gateway.url)
