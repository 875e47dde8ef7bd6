"""How agents of a preview campaign look at an account before they call it, or leave it."""

from __future__ import annotations

from typing import NamedTuple

from campaigns.campaign import PreviewSettings
from compliance.types import Mode
from dialer.simulation.tally import share
from dialer.simulation.twin.definition import TwinDefinition
from dialer.simulation.twin.meeting import Chance, lognormal
from dialer.simulation.twin.results import PreviewFigures


class Look(NamedTuple):
    """One account before one agent's eyes."""

    look_s: float
    skips: bool


NO_LOOK = Look(0.0, skips=False)


class Looks:
    """Chance of the looks of a day, and what they came to."""

    def __init__(self, definition: TwinDefinition, seed: int) -> None:
        self._work = definition.work
        self.settings = definition.campaign.preview or PreviewSettings()
        self._chance = Chance(seed)
        self._looked = self._skipped = 0
        self._look_s = 0.0

    @classmethod
    def of(cls, definition: TwinDefinition, seed: int) -> Looks | None:
        """None: nobody looks, the campaign dials by itself."""
        return cls(definition, seed) if definition.campaign.mode is Mode.PREVIEW else None

    def at(self, what: str) -> Look:
        """The look at an account, told apart from all others by `what`."""
        how_long, skip = self._chance.of(f"{what}|look")[:2]
        look_s = min(lognormal(how_long, self._work.look), float(self.settings.limit_s))
        return Look(look_s, self.settings.may_skip and skip < self._work.skipped)

    def count(self, look: Look) -> None:
        self._looked += 1
        self._skipped += look.skips
        self._look_s += look.look_s

    def figures(self) -> PreviewFigures:
        return PreviewFigures(
            looked=self._looked,
            skipped=self._skipped,
            look_mean_s=share(self._look_s, self._looked),
        )
