"""An export and all that belongs to it as one zip: settings, labels, metrics, model card, certificate, licence.

The same model gives the same bytes, whoever packs it and whenever.
"""

import re
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from eyebright.errors import NotFound
from eyebright_wire.artifacts import ArtifactKind, ArtifactRef, ExportRef
from eyebright_wire.resources import ModelView

CERTIFICATE = "parity.json"
LICENCE = "LICENSE"
NOTICE = "NOTICE.txt"
_ALONG = frozenset({ArtifactKind.CONFIG, ArtifactKind.LABELS, ArtifactKind.METRICS, ArtifactKind.CARD})
_LICENCE_FILE = re.compile(r"(?:licen[cs]e|copying)(?:[._-].*)?", re.IGNORECASE)
_OPERATORS = frozenset({"AND", "OR", "WITH"})


def export_of(model: ModelView, form: str) -> ExportRef:
    """Raises NotFound, with those that there are."""
    for export in model.exports:
        if export.format == form:
            return export
    known = ", ".join(export.format for export in model.exports) or "none"
    raise NotFound(f"{model.name}@{model.number} has no export {form!r}. It has: {known}")


def files_of(model: ModelView, export: ExportRef) -> list[ArtifactRef]:
    """What is fetched for the zip."""
    return [ref for ref in model.artifacts if _is_part(ref, export) or ref.kind in _ALONG or _is_licence(ref)]


def texts_of(model: ModelView, export: ExportRef) -> dict[str, str]:
    """What is written for the zip: certificate, notice, and where the licence is found unless the trainer delivered its text."""
    texts = {CERTIFICATE: export.parity.model_dump_json(indent=2) + "\n", NOTICE: _notice(model)}
    if not any(map(_is_licence, model.artifacts)):
        texts[LICENCE] = _where_found(model)
    return texts


def pack(target: Path, files: Mapping[str, Path], texts: Mapping[str, str]) -> None:
    """Write the zip, which appears only when it is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with zipfile.ZipFile(part, "x", zipfile.ZIP_STORED) as archive:  # another compressor would make other bytes
            for name in sorted({*files, *texts}):
                _add(archive, name, _pieces(files.get(name), texts.get(name, "")))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _is_part(ref: ArtifactRef, export: ExportRef) -> bool:
    """An export may be several files: `model.onnx` with its weights in `model.onnx.data`, or all of a folder of its own."""
    folder = export.path.rpartition("/")[0]
    beside = bool(folder) and ref.path.startswith(f"{folder}/")
    return ref.path.startswith(export.path) or (beside and ref.kind is ArtifactKind.EXPORT)


def _is_licence(ref: ArtifactRef) -> bool:
    return _LICENCE_FILE.fullmatch(PurePosixPath(ref.path).name) is not None


def _notice(model: ModelView) -> str:
    """Whose terms there are to keep to: the trainer's, those of the data, and those of what the model began from."""
    began = "".join(
        f"It began from {each.name}@{each.number} ({each.id}), trained on the data set version {each.dataset_version}.\n"
        for each in model.lineage
    )
    return (
        f"{model.name}@{model.number} ({model.id}) was made by the trainer {model.trainer}, which is under "
        f"{model.licence or 'a licence that was not recorded'}.\n"
        f"It was trained on the data set version {model.dataset_version}.\n{began}"
        "What the licences of these data ask for holds for the model too. A version does not keep them: look into its source.\n"
    )


def _where_found(model: ModelView) -> str:
    if model.licence is None:
        return f"The licence of the trainer {model.trainer} was not recorded when it made this model.\n"
    named = [word for word in re.findall(r"[A-Za-z0-9.+-]+", model.licence) if word not in _OPERATORS]
    places = [f"https://spdx.org/licenses/{word.removesuffix('+')}.html" for word in named if "Ref-" not in word]
    text = f"The trainer {model.trainer}, which made this model, is under {model.licence} (SPDX).\n"
    return text + "".join(f"Its text: {place}\n" for place in places)


def _add(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes]) -> None:
    entry = zipfile.ZipInfo(name)  # of 1980, the first year that a zip knows
    entry.create_system, entry.external_attr = 3, 0o100644 << 16  # the same on every system
    with archive.open(entry, "w", force_zip64=True) as file:
        for piece in pieces:
            file.write(piece)


def _pieces(path: Path | None, text: str) -> Iterator[bytes]:
    if path is None:
        yield text.encode()
        return
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            yield piece
