"""Shifts and pauses on the floor."""

from __future__ import annotations

from dialer.simulation.floor import Floor
from dialer.simulation.twin.definition import ShiftSpec, TwinDefinition, minute_of


class ShiftRota:
    """Agents who come, pause and go as a definition's shifts say.

    Whoever is in a call when a pause is due goes after its wrap-up, and still has the whole pause.
    """

    def __init__(self, definition: TwinDefinition) -> None:
        self._definition = definition
        self.agents = tuple(
            f"s{number}a{place}"
            for number, shift in enumerate(definition.shifts)
            for place in range(shift.agents)
        )
        self._pause_s: dict[str, float] = {}
        """Agents whose pause is due or on, and how long it is."""

    def begin(self, floor: Floor) -> None:
        opens = self._definition.opens
        for number, shift in enumerate(self._definition.shifts):
            for place in range(shift.agents):
                self._roster(floor, f"s{number}a{place}", shift, place, opens)

    def _roster(self, floor: Floor, agent: str, shift: ShiftSpec, place: int, opens: int) -> None:
        clock = floor.clock
        clock.at(60.0 * (minute_of(shift.start) - opens), floor.come, agent)
        end_s = 60.0 * (minute_of(shift.end) - opens)
        for pause in shift.pauses:
            group = place * pause.groups // shift.agents
            at_s = 60.0 * (minute_of(pause.at) - opens + group * pause.minutes)
            if at_s < end_s:
                clock.at(at_s, self._pause, floor, agent, 60.0 * pause.minutes)
        clock.at(end_s, self._go, floor, agent)

    def _pause(self, floor: Floor, agent: str, pause_s: float) -> None:
        if floor.is_here(agent):
            self._pause_s[agent] = pause_s
            floor.leave(agent)

    def _go(self, floor: Floor, agent: str) -> None:
        self._pause_s.pop(agent, None)
        floor.leave(agent)

    def came(self, floor: Floor, agent: str) -> None:
        return None

    def left(self, floor: Floor, agent: str) -> None:
        if agent in self._pause_s:
            floor.clock.at(floor.clock.now_s + self._pause_s[agent], self._back, floor, agent)

    def _back(self, floor: Floor, agent: str) -> None:
        if self._pause_s.pop(agent, None) is not None:
            floor.come(agent)
