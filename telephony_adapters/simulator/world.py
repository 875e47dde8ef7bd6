"""The people behind the numbers: pure and seeded.

What a number is, and what happens when it is dialed, is a function of (seed, number, attempt):
it does not depend on what else is dialed or in which order, so one seed gives one history.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import msgspec

from compliance.zones import country_zones, zones_for_number
from telephony_adapters.messages import AmdVerdict, HangupCause, Originate
from telephony_adapters.simulator.heard import Heard, Intent, Speaker
from telephony_adapters.simulator.rates import StageRates, WorldRates

NEVER: Final = math.inf
"""An instant that does not come."""


class NumberOwner(StrEnum):
    """What a number is, for as long as the world lasts."""

    RIGHT_PARTY = "right_party"
    WRONG_PARTY = "wrong_party"
    THIRD_PARTY = "third_party"
    FAX = "fax"
    DISCONNECTED = "disconnected"


class DailyHabit(StrEnum):
    """When somebody is likely to answer (domain page, section 9: person hour type)."""

    DAY = "day"
    EVENING = "evening"
    FLAT = "flat"


class NumberTraits(msgspec.Struct, frozen=True, gc=False):
    """What stays the same over all dials of a number."""

    owner: NumberOwner
    habit: DailyHabit
    propensity: float
    """Factor on the rate of live answers; mean 1 over numbers."""
    zone: str
    """IANA zone that the person lives by."""


class Past(msgspec.Struct, frozen=True, gc=False):
    """Earlier dials of the same number, as the network remembers them."""

    attempts: int = 0
    recent: int = 0
    """Those of the last seven days."""


class PickUp(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody or something answers."""

    heard: Heard
    """What an agent hears when the call is joined with his leg."""
    patience_s: float
    """Hangs up after this long without an agent."""
    amd_verdict: AmdVerdict
    """What machine detection says where it was asked for."""
    amd_s: float
    """How long detection takes from the answer."""
    digits: tuple[tuple[float, str], ...] = ()
    """Keys pressed: seconds after the answer, and the digit."""


