"""What goes wrong in real files, put into rows on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from campaigns.sample.layouts import Layout

_Spoiler = Callable[[list[str], Layout, Random], list[list[str]]]

_NAMES = ("nombre_completo", "consumer_name", "nombres")
_TOTALS = ("saldo_total", "total_due")
_DUES = ("fecha_vencimiento", "due_date")
_DAYS = ("dias_mora", "dias_vencidos", "dias_atraso")
_PHONES = ("telefono_1", "phone1")
_SECOND_PHONES = ("telefono_2", "phone2")
_REFERENCES = ("telefono_referencia",)


def spoil(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    """The row, or rows, that the file has instead of `cells`."""
    spoiler = _SPOILERS[int(rng.random() * len(_SPOILERS))]
    return spoiler(cells, layout, rng)


def _at(layout: Layout, names: Sequence[str]) -> int:
    """Index of the first of the columns that the layout has; -1 where it has none."""
    return next((layout.columns.index(name) for name in names if name in layout.columns), -1)


def _put(names: Sequence[str], *values: str) -> _Spoiler:
    """Replace a cell with one of the values."""

    def spoiler(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
        index = _at(layout, names)
        if index >= 0:
            cells[index] = values[int(rng.random() * len(values))]
        return [cells]

    return spoiler


def _emoji_name(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    index = _at(layout, _NAMES)
    cells[index] = f"  {cells[index].upper()} \U0001f600"
    return [cells]


def _impossible_date(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    """31 February, and 29 February of a year that has none."""
    index = _at(layout, _DUES)
    day = "31" if rng.random() < 0.5 else "29"
    cells[index] = layout.date_format.replace("%d", day).replace("%m", "02").replace("%Y", "2026")
    return [cells]


def _leap_day(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    cells[_at(layout, _DUES)] = (
        layout.date_format.replace("%d", "29").replace("%m", "02").replace("%Y", "2024")
    )
    return [cells]


def _future_dpd(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    index = _at(layout, _DAYS)
    if index >= 0:
        cells[index] = "-99"
    return [cells]


def _amount(cents_text: str) -> _Spoiler:
    def spoiler(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
        decimal = {"comma": ",", "dot": "."}[layout.style]
        text = cents_text if layout.exponent == 0 else f"{cents_text}{decimal}00"
        cells[_at(layout, _TOTALS)] = text
        return [cells]

    return spoiler


def _repeated(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    return [cells, list(cells)]


def _contradicted(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    """The account a second time, with another name and another total."""
    second = list(cells)
    second[_at(layout, _NAMES)] = "Otra Persona Distinta"
    second[_at(layout, _TOTALS)] = "999"
    return [cells, second]


def _two_phones(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    first, second = _at(layout, _PHONES), _at(layout, _SECOND_PHONES)
    if len(cells[first]) >= 7 and len(cells[second]) >= 7:
        cells[first] = f"{cells[first]} / {cells[second]}"
        cells[second] = ""
    return [cells]


def _extension(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    index = _at(layout, _PHONES)
    if len(cells[index]) >= 7:
        cells[index] += " ext 12" if layout.country == "US" else " anexo 12"
    return [cells]


def _too_many_digits(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    """A local number of twelve digits that starts like no country's."""
    cells[_at(layout, _PHONES)] = "000123987645"
    return [cells]


def _debtor_is_reference(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    reference = _at(layout, _REFERENCES)
    if reference >= 0:
        cells[reference] = cells[_at(layout, _PHONES)]
    return [cells]


def _cell_missing(cells: list[str], layout: Layout, rng: Random) -> list[list[str]]:
    return [cells[:-2]]


_SPOILERS: tuple[_Spoiler, ...] = (
    _put(_NAMES, ""),
    _emoji_name,
    _put(_TOTALS, "N/A", "por definir", "#REF!"),
    _amount("-1500"),
    _amount("0"),
    _amount("1"),
    _impossible_date,
    _leap_day,
    _future_dpd,
    _put(("id_cuenta", "numero_cuenta", "numero_credito", "account_number"), "", " "),
    _repeated,
    _contradicted,
    _two_phones,
    _extension,
    _too_many_digits,
    _debtor_is_reference,
    _cell_missing,
)
