"""Until when the holiday calendars of packs are verified, and which of them end soon."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final, NamedTuple

from compliance.calendars import calendar_data
from compliance.packs import Pack
from dialer.cli.texts import Texts

CALENDAR_AHEAD: Final = timedelta(days=60)
"""How long before its end a calendar is told of."""
_WEEKDAYS: Final = {
    1: ("lunes", "Mondays"),
    2: ("martes", "Tuesdays"),
    3: ("miércoles", "Wednesdays"),
    4: ("jueves", "Thursdays"),
    5: ("viernes", "Fridays"),
    6: ("sábados", "Saturdays"),
    7: ("domingos", "Sundays"),
}


class End(NamedTuple):
    """Where the verified part of a calendar ends; of two ends the earlier is the lesser."""

    through: date
    """Last date on which all weekdays are verified."""
    settled_through: date
    """Last date on which any weekday is."""
    country: str
    closing: tuple[int, ...]
    """ISO weekdays that close after `through`; all of them do after `settled_through`."""

    def ends_soon(self, today: date) -> bool:
        return self.through < today + CALENDAR_AHEAD

    def is_over(self, today: date) -> bool:
        """Nobody can be contacted any more under rules that need it."""
        return self.settled_through < today

    def told(self, texts: Texts) -> str:
        if self.settled_through <= self.through:
            return f"{self.country} {self.through}"
        spanish = ", ".join(_WEEKDAYS[day][0] for day in self.closing)
        english = ", ".join(_WEEKDAYS[day][1] for day in self.closing)
        return texts.say(
            f"{self.country} {self.through} (después se cierran {spanish}, "
            f"y todo desde {self.settled_through})",
            f"{self.country} {self.through} ({english} close after it, "
            f"all days after {self.settled_through})",
        )


def ends_of(packs: Iterable[Pack]) -> list[End]:
    """The calendars of some packs, one a country, at the earliest that any of them says."""
    found: dict[str, End] = {}
    for pack in packs:
        for calendar in pack.doc.calendars:
            data = calendar_data(calendar.country)
            through = calendar.verified_through or data.verified_through
            settled = None if calendar.verified_through else data.settled_through
            end = End(through, settled or through, calendar.country, data.decreed_weekdays)
            earlier = found.get(calendar.country, end)
            found[calendar.country] = min(end, earlier)
    return sorted(found.values())
