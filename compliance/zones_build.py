"""Regenerate `data/nanp.csv`: area code, ISO region and candidate zones of North America.

Run `python -m compliance.zones_build` after a new release of phonenumbers. The region comes
from the library's geographic descriptions and the gaps below; the zones are the union of every
zone that the library knows under the area code and of the splits that it misses.
"""

from __future__ import annotations

import csv
import importlib
import io
from pathlib import Path
from typing import Final

import phonenumbers

NANP_CSV: Final = Path(__file__).parent / "data" / "nanp.csv"

_STATES: Final = (
    "AL Alabama;AK Alaska;AZ Arizona;AR Arkansas;CA California;CO Colorado;CT Connecticut;"
    "DE Delaware;DC Washington D.C.;FL Florida;GA Georgia;HI Hawaii;ID Idaho;IL Illinois;"
    "IN Indiana;IA Iowa;KS Kansas;KY Kentucky;LA Louisiana;ME Maine;MD Maryland;"
    "MA Massachusetts;MI Michigan;MN Minnesota;MS Mississippi;MO Missouri;MT Montana;"
    "NE Nebraska;NV Nevada;NH New Hampshire;NJ New Jersey;NM New Mexico;NY New York;"
    "NC North Carolina;ND North Dakota;OH Ohio;OK Oklahoma;OR Oregon;PA Pennsylvania;"
    "RI Rhode Island;SC South Carolina;SD South Dakota;TN Tennessee;TX Texas;UT Utah;VT Vermont;"
    "VA Virginia;WA Washington State;WV West Virginia;WI Wisconsin;WY Wyoming"
)
_PROVINCES: Final = (
    "AB Alberta;BC British Columbia;MB Manitoba;NB New Brunswick;NL Newfoundland and Labrador;"
    "ON Ontario;QC Quebec;SK Saskatchewan"
)
_WITHOUT_DESCRIPTION: Final = {
    # area codes that the library describes only city by city, or not at all
    "203": "US-CT",
    "257": "CA-BC",
    "310": "US-CA",
    "340": "US-VI",
    "670": "US-MP",
    "671": "US-GU",
    "483": "US-AL",
    "684": "US-AS",
    "713": "US-TX",
    "718": "US-NY",
    "729": "US-TN",
    "787": "US-PR",
    "905": "CA-ON",
    "939": "US-PR",
}
"""Area codes shared by several provinces (782, 902, 867) keep their country only."""
_SPLITS: Final = {
    # area codes and their overlays that cross a border of zones; the library misses some
    "208": ("America/Boise", "America/Los_Angeles"),
    "986": ("America/Boise", "America/Los_Angeles"),
    "219": ("America/Chicago", "America/New_York"),
    "574": ("America/Chicago", "America/New_York"),
    "812": ("America/Chicago", "America/New_York"),
    "930": ("America/Chicago", "America/New_York"),
    "270": ("America/Chicago", "America/New_York"),
    "364": ("America/Chicago", "America/New_York"),
    "606": ("America/Chicago", "America/New_York"),
    "308": ("America/Chicago", "America/Denver"),
    "423": ("America/Chicago", "America/New_York"),
    "729": ("America/Chicago", "America/New_York"),
    "689": ("America/New_York",),
    "931": ("America/Chicago", "America/New_York"),
    "458": ("America/Boise", "America/Los_Angeles"),
    "541": ("America/Boise", "America/Los_Angeles"),
    "605": ("America/Chicago", "America/Denver"),
    "620": ("America/Chicago", "America/Denver"),
    "785": ("America/Chicago", "America/Denver"),
    "701": ("America/Chicago", "America/Denver"),
    "775": ("America/Boise", "America/Los_Angeles"),
    "448": ("America/Chicago", "America/New_York"),
    "850": ("America/Chicago", "America/New_York"),
    "906": ("America/Detroit", "America/Menominee"),
    "907": ("America/Adak", "America/Anchorage"),
    "928": ("America/Denver", "America/Phoenix"),
    "334": ("America/Chicago", "America/New_York"),  # Phenix City, by custom
    "483": ("America/Chicago", "America/New_York"),
    "580": ("America/Chicago", "America/Denver"),  # Kenton, by custom
    "432": ("America/Chicago", "America/Denver"),
    "915": ("America/Chicago", "America/Denver"),
    "250": ("America/Vancouver", "America/Edmonton", "America/Fort_Nelson"),
    "236": ("America/Vancouver", "America/Edmonton", "America/Fort_Nelson"),
    "778": ("America/Vancouver", "America/Edmonton", "America/Fort_Nelson"),
    "257": ("America/Vancouver", "America/Edmonton", "America/Fort_Nelson"),
    "672": ("America/Vancouver", "America/Edmonton", "America/Fort_Nelson"),
    "418": ("America/Toronto", "America/Halifax", "America/Blanc-Sablon"),
    "581": ("America/Toronto", "America/Halifax", "America/Blanc-Sablon"),
    "367": ("America/Toronto", "America/Halifax", "America/Blanc-Sablon"),
    "807": ("America/Toronto", "America/Winnipeg", "America/Atikokan"),
    "306": ("America/Regina", "America/Edmonton"),
    "639": ("America/Regina", "America/Edmonton"),
    "474": ("America/Regina", "America/Edmonton"),
    "867": ("America/Whitehorse", "America/Inuvik", "America/Iqaluit", "America/Rankin_Inlet"),
    "879": ("America/St_Johns", "America/Goose_Bay"),
    "709": ("America/St_Johns", "America/Goose_Bay"),
}
_OVERLAYS: Final = {
    # area codes of 2024-2026 that the pinned library does not know yet: region, zone
    "357": ("US-CA", "America/Los_Angeles"),
    "436": ("US-OH", "America/New_York"),
    "457": ("US-LA", "America/Chicago"),
    "471": ("US-MS", "America/Chicago"),
    "624": ("US-NY", "America/New_York"),
    "679": ("US-MI", "America/Detroit"),
    "837": ("US-CA", "America/Los_Angeles"),
    "861": ("US-IL", "America/Chicago"),
    "924": ("US-MN", "America/Chicago"),
}


