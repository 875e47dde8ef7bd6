"""Predictive pacing: as many calls as the abandonment budget lets the next one risk.

Learns three things from events (how likely and how late calls are answered, how long agents are
busy, how often they stay), forecasts answers against free agents with them, and places the
largest number of calls whose last one has a risk within the budget's tolerance.
"""

from __future__ import annotations

from math import sqrt
from operator import add, sub

import msgspec

from dialer.core.pacing import snapshots
from dialer.core.pacing.budget import AbandonmentBudget
from dialer.core.pacing.cold import ColdShapes
from dialer.core.pacing.hazards import DurationEstimator
from dialer.core.pacing.history import History
from dialer.core.pacing.jumps import room_for_jump
from dialer.core.pacing.learned import PredictiveSave
from dialer.core.pacing.messages import (
    Clamp,
    Decision,
    Estimates,
    Law,
    PacingConfig,
    PacingEvent,
    Snapshot,
)
from dialer.core.pacing.outlook import (
    Ringing,
    Risk,
    Scene,
    largest_within,
    weigh,
)
from dialer.core.pacing.pacer import checked, refusal
from dialer.core.pacing.priors import (
    detection_prior,
    pickup_prior,
    pickup_shapes,
    unanswered_prior,
)
from dialer.core.pacing.ramp import Ramp
from dialer.core.pacing.rates import (
    COLD_RATE,
    STEP_S,
    Cohorts,
    IdleLoss,
    LagDensity,
    RateEstimator,
    cumulative,
)
from dialer.core.pacing.saves import same_shape
from dialer.core.pacing.snapshots import Ages
from dialer.core.pacing.tables import HORIZONS_S, Shape, Tables
from dialer.core.pacing.tracker import Tracker

MAX_SEGMENTS = 12
"""Segments with their own answer rate; later ones share the last."""
OVERFLOW_SEGMENT = "\x00other"
STAYS_MEMORY = 20.0
"""Wrap-ups that the share of staying agents is averaged over."""
STAYS_AT_START = 0.97
MIN_STAYS_FOR_FLOOR = 0.5
SPENT_FLOOR_SHARE = 0.25
"""Share of the target that a call of the floor may risk where a window has used the target up.
More than nothing: at the hard limit nothing is tolerated, and agents who go on a break now and then
would keep the campaign from calling for anybody until the window has passed."""
ANSWER_S = 8.0
"""A call is answered after about so long: meanwhile its agent may be taken."""
AFTER_RING_TIMEOUT_S = 6
LOST_AFTER_RING_TIMEOUT_S = 20.0
"""Detection and waiting for an agent take no longer than this after the last ring."""
MAX_CATCH_UP_STEPS = 120
"""After a longer silence every dial has ended; the steps between teach nothing."""
ENDS_BEFORE_NEW_TABLES = 8
"""Until the first calls have rung out every second teaches: tables are made at once then."""


