"""What a predictive pacer has learned, as it is saved: its fields are the pacer's."""

from __future__ import annotations

import msgspec

from dialer.core.pacing.budget import BudgetState
from dialer.core.pacing.hazards import DurationState
from dialer.core.pacing.ramp import RampState
from dialer.core.pacing.rates import CohortState, IdleLossState, LagState, RateState
from dialer.core.pacing.tables import Shape
from dialer.core.pacing.tracker import TrackerState


class PredictiveSave(msgspec.Struct, tag="predictive"):
    tracker: TrackerState
    budget: BudgetState
    segments: dict[str, CohortState]
    pickup: LagState
    unanswered: LagState
    detection: LagState
    live: RateState
    machines_seen: bool
    talk: DurationState
    wrap_up: DurationState
    stays: float
    step: int | None
    mature: bool
    delays: list[float]
    shape: Shape
    next_shape: Shape | None
    stages_done: int
    ends_at_shape: int
    ramp: RampState
    idle_loss: IdleLossState = msgspec.field(default_factory=IdleLossState)
    cold_weights: list[float] = []