def _named(table: str, country: str) -> dict[str, str]:
    return {
        entry.split(" ", 1)[1]: f"{country}-{entry.split(' ', 1)[0]}" for entry in table.split(";")
    }


def _region(area_code: str, description: str, names: dict[str, str]) -> str:
    if area_code in _WITHOUT_DESCRIPTION:
        return _WITHOUT_DESCRIPTION[area_code]
    if description in names:
        return names[description]
    tail = description.rpartition(", ")[2]
    if len(tail) == 2:
        return next((code for code in names.values() if code.endswith(f"-{tail}")), "")
    return ""


def build() -> str:
    """The text of `data/nanp.csv` as the installed libraries give it."""
    geodata: dict[str, dict[str, str]] = importlib.import_module(
        "phonenumbers.geodata"
    ).GEOCODE_DATA
    timezones: dict[str, tuple[str, ...]] = importlib.import_module(
        "phonenumbers.tzdata"
    ).TIMEZONE_DATA
    names = _named(_STATES, "US") | _named(_PROVINCES, "CA")
    known = {key[1:4] for key in timezones if key[0] == "1" and len(key) >= 4}
    area_codes = sorted(known | _SPLITS.keys() | _OVERLAYS.keys())
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("area_code", "region", "zones"))
    for area_code in area_codes:
        prefix = f"1{area_code}"
        zones = {z for key, zs in timezones.items() if key.startswith(prefix) for z in zs}
        zones.update(_SPLITS.get(area_code, ()))
        region = _region(area_code, geodata.get(prefix, {}).get("en", ""), names)
        if area_code in _OVERLAYS:
            region, own = _OVERLAYS[area_code]
            zones.add(own)
        if not region:
            number = phonenumbers.parse(f"+{prefix}2345678")
            region = phonenumbers.region_code_for_number(number) or ""
        rows.writerow((area_code, region, " ".join(sorted(zones))))
    return out.getvalue()


if __name__ == "__main__":
    NANP_CSV.write_text(build(), encoding="utf-8")
