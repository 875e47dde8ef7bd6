"""Which agent works for which campaign: one team serves several by priority and weight.

The step above the pacers. Every agent has at most one campaign at a time, so no idle agent is
counted by two pacers, and each campaign paces by its own agents and its own abandonment budget.

Campaigns of a higher priority get agents first, as many as they can use. Those of the same
priority share what is left by weight: the next agent goes where `(agents + 1) / weight` is least
(D'Hondt's highest averages: whole agents, and adding an agent never takes one from a campaign).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from compliance.types import CampaignId


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a running campaign asks of the agents."""

    campaign_id: CampaignId
    weight: int = 1
    """Share among campaigns of the same priority."""
    priority: int = 5
    """Higher is served first."""
    teams: frozenset[str] = frozenset()
    """Teams that may serve it; empty: all."""
    most: int | None = None
    """Agents that it can use now, at most: what it may dial, or its own limit. None: any number."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An agent who is logged in."""

    agent_id: str
    team: str = ""
    home: CampaignId | None = None
    """The campaign that the agent works for now."""
    busy: bool = False
    """In a conversation, or about to be: stays, and counts where they are."""


def may_serve(claim: Claim, team: str) -> bool:
    """Whether agents of a team may take calls of a campaign."""
    return not claim.teams or team in claim.teams


def allocate(claims: Sequence[Claim], members: Iterable[Member]) -> dict[str, CampaignId | None]:
    """The campaign of each agent; None where nobody may use them.

    Agents whom no campaign can use now stay where they are, if they may; those who are nowhere
    get a place all the same. Nobody moves without need: what it gives, given again, is given
    unchanged.
    """
    table = _Table(claims)
    for member in sorted(members, key=lambda m: m.agent_id, reverse=True):
        table.seat(member)
    table.place_newcomers()
    while table.improve():
        pass
    return table.given()


_Group = tuple[str, CampaignId | None]
"""Free agents of one team in one campaign; one is as good as another."""


class _Table:
    """Who works where, while it is being worked out.

    Each improvement either lets one agent more be of use, or more urgently, or brings the shares
    nearer to the weights: they come to an end, and nothing that is in order is touched.
    """

    def __init__(self, claims: Sequence[Claim]) -> None:
        self._claims = {claim.campaign_id: claim for claim in claims}
        self._count = dict.fromkeys(self._claims, 0)
        self._free: dict[_Group, list[str]] = {}
        self._busy: dict[str, CampaignId | None] = {}

    def seat(self, member: Member) -> None:
        """Put a member where he is; a free one whom his campaign may not have is nowhere."""
        claim = self._claims.get(member.home) if member.home is not None else None
        if member.busy:
            self._busy[member.agent_id] = member.home
            home = member.home
        else:
            home = member.home if claim is not None and may_serve(claim, member.team) else None
            self._free.setdefault((member.team, home), []).append(member.agent_id)
        if home in self._count:
            self._count[home] += 1

    def place_newcomers(self) -> None:
        """Give everybody a place who is nowhere; where nobody can use them, any that may."""
        for group in [group for group in self._free if group[1] is None]:
            for _ in range(len(self._free[group])):
                open_to = [c for c in self._claims.values() if may_serve(c, group[0])]
                if open_to:
                    place = min(open_to, key=lambda c: (self._is_full(c), *self._turn(c)))
                    self._move(group, place.campaign_id)

    def improve(self) -> bool:
        """Move one agent where he is needed more; False when nobody is."""
        for claim in sorted(self._claims.values(), key=self._turn):
            if self._is_full(claim):
                continue
            groups = [group for group in self._free if self._better_in(claim, group)]
            if groups:
                self._move(min(groups, key=self._dispensable), claim.campaign_id)
                return True
        return False

    def given(self) -> dict[str, CampaignId | None]:
        given = dict(self._busy)
        for (_, home), agents in self._free.items():
            given.update(dict.fromkeys(agents, home))
        return given

    def _turn(self, claim: Claim) -> tuple[int, float, str]:
        share = (self._count[claim.campaign_id] + 1) / claim.weight
        return (-claim.priority, share, claim.campaign_id)

    def _better_in(self, claim: Claim, group: _Group) -> bool:
        team, home = group
        if home is None or home == claim.campaign_id or not may_serve(claim, team):
            return False
        if self._is_over(home):
            return True
        here = self._claims[home]
        if here.priority != claim.priority:
            return here.priority < claim.priority
        share = (self._count[claim.campaign_id] + 1) / claim.weight
        return share < self._count[home] / here.weight

    def _dispensable(self, group: _Group) -> tuple[bool, int, float, int, str, str]:
        """Who goes first: those of no use, the least urgent, of the largest share."""
        team, home = group
        if home is None:
            raise ValueError("who is nowhere has been given a place before")
        here = self._claims[home]
        share = self._count[home] / here.weight
        others = sum(1 for claim in self._claims.values() if may_serve(claim, team))
        return (not self._is_over(home), here.priority, -share, others, team, home)

    def _is_full(self, claim: Claim) -> bool:
        return claim.most is not None and self._count[claim.campaign_id] >= claim.most

    def _is_over(self, campaign_id: CampaignId) -> bool:
        most = self._claims[campaign_id].most
        return most is not None and self._count[campaign_id] > most

    def _move(self, group: _Group, to: CampaignId) -> None:
        team, home = group
        agent = self._free[group].pop()
        if not self._free[group]:
            del self._free[group]
        if home is not None:
            self._count[home] -= 1
        self._free.setdefault((team, to), []).append(agent)
        self._count[to] += 1
