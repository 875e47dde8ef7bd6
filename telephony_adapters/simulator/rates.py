"""The figures that the seeded world draws from.

The defaults are those of published sources and of the project's synthetic portfolio: live
answers, right parties and promises by stage; ring times that peak at 6 to 10 s (people) and 18
to 22 s (voicemail); talk and wrap-up times. Figures without a published source are assumptions
chosen so that an agent reaches 8 to 10 right parties an hour on young debt.
"""

from __future__ import annotations

from typing import Final

import msgspec

from telephony_adapters.simulator.heard import Intent


class StageRates(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How people of one stage of debt behave. Shares lie between 0 and 1."""

    live: float
    """Live answers per dial of a working number."""
    right_numbers: float
    """Working personal numbers that are the right party's."""
    right_party_answers: float
    """Live answers on a right number that are the right party, not somebody else there."""
    promise: float
    """Promises per right party."""
    promise_horizon_days: int
    """Latest day that is promised."""

    @property
    def right_party_per_live(self) -> float:
        """Right parties per live answer, over all working numbers."""
        return self.right_numbers * self.right_party_answers


def _stage(
    live: float, right_per_live: float, right_numbers: float, promise: float, days: int
) -> StageRates:
    return StageRates(
        live=live,
        right_numbers=right_numbers,
        right_party_answers=right_per_live / right_numbers,
        promise=promise,
        promise_horizon_days=days,
    )


DEFAULT_STAGE: Final = "61-90"
"""For segments that name no stage: the middle of the road."""

STAGES: Final = {
    "preventiva": _stage(0.20, 0.62, 0.72, 0.0, 7),
    "1-30": _stage(0.17, 0.48, 0.72, 0.40, 7),
    "31-60": _stage(0.15, 0.40, 0.62, 0.34, 15),
    "61-90": _stage(0.14, 0.33, 0.54, 0.29, 15),
    "91-180": _stage(0.12, 0.25, 0.44, 0.22, 30),
    "181-360": _stage(0.11, 0.18, 0.34, 0.17, 30),
    "castigo": _stage(0.10, 0.12, 0.24, 0.14, 30),
}
"""By days past due: live/dial, right party/live and promise/right party are the domain's; the
share of right numbers falls with age (assumption), and the rest follows."""


class WorldRates(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of a world. Shares lie between 0 and 1, times are means in seconds."""

    stages: dict[str, StageRates] = msgspec.field(default_factory=STAGES.copy)
    default_stage: str = DEFAULT_STAGE

    # what numbers are
    disconnected: float = 0.15
    """Numbers out of service, dummies included."""
    fax: float = 0.005
    """Of the working numbers."""
    wrong_of_others: float = 0.6
    """Of the working numbers that are not the right party's; the rest are third parties'."""
    habit_day: float = 0.40
    habit_evening: float = 0.45
    propensity_sigma: float = 0.343
    """Spread of answering among people (log). With `fatigue` it gives a weekly right-party
    penetration of 8, 20 and 35 % at 1, 3 and 7 dials on 1-30 days past due."""

    # what a dial meets
    machine: float = 0.28
    busy: float = 0.04
    blocked: float = 0.03
    """Refused by the carrier's filter or by the callee."""
    fatigue: float = 0.93
    """Factor on live answers for each dial of the last seven days."""
    live_ceiling: float = 0.6
    weekdays: tuple[float, float, float, float, float, float, float] = (
        1.0, 0.95, 0.98, 1.0, 1.05, 0.9, 0.9,
    )  # fmt: skip
    """Factor by local weekday, Monday first."""
    answer_delay_s: float = 6.6
    """From the first ring to a person's answer."""
    answer_sigma: float = 0.42
    machine_early: float = 0.25
    """Machines that answer within seconds (phone off); the others wait their four rings."""
    network_ring_limit_s: float = 60.0
    """The network gives up ringing."""

    # what detection says
    amd_false_machine: float = 0.04
    amd_false_human: float = 0.06
    amd_unsure: float = 0.01
    """Live answers in which nobody says a word; detection gives up after `amd_unsure_s`."""
    amd_unsure_s: float = 5.0
    amd_from_s: float = 1.5
    amd_to_s: float = 3.5

    # how long people wait and talk
    patience_s: float = 6.0
    patience_sigma: float = 0.5
    talk_other_s: float = 35.0
    talk_other_sigma: float = 0.5
    talk_right_s: float = 150.0
    talk_right_sigma: float = 0.6
    talk_promise_s: float = 270.0
    talk_promise_sigma: float = 0.45
    wrap_other_s: float = 10.0
    wrap_right_s: float = 25.0
    wrap_promise_s: float = 40.0
    wrap_sigma: float = 0.4

    # what right parties want
    verification_answers: float = 0.92
    promise_in_full: float = 0.5
    """Promises of everything that is overdue; the others are of a quarter or more."""
    intents: tuple[tuple[Intent, float], ...] = (
        (Intent.REFUSE, 0.25),
        (Intent.WILLING, 0.22),
        (Intent.CALLBACK, 0.20),
        (Intent.HARDSHIP, 0.12),
        (Intent.ALREADY_PAID, 0.08),
        (Intent.HANG_UP, 0.07),
        (Intent.DISPUTE, 0.05),
        (Intent.CEASE, 0.01),
    )
    """What right parties say who promise nothing, and how often."""

    def __post_init__(self) -> None:
        if self.default_stage not in self.stages:
            raise ValueError(
                f"default_stage {self.default_stage!r} is not among the stages "
                f"{', '.join(self.stages)}"
            )
        total = self.machine + self.busy + self.blocked + self.live_ceiling
        if total > 1:
            raise ValueError(
                f"machine + busy + blocked + live_ceiling is {total:.3f}, above 1: "
                "lower one of them"
            )

    def stage(self, segment: str) -> StageRates:
        """Rates of the stage that a pacing segment names: the segment itself or one of its
        parts between `:`, `/` or `|`; else the default stage's."""
        found = self.stages.get(segment)
        if found is not None:
            return found
        for part in segment.replace("/", ":").replace("|", ":").split(":"):
            found = self.stages.get(part)
            if found is not None:
                return found
        return self.stages[self.default_stage]

    def other_intent(self, draw: float) -> Intent:
        """The intent that a uniform `draw` falls on."""
        rest = draw * sum([share for _, share in self.intents])
        for intent, share in self.intents:
            rest -= share
            if rest < 0:
                return intent
        return self.intents[-1][0]
