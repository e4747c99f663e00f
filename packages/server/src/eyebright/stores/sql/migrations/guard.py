"""How a migration writes a guard. Databases were made with it: what it does stays, and another need is another function."""

from alembic import op


def guard(name: str, verb: str, table: str, refused: str) -> None:
    """Refuse an INSERT, UPDATE or DELETE for which `refused` is true, whoever asks for it."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {verb} ON {table} WHEN {refused} "
            f"BEGIN SELECT RAISE(ABORT, 'refused by the guard {name}'); END"
        )
        return
    op.execute(f"CREATE FUNCTION {_function(name, refused)}")
    op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")


def change_guard(name: str, verb: str, table: str, refused: str) -> None:
    """What it refuses from now on. On SQLite its table was made anew just now, and it went with the old one."""
    if op.get_bind().dialect.name == "sqlite":
        guard(name, verb, table, refused)
    else:
        op.execute(f"CREATE OR REPLACE FUNCTION {_function(name, refused)}")


def _function(name: str, refused: str) -> str:
    return (
        f"{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {refused} THEN "
        f"RAISE EXCEPTION 'refused by the guard {name}' USING ERRCODE = 'check_violation'; END IF; RETURN NEW; END $$"
    )


def guard_of_what_goes(name: str, table: str, refused: str) -> None:
    """Refuse a DELETE for which `refused` is true of the OLD row."""
    if op.get_bind().dialect.name == "sqlite":
        guard(name, "DELETE", table, refused)
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {refused} THEN "
        f"RAISE EXCEPTION 'refused by the guard {name}' USING ERRCODE = 'check_violation'; END IF; RETURN OLD; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
