"""Synthetic phone numbers: valid for the numbering plan, unique, and plainly made up.

United States: only 555-0100 to 555-0199, which the plan reserves for fiction; there are some
thirty thousand of them, so large portfolios share numbers heavily. Latin American plans reserve
nothing: numbers count up from the start of one block, in the order of the file.
"""

from __future__ import annotations

from functools import cache
from random import Random

from campaigns.portfolio.phones import Phone, is_dummy, parse_cell
from compliance.zones import zones_for_number

# First national number of the block that mobiles count up from; 6 to 80 million follow it.
_MOBILE_BLOCKS = {"CL": 920_000_000, "CO": 3_100_000_000, "PE": 920_000_000}
_MOBILE_ENDS = {"CL": 968_000_000, "CO": 3_200_000_000, "PE": 999_000_000}
_CALLING_CODES = {"CL": "56", "CO": "57", "MX": "52", "PE": "51", "US": "1"}
_NATIONAL_LENGTH = {"CL": 9, "CO": 10, "MX": 10, "PE": 8}


class NumberSource:
    """Hands out numbers of one country; the same calls give the same numbers."""

    def __init__(self, country: str, rng: Random) -> None:
        self._country = country
        self._rng = rng
        self._mobile = _MOBILE_BLOCKS.get(country, 0)
        self._fixed: dict[str, int] = {}
        self.code = _CALLING_CODES[country]

    def mobile(self, area: str) -> str:
        """The next mobile number, in national digits. Mexican ones belong to an area."""
        if self._country == "MX":
            return self.fixed(area)
        number = str(self._mobile)
        self._mobile += 1
        if self._mobile >= _MOBILE_ENDS[self._country]:
            self._mobile = _MOBILE_BLOCKS[self._country]
        return self.mobile(area) if is_dummy(number) else number

    def fixed(self, area: str) -> str:
        """The next number of an area, in national digits."""
        rest = _NATIONAL_LENGTH[self._country] - len(area)
        first = 2 * 10 ** (rest - 1)
        at = self._fixed.get(area, first)
        self._fixed[area] = at + 1 if at + 1 < 9 * 10 ** (rest - 1) else first
        number = f"{area}{at}"
        return self.fixed(area) if is_dummy(number) else number

    def fictional(self, subdivision: str) -> str:
        """A North American number reserved for fiction, of a state or (one in six) of anywhere."""
        codes = area_codes().get(f"US-{subdivision}")
        if codes is None or self._rng.random() < 1 / 6:
            codes = area_codes()["US"]
        return (
            f"{codes[int(self._rng.random() * len(codes))]}55501{int(self._rng.random() * 100):02d}"
        )


@cache
def area_codes() -> dict[str, tuple[str, ...]]:
    """Area codes of each state of the United States (ISO 3166-2), and of all under `US`."""
    found: dict[str, list[str]] = {"US": []}
    for code in range(201, 990):
        region = zones_for_number(f"+1{code}5550100").region or ""
        assigned = isinstance(parse_cell(f"{code}5550100", "US")[0], Phone)
        if region.startswith("US-") and assigned:
            found.setdefault(region, []).append(str(code))
            found["US"].append(str(code))
    return {region: tuple(codes) for region, codes in found.items()}


def spelled(country: str, national: str, style: float) -> str:
    """A national number as one of the ways its country writes it; `style` in [0, 1) chooses."""
    code = _CALLING_CODES[country]
    if country == "US":
        area, office, line = national[:3], national[3:6], national[6:]
        forms = (f"({area}) {office}-{line}", national, f"{area}-{office}-{line}", f"+1{national}")
        return forms[int(style * 4)]
    if style < 0.4:
        return national
    if style < 0.6:
        return f"+{code}{national}"
    if style < 0.8:
        return f"{code}{national}"
    if style < 0.9:
        return f"+{code} {national[:-8]} {national[-8:-4]} {national[-4:]}".replace("  ", " ")
    trunk = {"CL": "0", "CO": "0", "MX": "044", "PE": "0"}[country]
    return f"{trunk}{national}"
