"""What a backup says of itself."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from eyebright_wire.model import Whole, WireModel

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TableBackup(WireModel):
    """One table, as lines of JSON."""

    rows: Whole
    sha256: Sha256 = Field(description="Of its file")


class Backup(WireModel):
    """The file `backup.json`, written last: a folder without it is no backup."""

    format: int = Field(default=1, ge=1, description="Readers refuse what is above theirs")
    version: str = Field(description="Of the Eyebright that made it")
    schema_revision: str = Field(description="Of the database")
    created_at_ms: Whole
    tables: Mapping[str, TableBackup]
    objects: Whole = Field(description="How many files of data sets and trainings")
    objects_bytes: Whole
    objects_sha256: Sha256 = Field(description="Of their list")
    objects_copied: bool = Field(description="They lie in the backup; else only their list does")


class BackupObject(WireModel):
    """A line of the list of objects."""

    key: str = Field(max_length=1024, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$")
    size_bytes: Whole
    sha256: Sha256
