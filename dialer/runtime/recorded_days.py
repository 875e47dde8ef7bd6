"""A campaign's day out of the ledger, and the same day lived again by the twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.campaign import (
    CampaignSettings,
    CampaignSettingsError,
    changed_settings,
)
from compliance.messages import Message
from compliance.types import CampaignId
from dialer.core.pacing import Decision
from dialer.core.pacing.laws import paces_agents
from dialer.core.records import to_ms
from dialer.simulation.floor import Ending
from dialer.simulation.tally import MINUTE_S, Minute, share, worst_window
from dialer.simulation.twin.recorded import (
    Changes,
    RecordedDay,
    RecordedDial,
    TeamAt,
    replay_day,
    staffed_s,
    team_at,
)
from dialer.simulation.twin.results import Pooled, TwinResult, pooled, worst_day
from dialer.stores.ledger.campaigns import Campaign
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.pacing_reads import PacingReader
from dialer.stores.ledger.worked import WorkedAttempt, last_worked_ms, worked_attempts

SILENT_S: Final = 60.0
"""Decisions farther apart than that: nobody drove the campaign, and nobody is known to be there."""
TAIL_S: Final = 60.0
"""The day ends so long after the last dial or decision."""

Note = tuple[str, str]


class Recorded(Message, frozen=True, kw_only=True):
    """What the ledger says of a day. Shares are of 1."""

    staffed_h: float
    """As the pacing decisions saw it."""
    occupancy: float
    """Talk and wrap-up of the attempts / staffed time."""
    occupancy_seen: float
    """Agents that were not idle / staffed, as the pacing decisions saw it."""
    idle_wait_mean_s: float
    """(Staffed - busy) / conversations: the waits themselves are not recorded."""
    dials: int
    answered: int
    abandoned: int
    abandoned_share: float
    worst_30min: float | None
    worst_24h: float
    contacts: int
    right_party: int
    promises: int
    timeline: tuple[Minute, ...]


class ReplayedDay(Message, frozen=True, kw_only=True):
    """A day as it was, as the twin lives it, and as it would have been."""

    campaign: str
    day: date
    timezone: str
    opens: int
    """Minute of the local day at which the record begins."""
    settings: CampaignSettings
    changed: CampaignSettings
    agents: int
    """Agents more or fewer in the changed day."""
    seeds: tuple[int, ...]
    recorded: Recorded
    same: Pooled
    other: Pooled
    same_day: TwinResult
    """Of the first seed."""
    other_day: TwinResult
    notes: tuple[Note, ...]


async def read_day(
    ledger: Ledger, campaign: Campaign, day: date | None
) -> tuple[date, datetime, RecordedDay]:
    """The day (None: the last one that was dialed), its first instant and what is on record.

    Raises `LookupError` where the ledger holds nothing of it.
    """
    mode = campaign.settings.mode
    if not paces_agents(mode):
        raise LookupError(
            f"campaign {campaign.name!r} is of mode {mode.value}, whose days cannot be replayed; "
            "choose a predictive or progressive one"
        )
    zone = ZoneInfo(campaign.settings.timezone)
    if day is None:
        last_ms = await last_worked_ms(ledger, campaign.campaign_id)
        if last_ms is None:
            raise LookupError(f"campaign {campaign.name!r} has never dialed: nothing to replay")
        day = datetime.fromtimestamp(last_ms / 1000, UTC).astimezone(zone).date()
    midnight = datetime.combine(day, time(), zone).astimezone(UTC)
    after = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    attempts = await worked_attempts(ledger, campaign.campaign_id, to_ms(midnight), to_ms(after))
    decisions = await _decisions(ledger, campaign.campaign_id, to_ms(midnight), to_ms(after))
    if not attempts or not decisions:
        missing = "attempts" if not attempts else "pacing decisions (they are kept for 35 days)"
        raise LookupError(f"of {campaign.name!r} on {day} there are no {missing}: choose --day")
    first_s = min(attempts[0].planned_ms / 1000, decisions[0].at_s)
    first_s -= first_s % MINUTE_S
    last_s = max(attempts[-1].planned_ms / 1000, decisions[-1].at_s) + TAIL_S
    recorded = RecordedDay(
        duration_s=last_s - first_s,
        dials=tuple(_dial(a, first_s) for a in attempts),
        team=_team(decisions, first_s, last_s),
    )
    return day, datetime.fromtimestamp(first_s, UTC), recorded


async def _decisions(
    ledger: Ledger, campaign_id: CampaignId, from_ms: int, to_ms_: int
) -> list[Decision]:
    found: list[Decision] = []
    async for page in PacingReader(ledger).decisions(campaign_id, from_ms, to_ms_):
        found += [logged.decision for logged in page]
    return found


def _dial(attempt: WorkedAttempt, first_s: float) -> RecordedDial:
    ending = Ending.RANG_OUT
    if attempt.is_live:
        ending = Ending.PERSON
    elif attempt.is_machine:
        ending = Ending.MACHINE if attempt.talk_ms is None else Ending.UNHEARD_MACHINE
    elif attempt.failed:
        ending = Ending.FAILED
    after_ms = attempt.answered_after_ms
    return RecordedDial(
        at_s=attempt.planned_ms / 1000 - first_s,
        ending=ending,
        after_s=max(0.05, after_ms / 1000),
        segment=attempt.bucket,
        talk_s=None if attempt.talk_ms is None else max(0.05, attempt.talk_ms / 1000),
        wrap_up_s=None if attempt.wrap_ms is None else max(0.05, attempt.wrap_ms / 1000),
        abandoned=attempt.is_abandoned,
        right_party=attempt.is_right_party,
        promise=attempt.is_promise,
    )


def _team(decisions: Sequence[Decision], first_s: float, last_s: float) -> tuple[TeamAt, ...]:
    """The team step by step; nobody where the campaign was not driven."""
    team: list[TeamAt] = []
    ends = [*(d.at_s for d in decisions[1:]), last_s]
    for decision, next_s in zip(decisions, ends, strict=True):
        seen = decision.estimates
        at_s = max(0.0, decision.at_s - first_s)
        team.append(
            TeamAt(
                at_s=at_s,
                staffed=seen.staffed,
                idle=seen.idle,
                supply_bound=decision.cap_name == "supply",
            )
        )
        if next_s - decision.at_s > SILENT_S:
            team.append(TeamAt(at_s=at_s + SILENT_S, staffed=0))
    return tuple(team)


def recorded_figures(day: RecordedDay) -> Recorded:
    """What the record itself comes to."""
    minutes = int(-(-day.duration_s // MINUTE_S))
    dials, answered, abandoned = ([0] * minutes for _ in range(3))
    busy_s, ringing_s = [0.0] * minutes, [0.0] * minutes
    talks = 0
    for dial in day.dials:
        dials[_minute(dial.at_s, minutes)] += 1
        _spread(ringing_s, dial.at_s, dial.at_s + dial.after_s)
        if dial.ending is Ending.PERSON:
            answered[_minute(dial.at_s + dial.after_s, minutes)] += 1
            abandoned[_minute(dial.at_s + dial.after_s, minutes)] += dial.abandoned
        if dial.talk_s is not None:
            talks += 1
            start_s = dial.at_s + dial.after_s
            _spread(busy_s, start_s, start_s + dial.talk_s + (dial.wrap_up_s or 0.0))
    there_s, seen_busy_s = staffed_s(day.team, day.duration_s)
    staffed = [team_at(day.team, (i + 0.5) * MINUTE_S) for i in range(minutes)]
    people = [d for d in day.dials if d.ending is Ending.PERSON]
    lost = sum(abandoned)
    return Recorded(
        staffed_h=there_s / 3600.0,
        occupancy=share(sum(busy_s), there_s),
        occupancy_seen=share(seen_busy_s, there_s),
        idle_wait_mean_s=share(max(0.0, there_s - sum(busy_s)), talks),
        dials=len(day.dials),
        answered=len(people),
        abandoned=lost,
        abandoned_share=share(lost, len(people)),
        worst_30min=worst_window(answered, abandoned),
        worst_24h=worst_day(answered, abandoned),
        contacts=len(people) - lost,
        right_party=sum(d.right_party for d in people),
        promises=sum(d.promise for d in people),
        timeline=tuple(
            Minute(
                at_s=i * MINUTE_S,
                staffed=staffed[i],
                ringing=round(ringing_s[i] / MINUTE_S),
                dials=dials[i],
                answered=answered[i],
                abandoned=abandoned[i],
                occupancy=min(1.0, share(busy_s[i], staffed[i] * MINUTE_S)),
            )
            for i in range(minutes)
        ),
    )


def replayed(
    campaign: Campaign,
    day: date,
    began: datetime,
    recorded: RecordedDay,
    changed: CampaignSettings,
    agents: int,
    seeds: Sequence[int],
    on_progress: Callable[[float], None] | None = None,
) -> ReplayedDay:
    """The day with the campaign's settings and with the changed ones, on the same seeds."""
    settings = campaign.settings
    sides: list[list[TwinResult]] = []
    done_s = 0.0
    for changes in (Changes(settings=settings), Changes(settings=changed, agents=agents)):
        results = []
        for seed in seeds:
            start_s = done_s

            def tell(now_s: float, start_s: float = start_s) -> None:
                if on_progress is not None:
                    on_progress(start_s + now_s)

            results.append(replay_day(recorded, changes, seed, tell))
            done_s += recorded.duration_s
        sides.append(results)
    local = began.astimezone(ZoneInfo(settings.timezone))
    return ReplayedDay(
        campaign=campaign.name,
        day=day,
        timezone=settings.timezone,
        opens=60 * local.hour + local.minute,
        settings=settings,
        changed=changed,
        agents=agents,
        seeds=tuple(seeds),
        recorded=recorded_figures(recorded),
        same=pooled(sides[0]),
        other=pooled(sides[1]),
        same_day=sides[0][0],
        other_day=sides[1][0],
        notes=_notes(campaign, recorded),
    )