class DialPlan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What will happen on one dial, if nobody interferes. Seconds from the originate."""

    progress_s: float | None
    """The network takes the call; None: dead route, nothing ever comes."""
    ringing_s: float | None
    """It rings; None: it never does."""
    final_s: float
    """It is answered, or the network gives up; `NEVER`: it would ring for ever."""
    pick_up: PickUp | None = None
    cause: HangupCause = HangupCause.UNAVAILABLE
    """How the network ends it when nobody picks up."""
    provider_code: str = ""


class World(Protocol):
    """Decides what happens on a dial."""

    def dial(self, command: Originate, at: datetime, past: Past) -> DialPlan:
        """The plan of one dial at the instant `at`. Pure: same arguments, same plan."""

    def conversation(self, command: Originate, past: Past) -> Heard:
        """What is heard when a person at this number speaks with us, whoever that is. Pure."""


MAIN_ZONES: Final = {
    "CL": "America/Santiago",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "PT": "Europe/Lisbon",
}
"""Where most people live in countries whose mobile numbers do not tell the zone."""


def zones_of_number(number: str) -> tuple[str, ...]:
    """Zones that somebody with this number may live by; UTC where nothing is known."""
    found = zones_for_number(number)
    if found.zones or found.region is None:
        return found.zones or ("UTC",)
    country = found.region[:2]
    main = MAIN_ZONES.get(country)
    return (main,) if main is not None else country_zones(country) or ("UTC",)


class SeededWorld:
    """A world drawn from `rates` by `seed`."""

    def __init__(
        self,
        seed: int,
        rates: WorldRates | None = None,
        *,
        zones_of: Callable[[str], tuple[str, ...]] = zones_of_number,
    ) -> None:
        self._key = blake2b(str(seed).encode(), digest_size=32).digest()
        self._rates = rates if rates is not None else WorldRates()
        self._zones_of = zones_of

    def traits(self, number: str, segment: str = "") -> NumberTraits:
        """What the number is.

        The older the debt (`segment`), the fewer numbers are right; one that is not stays so.
        """
        rates = self._rates
        kind, whose, other, hour, propensity, where, *_ = self._uniforms(f"number|{number}")
        zones = self._zones_of(number)
        return NumberTraits(
            owner=_owner(kind, whose, other, rates, rates.stage(segment)),
            habit=(
                DailyHabit.DAY
                if hour < rates.habit_day
                else DailyHabit.EVENING
                if hour < rates.habit_day + rates.habit_evening
                else DailyHabit.FLAT
            ),
            propensity=_lognormal(propensity, 1.0, rates.propensity_sigma),
            zone=zones[int(where * len(zones))],
        )

    def dial(self, command: Originate, at: datetime, past: Past) -> DialPlan:
        rates = self._rates
        traits = self.traits(command.to, command.segment)
        draws = self._uniforms(f"dial|{command.to}|{past.attempts + 1}")
        outcome, delay, network, _, late, *_ = draws
        progress_s = 0.05 + 0.25 * network
        ringing_s = 0.6 + 1.6 * network
        if traits.owner is NumberOwner.DISCONNECTED:
            return _refusal(progress_s, ringing_s, HangupCause.NOT_IN_SERVICE, "sip:404 q850:1")
        if traits.owner is NumberOwner.FAX:
            return DialPlan(
                progress_s=progress_s,
                ringing_s=ringing_s,
                final_s=ringing_s + 3.0 + 4.0 * delay,
                pick_up=self._pick_up(command, past, traits, draws, Speaker.FAX),
            )
        live = self.live_probability(traits, command.segment, at, past)
        if outcome < live:
            speaker = self._who_answers(traits, command.segment, draws)
            return DialPlan(
                progress_s=progress_s,
                ringing_s=ringing_s,
                final_s=ringing_s + _lognormal(delay, rates.answer_delay_s, rates.answer_sigma),
                pick_up=self._pick_up(command, past, traits, draws, speaker),
            )
        outcome -= live
        if outcome < rates.machine:
            early = late < rates.machine_early
            after_s = 2.0 + 4.0 * delay if early else 17.0 + 4.5 * delay - 1.6 * network
            return DialPlan(
                progress_s=progress_s,
                ringing_s=ringing_s,
                final_s=ringing_s + after_s,
                pick_up=self._pick_up(command, past, traits, draws, Speaker.MACHINE),
            )
        outcome -= rates.machine
        if outcome < rates.busy:
            return _refusal(progress_s, ringing_s, HangupCause.BUSY, "sip:486 q850:17")
        outcome -= rates.busy
        if outcome < rates.blocked:
            return _refusal(progress_s, ringing_s, HangupCause.REJECTED, "sip:603 q850:21")
        return DialPlan(
            progress_s=progress_s,
            ringing_s=ringing_s,
            final_s=rates.network_ring_limit_s,
            provider_code="sip:480 q850:19",
        )

    def conversation(self, command: Originate, past: Past) -> Heard:
        traits = self.traits(command.to, command.segment)
        draws = self._uniforms(f"dial|{command.to}|{past.attempts + 1}")
        speaker = self._who_answers(traits, command.segment, draws)
        return self._conversation(command, past, speaker)

    def live_probability(
        self, traits: NumberTraits, segment: str, at: datetime, past: Past
    ) -> float:
        """Chance that a person answers this dial of a working number."""
        rates = self._rates
        local = at.astimezone(_zone(traits.zone))
        chance = (
            rates.stage(segment).live
            * hour_factor(traits.habit, local.hour)
            * rates.weekdays[local.weekday()]
            * rates.fatigue**past.recent
            * traits.propensity
        )
        return min(chance, rates.live_ceiling)

    def _who_answers(self, traits: NumberTraits, segment: str, draws: tuple[float, ...]) -> Speaker:
        if traits.owner is NumberOwner.WRONG_PARTY:
            return Speaker.WRONG_PARTY
        if traits.owner is NumberOwner.THIRD_PARTY:
            return Speaker.THIRD_PARTY
        at_home = self._rates.stage(segment).right_party_answers
        return Speaker.RIGHT_PARTY if draws[3] < at_home else Speaker.THIRD_PARTY

    def _pick_up(
        self,
        command: Originate,
        past: Past,
        traits: NumberTraits,
        draws: tuple[float, ...],
        speaker: Speaker,
    ) -> PickUp:
        rates = self._rates
        _, _, _, _, _, error, took, patience = draws
        verdict, amd_s = _amd(speaker, error, took, rates)
        if speaker is Speaker.FAX:
            patience_s = 40.0
        elif speaker is Speaker.MACHINE:
            patience_s = 30.0 + 30.0 * patience
        else:
            patience_s = max(1.0, _lognormal(patience, rates.patience_s, rates.patience_sigma))
        return PickUp(
            heard=self._conversation(command, past, speaker),
            patience_s=patience_s,
            amd_verdict=verdict,
            amd_s=amd_s,
        )

    def _conversation(self, command: Originate, past: Past, speaker: Speaker) -> Heard:
        rates = self._rates
        draws = self._uniforms(f"talk|{command.to}|{past.attempts + 1}")
        what, talk, wrap, share, days, verify, minutes, _ = draws
        if speaker is not Speaker.RIGHT_PARTY:
            live = speaker.is_live
            talk_s = _lognormal(talk, rates.talk_other_s, rates.talk_other_sigma)
            return Heard(
                call_id=command.call_id,
                speaker=speaker,
                intent=_INTENT_OF_OTHERS.get(speaker, Intent.NONE),
                talk_s=talk_s if live else 30.0 + 30.0 * talk,
                wrap_up_s=_lognormal(wrap, rates.wrap_other_s, rates.wrap_sigma),
            )
        stage = rates.stage(command.segment)
        verified = verify < rates.verification_answers
        if verified and what < stage.promise / rates.verification_answers:
            in_full = share < rates.promise_in_full
            return Heard(
                call_id=command.call_id,
                speaker=speaker,
                intent=Intent.PROMISE,
                verification_answers=True,
                promise_share=1.0 if in_full else round(0.25 + 0.7 * _rest(share, rates), 2),
                promise_days=1 + int(days * stage.promise_horizon_days),
                talk_s=_lognormal(talk, rates.talk_promise_s, rates.talk_promise_sigma),
                wrap_up_s=_lognormal(wrap, rates.wrap_promise_s, rates.wrap_sigma),
            )
        intent = rates.other_intent(share)
        return Heard(
            call_id=command.call_id,
            speaker=speaker,
            intent=intent,
            verification_answers=verified,
            callback_min=15 * (1 + int(minutes * 96)) if intent is Intent.CALLBACK else None,
            talk_s=_lognormal(talk, rates.talk_right_s, rates.talk_right_sigma),
            wrap_up_s=_lognormal(wrap, rates.wrap_right_s, rates.wrap_sigma),
        )

    def _uniforms(self, label: str) -> tuple[float, ...]:
        """Eight numbers inside (0, 1) that depend on seed and label only."""
        digest = blake2b(label.encode(), key=self._key, digest_size=64).digest()
        return tuple([((word >> 12) + 0.5) * _UNIT for word in _WORDS.unpack(digest)])


_WORDS: Final = struct.Struct("<8Q")
_UNIT: Final = 2.0**-52
_INVERSE_NORMAL: Final = NormalDist().inv_cdf
_INTENT_OF_OTHERS: Final = {
    Speaker.WRONG_PARTY: Intent.WRONG_NUMBER,
    Speaker.THIRD_PARTY: Intent.TAKES_MESSAGE,
}
_DAY_HOURS: Final = (0.87, 1.03, 1.14, 1.10, 0.99, 1.06, 1.10, 1.06, 1.03, 0.92, 0.91, 0.92, 0.87)
"""Factor by local hour, 8 to 20 (domain page, section 9)."""


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def hour_factor(habit: DailyHabit, hour: int) -> float:
    """Factor on live answers at a local hour; hours before 8 and after 20 count as those."""
    hour = min(max(hour, 8), 20)
    if habit is DailyHabit.DAY:
        return _DAY_HOURS[hour - 8]
    if habit is DailyHabit.EVENING:
        return 0.86 + 0.028 * (hour - 8) if hour <= 18 else 1.14 - 0.045 * (hour - 18)
    return 1.0


def _owner(
    kind: float, whose: float, other: float, rates: WorldRates, stage: StageRates
) -> NumberOwner:
    if kind < rates.disconnected:
        return NumberOwner.DISCONNECTED
    if kind < rates.disconnected + (1.0 - rates.disconnected) * rates.fax:
        return NumberOwner.FAX
    if whose < stage.right_numbers:
        return NumberOwner.RIGHT_PARTY
    if other < rates.wrong_of_others:
        return NumberOwner.WRONG_PARTY
    return NumberOwner.THIRD_PARTY


def _amd(
    speaker: Speaker, error: float, took: float, rates: WorldRates
) -> tuple[AmdVerdict, float]:
    amd_s = rates.amd_from_s + (rates.amd_to_s - rates.amd_from_s) * took
    if speaker is Speaker.FAX:
        return AmdVerdict.FAX, amd_s
    if speaker is Speaker.MACHINE:
        fooled = error < rates.amd_false_human
        return (AmdVerdict.HUMAN if fooled else AmdVerdict.MACHINE), amd_s
    if error < rates.amd_false_machine:
        return AmdVerdict.MACHINE, amd_s
    if error < rates.amd_false_machine + rates.amd_unsure:
        return AmdVerdict.UNSURE, rates.amd_unsure_s
    return AmdVerdict.HUMAN, amd_s


def _refusal(
    progress_s: float, ringing_s: float, cause: HangupCause, provider_code: str
) -> DialPlan:
    return DialPlan(
        progress_s=progress_s,
        ringing_s=None,
        final_s=ringing_s,
        cause=cause,
        provider_code=provider_code,
    )


def _rest(draw: float, rates: WorldRates) -> float:
    """The part of a draw above `promise_in_full`, spread over 0 to 1."""
    return (draw - rates.promise_in_full) / (1.0 - rates.promise_in_full)


def _lognormal(draw: float, mean: float, sigma: float) -> float:
    """Lognormal of the given mean, from a uniform draw inside (0, 1)."""
    return mean * math.exp(sigma * _INVERSE_NORMAL(draw) - 0.5 * sigma * sigma)
