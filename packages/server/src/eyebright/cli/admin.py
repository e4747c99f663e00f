"""`eyebright admin …`."""

import asyncio
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from eyebright.app.administration import to_collect, to_compact, to_copy, to_fill, to_measure
from eyebright.cli.connection import connected
from eyebright.cli.exits import Exit
from eyebright.cli.options import Json, NewestFirst
from eyebright.cli.serve import read_env_file
from eyebright.cli.terminal import agreed, busy, emit, moment, say, show, show_facts, show_table, size
from eyebright.cli.verbs import example, group
from eyebright.services.backups import TOKENS, Told
from eyebright.settings import Settings
from eyebright_wire.access import AuditView
from eyebright_wire.backups import Backup
from eyebright_wire.storage import Compacted, Garbage, StorageCheck, StorageView

RESTORE = """
eyebright admin restore /backups/monday
EYEBRIGHT_DATABASE_URL=postgresql://db/eyebright eyebright admin restore /backups/monday
"""

app = group(
    "Back up and restore all that a server keeps, and clear up.",
    """
eyebright admin backup /backups/monday
eyebright admin restore /backups/monday
eyebright admin audit
eyebright admin gc --dry-run
eyebright admin storage
""",
)


@app.command(epilog=example("eyebright admin backup /backups/monday\neyebright admin backup /backups/rows --rows-only"))
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A new folder to put it into.")],
    rows_only: Annotated[
        bool,
        typer.Option(
            "--rows-only", help="Only list the files of data sets and trainings: the bucket that has them is kept."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy the database and the files of data sets, models and trainings. A server may be at work meanwhile.

    It takes the settings of the server, also those in a file .env of the working folder. The operator's token, unfinished uploads
    and what trainings printed are not in it. It holds secrets of webhooks: whoever can read it can read those.
    """
    settings = _of_the_server()
    with busy("Copying…") as told:
        made = asyncio.run(_backup(settings, folder.absolute(), told, with_objects=not rows_only))
    _tell(made, as_json)
    say(f"`eyebright admin restore {folder}` fills a new server with it.")


@app.command(epilog=example(RESTORE))
def restore(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", exists=True, file_okay=False, help="What `admin backup` has made.")
    ],
    revoke_tokens: Annotated[
        bool,
        typer.Option(
            "--revoke-tokens", help="Let no token of a team count any more: those revoked since the backup would again."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Fill a server that has never been used, on SQLite or Postgres, whatever the backup is of.

    Everything is compared with its sum first, and the database is filled whole or not at all. Trainings that ran go on from their
    newest checkpoint once the server is started.
    """
    settings = _of_the_server()
    with busy("Reading…") as told:
        done = asyncio.run(_restore(settings, folder.absolute(), told, revoke_tokens=revoke_tokens))
    _tell(done, as_json)
    if not revoke_tokens and TOKENS in done.tables and done.tables[TOKENS].rows:
        say(
            "Tokens of teams count as they did when the backup was made, those that were revoked since then too. Look through "
            "`eyebright team tokens list`, or restore with --revoke-tokens."
        )
    say("It is all there; `eyebright serve` goes on with it.")


@app.command(epilog=example("eyebright admin audit\neyebright admin audit --limit 1000 --json"))
def audit(
    limit: NewestFirst = 50,
    as_json: Json = False,
) -> None:
    """Who has changed what, or tried to: asked of the server, the newest first."""
    with connected() as client:
        found = list(islice(client.audit(), limit))
    if as_json:
        emit(found)
        return
    rows = (
        (moment(each.at_ms), _who(each), each.project or "", each.operation, each.resource, each.status)
        for each in found
    )
    show_table(("when", "who", "project", "operation", "of", "answer"), rows, "Nobody has changed anything yet.")


def _who(entry: AuditView) -> str:
    return " ".join(filter(None, (entry.actor, entry.token_id, entry.user_id)))


@app.command(epilog=example("eyebright admin gc --dry-run\neyebright admin gc --yes"))
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    """Remove files that no data set version and no upload names: what was left when a server was killed, or a version deleted.

    A server does the same each day. One may be at work meanwhile, and imports too.
    """
    settings = _of_the_server()
    with busy("Looking…"):
        found = asyncio.run(_collect(settings, remove=False))
    if found.files and not dry_run:
        if not yes and not agreed("what nothing names", f"{found.files} files ({size(found.size_bytes)})"):
            say("Nothing was removed.")
            return Exit.NO
        with busy("Removing…"):
            found = asyncio.run(_collect(settings, remove=True))
    if as_json:
        emit(found)
    else:
        did = "removed" if found.removed else "that nothing names"
        show(f"{found.files} files, {size(found.size_bytes)}, {did}")
    return Exit.DONE


@app.command(epilog=example("eyebright admin storage\neyebright admin storage --check\neyebright admin storage --mend"))
def storage(
    check: Annotated[
        bool, typer.Option("--check", help="List the whole store and compare: 1 where they differ.")
    ] = False,
    mend: Annotated[bool, typer.Option("--mend", help="The same, and put the rows right.")] = False,
    as_json: Json = False,
) -> int:
    """Tell how many bytes the store holds, by the rows that are kept of its objects.

    A server may be at work meanwhile. With neither option the store itself is not asked.
    """
    settings = _of_the_server()
    if not check and not mend:
        found = asyncio.run(_stored(settings))
        emit(found) if as_json else _show_storage(found)
        return Exit.DONE
    with busy("Listing…") as told:
        looked = asyncio.run(_compared(settings, told, mend=mend))
    if as_json:
        emit(looked)
    else:
        _show_storage(looked.storage)
        did = "did not say what the store does and are mended" if looked.mended else "do not say what the store does"
        show(f"{looked.differing} rows {did}" + "".join(f"\n  {key}" for key in looked.examples))
    return Exit.NO if looked.differing and not looked.mended else Exit.DONE


@app.command(epilog=example("eyebright admin compact --dry-run --days 90\neyebright admin compact --days 90 --yes"))
def compact(
    days: Annotated[
        float | None,
        typer.Option(min=1, max=36_500, help="Of jobs that ended so many days ago; default: EYEBRIGHT_RETENTION__…"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> int:
    """Keep the progress of jobs that ended long ago as the curves of their charts alone, and remove the folders of their runs.

    What an attempt said first and last stays, and so does all that is no progress; what its runs printed goes. A server does
    the same by itself, where EYEBRIGHT_RETENTION__EVENTS_DAYS or __RUNS_DAYS is set. One may be at work meanwhile.
    """
    settings = _of_the_server()
    with busy("Looking…"):
        found = asyncio.run(_compact(settings, days, remove=False))
    if (found.events or found.runs) and not dry_run:
        if not yes and not agreed("what is old", _old(found)):
            say("Nothing was removed.")
            return Exit.NO
        with busy("Removing…"):
            found = asyncio.run(_compact(settings, days, remove=True))
    if as_json:
        emit(found)
    else:
        show(f"{_old(found)}, {'removed' if found.removed else 'would go'}")
    return Exit.DONE


def _of_the_server() -> Settings:
    """These commands open its database and its store themselves."""
    read_env_file(Settings().env_file)
    settings = Settings()
    if settings.url:
        say(
            "This works on the database and the files that this machine's settings name; the server that EYEBRIGHT_URL names is "
            "not asked."
        )
    return settings


def _old(found: Compacted) -> str:
    events = f"{found.events} events of {found.jobs} jobs ({size(found.size_bytes)})"
    return f"{events}, {found.runs} folders of runs ({size(found.runs_bytes)})"


async def _compact(settings: Settings, days: float | None, *, remove: bool) -> Compacted:
    async with to_compact(settings) as compaction:
        return await (compaction.compact(days) if remove else compaction.look(days))


async def _stored(settings: Settings) -> StorageView:
    async with to_measure(settings) as storage:
        return await storage.view()


async def _compared(settings: Settings, told: Told, *, mend: bool) -> StorageCheck:
    async with to_measure(settings) as storage:
        return await (storage.mend(told) if mend else storage.check(told))


def _show_storage(found: StorageView) -> None:
    rows = [(each.kind, each.files, size(each.size_bytes)) for each in found.kinds]
    show_table(("kind", "files", "bytes"), [*rows, ("all", found.files, size(found.size_bytes))], "")
    if found.unsettled:
        say(f"{found.unsettled} of them are being written or removed, or may be by a signed URL.")


async def _collect(settings: Settings, *, remove: bool) -> Garbage:
    async with to_collect(settings) as collection:
        return await (collection.collect() if remove else collection.look())


async def _backup(settings: Settings, folder: Path, told: Told, *, with_objects: bool) -> Backup:
    async with to_copy(settings) as backups:
        return await backups.make(folder, told, with_objects=with_objects)


async def _restore(settings: Settings, folder: Path, told: Told, *, revoke_tokens: bool) -> Backup:
    async with to_fill(settings) as backups:
        return await backups.restore(folder, told, revoke_tokens=revoke_tokens)


def _tell(backup: Backup, as_json: bool) -> None:
    if as_json:
        return emit(backup)
    files = "copied" if backup.objects_copied else "listed only"
    show_facts(
        [
            ("made", f"{moment(backup.created_at_ms)}  by Eyebright {backup.version}, schema {backup.schema_revision}"),
            ("rows", sum(table.rows for table in backup.tables.values())),
            ("files", f"{backup.objects}  {size(backup.objects_bytes)}  {files}"),
        ]
    )
    return None
