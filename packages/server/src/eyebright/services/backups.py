"""A copy of all that a server keeps, in a folder, and the way back into an empty server of any kind.

backup.json          what is here; written last
tables/jobs.jsonl    a row in each line
objects.jsonl        key, size and sha256 of each file of data sets and trainings
objects/…            these files, if they were to be copied
"""

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydantic import ValidationError

from eyebright.errors import Conflict, InvalidRequest, NotFound, StorageFull, Unavailable, is_full
from eyebright.ports.backups import CopiedDatabase, Rows
from eyebright.ports.clock import Clock
from eyebright.ports.objects import ObjectStore
from eyebright_kit.disk import replace_durably, sha256_of, sync, sync_folders
from eyebright_wire.backups import Backup, BackupObject, TableBackup

FORMAT = 1
MANIFEST, TABLES, LIST, OBJECTS = "backup.json", "tables", "objects.jsonl", "objects"
#: What is worth keeping of the object store: not the traces of imports that are under way.
PREFIXES = ("blobs/", "jobs/", "uploads/")
_BATCH = 200
#: The table of tokens of teams.
TOKENS = "tokens"

Told = Callable[[str], None]


class Backups:
    def __init__(self, database: CopiedDatabase, objects: ObjectStore, clock: Clock, version: str) -> None:
        self._database = database
        self._objects = objects
        self._clock = clock
        self._version = version

    async def make(self, folder: Path, told: Told, *, with_objects: bool) -> Backup:
        """Into a new folder. A server may be at work meanwhile: rows are of one moment, and so are their files, but for those of
        a model that is deleted while they are copied.

        Raises Conflict where something is there already; StorageFull or Unavailable where it cannot be written, and then nothing
        is left there.
        """
        with _translated(folder), _made_new(folder):
            tables = _Tables(folder, told)
            revision = await self._database.dump(tables.write)
            listed = [item async for item in self._copied(folder, told, with_objects)]
            lines = "".join(f"{item.model_dump_json()}\n" for item in listed)
            (folder / LIST).write_text(lines)
            made = Backup(
                version=self._version,
                schema_revision=revision,
                created_at_ms=self._clock.now_ms(),
                tables=tables.made(),
                objects=len(listed),
                objects_bytes=sum(item.size_bytes for item in listed),
                objects_sha256=sha256_of(folder / LIST),
                objects_copied=with_objects,
            )
            sync(folder / LIST)
            sync_folders(folder)
            replace_durably(folder / MANIFEST, made.model_dump_json(indent=2).encode())
        return made

    async def restore(self, folder: Path, told: Told, *, revoke_tokens: bool = False) -> Backup:
        """Into a server that has never been used. Everything is compared with its sum before the database is touched, and the
        database is filled whole or not at all: what failed can be begun again.

        Tokens of teams are as they were when the backup was made, unless all are to be revoked.

        Raises InvalidRequest for what is no whole backup, Conflict where the database is not empty.
        """
        with _translated(folder):
            backup = _read(folder)
            await self._database.require_empty()
            listed = _listed(folder, backup)
            await self._put_objects(folder, backup, listed, told)
            told("the database")
            tables = {name: _lines(_table_in(folder, name), table.rows) for name, table in backup.tables.items()}
            if revoke_tokens and TOKENS in tables:
                tables[TOKENS] = _revoked(tables[TOKENS], self._clock.now_ms())
            await self._database.load(backup.schema_revision, tables)
        return backup

    async def _copied(self, folder: Path, told: Told, with_objects: bool) -> AsyncIterator[BackupObject]:
        """What was removed since it was listed belongs to a model that was deleted meanwhile, or to an attempt."""
        for prefix in PREFIXES:
            for key in await self._objects.keys(prefix):
                told(key)
                with suppress(NotFound):
                    yield await self._copy(key, folder / OBJECTS / key) if with_objects else await self._summed(key)

    async def _copy(self, key: str, target: Path) -> BackupObject:
        with _writing(target) as file:
            async for chunk in self._objects.open(key):
                file.write(chunk)
        return BackupObject(key=key, size_bytes=file.size_bytes, sha256=file.sha256)

    async def _summed(self, key: str) -> BackupObject:
        found = await self._objects.stat(key)
        return BackupObject(key=key, size_bytes=found.size_bytes, sha256=found.sha256)

    async def _put_objects(self, folder: Path, backup: Backup, listed: Sequence[BackupObject], told: Told) -> None:
        if not backup.objects_copied:
            if missing := await self._objects.absent([item.key for item in listed]):
                raise InvalidRequest(
                    f"{len(missing)} of the {len(listed)} files that the backup lists are not in this server's store, such as "
                    f"{missing[0]}; the backup has no copies of them. Bring them there first"
                )
            return
        for start in range(0, len(listed), _BATCH):
            batch = listed[start : start + _BATCH]
            for item in batch:
                told(item.key)
                _require_sum(folder / OBJECTS / item.key, item.sha256)
            await self._objects.put([(item.key, folder / OBJECTS / item.key) for item in batch])


