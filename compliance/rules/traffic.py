"""Rules about the dialer's calls as a whole: abandonment, short calls, volume."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from compliance.context import Context
from compliance.messages import AbandonmentStat, Finding, StatScope, TrafficStat
from compliance.remembered import Remembered
from compliance.rules.base import PackRule, ParamError, Rule
from compliance.rules.conduct import not_known
from compliance.rules.counting import WindowBounds
from compliance.schema import WindowUnit
from compliance.schema_conduct import (
    AbandonmentLimitParams,
    Denominator,
    TrafficShapeParams,
    window_s,
)
from compliance.types import Outcome

_PASSES_MOST: Final = 1_000
PER_MYRIAD = 10_000
"""Shares in findings are whole numbers: parts of ten thousand."""


def _check_stop(limit: float | None, stop_at: float | None) -> None:
    if stop_at is not None and (limit is None or stop_at > limit):
        raise ParamError("stop_at", stop_at, f"is not below a limit ({limit})", "lower it")


def _share(part: int, whole: int) -> int:
    return round(part / whole * PER_MYRIAD) if whole else PER_MYRIAD if part else 0


class AbandonmentLimit(PackRule[AbandonmentLimitParams]):
    """No more automatic calls while too many were abandoned (16 CFR 310.4(b)(4)(i); Ofcom)."""

    params_type = AbandonmentLimitParams

    def prepare(self) -> None:
        self.window_s = window_s(self.params.window)
        _check_stop(self.params.max_rate, self.params.stop_at)
        self.threshold = self.params.stop_at or self.params.max_rate
        self._passes = Remembered[tuple[int, int], Finding](_PASSES_MOST)

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        stat = self._stat(ctx)
        whole = None if stat is None else self._whole(stat)
        if stat is None or whole is None:
            return not_known(
                self,
                self.params.if_unknown,
                "abandonment_not_known",
                releasing_event="abandonment_known",
                detail={"window_s": self.window_s},
            )
        whole = max(whole, self.params.min_answered)
        resets = stat.resets_at
        if not self._is_over(stat.abandoned, whole) or (resets is not None and resets <= at):
            return self._pass(stat.abandoned, whole)
        return self.stop(
            "abandonment_limit",
            first_ok=resets,
            releasing_event="abandonment_fell",
            counter=_share(stat.abandoned, whole),
            limit=round(self.threshold * PER_MYRIAD),
            window_end=resets,
            detail={"abandoned": stat.abandoned, "of": whole, "window_s": self.window_s},
        )

    def _is_over(self, abandoned: int, whole: int) -> bool:
        """The limit itself is lawful; the house's own bound below it stops when reached."""
        stop_at = self.params.stop_at
        if abandoned > self.params.max_rate * whole:
            return True
        return stop_at is not None and abandoned > 0 and abandoned >= stop_at * whole

    def _pass(self, abandoned: int, whole: int) -> Finding:
        """The pass with its figures: the record shows how near the limit was."""
        found = self._passes.get((abandoned, whole))
        if found is not None:
            return found
        finding = msgspec.structs.replace(
            self.passed,
            outcome=Outcome.PASS,
            counter=_share(abandoned, whole),
            limit=round(self.threshold * PER_MYRIAD),
            detail={"abandoned": abandoned, "of": whole, "window_s": self.window_s},
        )
        return self._passes.keep((abandoned, whole), finding)

    def _stat(self, ctx: Context) -> AbandonmentStat | None:
        for stat in ctx.facts.abandonment:
            if stat.window_s == self.window_s and stat.scope is self.params.scope:
                return stat
        return None

    def _whole(self, stat: AbandonmentStat) -> int | None:
        match self.params.denominator:
            case Denominator.LIVE_ANSWERED:
                return stat.live_answered
            case Denominator.PLACED:
                return stat.placed
            case Denominator.PASSED_OR_ABANDONED:
                passed = stat.passed_to_agent
                return None if passed is None else passed + stat.abandoned


def abandonment_windows_s(rules: Iterable[Rule]) -> tuple[int, ...]:
    """Lengths, in seconds, of the windows over which these rules judge a campaign."""
    return tuple(
        sorted(
            {
                rule.window_s
                for rule in rules
                if isinstance(rule, AbandonmentLimit) and rule.params.scope is StatScope.CAMPAIGN
            }
        )
    )


