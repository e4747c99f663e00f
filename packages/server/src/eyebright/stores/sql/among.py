"""`column IN (…)` with any number of values as one parameter, so that the statement's text, and its plan, stay the same."""

from collections.abc import Collection
from typing import Any

import orjson
from sqlalchemy import ARRAY, ColumnElement, Text, any_, bindparam, func, select
from sqlalchemy.sql.elements import ColumnClause

from eyebright.stores.sql.engine import Dialect


def among(column: ColumnClause[Any], parameter: str, dialect: Dialect) -> ColumnElement[bool]:
    """The condition; bind `values(…)` to the parameter."""
    if dialect == "sqlite":
        each = func.json_each(bindparam(parameter, type_=Text)).table_valued("value")
        return column.in_(select(each.c.value))
    return column == any_(bindparam(parameter, type_=ARRAY(column.type)))


def values(items: Collection[Any], dialect: Dialect) -> Any:
    return orjson.dumps(list(items)).decode() if dialect == "sqlite" else list(items)
