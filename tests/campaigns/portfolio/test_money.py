"""Amounts: styles are proven by columns, parsing is strict, nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.portfolio.money import (
    Amount,
    AmountError,
    NumberStyle,
    detect_style,
    exponent_of,
    format_amount,
    parse_amount,
)

COMMA, DOT = NumberStyle.COMMA_DECIMAL, NumberStyle.DOT_DECIMAL


@pytest.mark.parametrize(
    ("text", "style", "currency", "cents"),
    [
        ("1.234,56", COMMA, "COP", 123456),
        ("1,234.56", DOT, "USD", 123456),
        ("1234.56", DOT, "USD", 123456),
        ("1234", DOT, "USD", 123400),
        ("4.355", COMMA, "CLP", 4355),
        ("10.214.979,22", COMMA, "COP", 1021497922),
        ("435", COMMA, "CLP", 435),
        ("4355,00", COMMA, "CLP", 4355),
        ("-1.500", COMMA, "CLP", -1500),
        ("(1,500.00)", DOT, "USD", -150000),
        ("1500.00-", DOT, "USD", -150000),
        ("$ 1.234.567", COMMA, "CLP", 1234567),
        ("$-12.50", DOT, "USD", -1250),
        ("-$12.50", DOT, "USD", -1250),
        ("S/ 1,234.50", DOT, "PEN", 123450),
        ("US$ 10.00", DOT, "USD", 1000),
        ("1 234,5", COMMA, "EUR", 123450),
        ("1\u00a0234,50 €", COMMA, "EUR", 123450),
        ("USD 100.25", DOT, "USD", 10025),
        ("0,5", COMMA, "COP", 50),
        ("0.500", DOT, "USD", 50),
        ("32,1234", COMMA, "CLF", 321234),
    ],
)
def test_amounts_as_files_write_them(
    text: str, style: NumberStyle, currency: str, cents: int
) -> None:
    assert parse_amount(text, style, exponent_of(currency)) == Amount(cents)


@pytest.mark.parametrize(
    ("text", "style", "exponent", "error"),
    [
        ("N/A", DOT, 2, AmountError.NOT_A_NUMBER),
        ("", DOT, 2, AmountError.NOT_A_NUMBER),
        ("12a", DOT, 2, AmountError.NOT_A_NUMBER),
        ("1.2.3", DOT, 2, AmountError.NOT_A_NUMBER),
        ("1,23,456.00", DOT, 2, AmountError.NOT_A_NUMBER),
        ("(-5)", DOT, 2, AmountError.NOT_A_NUMBER),
        ("--5", DOT, 2, AmountError.NOT_A_NUMBER),
        ("1.234,56", DOT, 2, AmountError.OTHER_STYLE),
        ("1234.56", COMMA, 2, AmountError.OTHER_STYLE),
        ("1234.5", COMMA, 0, AmountError.OTHER_STYLE),
        ("12.345", DOT, 2, AmountError.AMBIGUOUS),
        ("4.355", DOT, 0, AmountError.AMBIGUOUS),
        ("9" * 30, DOT, 2, AmountError.TOO_LARGE),
    ],
)
def test_what_is_not_an_amount_is_told(
    text: str, style: NumberStyle, exponent: int, error: AmountError
) -> None:
    assert parse_amount(text, style, exponent) is error


def test_more_decimals_than_the_currency_has_are_rounded_and_told() -> None:
    assert parse_amount("10,6", COMMA, 0) == Amount(11, rounded=True)
    assert parse_amount("10,4", COMMA, 0) == Amount(10, rounded=True)
    assert parse_amount("1234.5678", DOT, 2) == Amount(123457, rounded=True)
    assert parse_amount("-0.1250000", DOT, 2) == Amount(-13, rounded=True)


@pytest.mark.parametrize(
    ("values", "currency", "country", "style"),
    [
        (["4.355", "12"], "CLP", "MX", COMMA),
        (["4,355"], "CLP", "CL", DOT),
        (["4.355"], "USD", "US", DOT),
        (["4.355"], "COP", "CO", COMMA),
        (["4.355", "1,234.56"], "COP", "CO", DOT),
        (["4.355", "1.234.567"], "USD", "US", COMMA),
        (["12", ""], "MXN", "MX", DOT),
        (["574.291,98", "15.770,80"], "COP", "CO", COMMA),
        (["99.5"], "COP", "CO", DOT),
        (["N/A"], "PEN", "PE", DOT),
    ],
)
def test_a_column_proves_its_style(
    values: list[str], currency: str, country: str, style: NumberStyle
) -> None:
    assert detect_style(values, currency, country) is style


@given(
    cents=st.integers(-(10**15), 10**15),
    style=st.sampled_from(NumberStyle),
    exponent=st.sampled_from([0, 2, 3, 4]),
    thousands=st.booleans(),
)
def test_written_amounts_read_back(
    cents: int, style: NumberStyle, exponent: int, thousands: bool
) -> None:
    text = format_amount(cents, style, exponent, thousands=thousands)
    assert parse_amount(text, style, exponent) == Amount(cents)


@given(cents=st.lists(st.integers(0, 10**12), min_size=1, max_size=30), style=...)
def test_a_column_with_decimals_always_proves_its_style(
    cents: list[int], style: NumberStyle
) -> None:
    assert detect_style([format_amount(c, style, 2) for c in cents], "COP", "MX") is style


@given(text=st.text(max_size=30), style=..., exponent=st.sampled_from([0, 2, 3, 4]))
def test_any_text_is_an_amount_or_an_error(text: str, style: NumberStyle, exponent: int) -> None:
    result = parse_amount(text, style, exponent)
    assert isinstance(result, Amount | AmountError)
