"""The database of a Training Agent's callers, with their tables, in a real Postgres."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from databases import Postgres

#: As callers have made them. The last columns of `projects` and `datasets` are of no interest to us.
TABLES = """
CREATE TABLE projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text, task_type text, framework text, status text, metadata jsonb,
    user_id uuid, created_at timestamptz DEFAULT now()
);
CREATE TABLE datasets (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES projects (id),
    name text, gcs_url text, size text, source text, created_at timestamptz DEFAULT now()
);
CREATE TABLE models (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES projects (id),
    name text, framework text, gcs_url text, metadata jsonb, created_at timestamptz DEFAULT now()
);
CREATE TABLE agent_logs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES projects (id),
    agent_name text, message text, log_level text, created_at timestamptz DEFAULT now()
);
"""
#: As somebody may have made them who took other types.
TABLES_OF_TEXT = (
    TABLES.replace("uuid PRIMARY KEY DEFAULT gen_random_uuid()", "text PRIMARY KEY DEFAULT gen_random_uuid()")
    .replace("project_id uuid", "project_id text")
    .replace("metadata jsonb", "metadata text")
    .replace("created_at timestamptz", "created_at timestamp")
)
#: Status as an enumeration, metadata as `json`.
TABLES_OF_TYPES = "CREATE TYPE stage AS ENUM ('pending_training', 'training', 'trained', 'failed');" + TABLES.replace(
    "status text", "status stage"
).replace("metadata jsonb", "metadata json")
#: Ids of types for which no id of ours has a form, or which a driver must look up first.
TABLES_OF_NUMBERS, TABLES_OF_NAMED_IDS = (
    TABLES.replace("uuid PRIMARY KEY DEFAULT gen_random_uuid()", f"{kind} PRIMARY KEY").replace(
        "project_id uuid", f"project_id {kind}"
    )
    for kind in ("bigint", "named_id")
)
TABLES_OF_NAMED_IDS = "CREATE TYPE named_id AS ENUM ('first');" + TABLES_OF_NAMED_IDS


@dataclass(frozen=True)
class Callers:
    """What the callers do with their own database."""

    url: str

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    async def add_project(self, status: str | None = "pending_training", **columns: Any) -> str:
        """Its id."""
        metadata = {"preferred_model": "resnet18", "epochs": 10, "learning_rate": 0.001, "num_classes": 5}
        row = {"name": "Flowers", "task_type": "image_classification", "framework": "pytorch", "metadata": metadata}
        return await self.add("projects", **{**row, "status": status, **columns})

    async def add_dataset(self, project_id: str, **columns: Any) -> str:
        row = {"name": "flowers", "gcs_url": "gs://bucket/raw/dataset.zip", "size": "4.2 GB", "source": "kaggle"}
        return await self.add("datasets", **{**row, "project_id": project_id, **columns})

    async def add(self, table: str, **columns: Any) -> str:
        row = {"id": str(uuid.uuid4()), **columns}
        listed = ", ".join(row)
        await self.execute(
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM json_populate_record(NULL::{table}, $1)",
            json.dumps(row),
        )
        return row["id"]

    async def rows(self, table: str) -> list[dict[str, Any]]:
        found = await self.execute(f"SELECT row_to_json({table})::text FROM {table}")
        return [json.loads(row[0]) for row in found]

    async def execute(self, statement: str, *values: Any) -> list[Any]:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    async def script(self, statements: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()


@pytest.fixture
async def callers(postgres: Postgres) -> AsyncIterator[Callers]:
    """Empty tables, in a database of their own."""
    made = Callers(postgres.create())
    await made.script(TABLES)
    yield made
    postgres.drop(made.url)
