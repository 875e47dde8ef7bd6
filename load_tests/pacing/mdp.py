"""The best that any policy can do, where that can be solved: a Markov decision process.

N agents, every duration exponential: calls ring for 1/nu on average and are then answered with
probability p, conversations last 1/mu. State: (busy agents b, ringing calls r). At any moment calls
may be added, r -> k >= r. An answer with b = N is abandoned. Maximise the mean of b/N subject to
abandonments <= alpha answers. With a multiplier on the limit, reward a second is

    b/N - lambda p nu k (1[b = N] - alpha),

a plain average-reward process, solved by relative value iteration after uniformization. Its gain
g(lambda) is convex, and by duality its minimum is the constrained optimum itself, including the
policies that mix two actions by chance (Altman, "Constrained Markov Decision Processes", 1999).

Limits: p, nu and mu are known to the policy, time is continuous, there are no breaks, no wrap-up of
its own and no waiting for an agent; state and so work grow with N times the calls that ring, so it
is for small teams.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compliance.messages import Message

Values = NDArray[np.float64]
GOLDEN = (5.0**0.5 - 1.0) / 2.0


class Optimum(Message, frozen=True, kw_only=True):
    """Bound on the occupancy of any policy, and the price of one abandonment at it."""

    agents: int
    occupancy: float
    price_s: float
    """Agent-seconds of talk given up for one abandonment less."""


def solve(
    agents: int,
    answer_rate: float = 0.25,
    ring_s: float = 8.0,
    talk_s: float = 140.0,
    target: float = 0.01,
    searches: int = 14,
) -> Optimum:
    """The constrained optimum, to about 0.02 points of occupancy."""
    process = _Process(agents, answer_rate, ring_s, talk_s, target)
    low, high = 0.0, 8.0
    """Logarithms of the price in agent-seconds."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = process.gain(left), process.gain(right)
    for _ in range(searches):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = process.gain(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = process.gain(right)
    best = min((at_left, left), (at_right, right))
    return Optimum(agents=agents, occupancy=best[0], price_s=float(np.exp(best[1])))


class _Process:
    """Uniformized transitions; values are kept from one multiplier to the next."""

    def __init__(
        self, agents: int, answer_rate: float, ring_s: float, talk_s: float, target: float
    ) -> None:
        self._agents = agents
        self._target = target
        self._most = int(2.5 * agents / answer_rate * ring_s / talk_s + 3.0 / answer_rate) + 8
        busy = np.arange(agents + 1, dtype=np.float64)[:, None]
        ringing = np.arange(self._most + 1, dtype=np.float64)[None, :]
        rate = agents / talk_s + self._most / ring_s
        self._rate = rate
        self._answer = np.broadcast_to(
            ringing * answer_rate / ring_s / rate, (agents + 1, self._most + 1)
        )
        self._no_answer = self._answer * (1.0 - answer_rate) / answer_rate
        self._end = np.broadcast_to(busy / talk_s / rate, self._answer.shape)
        self._stay = 1.0 - self._answer - self._no_answer - self._end
        self._occupied = np.broadcast_to(busy / agents / rate, self._answer.shape)
        self._full = np.broadcast_to(busy == agents, self._answer.shape)
        self._values: Values = np.zeros(self._answer.shape)

    def gain(self, log_price_s: float) -> float:
        """Mean reward a second at the best policy, for a price of one abandonment."""
        price = float(np.exp(log_price_s)) / self._agents
        reward = self._occupied - price * self._answer * (self._full - self._target)
        values = self._values
        low = high = 0.0
        for sweep in range(200_000):
            chosen = np.maximum.accumulate(values[:, ::-1], axis=1)[:, ::-1]
            fewer = np.roll(chosen, 1, axis=1)
            answered = np.vstack((fewer[1:], fewer[-1:]))
            ended = np.vstack((chosen[:1], chosen[:-1]))
            after = (
                reward
                + self._answer * answered
                + self._no_answer * fewer
                + self._end * ended
                + self._stay * chosen
            )
            if sweep % 50 == 0:
                change = after - values
                low, high = float(change.min()), float(change.max())
                if (high - low) * self._rate < 1e-4:
                    break
            values = after - after[0, 0]
        self._values = values
        return (low + high) / 2.0 * self._rate
