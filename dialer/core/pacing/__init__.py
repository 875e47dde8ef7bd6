"""Pacing: how many calls to place now. Pure; see `Pacer` for the door and `make_pacer` to begin."""

from dialer.core.pacing.history import History, Spell
from dialer.core.pacing.lines import LinesPacer
from dialer.core.pacing.messages import (
    Abandoned,
    AgentOff,
    AgentOn,
    Clamp,
    Connected,
    Decision,
    DialPlaced,
    Estimates,
    Failed,
    FaultKind,
    FoundMachine,
    Law,
    LiveAnswer,
    MachineDetected,
    NoAnswer,
    PacingConfig,
    PacingEvent,
    Pickup,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
)
from dialer.core.pacing.pacer import Decider, Pacer, RatioPacer, checked
from dialer.core.pacing.predictive import PredictivePacer


def make_pacer(config: PacingConfig) -> Pacer:
    """The pacer for a configuration. Raises `ValueError`, naming the field, on a bad one."""
    checked(config)
    match config.law:
        case Law.PREDICTIVE:
            return PredictivePacer(config)
        case Law.FIXED_RATIO:
            return RatioPacer(
                config.law,
                config.lines_per_idle_agent,
                config.hard_limit,
                config.target_abandonment,
            )
        case Law.LINES:
            return LinesPacer(config)
        case Law.PROGRESSIVE:
            return RatioPacer(config.law, target=config.target_abandonment)
        case Law.PREVIEW:
            return RatioPacer(config.law)


__all__ = [
    "Abandoned",
    "AgentOff",
    "AgentOn",
    "Clamp",
    "Connected",
    "Decider",
    "Decision",
    "DialPlaced",
    "Estimates",
    "Failed",
    "FaultKind",
    "FoundMachine",
    "History",
    "Law",
    "LiveAnswer",
    "MachineDetected",
    "NoAnswer",
    "Pacer",
    "PacingConfig",
    "PacingEvent",
    "Pickup",
    "PredictivePacer",
    "RatioPacer",
    "Snapshot",
    "Spell",
    "TalkEnded",
    "WrapUpEnded",
    "make_pacer",
]
