"""Many rows in one statement.

`executemany` through sqlite3 gives up and takes back the interpreter's lock for every row, and
SQLAlchemy's multi-row VALUES are compiled again for every length. Here a batch is one statement:
on SQLite its values are bound to one long `VALUES`, handed to the driver as it is; on PostgreSQL
they are one JSON parameter that `json_to_recordset` opens. Answers come back as one row with one
JSON text, which one typed decoder reads (`JsonQuery`).

SQL is written once, in capital macros that `spell` turns into each engine's words:

    EACH(:ids)         a row for each string of a JSON array; its column is `value`
    AGG(x)             JSON array of x over the group
    ARRAY(x, y)        JSON array of the values of one row
    JOIN_TEXT(x, ',')  texts of the group, joined; NULL for an empty group
    QUOTE(x)           a text as a JSON string
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any, Generic, TypeGuard, TypeVar, cast

import msgspec
from sqlalchemy import BigInteger, Boolean, Integer, String, Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.stores.ledger.direct import Conn, DirectConnection

Value = str | int | bool | None
Row = Mapping[str, Value] | msgspec.Struct
T = TypeVar("T")


class Dialect(StrEnum):
    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class BadRow(ValueError):
    """A row that no engine could store as it is: a column is missing, or a text holds NUL."""


class DamagedAnswer(Exception):
    """The database returned JSON that does not have the shape it was written with."""


_MACRO = re.compile(r"\b(EACH|AGG|ARRAY|JOIN_TEXT|QUOTE)\(")
_LIST_PARAMETER = re.compile(r"\bEACH\((:\w+)\)")
_WORDS: dict[Dialect, dict[str, str]] = {
    Dialect.SQLITE: {
        "EACH": "json_each",
        "AGG": "json_group_array",
        "ARRAY": "json_array",
        "JOIN_TEXT": "group_concat",
        "QUOTE": "json_quote",
    },
    Dialect.POSTGRESQL: {
        "EACH": "json_array_elements_text",
        "AGG": "json_agg",
        "ARRAY": "json_build_array",
        "JOIN_TEXT": "string_agg",
        "QUOTE": "to_json",
    },
}


def dialect_of(conn: Conn) -> Dialect:
    return Dialect.SQLITE if isinstance(conn, DirectConnection) else Dialect(conn.dialect.name)


def of_postgresql(conn: Conn) -> TypeGuard[AsyncConnection]:
    return not isinstance(conn, DirectConnection) and conn.dialect.name == Dialect.POSTGRESQL


def spell(sql: str, dialect: Dialect) -> str:
    """Turn the macros of `sql` into the words of one engine."""
    if dialect is Dialect.POSTGRESQL:
        sql = _LIST_PARAMETER.sub(r"EACH(CAST(\1 AS json))", sql)
    words = _WORDS[dialect]
    return _MACRO.sub(lambda found: words[found[1]] + "(", sql)


def spell_all(sql: str) -> dict[Dialect, TextClause]:
    """`sql` ready to execute, for each engine."""
    return {dialect: text(spell(sql, dialect)) for dialect in Dialect}


def encode_list(values: Sequence[str]) -> str:
    """A parameter for `EACH`."""
    return msgspec.json.encode(values).decode()


SQLITE_PARAMETERS = 30_000
"""Most values in one SQLite statement (its own limit is 32,766)."""
DIRECT_ROWS = 512
"""Most rows in one statement on a direct connection, where numbers of rows are powers of two: so
few different statements are compiled once and kept."""
_EXACT = frozenset({str, int, bool, type(None)})
"""Types that the driver binds as they are."""


class Bulk:
    """One statement for any number of rows of one table. Build it once, at module level."""

    def __init__(
        self, table: Table, columns: Sequence[str], build: Callable[[Dialect], list[str]]
    ) -> None:
        self.sql = {dialect: " ".join(build(dialect)) for dialect in Dialect}
        self._table = table.name
        self._columns = tuple(columns)
        self._postgresql = text(self.sql[Dialect.POSTGRESQL])
        self._row_mark = "(" + ",".join("?" * len(self._columns)) + ")"
        self._rows_most = SQLITE_PARAMETERS // len(self._columns)
        # Of a single column these give the bare value, and of several a tuple.
        self._of_struct = attrgetter(*self._columns)
        self._of_mapping = itemgetter(*self._columns)
        self._kept: dict[int, str] = {}
        """SQLite's statement for a number of rows."""

    async def run(self, conn: Conn, rows: Sequence[Row]) -> int:
        """Write all rows with one statement; returns how many the database touched.

        Rows are mappings, or msgspec Structs (without `omit_defaults`), with a value for every
        column; what else they hold is left out. Very many rows take several statements.

        Raises:
            BadRow: a mapping lacks a column, or a text holds a NUL character.
            sqlalchemy.exc.IntegrityError: a constraint forbids it; nothing is written.
        """
        if not rows:
            return 0
        if isinstance(conn, DirectConnection):
            return self._run_direct(conn, self._flat(rows), len(rows))
        if of_postgresql(conn):
            result = await conn.execute(self._postgresql, {"rows": self._encode(rows)})
            return result.rowcount
        touched = 0
        for start in range(0, len(rows), self._rows_most):
            chunk = rows[start : start + self._rows_most]
            sql = self._sqlite(len(chunk))
            result = await conn.exec_driver_sql(sql, tuple(self._flat(chunk)))
            touched += result.rowcount
        return touched

    def _run_direct(self, conn: DirectConnection, flat: Sequence[Value], rows: int) -> int:
        touched = start = 0
        width = len(self._columns)
        count = DIRECT_ROWS
        while start < rows:
            while count > rows - start:
                count //= 2
            sql = self._kept.get(count) or self._kept.setdefault(count, self._sqlite(count))
            touched += conn.execute(sql, flat[start * width : (start + count) * width])
            start += count
        return touched

    def _sqlite(self, rows: int) -> str:
        marks = ",".join([self._row_mark] * rows)
        return self.sql[Dialect.SQLITE].replace(_VALUES, marks, 1)

    def _flat(self, rows: Sequence[Row]) -> list[Value]:
        """The values of all rows, one after another, in types that the driver binds.

        Looked through column by column: for a batch that is a few calls, and not one a value.
        """
        width = len(self._columns)
        values = self._values(rows)
        flat = list(values) if width == 1 else list(chain.from_iterable(values))
        for column in range(width):
            of_column = flat[column::width]
            types = set(map(type, of_column))
            if not types <= _EXACT:
                of_column = [v._value_ if isinstance(v, StrEnum) else v for v in of_column]
                flat[column::width] = of_column
                types = set(map(type, of_column))
            if str in types:
                texts = of_column if len(types) == 1 else [v for v in of_column if type(v) is str]
                if "\0" in "".join(cast("list[str]", texts)):
                    self._refuse_nul(rows)
        return flat

    def _values(self, rows: Sequence[Row]) -> list[Any]:
        """Of each row its tuple of values; of a single column the value."""
        if all(isinstance(row, msgspec.Struct) for row in rows):
            return list(map(self._of_struct, rows))
        found: list[Any] = []
        for index, row in enumerate(rows):
            if isinstance(row, msgspec.Struct):
                found.append(self._of_struct(row))
                continue
            try:
                found.append(self._of_mapping(row))
            except KeyError:
                raise self._lacking(index, row) from None
        return found

    def _encode(self, rows: Sequence[Row]) -> str:
        for index, row in enumerate(rows):
            if not isinstance(row, msgspec.Struct) and not row.keys() >= set(self._columns):
                raise self._lacking(index, row)
        encoded = msgspec.json.encode(rows)
        if rb"\u0000" in encoded:
            self._refuse_nul(rows)
        return encoded.decode()

    def _lacking(self, index: int, row: Mapping[str, Value]) -> BadRow:
        missing = ", ".join(sorted(set(self._columns) - row.keys()))
        return BadRow(f"row {index} for table {self._table} lacks the column(s) {missing}")

    def _refuse_nul(self, rows: Sequence[Row]) -> None:
        for index, row in enumerate(rows):
            for column in self._columns:
                value = getattr(row, column) if isinstance(row, msgspec.Struct) else row[column]
                if isinstance(value, str) and "\0" in value:
                    raise BadRow(
                        f"row {index} for table {self._table} has a NUL character in {column}; "
                        "remove it: no database text can hold one"
                    )


