"""The pacer under a small simulator of one's own: `python docs/examples/drive_pacer.py`.

Whoever has a dialer, or a simulator, of their own gives the pacer three things: events, in the
order of time; a snapshot of the present, once a second or so; and calls, as the decision says.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

from dialer.core.pacing import (
    Abandoned,
    AgentOn,
    Connected,
    DialPlaced,
    Law,
    LiveAnswer,
    NoAnswer,
    PacingConfig,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
    make_pacer,
)

ANSWER_RATE, RING_S, TALK_S, WRAP_UP_S, CONNECT_LIMIT_S = 0.25, 25.0, 120.0, 20.0, 2.0


class CallCentre:
    """Agents and calls of one campaign. Each dictionary holds who is in a state, since when."""

    def __init__(self, law: Law, agents: int, seed: int) -> None:
        self.pacer = make_pacer(PacingConfig(law=law, ring_timeout_s=RING_S))
        self.chance = Random(seed)
        self.now_s, self.agents = 0.0, agents
        self.ringing: dict[str, float] = {}
        self.waiting: dict[str, float] = {}
        self.idle = {f"agent-{n}": 0.0 for n in range(agents)}
        self.talking: dict[str, float] = {}
        self.wrapping: dict[str, float] = {}
        self.dialed = self.answered = self.abandoned = 0
        self.busy_s = 0.0
        self.agenda: list[tuple[float, float, Callable[[str], None], str]] = []

    def run(self, hours: float) -> None:
        for agent in self.idle:
            self.pacer.observe(AgentOn(at_s=0.0, agent_id=agent))
        self.later(0.0, self.tick, "")
        while self.agenda[0][0] < 3600.0 * hours:
            self.now_s, _, happens, who = heappop(self.agenda)
            happens(who)

    def later(self, in_s: float, happens: Callable[[str], None], who: str) -> None:
        heappush(self.agenda, (self.now_s + in_s, self.chance.random(), happens, who))

    def tick(self, _: str) -> None:
        present = Snapshot(
            at_s=self.now_s,
            staffed=self.agents,
            idle_since_s=tuple(self.idle.values()),
            talking_since_s=tuple(self.talking.values()),
            wrapping_since_s=tuple(self.wrapping.values()),
            ringing_since_s={"": tuple(self.ringing.values())},
            waiting_since_s=tuple(self.waiting.values()),
            settled=True,  # whatever was asked for has been placed, and told of
        )
        for _n in range(self.pacer.decide(present).calls_to_place):
            self.dial()
        self.later(1.0, self.tick, "")

    def dial(self) -> None:
        self.dialed += 1
        call = f"call-{self.dialed}"
        self.ringing[call] = self.now_s
        self.pacer.observe(DialPlaced(at_s=self.now_s, call_id=call))
        ring_s = 3.0 + self.chance.expovariate(1 / 5.0)
        if self.chance.random() < ANSWER_RATE and ring_s < RING_S:
            self.later(ring_s, self.answers, call)
        else:
            self.later(RING_S, self.rings_out, call)

    def rings_out(self, call: str) -> None:
        del self.ringing[call]
        self.pacer.observe(NoAnswer(at_s=self.now_s, call_id=call))

    def answers(self, call: str) -> None:
        del self.ringing[call]
        self.answered += 1
        self.pacer.observe(LiveAnswer(at_s=self.now_s, call_id=call))
        self.waiting[call] = self.now_s
        self.connect()
        self.later(CONNECT_LIMIT_S, self.gives_up, call)

    def gives_up(self, call: str) -> None:
        if self.waiting.pop(call, None) is not None:
            self.abandoned += 1
            self.pacer.observe(Abandoned(at_s=self.now_s, call_id=call))

    def connect(self) -> None:
        """Whoever waits longest gets whoever is idle longest."""
        if not self.waiting or not self.idle:
            return
        call, agent = next(iter(self.waiting)), next(iter(self.idle))
        del self.waiting[call], self.idle[agent]
        self.talking[agent] = self.now_s
        self.pacer.observe(Connected(at_s=self.now_s, call_id=call, agent_id=agent))
        self.later(self.chance.expovariate(1 / TALK_S), self.hangs_up, agent)

    def hangs_up(self, agent: str) -> None:
        talk_s = self.now_s - self.talking.pop(agent)
        self.busy_s += talk_s
        self.wrapping[agent] = self.now_s
        self.pacer.observe(TalkEnded(at_s=self.now_s, agent_id=agent, talk_s=talk_s))
        self.later(self.chance.expovariate(1 / WRAP_UP_S), self.is_ready, agent)

    def is_ready(self, agent: str) -> None:
        wrap_up_s = self.now_s - self.wrapping.pop(agent)
        self.busy_s += wrap_up_s
        self.idle[agent] = self.now_s
        self.pacer.observe(WrapUpEnded(at_s=self.now_s, agent_id=agent, wrap_up_s=wrap_up_s))
        self.connect()

    @property
    def occupancy(self) -> float:
        """Of the talks and wrap-ups that are over."""
        return self.busy_s / (self.agents * self.now_s)

    @property
    def abandoned_share(self) -> float:
        return self.abandoned / max(1, self.answered)


if __name__ == "__main__":
    for law in (Law.PROGRESSIVE, Law.PREDICTIVE):
        centre = CallCentre(law, agents=30, seed=1)
        centre.run(hours=4.0)
        print(f"{law:12} occupied {centre.occupancy:.1%}, abandoned {centre.abandoned_share:.2%}")
