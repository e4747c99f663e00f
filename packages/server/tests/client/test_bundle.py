"""An export as one zip."""

import hashlib
import json
import zipfile
from pathlib import Path

import httpx
import pytest
from harness.scripted import Scripted, ok

from eyebright.client import Client
from eyebright.errors import NotFound
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, ExportRef, ParityCertificate
from eyebright_wire.resources import ModelView

PARITY = ParityCertificate(
    runtime="onnxruntime 1", samples=9, max_abs_difference=1e-6, tolerance=1e-3, agreement=1.0, metric="top1", native=0.9,
    exported=0.9,
)  # fmt: skip
FILES = {
    "model.onnx": ArtifactKind.EXPORT,
    "model.onnx.data": ArtifactKind.EXPORT,
    "model.tflite": ArtifactKind.EXPORT,
    "model_openvino/model.xml": ArtifactKind.EXPORT,
    "model_openvino/model.bin": ArtifactKind.EXPORT,
    "model.safetensors": ArtifactKind.MODEL,
    "labels.json": ArtifactKind.LABELS,
    "metrics.json": ArtifactKind.METRICS,
    "README.md": ArtifactKind.CARD,
    "config.json": ArtifactKind.CONFIG,
    "curves.png": ArtifactKind.PICTURE,
}


def model(licence: str | None = "Apache-2.0", **more: ArtifactKind) -> ModelView:
    refs = tuple(
        ArtifactRef(path=path, size_bytes=len(path), sha256=hashlib.sha256(path.encode()).hexdigest(), kind=kind)
        for path, kind in (FILES | more).items()
    )
    places = {"onnx": "model.onnx", "tflite": "model.tflite", "openvino": "model_openvino/model.xml"}
    exports = tuple(ExportRef(format=form, path=path, parity=PARITY) for form, path in places.items())
    return ModelView(
        id="mdl_1", name="pets", number=3, job_id="job_1", attempt=1, trainer="toy", task="classification", architecture="tiny",
        dataset_version="dsv_1", artifacts=refs, exports=exports, licence=licence, created_at_ms=1,
    )  # fmt: skip


def serving(server: Scripted, known: ModelView) -> None:
    """Each file's content is its own path."""

    def answer(request: httpx.Request) -> httpx.Response:
        _, files, path = request.url.path.partition("/mdl_1/files/")
        return httpx.Response(200, content=path.encode()) if files else ok(known)

    server.answers = [answer]


def content(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_an_export_comes_with_all_that_belongs_to_it_and_nothing_else(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    serving(server, model())
    found = content(client.export_model("pets@3", "onnx", tmp_path / "pets.zip"))
    files = ["README.md", "config.json", "labels.json", "metrics.json", "model.onnx", "model.onnx.data"]
    assert sorted(found) == sorted([*files, "LICENSE", "NOTICE.txt", "parity.json"])
    assert "pets@3 (mdl_1) was made by the trainer toy, which is under Apache-2.0" in found["NOTICE.txt"]
    assert "the data set version dsv_1" in found["NOTICE.txt"]
    assert all(found[path] == path for path in files)
    assert ParityCertificate.model_validate(json.loads(found["parity.json"])) == PARITY
    assert "Apache-2.0 (SPDX)" in found["LICENSE"]
    assert "https://spdx.org/licenses/Apache-2.0.html" in found["LICENSE"]


def test_all_files_of_an_export_that_is_a_folder_belong_to_it(server: Scripted, client: Client, tmp_path: Path) -> None:
    serving(server, model())
    found = content(client.export_model("pets@3", "openvino", tmp_path / "new" / "pets.zip"))
    assert {path for path in found if path.startswith("model")} == {
        "model_openvino/model.bin",
        "model_openvino/model.xml",
    }


def test_an_export_is_the_same_bytes_each_time(
    server: Scripted, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving(server, model())
    first = client.export_model("pets@3", "onnx", tmp_path / "a.zip").read_bytes()
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    turned = model().model_copy(update={"artifacts": model().artifacts[::-1]})
    serving(server, turned)
    assert client.export_model("pets@3", "onnx", tmp_path / "b.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_text_of_the_licence_is_the_trainers_own_where_it_was_delivered(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    serving(server, model(**{"legal/LICENSE.txt": ArtifactKind.CONFIG}))
    found = content(client.export_model("pets@3", "onnx", tmp_path / "pets.zip"))
    assert found["legal/LICENSE.txt"] == "legal/LICENSE.txt"
    assert "LICENSE" not in found


@pytest.mark.parametrize(
    ("licence", "told", "pages"),
    [
        (None, "was not recorded", 0),
        ("AGPL-3.0-only OR (MIT AND LicenseRef-ours)", "is under AGPL-3.0-only OR", 2),
        ("GPL-2.0+ WITH Classpath-exception-2.0", "GPL-2.0+", 2),
    ],
)
def test_without_a_text_it_is_said_where_one_is_found(
    server: Scripted, client: Client, tmp_path: Path, licence: str | None, told: str, pages: int
) -> None:
    serving(server, model(licence))
    text = content(client.export_model("pets@3", "onnx", tmp_path / "pets.zip"))["LICENSE"]
    assert told in text
    assert text.count("https://spdx.org/licenses/") == pages


def test_an_export_that_is_not_there_is_answered_with_those_that_are(
    server: Scripted, client: Client, tmp_path: Path
) -> None:
    serving(server, model())
    with pytest.raises(NotFound, match=r"pets@3 has no export 'coreml'\. It has: onnx, tflite, openvino"):
        client.export_model("pets@3", "coreml", tmp_path / "pets.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_download_leaves_no_zip(server: Scripted, client: Client, tmp_path: Path) -> None:
    server.answers = [ok(model()), httpx.Response(200, content=b"weighty")]
    (tmp_path / "pets.zip").write_bytes(b"yesterday")
    with pytest.raises(Exception, match="was promised"):
        client.export_model("pets@3", "onnx", tmp_path / "pets.zip")
    assert (tmp_path / "pets.zip").read_bytes() == b"yesterday"
    assert len(list(tmp_path.iterdir())) == 1