def bulk_insert(table: Table, columns: Sequence[str], *, ignore_conflicts: bool = False) -> Bulk:
    """`INSERT` of `columns`; other columns get their defaults.

    With `ignore_conflicts`, rows whose key exists already are left as they are.
    """
    tail = ["ON CONFLICT DO NOTHING"] if ignore_conflicts else []
    return Bulk(table, columns, lambda dialect: [*_insert(table, columns, dialect), *tail])


def bulk_upsert(
    table: Table,
    key: Sequence[str],
    columns: Sequence[str],
    *,
    update: Sequence[str] | None = None,
    expressions: Mapping[str, str] | None = None,
) -> Bulk:
    """`INSERT`, or where `key` exists `UPDATE` of `update` (default: all columns but the key).

    Args:
        columns: columns of the rows, the key's included.
        expressions: SQL for a column instead of the row's value; it may name `excluded.COLUMN`
            (the row) and `TABLE.COLUMN` (what stands there).

    Keys must be distinct within one call: PostgreSQL refuses to touch a row twice.
    """
    fields = [c for c in columns if c not in key] if update is None else list(update)
    values = {c: _dotted("excluded", c) for c in fields} | dict(expressions or {})
    tail = ["ON CONFLICT (", _list(key), ") DO UPDATE SET", _assign(values)]
    return Bulk(table, columns, lambda dialect: [*_insert(table, columns, dialect), *tail])


