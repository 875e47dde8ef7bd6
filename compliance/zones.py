"""Candidate time zones of numbers and places.

A rule about hours must hold in *every* zone where the person may be. These functions name the
zones; the gate intersects them. An empty tuple means that the number or place does not tell.

Our own tables (`data/zones.toml`, `data/nanp.csv`) come first; `phonenumbers` may add
candidates to them and never removes one. Zone rules come from the pinned `tzdata` package, not
from the operating system, so that a decision is the same on every machine.
"""

from __future__ import annotations

import csv
import importlib.metadata
import tomllib
import unicodedata
from datetime import tzinfo
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import phonenumbers
from phonenumbers import PhoneNumberType
from phonenumbers.timezone import time_zones_for_geographical_number

from compliance.messages import Place
from compliance.types import LineType

_DATA: Final = Path(__file__).parent / "data"
_UNKNOWN_ZONE: Final = "Etc/Unknown"
_LINES: Final = {
    PhoneNumberType.MOBILE: LineType.MOBILE,
    PhoneNumberType.FIXED_LINE: LineType.FIXED,
    PhoneNumberType.VOIP: LineType.VOIP,
    PhoneNumberType.TOLL_FREE: LineType.TOLL_FREE,
}
_PLACELESS: Final = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.VOIP,
        PhoneNumberType.PERSONAL_NUMBER,
        PhoneNumberType.PAGER,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
    }
)
_NANP_PLACELESS: Final = frozenset(
    {"456", "500", "521", "522", "523", "524", "525", "526", "527", "528", "529", "533", "544"}
    | {"566", "577", "588", "600", "622", "633", "644", "655", "677", "688", "700", "710", "800"}
    | {"833", "844", "855", "866", "877", "888", "900"}
)
"""Toll-free, personal, premium and special service codes of the North American plan."""
_MOBILE_WITHOUT_AREA: Final = frozenset({"CL", "ES", "EC", "PT", "AU", "RU", "ID", "KZ", "CD"})
"""Countries of several zones whose mobile numbers carry no area code: the number tells the
country and nothing more."""


class NumberZones(msgspec.Struct, frozen=True, gc=False):
    """What a phone number tells about where it is."""

    zones: tuple[str, ...]
    """IANA zones, sorted; empty where the number does not tell (toll-free, unknown, mobile
    without an area code in a country of several zones)."""
    region: str | None
    """ISO 3166-2 where the prefix tells, else ISO 3166-1, else None."""
    line: LineType


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    subdivisions: dict[str, tuple[str, ...]]
    cities: dict[str, tuple[str, ...]]
    postal: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[str, ...]]
    number_regions: dict[str, str]
    number_lines: dict[str, LineType]