def _revoked(tokens: Iterable[Rows], now_ms: int) -> Iterator[Rows]:
    for rows in tokens:
        yield [row if row["revoked_at_ms"] is not None else {**row, "revoked_at_ms": now_ms} for row in rows]


class _Summed:
    """A file, summed while it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def write(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size_bytes += self._file.write(chunk)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def _writing(target: Path) -> Generator[_Summed]:
    """On the disk at the end; gone where it is not whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            yield _Summed(file)
        sync(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class _Tables:
    """The files of the tables."""

    folder: Path
    told: Told
    _rows: Counter[str] = field(default_factory=Counter[str])

    def write(self, name: str, rows: Rows) -> None:
        self.told(name)
        self._rows[name] += len(rows)
        with _table_in(self.folder, name).open("a") as file:
            file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)

    def made(self) -> Mapping[str, TableBackup]:
        return {name: self._made(name, count) for name, count in self._rows.items()}

    def _made(self, name: str, count: int) -> TableBackup:
        sync(path := _table_in(self.folder, name))
        return TableBackup(rows=count, sha256=sha256_of(path))


def _table_in(folder: Path, name: str) -> Path:
    return folder / TABLES / f"{name}.jsonl"


@contextmanager
def _made_new(folder: Path) -> Generator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty; name a new folder for each backup")
    folder.chmod(0o700)  # there are secrets of webhooks in it
    (folder / TABLES).mkdir()
    try:
        yield
    except BaseException:
        shutil.rmtree(folder)
        raise


@contextmanager
def _translated(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise StorageFull(f"the disk of {folder} is full; free some space, or name a folder elsewhere") from error
        raise Unavailable(f"{error.filename or folder} cannot be used: {error.strerror}") from error


def _read(folder: Path) -> Backup:
    try:
        backup = Backup.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise InvalidRequest(
            f"{folder} has no {MANIFEST}, so it is no backup, or one that was not finished; name another folder"
        ) from None
    except ValidationError as error:
        raise InvalidRequest(f"{folder / MANIFEST} cannot be understood: {error.errors()[0]['msg']}") from None
    if backup.format > FORMAT:
        raise InvalidRequest(
            f"{folder} has format {backup.format}, made by Eyebright {backup.version}; this version reads up to {FORMAT}"
        )
    for name, table in backup.tables.items():
        if not name.isidentifier():
            raise InvalidRequest(f"{folder / MANIFEST} names a table {name!r}; expected the name of one")
        _require_sum(_table_in(folder, name), table.sha256)
    _require_sum(folder / LIST, backup.objects_sha256)
    return backup


def _listed(folder: Path, backup: Backup) -> Sequence[BackupObject]:
    """Their keys are held against what a key may be: they become paths."""
    try:
        found = [BackupObject.model_validate_json(line) for line in (folder / LIST).read_text().splitlines()]
    except ValidationError as error:
        raise InvalidRequest(f"{folder / LIST} cannot be understood: {error.errors()[0]['msg']}") from None
    if len(found) != backup.objects:
        raise InvalidRequest(f"{folder / LIST} lists {len(found)} files; {MANIFEST} says {backup.objects}")
    return found


def _require_sum(path: Path, sha256: str) -> None:
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        raise InvalidRequest(f"{path} is missing; the backup is not whole") from None
    if found != sha256:
        raise InvalidRequest(f"{path} is not what was backed up: its sha256 is {found}, expected {sha256}")


def _lines(path: Path, expected: int) -> Iterator[Rows]:
    """Some at a time. Raises InvalidRequest at the end of a file that has another number of rows, or where one is none."""
    count = 0
    with path.open() as file:
        while batch := [_row(path, line) for line in islice(file, _BATCH)]:
            count += len(batch)
            yield batch
    if count != expected:
        raise InvalidRequest(f"{path} has {count} rows; {MANIFEST} says {expected}")


def _row(path: Path, line: str) -> Mapping[str, Any]:
    try:
        row: Any = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise InvalidRequest(f"{path} has a line that is no row; expected a JSON object in each")
    return cast(Mapping[str, Any], row)