def bulk_update(
    table: Table,
    key: Sequence[str],
    columns: Sequence[str],
    *,
    expressions: Mapping[str, str] | None = None,
    where: str = "",
) -> Bulk:
    """`UPDATE` of the rows whose `key` matches.

    Args:
        columns: columns that the rows carry, beside the key; each is written as it is unless
            `expressions` names it.
        expressions: SQL for a column; it may name `x.COLUMN` (the row; any of `key` and
            `columns`) and `TABLE.COLUMN` (what stands there).
        where: one more condition, over the same names.

    Keys must be distinct within one call: which of two rows wins is not defined.
    """
    fields = [*key, *columns]
    values = {c: _dotted("x", c) for c in columns} | dict(expressions or {})
    name = _quoted(table.name)
    match = [" = ".join((_dotted(table.name, k), _dotted("x", k))) for k in key]
    match += [where] if where else []

    def build(dialect: Dialect) -> list[str]:
        source = _rows(table, fields, dialect)
        return ["UPDATE", name, "SET", _assign(values), "FROM", source, _where(match)]

    return Bulk(table, fields, build)


def bulk_delete(table: Table, key: Sequence[str]) -> Bulk:
    """`DELETE` of the rows whose `key` matches."""

    def build(dialect: Dialect) -> list[str]:
        chosen = ["SELECT", _list(key, "x"), "FROM", _rows(table, key, dialect)]
        return ["DELETE FROM", _quoted(table.name), "WHERE (", _list(key), ") IN (", *chosen, ")"]

    return Bulk(table, key, build)


class JsonQuery(Generic[T]):
    """One statement that answers with one JSON text, read by one typed decoder.

    Args:
        sql: in the macros above; selects one column of at most one row.
        decoder: of the type that the JSON has; with None in it where there may be no row.
    """

    def __init__(self, sql: str, decoder: msgspec.json.Decoder[T]) -> None:
        self.sql = {
            Dialect.SQLITE: spell(sql, Dialect.SQLITE),
            Dialect.POSTGRESQL: "".join(
                ("SELECT CAST((", spell(sql, Dialect.POSTGRESQL), ") AS text)")
            ),
        }
        # As bytes the text comes out without a detour through a Python string.
        self._direct = "".join(("SELECT CAST((", self.sql[Dialect.SQLITE], ") AS BLOB)"))
        self._statements = {dialect: text(words) for dialect, words in self.sql.items()}
        self._decoder = decoder

    async def run(self, conn: Conn, **params: Value | Sequence[str]) -> T:
        """Parameters that are sequences are passed as JSON arrays, for `EACH`.

        Raises:
            DamagedAnswer: the ledger holds something that cannot be read back.
        """
        bound = _bound(params)
        answer: str | bytes | None
        if isinstance(conn, DirectConnection):
            answer = conn.text(self._direct, bound)
        else:
            answer = (await conn.execute(self._statements[dialect_of(conn)], bound)).scalar()
        try:
            return self._decoder.decode("null" if answer is None else answer)
        except msgspec.MsgspecError as error:
            raise DamagedAnswer(str(error)) from error


