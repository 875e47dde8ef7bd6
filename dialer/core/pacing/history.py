"""What a campaign's calls came to before its pacer was made, or while another one drove it."""

from __future__ import annotations

from math import isfinite

from compliance.messages import Message


class Spell(Message, frozen=True, kw_only=True):
    """Live answers and abandonments of one stretch of time."""

    at_s: float
    """When it begins, on the axis of events and snapshots."""
    answered: int
    """Answered by a live person, whatever came of it; the abandoned among them."""
    abandoned: int


class History(Message, frozen=True, kw_only=True):
    """The truth that abandonment is measured from, as far back as a budget looks.

    Raises `ValueError` where a time is not a number or a count is negative.
    """

    until_s: float
    """The moment that it was read."""
    spells: tuple[Spell, ...] = ()

    def __post_init__(self) -> None:
        if not all(isfinite(at_s) for at_s in (self.until_s, *(s.at_s for s in self.spells))):
            raise ValueError("a time of the history is not a finite number")
        for spell in self.spells:
            if spell.answered < 0 or spell.abandoned < 0:
                raise ValueError(f"the history counts fewer than none at {spell.at_s:g} s")


class Stretch(Message, frozen=True, kw_only=True):
    """From when on a history is wanted, and in spells of which width."""

    since_s: float
    width_s: float
