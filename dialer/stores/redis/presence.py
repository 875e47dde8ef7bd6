"""The agents of one team: who is there, in which state, and who has been idle the longest.

A team's agents serve all campaigns of the team, so the pool is the one place where an agent is
taken: `take_longest_idle` and `take` are atomic, and no agent is ever given to two calls.

Idle is the state `ready` of the agents' state machine; who is taken is `reserved`. An agent is
*present* while the lease that their connection renews is later than now; who is not is skipped,
and reported by `lapsed` until somebody removes them. All instants are milliseconds since the
epoch, UTC, and are given by the caller.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from dialer.core.agent import AgentState
from dialer.stores.redis.client import (
    RedisClient,
    Reply,
    Script,
    as_int,
    as_list,
    as_text,
    checked_id,
    key,
    load_script,
)

_LAPSED_MAX = 1000


class AgentPresence(msgspec.Struct, frozen=True, kw_only=True):
    """One agent as the pool has them."""

    agent_id: str
    state: AgentState
    since_ms: int
    lease_until_ms: int
    skills: frozenset[str] = frozenset()

    def present(self, now_ms: int) -> bool:
        return self.lease_until_ms > now_ms


class AgentPool:
    """The agents of one team."""

    def __init__(self, redis: RedisClient, team: str) -> None:
        self.team = checked_id(team, "team")
        self._redis = redis
        names = ("state", "idle", "presence", "skills")
        self._keys = tuple(key("agents", team, name) for name in names)
        self._presence = self._keys[2]

    async def join(
        self,
        agent_id: str,
        *,
        state: AgentState,
        since_ms: int,
        lease_until_ms: int,
        skills: Collection[str] = (),
    ) -> None:
        """An agent comes (again): state, presence and skills are as given from now on."""
        await self._set(agent_id, state, since_ms, lease_until_ms=lease_until_ms, skills=skills)

    async def set_idle(
        self,
        agent_id: str,
        since_ms: int,
        lease_until_ms: int,
        *,
        expected: AgentState | None = None,
    ) -> bool:
        """Put an agent in the line of the idle ones, at the place that `since_ms` gives them.

        An agent who is not known yet joins, without skills. With `expected`, only if that is the
        state they are in; returns whether it was done.
        """
        return await self._set(
            agent_id, AgentState.READY, since_ms, lease_until_ms=lease_until_ms, expected=expected
        )

    async def set_state(
        self, agent_id: str, state: AgentState, since_ms: int, *, expected: AgentState | None = None
    ) -> bool:
        """Move a known agent to another state.

        With `expected`, only if that is the state they are in, so that a late event cannot undo
        a newer one. Returns False when the agent is unknown or in another state.
        """
        return await self._set(agent_id, state, since_ms, expected=expected)

    async def take_longest_idle(self, now_ms: int, skills: Collection[str] = ()) -> str | None:
        """Reserve the agent who has been idle the longest, is present and has all `skills`."""
        reply = await self._run(
            _TAKE_LONGEST_IDLE, now_ms, AgentState.RESERVED, *map(_skill, skills)
        )
        return None if reply is None else as_text(reply)

    async def take(self, agent_id: str, now_ms: int) -> bool:
        """Reserve this agent (for a callback of their own), if idle and present."""
        return bool(as_int(await self._run(_TAKE, now_ms, AgentState.RESERVED, agent_id)))

    async def renew(self, agent_id: str, until_ms: int) -> bool:
        """Prolong an agent's presence; False when the agent is unknown and has to join again."""
        return bool(as_int(await self._run(_RENEW, agent_id, until_ms)))

    async def lapsed(self, now_ms: int) -> list[str]:
        """Agents whose presence has run out, the longest gone first; at most a thousand."""
        reply = await self._redis.execute(
            "ZRANGEBYSCORE", self._presence, "-inf", now_ms, "LIMIT", 0, _LAPSED_MAX
        )
        return [as_text(agent) for agent in as_list(reply)]

    async def remove(self, agent_id: str, *, lapsed_at_ms: int | None = None) -> bool:
        """Forget an agent. With `lapsed_at_ms`, only if their presence has run out by then.

        Returns whether the agent was known and is gone now.
        """
        condition = "" if lapsed_at_ms is None else lapsed_at_ms
        return bool(as_int(await self._run(_REMOVE, agent_id, condition)))

    async def snapshot(self) -> list[AgentPresence]:
        """All agents of the team at one instant, present or lapsed, in order of their ids."""
        return [_presence(row) for row in as_list(await self._run(_SNAPSHOT))]

    async def _set(
        self,
        agent_id: str,
        state: AgentState,
        since_ms: int,
        *,
        lease_until_ms: int | None = None,
        expected: AgentState | None = None,
        skills: Collection[str] | None = None,
    ) -> bool:
        reply = await self._run(
            _SET,
            checked_id(agent_id, "agent id"),
            state,
            int(state is AgentState.READY),
            since_ms,
            expected or "",
            "" if lease_until_ms is None else lease_until_ms,
            "" if skills is None else "|" + "".join(f"{_skill(s)}|" for s in sorted(skills)),
        )
        return bool(as_int(reply))

    async def _run(self, script: Script, *args: str | int) -> Reply:
        return await self._redis.run(script, self._keys, *args)


_SET = load_script("agent_set")
_TAKE_LONGEST_IDLE = load_script("agent_take_longest_idle")
_TAKE = load_script("agent_take")
_RENEW = load_script("agent_renew")
_REMOVE = load_script("agent_remove")
_SNAPSHOT = load_script("agent_snapshot")


def _skill(skill: str) -> str:
    if "|" in checked_id(skill, "skill"):
        raise ValueError(f"a skill must not contain '|': {skill!r}")
    return skill


def _presence(row: Reply) -> AgentPresence:
    agent_id, since_and_state, lease_until_ms, skills = (as_text(part) for part in as_list(row))
    since_ms, _, state = since_and_state.partition(" ")
    return AgentPresence(
        agent_id=agent_id,
        state=AgentState(state),
        since_ms=int(since_ms),
        lease_until_ms=int(lease_until_ms),
        skills=frozenset(skill for skill in skills.split("|") if skill),
    )