class RowsQuery(Generic[T]):
    """One statement that answers with rows: `T` is the tuple that each of them is.

    For what is read with every contact; a damaged text shows when whoever asked decodes it.
    """

    def __init__(self, sql: str) -> None:
        self.sql = {dialect: spell(sql, dialect) for dialect in Dialect}
        self._statements = spell_all(sql)

    async def run(self, conn: Conn, **params: Value | Sequence[str]) -> Sequence[T]:
        """Parameters as in `JsonQuery.run`; an empty list finds nothing without asking."""
        if any(value == [] for value in params.values()):
            return ()
        bound = _bound(params)
        if isinstance(conn, DirectConnection):
            return cast("list[T]", conn.rows(self.sql[Dialect.SQLITE], bound))
        found = await conn.execute(self._statements[dialect_of(conn)], bound)
        return cast("Sequence[T]", found.all())


class Command:
    """One writing statement that carries no rows; in the macros above."""

    def __init__(self, sql: str) -> None:
        self._sqlite = spell(sql, Dialect.SQLITE)
        self._statements = spell_all(sql)

    async def run(self, conn: Conn, **params: Value | Sequence[str]) -> int:
        """Returns how many rows it touched. Parameters as in `JsonQuery.run`."""
        if isinstance(conn, DirectConnection):
            return conn.execute(self._sqlite, _bound(params))
        return (await conn.execute(self._statements[dialect_of(conn)], _bound(params))).rowcount


def _bound(params: Mapping[str, Value | Sequence[str]]) -> dict[str, Value]:
    """Sequences as JSON arrays, for `EACH`."""
    return {
        name: value if value is None or isinstance(value, str | int) else encode_list(value)
        for name, value in params.items()
    }


_TYPES = ((BigInteger, "bigint"), (Integer, "integer"), (Boolean, "boolean"), (String, "text"))


_PREFER_INDEXES = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true)"
)


_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


async def see_one_moment(conn: Conn) -> None:
    """Have all statements of a reading transaction see the ledger as it is now; asked first.

    On SQLite they do so by themselves.
    """
    if of_postgresql(conn):
        await conn.execute(_ONE_MOMENT)


async def prefer_indexes(conn: Conn) -> None:
    """For the rest of the transaction, let PostgreSQL look rows up one by one.

    It keeps the plan that it made when a table was small or its statistics were old, and reads
    a grown table from end to end with it. SQLite plans so by itself.
    """
    if of_postgresql(conn):
        await conn.execute(_PREFER_INDEXES)


def _insert(table: Table, columns: Sequence[str], dialect: Dialect) -> list[str]:
    into = ["INSERT INTO", _quoted(table.name), "(", _list(columns), ")"]
    if dialect is Dialect.SQLITE:
        return [*into, "VALUES", _VALUES]
    return [*into, "SELECT", _list(columns, "x"), "FROM", _rows(table, columns, dialect)]


_VALUES = "{values}"
"""Stands for the marks of all rows in SQLite's statements."""


def _rows(table: Table, columns: Sequence[str], dialect: Dialect) -> str:
    """The rows as a table `x`: bound values on SQLite, the parameter `:rows` on PostgreSQL."""
    if dialect is Dialect.SQLITE:
        # SQLite names the columns of VALUES so. The statement must not begin with WITH: the
        # driver counts the rows of INSERT, UPDATE and DELETE only.
        named = ", ".join(f"column{n} AS {_quoted(c)}" for n, c in enumerate(columns, 1))
        return "".join(("(SELECT ", named, " FROM (VALUES ", _VALUES, ")) AS x"))
    types = ", ".join(" ".join((_quoted(c), _type(table, c))) for c in columns)
    return "".join(("json_to_recordset(CAST(:rows AS json)) AS x(", types, ")"))


def _type(table: Table, column: str) -> str:
    """PostgreSQL's name of a column's type; limits of length are the table's to enforce."""
    kind = table.c[column].type
    for base, name in _TYPES:
        if isinstance(kind, base):
            return name
    raise TypeError(f"{table.name}.{column} has a type that bulk statements do not carry: {kind}")


def _quoted(name: str) -> str:
    return "".join(('"', name, '"'))


def _dotted(table: str, column: str) -> str:
    return ".".join((_quoted(table), _quoted(column)))


def _list(columns: Sequence[str], table: str | None = None) -> str:
    return ", ".join(_quoted(c) if table is None else _dotted(table, c) for c in columns)


def _assign(values: Mapping[str, str]) -> str:
    return ", ".join(" = ".join((_quoted(column), value)) for column, value in values.items())


def _where(conditions: Sequence[str]) -> str:
    return "WHERE " + " AND ".join("".join(("(", c, ")")) for c in conditions)