@cache
def _tables() -> _Tables:
    text = (_DATA / "zones.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Tables)


@cache
def _area_codes() -> dict[str, tuple[str, tuple[str, ...]]]:
    """North American area code -> (region, zones)."""
    text = (_DATA / "nanp.csv").read_text("utf-8")
    rows = csv.reader(text.splitlines()[1:])
    return {code: (region, tuple(zones.split())) for code, region, zones in rows}


@cache
def tzdata_version() -> str:
    """Release of the zone rules in use: IANA's name and the package's version."""
    head = (resources.files("tzdata") / "zoneinfo" / "tzdata.zi").read_text("utf-8")[:80]
    return f"{head.split()[2]} ({importlib.metadata.version('tzdata')})"


@cache
def country_zones(country: str) -> tuple[str, ...]:
    """Every zone in use in a country (ISO 3166-1), sorted; empty for an unknown code."""
    lines = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8").splitlines()
    cells = (line.split("\t") for line in lines if line and not line.startswith("#"))
    return tuple(sorted(row[2] for row in cells if row[0] == country.upper()))


@cache
def zone(name: str) -> tzinfo:
    """Rules of one IANA zone, from the pinned tzdata. Raises `KeyError` for an unknown name."""
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts):
        raise KeyError(name)
    path = resources.files("tzdata").joinpath("zoneinfo", *parts)
    if not path.is_file():
        raise KeyError(name)
    with path.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def fold_text(text: str) -> str:
    """Lower case, no accents, single spaces: how places are compared."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


@lru_cache(maxsize=100_000)
def _place_zones(
    country: str, subdivision: str | None, locality: str | None, postal_code: str | None
) -> tuple[str, ...]:
    tables = _tables()
    country, subdivision = country.upper(), (subdivision or "").upper()
    locality, postal_code = locality or "", (postal_code or "").strip()
    if subdivision and "-" not in subdivision:
        subdivision = f"{country}-{subdivision}"
    of_subdivision = tables.subdivisions.get(subdivision, ())
    if not of_subdivision:
        return country_zones(country)
    if len(of_subdivision) == 1:
        return of_subdivision
    of_city = tables.cities.get(f"{subdivision}/{fold_text(locality)}", ())
    of_postal: tuple[str, ...] = ()
    for length in (3, 2):
        of_postal = of_postal or tables.postal.get(f"{country}/{postal_code[:length]}", ())
    narrowed = set(of_city) | set(of_postal)
    # A city and a postal code that contradict each other narrow nothing; both stay candidates.
    if narrowed and narrowed <= set(of_subdivision):
        return tuple(sorted(narrowed))
    return tuple(sorted(of_subdivision))


def zones_for_place(place: Place) -> tuple[str, ...]:
    """Candidate zones of a place, sorted.

    An unknown subdivision, or one of several zones whose city and postal code do not decide,
    gives all of them; an unknown country gives an empty tuple, which the gate blocks.
    """
    return _place_zones(place.country, place.subdivision, place.locality, place.postal_code)


def _longest(table: dict[str, tuple[str, ...]], digits: str) -> tuple[str, ...]:
    for length in range(min(9, len(digits)), 1, -1):
        if found := table.get(digits[:length]):
            return found
    return ()


def _number_region(digits: str) -> str | None:
    regions = _tables().number_regions
    if digits.startswith("549"):
        digits = f"54{digits[3:]}"  # an Argentine mobile: the area code comes after the 9
    for length in (6, 5, 4, 3):
        if found := regions.get(digits[:length]):
            return found
    return None


def _north_american(digits: str) -> NumberZones:
    area_code = digits[1:4]
    if area_code in _NANP_PLACELESS:
        free = area_code[0] == "8"
        return NumberZones((), None, LineType.TOLL_FREE if free else LineType.UNKNOWN)
    region, zones = _area_codes().get(area_code, ("", ()))
    return NumberZones(zones, region or None, LineType.UNKNOWN)


@lru_cache(maxsize=500_000)
def _zones_for_block(block: str, length: int) -> NumberZones:
    """Zones of a block of ten thousand numbers: the last four digits never decide."""
    if block.startswith("1") and length == 11:
        return _north_american(block)
    try:
        number = phonenumbers.parse(f"+{block.ljust(length, '2')}")
    except phonenumbers.NumberParseException:
        return NumberZones((), None, LineType.UNKNOWN)
    kind = phonenumbers.number_type(number)
    country = phonenumbers.region_code_for_number(number)
    if country is None and number.country_code is not None:
        country = phonenumbers.region_code_for_country_code(number.country_code)
    if country in (None, "001", "ZZ"):
        return NumberZones((), None, _LINES.get(kind, LineType.UNKNOWN))
    region = _number_region(block) or country
    line = _tables().number_lines.get(block[:3]) or _LINES.get(kind, LineType.UNKNOWN)
    all_zones = country_zones(country)
    if kind in _PLACELESS:
        return NumberZones((), country, line)
    if len(all_zones) == 1:
        return NumberZones(all_zones, region, line)
    if line is LineType.MOBILE and country in _MOBILE_WITHOUT_AREA:
        return NumberZones((), country, line)
    own = _longest(_tables().numbers, block)
    if not own and "-" in region:
        own = _tables().subdivisions.get(region, ())
    library = {z for z in time_zones_for_geographical_number(number) if z != _UNKNOWN_ZONE}
    # The library's answer for a whole country lists foreign zones too; it then tells nothing.
    library &= set(all_zones) | set(own)
    return NumberZones(tuple(sorted(library | set(own))), region, line)


@cache
def _calling_countries(country_code: int) -> frozenset[str]:
    return frozenset(phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(country_code, ()))


def calling_countries(e164: str) -> frozenset[str]:
    """Countries that share the calling code of a number; empty where there is none."""
    digits = e164.lstrip("+")
    for length in (1, 2, 3):
        if digits[:length].isdigit() and (found := _calling_countries(int(digits[:length]))):
            return found
    return frozenset()


def zones_for_number(e164: str) -> NumberZones:
    """Candidate zones, region and line type of a number in E.164 (`+12125550123`).

    A string that is not a number gives no zones and no region. Answers are cached by block of
    ten thousand numbers, so that millions of calls are cheap.
    """
    digits = e164[1:] if e164.startswith("+") else e164
    if not 7 <= len(digits) <= 15 or not (digits.isascii() and digits.isdigit()):
        return NumberZones((), None, LineType.UNKNOWN)
    return _zones_for_block(digits[:-4], len(digits))