class PredictivePacer:
    """See the module. One instance a campaign."""

    def __init__(self, config: PacingConfig) -> None:
        self._config = checked(config)
        self._connect_limit_s = int(config.connect_limit_s)
        self._lags = int(config.ring_timeout_s) + AFTER_RING_TIMEOUT_S
        self._ring_out = int(config.ring_timeout_s) + 1
        self._tracker = Tracker(lost_after_s=config.ring_timeout_s + LOST_AFTER_RING_TIMEOUT_S)
        self._budget = AbandonmentBudget(config)
        self._segments: dict[str, Cohorts] = {}
        self._pickup = LagDensity(pickup_prior(self._lags, config.ring_timeout_s))
        self._unanswered = LagDensity(unanswered_prior(self._lags, config.ring_timeout_s))
        self._detection = LagDensity(detection_prior(config.amd))
        self._live = RateEstimator()
        self._machines_seen = config.amd
        self._talk = DurationEstimator(config.expected_talk_s)
        self._wrap_up = DurationEstimator(config.expected_wrap_up_s)
        self._stays = STAYS_AT_START
        self._rates: dict[str, tuple[float, float]] = {}
        """Of the running decision."""
        self._idle_loss = IdleLoss()
        self._step: int | None = None
        self._mature = False
        self._cold = ColdShapes(pickup_shapes(self._lags, config.ring_timeout_s))
        """Read only until the first calls have rung out."""
        self._delays = self._pickup.density()
        """When pickups come, by lag, as known before the events of the running step."""
        self._tables = Tables(self._shape([], []), self._connect_limit_s).complete()
        self._next: Tables | None = None
        self._ends_at_shape = 0
        self._ramp = Ramp()

    # --- learning -----------------------------------------------------------------------------

    def observe(self, event: PacingEvent) -> None:
        self._tracker.observe(event, self)

    def on_dial(self, segment: str) -> None:
        self._cohorts(segment).placed[0] += 1.0

    def on_pickup(self, segment: str, ring_s: float) -> None:
        lag = int(ring_s / STEP_S)
        self._cohorts(segment).pickup(lag)
        self._pickup.event(lag)

    def on_unanswered(self, segment: str, ring_s: float) -> None:
        self._unanswered.event(int(ring_s / STEP_S))

    def on_lost(self, segment: str) -> None:
        self._cohorts(segment).rate.event()

    def on_detected(self, live: bool, amd_s: float) -> None:
        if not live:
            self._machines_seen = True
        if self._machines_seen:
            if live:
                self._live.event()
            self._live.advance(1.0, 0.0)
            self._detection.event(int(amd_s / STEP_S))

    def on_answer(self) -> None:
        self._budget.on_answer()

    def on_abandonment(self) -> None:
        self._budget.on_abandonment()

    def on_found_machine(self) -> None:
        self._budget.on_found_machine()

    def on_talk(self, talk_s: float) -> None:
        self._talk.ended(talk_s)

    def on_wrap_up(self, wrap_up_s: float, stays: bool) -> None:
        self._wrap_up.ended(wrap_up_s)
        self._stays += ((1.0 if stays else 0.0) - self._stays) / STAYS_MEMORY

    def on_idle_off(self) -> None:
        self._idle_loss.event()

    def _cohorts(self, segment: str) -> Cohorts:
        cohorts = self._segments.get(segment)
        if cohorts is None:
            if len(self._segments) >= MAX_SEGMENTS:
                segment = OVERFLOW_SEGMENT
            cohorts = self._segments.setdefault(segment, Cohorts.empty(self._lags))
        return cohorts

    def _placed(self) -> list[float]:
        """Calls by age in steps, of all segments."""
        columns = zip(*(c.placed for c in self._segments.values()), strict=True)
        return [float(sum(column)) for column in columns]

    # --- deciding -----------------------------------------------------------------------------

    def decide(self, snapshot: Snapshot) -> Decision:
        tracker = self._tracker
        if not tracker.snapshot_at(snapshot.at_s, self):
            return refusal(snapshot, Law.PREDICTIVE, tracker.state.faults)
        ages = snapshots.read(snapshot, tracker)
        now_s = snapshot.at_s
        self._budget.start(ages.staffed)
        self._budget.advance(now_s)
        was_mature = self._mature
        self._advance(now_s, ages)
        self._renew_tables(ages, self._mature and not was_mature)
        self._rates.clear()
        scene = self._scene(ages, snapshot.upcoming)
        risk = weigh(scene, self._tables)
        tolerance = self._budget.tolerance()
        room = max(0, int(self._config.max_lines_per_agent * ages.staffed) - ages.ringing)
        next_call_risk = risk.of(1, tolerance)
        asked, most = 0, room
        if next_call_risk <= tolerance and ages.staffed:
            most = self._room_for_jump(room, scene, risk, ages)
            asked = largest_within(risk, tolerance, most)
        floor = self._floor(room, tolerance, ages, risk)
        clamp = self._clamp(asked, room, most, tolerance, ages)
        calls, clamp, cap_name = self._bounded(asked, clamp, floor, now_s, ages, snapshot)
        tracker.asked(now_s, calls)
        self._account(calls, asked, risk, next_call_risk, scene)
        return Decision(
            at_s=now_s,
            calls_to_place=calls,
            law=Law.PREDICTIVE,
            clamp=clamp,
            cap_name=cap_name,
            asked=asked,
            reason=self._reason(asked, tolerance, ages),
            estimates=self._estimates(scene, ages, risk, next_call_risk, tolerance),
            give_up=self._gives_up(ages, calls, next_call_risk > tolerance),
            faults=dict(tracker.state.faults),
        )

    def _clamp(self, asked: int, room: int, most: int, tolerance: float, ages: Ages) -> Clamp:
        """What bound the law itself, which was allowed `most` calls of the `room` on the lines."""
        if not ages.staffed:
            return Clamp.NONE  # nobody to dial for: no budget is used up
        if tolerance <= 0.0:
            return Clamp.BUDGET
        if not self._mature:
            return Clamp.COLD_START
        if asked == most < room:
            return Clamp.JUMP_RESERVE
        return Clamp.MAX_LINES if asked >= room and asked > 0 else Clamp.NONE

    def _bounded(
        self, asked: int, clamp: Clamp, floor: int, now_s: float, ages: Ages, snapshot: Snapshot
    ) -> tuple[int, Clamp, str]:
        """Ramp, floor and caps, in this order; the last that changed the number is named."""
        calls = asked
        ramp = self._ramp.limit(now_s)
        if not self._mature:
            ramp = self._ramp.cold_limit(now_s, ages.staffed)
        if ramp is not None and calls > max(0, ramp - ages.ringing):
            calls, clamp = max(0, ramp - ages.ringing), Clamp.RAMP
        if calls < floor:
            calls = floor
            if clamp not in (Clamp.BUDGET, Clamp.COLD_START):
                clamp = Clamp.PROGRESSIVE_FLOOR
        calls, cap, cap_name = snapshots.capped(calls, snapshot.caps)
        return calls, (clamp if cap is Clamp.NONE else cap), cap_name

    def _room_for_jump(self, room: int, scene: Scene, risk: Risk, ages: Ages) -> int:
        """How much of the room a jump of the answer rate that is not known yet leaves."""
        allowance = self._budget.left_in_half_hour()
        if allowance is None or not self._mature:
            return room
        answers, freed = risk.expected(HORIZONS_S.index(10))
        left = room_for_jump(
            rate=scene.new_rate,
            live_share=scene.live_share,
            placed=self._placed(),
            picked_by=cumulative(self._delays),
            spare_agents=ages.idle - ages.waiting + freed - answers,
            allowance=allowance,
        )
        return room if left is None else min(room, left)

    def _floor(self, room: int, tolerance: float, ages: Ages, risk: Risk) -> int:
        """Calls that have an agent each, who waits for them: one an idle agent.

        Where idle agents often go, or are taken by others, such a call has its risk too: it may be
        that of the target, and `SPENT_FLOOR_SHARE` of it once that much has been abandoned.
        """
        floor = max(0, min(room, ages.idle - ages.ringing - ages.waiting))
        if self._stays <= MIN_STAYS_FOR_FLOOR:
            return 0
        target = self._config.target_abandonment
        if self._idle_loss.per_s * ANSWER_S > target:
            spent = self._budget.windows.reached(target)
            enough = max(tolerance, target * (SPENT_FLOOR_SHARE if spent else 1.0))
            while floor and risk.of(floor, enough) > enough:
                floor -= 1
        return floor

    def _gives_up(self, ages: Ages, calls: int, is_risky: bool) -> bool:
        """Whether those who pick up after long ringing would find nobody."""
        wanted = self._config.give_up_after_s is not None and ages.staffed > 0
        return wanted and is_risky and calls == 0 and ages.idle <= ages.waiting

    def _account(self, calls: int, asked: int, risk: Risk, first_risk: float, scene: Scene) -> None:
        """Tell the budget what the calls about to be placed are expected to cost."""
        if calls <= 0 or not self._mature:
            return
        last_risk = risk.of(calls)
        if calls > asked:
            first_risk = min(first_risk, last_risk)
        answers = calls * scene.new_rate * scene.live_share
        self._budget.on_placed(answers, answers * (first_risk + last_risk) / 2.0)

    def _start_ramp(self, now_s: float, ages: Ages) -> None:
        self._ramp.start(now_s, max(ages.ringing, ages.staffed))

    def _advance(self, now_s: float, ages: Ages) -> None:
        """Account the whole steps since the last decision."""
        step = int(now_s // STEP_S)
        if self._step is None or step < self._step:
            if self._mature:
                # What was learned may be hours old: lines grow slowly until it has proved right.
                self._start_ramp(now_s, ages)
            self._step = step
        pending = min(step - self._step, MAX_CATCH_UP_STEPS)
        self._step = step
        if pending and not self._mature:
            self._cold.weigh(self._pickup.state.events, self._placed())
        for _ in range(pending):
            if ages.staffed:
                self._idle_loss.advance()
            ripens = not self._mature and any(
                c.placed[self._ring_out] for c in self._segments.values()
            )
            if ripens:
                self._mature_delays(now_s, ages)
            expected = [0.0] * self._lags
            placed = [0.0] * self._lags
            for cohorts in self._segments.values():
                rate = cohorts.rate.rate if self._mature else COLD_RATE
                placed = list(map(add, placed, cohorts.placed))
                expected = [x + rate * n for x, n in zip(expected, cohorts.placed, strict=True)]
                if ripens or not self._mature:
                    cohorts.age()
                elif cohorts.step(self._delays) != 0:
                    self._start_ramp(now_s, ages)
            self._pickup.expose(expected)
            self._unanswered.expose(list(map(sub, placed, expected)))
            # Only now, with the exposure that belongs to the pickups of this step.
            self._delays = self._pickup.density()

    def _mature_delays(self, now_s: float, ages: Ages) -> None:
        """When the first calls have rung out, how late pickups come is known: take it from there.

        Until then answers are taken to come late, so that those that have come stand for many
        more: calls that nobody *can* have picked up so soon look just like calls that nobody
        answers.
        """
        self._mature = True
        answered_by = cumulative(self._delays)[1:]
        for cohorts in self._segments.values():
            cohorts.begin(answered_by)
        self._start_ramp(now_s, ages)

    def _renew_tables(self, ages: Ages, ripe: bool) -> None:
        """`ripe`: delays have just become known."""
        if self._next is not None:
            self._next.stage()
            if self._next.finished:
                self._tables, self._next = self._next, None
            return
        ends = self._talk.state.count + self._wrap_up.state.count + self._pickup.state.count
        enough = max(ENDS_BEFORE_NEW_TABLES, min(ends // 20, 200))
        if ends - self._ends_at_shape < enough and not ripe:
            return
        self._ends_at_shape = ends
        shape = self._shape(ages.talking_s, ages.wrapping_s)
        tables = Tables(shape, self._connect_limit_s)
        if ripe or not self._mature:
            self._tables = tables.complete()
        else:
            self._next = tables

    def _shape(self, talking_s: list[float], wrapping_s: list[float]) -> Shape:
        return Shape(
            pickup=self._pickup.density() if self._mature else self._cold.density(),
            unanswered=self._unanswered.density(),
            detection=self._detection.density(),
            talk=self._talk.hazards(talking_s),
            wrap_up=self._wrap_up.hazards(wrapping_s),
        )

    def _scene(self, ages: Ages, upcoming: dict[str, float]) -> Scene:
        last = self._lags - 1
        ringing = []
        for segment, ages_s in ages.ringing_s.items():
            by_age = [0] * self._lags
            for age_s in ages_s:
                by_age[int(age_s) if age_s < last else last] += 1
            rate, deviation = self._rate(segment)
            ringing.append(Ringing(by_age, rate, deviation))
        new_rate, new_deviation = self._upcoming(upcoming)
        if ages.pending:
            by_age = [ages.pending] + [0] * last
            ringing.append(Ringing(by_age, new_rate, new_deviation))
        return Scene(
            idle=ages.idle,
            waiting=ages.waiting,
            talking_s=ages.talking_s,
            wrapping_s=ages.wrapping_s,
            ringing=ringing,
            in_amd_s=ages.in_amd_s,
            live_share=self._live_share(),
            stays=self._stays,
            new_rate=new_rate,
            new_relative_deviation=new_deviation,
            idle_loss_per_s=self._idle_loss.per_s,
        )

    def _rate(self, segment: str) -> tuple[float, float]:
        """Pickup rate of a segment and the relative standard error of live answers a dial."""
        known = self._rates.get(segment)
        if known is None:
            known = self._rates[segment] = self._rate_now(segment)
        return known

    def _rate_now(self, segment: str) -> tuple[float, float]:
        cohorts = self._segments.get(segment) or self._segments.get(OVERFLOW_SEGMENT)
        if not self._mature:
            cohorts = cohorts or Cohorts.empty(self._lags)
            rate, variance = self._cold.rate(cohorts.rate.state.open_events, cohorts.placed)
        else:
            estimator = cohorts.rate if cohorts else RateEstimator()
            rate, variance = estimator.wary_rate, estimator.relative_variance
        if self._machines_seen:
            variance += self._live.relative_variance
        return rate, sqrt(variance)

    def _live_share(self) -> float:
        return self._live.rate if self._machines_seen else 1.0

    def _upcoming(self, upcoming: dict[str, float]) -> tuple[float, float]:
        """Pickup rate of the next contacts and its relative standard error."""
        shares = {s: w for s, w in upcoming.items() if 0.0 < w < float("inf")} or {"": 1.0}
        total = sum(shares.values())
        rate = deviation = 0.0
        for segment, share in shares.items():
            segment_rate, segment_deviation = self._rate(segment)
            part = share / total * segment_rate
            rate += part
            deviation += part * segment_deviation
        return rate, deviation / rate

    def _estimates(
        self, scene: Scene, ages: Ages, risk: Risk, next_call_risk: float, tolerance: float
    ) -> Estimates:
        answers, freed = risk.expected(HORIZONS_S.index(10))
        shares = self._budget.windows.shares()
        return Estimates(
            idle=ages.idle,
            ringing=ages.ringing,
            waiting=ages.waiting,
            staffed=ages.staffed,
            pickup_rate=scene.new_rate,
            live_share=scene.live_share,
            pickup_rate_by_segment={s: self._rate(s)[0] for s in self._segments},
            stays=self._stays,
            talk_mean_s=self._talk.mean_s(sum(ages.talking_s)),
            wrap_up_mean_s=self._wrap_up.mean_s(sum(ages.wrapping_s)),
            answers_10s=answers,
            freed_10s=freed,
            next_call_risk=next_call_risk,
            tolerance=tolerance,
            abandonment_30min=shares["30min"],
            abandonment_24h=shares["24h"],
            abandonment_30d=shares["30d"],
        )

    def _reason(self, asked: int, tolerance: float, ages: Ages) -> str:
        if not ages.staffed:
            return "no agent is logged in"
        if tolerance <= 0.0:
            return "an abandonment window is used up: one call an idle agent"
        if not self._mature:
            return f"{asked} more are safe though ring delays are not known yet"
        return (
            f"{asked} more keep the last one's risk within {tolerance:.4f} "
            f"({ages.idle} idle, {ages.ringing} ringing, {ages.waiting} waiting)"
        )

    # --- save and restore ---------------------------------------------------------------------

    def save(self) -> bytes:
        return msgspec.json.encode(
            PredictiveSave(
                tracker=self._tracker.state,
                budget=self._budget.state,
                segments={s: c.state() for s, c in self._segments.items()},
                pickup=self._pickup.state,
                unanswered=self._unanswered.state,
                detection=self._detection.state,
                live=self._live.state,
                machines_seen=self._machines_seen,
                talk=self._talk.state,
                wrap_up=self._wrap_up.state,
                stays=self._stays,
                step=self._step,
                mature=self._mature,
                delays=self._delays,
                shape=self._tables.shape,
                next_shape=self._next.shape if self._next else None,
                stages_done=self._next.stages_done if self._next else 0,
                ends_at_shape=self._ends_at_shape,
                ramp=self._ramp.state,
                idle_loss=self._idle_loss.state,
                cold_weights=self._cold.weights,
            )
        )

    def restore(self, saved: bytes) -> None:
        state = msgspec.json.decode(saved, type=PredictiveSave)
        if len(state.shape.pickup) != self._lags:
            raise ValueError("saved with another ring_timeout_s; start the pacer afresh")
        self._check_shape(state)
        self._tracker = Tracker(
            state.tracker, self._config.ring_timeout_s + LOST_AFTER_RING_TIMEOUT_S
        )
        self._budget = AbandonmentBudget(self._config, state.budget)
        self._segments = {s: Cohorts(c) for s, c in state.segments.items()}
        self._pickup.state = state.pickup
        self._unanswered.state = state.unanswered
        self._detection.state = state.detection
        self._live.state = state.live
        self._machines_seen = state.machines_seen
        self._talk.state = state.talk
        self._wrap_up.state = state.wrap_up
        self._stays = state.stays
        self._step = state.step
        self._mature = state.mature
        self._cold.weights = state.cold_weights
        self._delays = state.delays
        self._tables = Tables(state.shape, self._connect_limit_s).complete()
        self._next = None
        if state.next_shape is not None:
            self._next = Tables(state.next_shape, self._connect_limit_s)
            for _ in range(state.stages_done):
                self._next.stage()
        self._ends_at_shape = state.ends_at_shape
        self._ramp.state = state.ramp
        self._idle_loss.state = state.idle_loss

    def _check_shape(self, state: PredictiveSave) -> None:
        """Raises `ValueError` where a list is not as long as this release would make it."""
        pairs: list[tuple[object, object]] = [
            (state.pickup, self._pickup.state),
            (state.unanswered, self._unanswered.state),
            (state.detection, self._detection.state),
            (state.talk, self._talk.state),
            (state.wrap_up, self._wrap_up.state),
            (state.delays, self._delays),
            (state.cold_weights, self._cold.weights),
            (state.shape, self._tables.shape),
            (state.budget.windows, self._budget.state.windows),
        ]
        empty = Cohorts.empty(self._lags).state()
        pairs += [(cohorts, empty) for cohorts in state.segments.values()]
        pairs += [(state.next_shape, self._tables.shape)] if state.next_shape is not None else []
        if not all(same_shape(saved, own) for saved, own in pairs):
            raise ValueError("saved by another release; start the pacer afresh")

    def resume(self, history: History) -> None:
        self._tracker.resume()
        self._budget.recall(history)
        for cohorts in self._segments.values():
            # Their pickups will not be heard of, so they must not be waited for.
            cohorts.forget_dials()
            if not self._mature:
                cohorts.rate.state.open_events = 0
        self._step = None
        self._ramp.forget()
