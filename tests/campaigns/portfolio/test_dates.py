"""Dates: a column's order is proven by its values, impossible days are errors."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.portfolio.dates import (
    DateError,
    DateOrder,
    detect_order,
    is_null_date,
    looks_like_date,
    parse_date,
)

DMY, MDY, YMD = DateOrder.DAY_FIRST, DateOrder.MONTH_FIRST, DateOrder.YEAR_FIRST
TODAY = date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("12/06/2026", DMY, date(2026, 6, 12)),
        ("12/06/2026", MDY, date(2026, 12, 6)),
        ("2026-06-12", DMY, date(2026, 6, 12)),
        ("2026-06-12", MDY, date(2026, 6, 12)),
        ("20260612", DMY, date(2026, 6, 12)),
        ("2026/6/2", DMY, date(2026, 6, 2)),
        ("1-2-26", DMY, date(2026, 2, 1)),
        ("1.2.87", DMY, date(1987, 2, 1)),
        ("26/02/01", YMD, date(2026, 2, 1)),
        ("12/06/2026 14:30", DMY, date(2026, 6, 12)),
        ("2026-06-12T00:00:00Z", DMY, date(2026, 6, 12)),
        ("6/12/2026 12:00:00 AM", MDY, date(2026, 6, 12)),
        ("12-ene-2026", DMY, date(2026, 1, 12)),
        ("12 de agosto de 2026", MDY, date(2026, 8, 12)),
        ("Jan 5, 2026", DMY, date(2026, 1, 5)),
        ("29/02/2024", DMY, date(2024, 2, 29)),
    ],
)
def test_dates_as_files_write_them(text: str, order: DateOrder, expected: date) -> None:
    assert parse_date(text, order, TODAY) == expected


@pytest.mark.parametrize(
    ("text", "order", "error"),
    [
        ("31/02/2026", DMY, DateError.IMPOSSIBLE),
        ("31/02/2026", MDY, DateError.IMPOSSIBLE),
        ("02/31/2026", MDY, DateError.IMPOSSIBLE),
        ("02/13/2026", DMY, DateError.IMPOSSIBLE),
        ("29/02/2026", DMY, DateError.IMPOSSIBLE),
        ("2026-13-01", DMY, DateError.IMPOSSIBLE),
        ("01/01/0026", DMY, DateError.IMPOSSIBLE),
        ("pronto", DMY, DateError.NOT_A_DATE),
        ("12/2026", DMY, DateError.NOT_A_DATE),
        ("12/06-2026", DMY, DateError.NOT_A_DATE),
        ("3 xyz 2026", DMY, DateError.NOT_A_DATE),
    ],
)
def test_impossible_dates_are_never_swapped(text: str, order: DateOrder, error: DateError) -> None:
    assert parse_date(text, order, TODAY) is error


@pytest.mark.parametrize("text", ["00/00/0000", "0000-00-00", "00000000", "0"])
def test_null_dates_of_databases(text: str) -> None:
    assert is_null_date(text)
    assert not is_null_date("01/01/2000")


@pytest.mark.parametrize(
    ("values", "country", "order"),
    [
        (["13/02/2026", "01/02/2026"], "US", DMY),
        (["02/13/2026", "01/02/2026"], "CL", MDY),
        (["02/13/2026", "02/14/2026", "31/02/2026"], "US", MDY),
        (["01/02/2026"], "CL", DMY),
        (["01/02/2026"], "US", MDY),
        (["2026-01-02", "2026-03-04"], "US", YMD),
        ([], "PE", DMY),
    ],
)
def test_a_column_proves_its_order(values: list[str], country: str, order: DateOrder) -> None:
    assert detect_order(values, country) is order


_FORMATS = {DMY: "{d:02d}/{m:02d}/{y}", MDY: "{m:02d}/{d:02d}/{y}", YMD: "{y}-{m:02d}-{d:02d}"}


@given(day=st.dates(date(1900, 1, 1), date(2200, 12, 31)), order=st.sampled_from(DateOrder))
def test_written_dates_read_back(day: date, order: DateOrder) -> None:
    text = _FORMATS[order].format(d=day.day, m=day.month, y=day.year)
    assert parse_date(text, order, TODAY) == day
    assert looks_like_date(text)


@given(text=st.text(max_size=20) | st.from_regex(r"\d{1,4}[/.-]\d{1,2}[/.-]\d{1,4}"))
def test_any_text_is_a_date_or_an_error(text: str) -> None:
    for order in DateOrder:
        assert isinstance(parse_date(text, order, TODAY), date | DateError)
