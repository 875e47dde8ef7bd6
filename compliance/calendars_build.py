"""Regenerate `data/calendars/*.json` from the installed `holidays` release.

Run `python -m compliance.calendars_build` after a new release, compare the difference with the
official gazettes, and move `VERIFIED_THROUGH` (or a country's own date) only when somebody has
checked the year.
"""

from __future__ import annotations

import importlib.metadata
import re
from datetime import date
from pathlib import Path
from typing import Final

import holidays
import msgspec

from compliance.calendars import CalendarData

CALENDARS: Final = Path(__file__).parent / "data" / "calendars"
COUNTRIES: Final = (
    *("AR", "BO", "BR", "CA", "CL", "CO", "CR", "DO", "EC", "ES", "GB", "GT", "HN"),
    *("MX", "NI", "PA", "PE", "PY", "SV", "US", "UY"),
)
YEARS: Final = range(2020, 2029)
VERIFIED_THROUGH: Final = date(2027, 12, 31)
VERIFIED_SHORTER: Final = {"AR": date(2026, 12, 31)}
"""Countries that decree bridge days and single holidays year by year."""
DECREED_WEEKDAYS: Final = {"AR": (1, 5)}
"""Weekdays on which alone they may: Ley 27.399 art. 7 (up to three tourist days a year, on Mondays
or Fridays) and arts. 6 ff., Decreto 614/2025 (movable holidays go to a Monday or Friday)."""

MUNICIPAL: Final = {"ES": {"Barcelona": "CT"}}
"""Cities whose holidays the library knows, with their subdivision: our places are known to the
subdivision, and not known is the stricter case, so all of it keeps them."""

_ISO_SUBDIVISION: Final = re.compile(r"[A-Z0-9]{1,3}")


def _dates(country: str, subdivision: str | None) -> dict[str, str]:
    # The library follows the machine's locale unless told; a calendar is named in its own tongue.
    language = holidays.country_holidays(country).default_language
    found = holidays.country_holidays(country, subdiv=subdivision, years=YEARS, language=language)
    return {day.isoformat(): name for day, name in sorted(found.items())}


def build(country: str) -> CalendarData:
    """Calendar of a country as the installed library gives it."""
    national = _dates(country, None)
    subdivisions: dict[str, dict[str, str]] = {}
    for subdivision in sorted(holidays.country_holidays(country).subdivisions):
        region = MUNICIPAL.get(country, {}).get(subdivision, subdivision)
        if not _ISO_SUBDIVISION.fullmatch(region):
            continue  # an alias, or a city without holidays of its own
        own = {
            day: name for day, name in _dates(country, subdivision).items() if day not in national
        }
        if own:
            both = subdivisions.get(f"{country}-{region}", {}) | own
            subdivisions[f"{country}-{region}"] = dict(sorted(both.items()))
    return CalendarData(
        calendar=country,
        source=f"holidays=={importlib.metadata.version('holidays')}",
        verified_from=date(YEARS.start, 1, 1),
        verified_through=VERIFIED_SHORTER.get(country, VERIFIED_THROUGH),
        national=national,
        subdivisions=subdivisions,
        decreed_weekdays=DECREED_WEEKDAYS.get(country, ()),
        settled_through=VERIFIED_THROUGH if country in DECREED_WEEKDAYS else None,
    )


def encode(data: CalendarData) -> bytes:
    """The bytes of a calendar file."""
    return msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n"


if __name__ == "__main__":
    CALENDARS.mkdir(parents=True, exist_ok=True)
    for code in COUNTRIES:
        (CALENDARS / f"{code}.json").write_bytes(encode(build(code)))