class TrafficShape(PackRule[TrafficShapeParams]):
    """Bounds on short calls, and authentication above a volume (Anatel)."""

    params_type = TrafficShapeParams

    def prepare(self) -> None:
        params = self.params
        if (params.short_s is None) != (params.max_short_share is None):
            raise ParamError(
                "short_s", params.short_s, "goes with max_short_share", "give both or neither"
            )
        if params.short_s is None and not params.attestation:
            raise ParamError(
                "max_short_share", None, "nothing is asked for", "give it, or attestation"
            )
        self.window_s = window_s(params.window)
        _check_stop(params.max_short_share, params.stop_at)
        self.threshold = params.stop_at or params.max_short_share

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        params = self.params
        stat = self._stat(ctx)
        if stat is None:
            if params.short_s is None and ctx.request.attestation in params.attestation:
                return self.passed  # good for any volume
            return not_known(
                self,
                params.if_unknown,
                "traffic_not_known",
                releasing_event="traffic_known",
                detail={"window_s": self.window_s},
            )
        if stat.resets_at is not None and stat.resets_at <= at:
            return self.passed
        volume = stat.placed if params.short_s is None else stat.short
        if volume <= params.above:
            return self.passed
        if self.threshold is not None and stat.short >= self.threshold * stat.placed:
            return self.stop(
                "too_many_short_calls",
                first_ok=stat.resets_at,
                releasing_event="traffic_changed",
                counter=_share(stat.short, stat.placed),
                limit=round(self.threshold * PER_MYRIAD),
                window_end=stat.resets_at,
                detail={"short": stat.short, "of": stat.placed},
            )
        return self._attested(ctx, stat)

    def _attested(self, ctx: Context, stat: TrafficStat) -> Finding:
        wanted, given = self.params.attestation, ctx.request.attestation
        if not wanted or given in wanted:
            return self.passed
        detail: dict[str, str | int] = {"wanted": ",".join(wanted), "attestation": given or "?"}
        return self.stop(
            "attestation_too_weak",
            first_ok=stat.resets_at,
            releasing_event="sender_changed",
            counter=stat.placed,
            limit=self.params.above,
            detail=detail,
        )

    def _stat(self, ctx: Context) -> TrafficStat | None:
        short_s = self.params.short_s
        for stat in ctx.facts.traffic:
            same = stat.window_s == self.window_s and stat.scope is self.params.scope
            # Calls that are short by a wider measure are at least as many: the stricter figure.
            if same and (short_s is None or stat.short_s >= short_s):
                return stat
        return None


class TrafficWindow(NamedTuple):
    """A figure that rules about traffic ask for: over which span, and what is short."""

    window_s: int
    scope: StatScope
    short_s: int
    """The widest measure that any of the rules has; 0: none asks for short calls."""
    since: datetime
    resets_at: datetime | None


def traffic_windows(
    rules: Iterable[tuple[Rule, str | None]], at: datetime
) -> tuple[TrafficWindow, ...]:
    """The figures that rules ask for at an instant, one for each scope and length of window.

    Where several rules share one, it is the strictest: the longest span, the widest measure.

    Args:
        rules: each with its pack's zone, whose calendar days are counted; None: no day is known,
            and the same length up to the instant is taken, which holds any of them so far.
    """
    found: dict[tuple[int, StatScope], TrafficWindow] = {}
    for rule, zone in rules:
        if not isinstance(rule, TrafficShape):
            continue
        bounds, window = WindowBounds(rule.params.window), rule.params.window
        zones = bounds.zones.fixed or (() if zone is None else (zone,))
        anew = bool(zones) and window.n == 1 and window.unit in _CALENDAR
        wanted = TrafficWindow(
            rule.window_s,
            rule.params.scope,
            rule.params.short_s or 0,
            bounds.start(at, zones) if zones else at - timedelta(seconds=rule.window_s),
            bounds.leaves(at, zones) if anew else None,
        )
        key = (wanted.window_s, wanted.scope)
        found[key] = _stricter(found.get(key, wanted), wanted)
    return tuple(found[key] for key in sorted(found))


_CALENDAR: Final = (
    WindowUnit.CALENDAR_DAY,
    WindowUnit.CALENDAR_WEEK,
    WindowUnit.CALENDAR_MONTH,
)


def _stricter(one: TrafficWindow, other: TrafficWindow) -> TrafficWindow:
    ends = (one.resets_at, other.resets_at)
    return one._replace(
        short_s=max(one.short_s, other.short_s),
        since=min(one.since, other.since),
        resets_at=None if None in ends else max(end for end in ends if end is not None),
    )
