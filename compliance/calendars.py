"""Public holidays, vendored as data and trusted only as far as they were verified.

`data/calendars/CC.json` holds what the pinned `holidays` release says (public category), one
file a country, with its subdivisions. A pack may add or remove dates and shorten or extend
`verified_through`. Past that date the answer is "not known", and a rule that needs it fails
closed; where the law lets late holidays fall only on certain weekdays, the others are known longer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

import msgspec


class CalendarData(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """Contents of one `data/calendars/CC.json`."""

    calendar: str
    """ISO 3166-1 code."""
    source: str
    """Library and release that the dates come from."""
    verified_from: date
    verified_through: date
    national: dict[str, str]
    """ISO date -> name."""
    subdivisions: dict[str, dict[str, str]]
    """ISO 3166-2 code -> holidays observed there and not nationally."""
    decreed_weekdays: tuple[int, ...] = ()
    """ISO weekdays on which alone the law lets holidays be decreed late."""
    settled_through: date | None = None
    """Last date until which the law settles all other weekdays; None: `verified_through`."""


class Calendar:
    """Holidays of one country, with those of its subdivisions."""

    __slots__ = (
        "_by_region",
        "_data",
        "_national",
        "_union",
        "settled_through",
        "verified_from",
        "verified_through",
    )

    def __init__(
        self,
        data: CalendarData,
        *,
        added: Mapping[date, str] | None = None,
        removed: frozenset[date] = frozenset(),
        verified_through: date | None = None,
    ) -> None:
        def dates(source: Mapping[str, str]) -> dict[date, str]:
            found = {date.fromisoformat(day): name for day, name in source.items()}
            return {day: name for day, name in found.items() if day not in removed}

        self._data = data
        self.verified_from = data.verified_from
        self.verified_through = verified_through or data.verified_through
        # A pack that gives a date of its own means all days.
        self.settled_through = None if verified_through else data.settled_through
        self._national = dates(data.national) | dict(added or {})
        self._by_region = {
            region: dates(days) | self._national for region, days in data.subdivisions.items()
        }
        self._union = dict(self._national)
        for days in self._by_region.values():
            self._union = days | self._union

    @property
    def country(self) -> str:
        return self._data.calendar

    @property
    def source(self) -> str:
        return self._data.source

    @property
    def regions(self) -> tuple[str, ...]:
        """Subdivisions with holidays of their own."""
        return tuple(sorted(self._by_region))

    def holiday(self, day: date, region: str | None) -> str | None:
        """Name of the holiday on `day` in a subdivision, or None.

        With no region, or one without a table in a country that has some, holidays of every
        subdivision count: not known is the stricter case.
        """
        if region is not None:
            if region in self._by_region:
                return self._by_region[region].get(day)
            if not self._by_region or region.startswith(f"{self.country}-"):
                return self._national.get(day)
        return self._union.get(day)

    def verified(self, day: date) -> bool:
        """Whether the calendar is known to be right on `day`."""
        if self.verified_from <= day <= self.verified_through:
            return True
        settled = self.settled_through
        if settled is None or not self.verified_from <= day <= settled:
            return False
        return day.isoweekday() not in self._data.decreed_weekdays


_DATA: Final = Path(__file__).parent / "data" / "calendars"


@cache
def holidays_version() -> str:
    """Sources of the vendored holidays, and a fingerprint of all of them."""
    files = sorted(_DATA.glob("*.json"))
    sources = {calendar.source for calendar in all_calendars().values()}
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return f"{', '.join(sorted(sources))} (sha256 {digest[:16]})"


@cache
def calendar_data(country: str) -> CalendarData:
    """Vendored data of a country (ISO 3166-1). Raises `KeyError` where there is none."""
    path = _DATA / f"{country}.json"
    if not path.is_file():
        raise KeyError(country)
    return msgspec.json.decode(path.read_bytes(), type=CalendarData)


def all_calendars() -> dict[str, CalendarData]:
    """Vendored data by country."""
    return {file.stem: calendar_data(file.stem) for file in sorted(_DATA.glob("*.json"))}
