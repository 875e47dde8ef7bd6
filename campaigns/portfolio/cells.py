"""What reading one cell has in common for all of them: rejection, dates, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from campaigns.portfolio.dates import DateError, DateOrder, is_null_date, parse_date
from campaigns.portfolio.model import ImportWarning
from campaigns.portfolio.phones import is_filler
from campaigns.portfolio.plan import Cell


class Reject(Exception):
    """The row cannot be imported."""

    def __init__(self, reason: str, cell: Cell | None = None, value: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = cell.column if cell else ""
        self.value = value


def read_date(
    cells: Sequence[str],
    cell: Cell,
    order: DateOrder,
    today: date,
    warnings: list[ImportWarning],
) -> date | None:
    """The date in a cell, None where it is empty. Raises `Reject` for a date that is none."""
    text = cells[cell.index].strip()
    if not text:
        return None
    parsed = parse_date(text, order, today)
    if isinstance(parsed, date):
        return parsed
    if is_null_date(text):
        warnings.append(ImportWarning(code="date_null", column=cell.column, value=text))
        return None
    if parsed is DateError.NOT_A_DATE and is_filler(text):
        return None
    raise Reject(str(parsed), cell, text)


def read_past_date(
    cells: Sequence[str],
    cell: Cell,
    order: DateOrder,
    today: date,
    warnings: list[ImportWarning],
) -> date | None:
    """Like `read_date`, of something that must have happened: a future date is not used."""
    found = read_date(cells, cell, order, today, warnings)
    if found is None or found <= today:
        return found
    warnings.append(
        ImportWarning(code="date_in_future", column=cell.column, value=cells[cell.index])
    )
    return None