def _notes(campaign: Campaign, day: RecordedDay) -> tuple[Note, ...]:
    notes: list[Note] = [
        (
            "El libro no guarda los estados de cada agente: el equipo es el que vieron las "
            "decisiones de ritmo (al menos una cada 15 s), y la espera media es tiempo libre entre "
            "conversaciones.",
            "The ledger does not hold each agent's states: the team is what the pacing decisions "
            "saw (one in 15 s at the least), and the mean wait is idle time over conversations.",
        ),
        (
            "Cada marcación del gemelo encuentra el siguiente intento grabado de la misma media "
            "hora; cuando se acaban, se repiten al azar.",
            "Each dial of the twin meets the next recorded attempt of the same half hour; once "
            "there are no more, they are drawn again.",
        ),
        (
            "El gemelo empieza sin nada aprendido y con los ajustes que la campaña tiene hoy.",
            "The twin begins with nothing learned, and with the settings that the campaign has "
            "today.",
        ),
    ]
    if any(seen.supply_bound for seen in day.team):
        notes.append(
            (
                "En las medias horas en que faltaron cuentas no se marca más que lo grabado.",
                "In half hours that ran out of accounts no more is dialed than was recorded.",
            )
        )
    if not campaign.settings.amd and any(d.ending is Ending.MACHINE for d in day.dials):
        notes.append(
            (
                "Hay contestadores que ningún agente oyó: aquel día la detección estaba encendida.",
                "There are machines that no agent heard: detection was on that day.",
            )
        )
    return tuple(notes)


def settings_to_replay(settings: CampaignSettings, changes: dict[str, object]) -> CampaignSettings:
    """The settings with changes. Raises `CampaignSettingsError` with the key."""
    changed = changed_settings(settings, changes)
    if "mode" in changes and not paces_agents(changed.mode):
        raise CampaignSettingsError(
            "mode", f"must be predictive or progressive in a replay, not {changed.mode.value}"
        )
    return changed


def _minute(at_s: float, minutes: int) -> int:
    return min(max(0, int(at_s // MINUTE_S)), minutes - 1)


def _spread(buckets: list[float], from_s: float, to_s: float) -> None:
    """Add a stretch of time to the minutes it lies in."""
    to_s = min(to_s, len(buckets) * MINUTE_S)
    while from_s < to_s:
        minute = int(from_s // MINUTE_S)
        until_s = min(to_s, (minute + 1) * MINUTE_S)
        buckets[minute] += until_s - from_s
        from_s = until_s
