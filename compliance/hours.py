"""Wall-clock arithmetic: local days, weekly schedules and their exact bounds in UTC.

Rules speak of local dates and wall-clock times; the gate speaks of instants. Everything here
turns one into the other through the zone's rules at that instant, so days that lose or repeat
an hour (or a whole date) come out right, and the end of an interval is excluded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from compliance.zones import zone

Interval = tuple[datetime, datetime]
"""Half-open span of instants in UTC."""
ClockInterval = tuple[time, time]
"""Half-open span of wall-clock times; an end of 00:00 means the end of the day."""
ONE_DAY: Final = timedelta(days=1)
ONE_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)
_CACHE_SIZE: Final = 65_536


def local_date(at: datetime, zone_name: str) -> date:
    """Calendar date at the instant `at` in a zone."""
    return at.astimezone(zone(zone_name)).date()


@lru_cache(maxsize=_CACHE_SIZE)
def day_start(zone_name: str, day: date) -> datetime:
    """First instant, in UTC, at which the zone's calendar shows `day` or a later date."""
    tz = zone(zone_name)
    guess = datetime.combine(day, time(0), tz).astimezone(UTC)
    if guess.astimezone(tz).replace(tzinfo=None) == datetime.combine(day, time(0)):
        return guess
    # Midnight does not exist on that day: search the first second of the date.
    low, high = guess - 2 * ONE_DAY, guess + 2 * ONE_DAY
    while high - low > ONE_SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle.astimezone(tz).date() >= day:
            high = middle
        else:
            low = middle
    return high


def _segments(zone_name: str, day: date) -> list[tuple[datetime, datetime, timedelta]]:
    """Parts of a local day with one offset each: (start, end, offset from UTC)."""
    tz = zone(zone_name)
    start, end = day_start(zone_name, day), day_start(zone_name, day + ONE_DAY)

    def offset(at: datetime) -> timedelta:
        return at.astimezone(tz).utcoffset() or timedelta()

    parts: list[tuple[datetime, datetime, timedelta]] = []
    here = start
    while here < end:
        current = offset(here)
        change, probe = end, here
        while probe < end:
            step = min(probe + _HOUR, end)
            if offset(step - ONE_SECOND) != current:
                good, bad = max(here, probe - ONE_SECOND), step - ONE_SECOND
                while bad - good > ONE_SECOND:
                    middle = (good + (bad - good) / 2).replace(microsecond=0)
                    good, bad = (middle, bad) if offset(middle) == current else (good, middle)
                change = bad
                break
            probe = step
        parts.append((here, change, current))
        here = change
    return parts


def clock_spans(
    zone_name: str, day: date, intervals: Sequence[ClockInterval]
) -> tuple[Interval, ...]:
    """Instants of a local day whose wall clock lies in one of the intervals, merged, in order."""
    midnight = datetime.combine(day, time(0), UTC)
    spans: list[Interval] = []
    for start, end, offset in _segments(zone_name, day):
        for opens, closes in intervals:
            span_start = midnight + _since_midnight(opens) - offset
            length = _since_midnight(closes) or ONE_DAY
            span = (max(start, span_start), min(end, midnight + length - offset))
            if span[0] < span[1]:
                spans.append(span)
    return merge(spans)


def _since_midnight(at: time) -> timedelta:
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)


def merge(spans: Iterable[Interval]) -> tuple[Interval, ...]:
    """Union of spans as sorted spans that do not touch."""
    merged: list[Interval] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def subtract(spans: Iterable[Interval], holes: Iterable[Interval]) -> tuple[Interval, ...]:
    """What is left of spans after taking the holes out."""
    left = list(spans)
    for hole_start, hole_end in holes:
        pieces: list[Interval] = []
        for start, end in left:
            if start < hole_start:
                pieces.append((start, min(end, hole_start)))
            if hole_end < end:
                pieces.append((max(start, hole_end), end))
        left = [piece for piece in pieces if piece[0] < piece[1]]
    return merge(left)


DaySpans = Callable[[str, date], tuple[Interval, ...]]
"""Open spans of one local day: (zone name, date) -> spans."""


def next_open(
    at: datetime, zone_names: Sequence[str], spans_of: DaySpans, horizon_days: int
) -> datetime | None:
    """Least instant >= `at` that is open in every zone, or None within the horizon.

    Every zone only ever moves the instant forward, so the loop ends at the least common point.
    """
    limit = at + timedelta(days=horizon_days)
    here = at
    settled = 0
    index = 0
    while settled < len(zone_names):
        zone_name = zone_names[index % len(zone_names)]
        index += 1
        opened = _next_in_zone(here, zone_name, spans_of, limit)
        if opened is None:
            return None
        settled = settled + 1 if opened == here else 1
        here = opened
    return here


def _next_in_zone(
    at: datetime, zone_name: str, spans_of: DaySpans, limit: datetime
) -> datetime | None:
    day = local_date(at, zone_name)
    while True:
        for start, end in spans_of(zone_name, day):
            if at < end:
                return max(at, start)
        day += ONE_DAY
        if day_start(zone_name, day) > limit:
            return None


def rolling_start(at: datetime, zone_names: Sequence[str], days: int) -> datetime:
    """Start of the window of `days` local dates that ends with today's, earliest over zones."""
    return min(
        day_start(name, local_date(at, name) - timedelta(days=days - 1)) for name in zone_names
    )


def week_first(day: date, sunday: bool) -> date:
    """First date of the calendar week of `day`, Monday (ISO) or Sunday based."""
    return day - timedelta(days=day.isoweekday() % 7 if sunday else day.weekday())


def month_first(day: date, months: int = 0) -> date:
    """First date of the month that lies `months` after the month of `day`."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)
