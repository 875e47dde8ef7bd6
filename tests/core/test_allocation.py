"""One team, several campaigns: nobody is counted twice, nobody stands idle without need."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.types import CampaignId
from dialer.core.allocation import Claim, Member, allocate, may_serve

A, B, C = (CampaignId(name) for name in "abc")


def agents(count: int, home: CampaignId | None = None, team: str = "") -> list[Member]:
    return [
        Member(agent_id=f"{team}{home or '-'}{number:03}", home=home, team=team)
        for number in range(count)
    ]


def counts(claims: list[Claim], members: list[Member]) -> dict[CampaignId | None, int]:
    return dict(Counter(allocate(claims, members).values()))


def test_by_weight() -> None:
    claims = [Claim(campaign_id=A, weight=3), Claim(campaign_id=B, weight=1)]
    assert counts(claims, agents(20)) == {A: 15, B: 5}


def test_the_higher_priority_first_and_no_more_than_it_can_use() -> None:
    claims = [
        Claim(campaign_id=A, priority=9, most=4),
        Claim(campaign_id=B, priority=5),
        Claim(campaign_id=C, priority=1),
    ]
    assert counts(claims, agents(10)) == {A: 4, B: 6}


def test_without_dials_to_make_the_agents_go_where_there_are_some() -> None:
    claims = [Claim(campaign_id=A, most=0), Claim(campaign_id=B)]
    assert counts(claims, agents(6, home=A)) == {B: 6}


def test_with_no_dials_anywhere_nobody_moves() -> None:
    claims = [Claim(campaign_id=A, most=0), Claim(campaign_id=B, most=0)]
    assert counts(claims, [*agents(2, home=A), *agents(3, home=B)]) == {A: 2, B: 3}


def test_teams() -> None:
    claims = [
        Claim(campaign_id=A, teams=frozenset({"early"})),
        Claim(campaign_id=B),
    ]
    members = [*agents(4, team="early"), *agents(4, team="late")]
    assert counts(claims, members) == {A: 4, B: 4}
    placed = allocate(claims, members)
    assert {m.team for m in members if placed[m.agent_id] == A} == {"early"}


def test_nobody_may_use_a_team_that_no_campaign_names() -> None:
    claims = [Claim(campaign_id=A, teams=frozenset({"early"}))]
    assert counts(claims, agents(2, team="late")) == {None: 2}


def test_a_conversation_counts_where_it_is() -> None:
    busy = [msgspec.structs.replace(m, busy=True) for m in agents(3, home=A)]
    claims = [Claim(campaign_id=A), Claim(campaign_id=B)]
    assert counts(claims, [*busy, *agents(3, home=A, team="x")]) == {A: 3, B: 3}


def test_the_fewest_move() -> None:
    claims = [Claim(campaign_id=A), Claim(campaign_id=B), Claim(campaign_id=C)]
    members = [*agents(5, home=A), *agents(4, home=B)]
    placed = allocate(claims, members)
    moved = [m for m in members if placed[m.agent_id] != m.home]
    assert len(moved) == 3
    assert {placed[m.agent_id] for m in moved} == {C}


# --- whatever the house ------------------------------------------------------------------------

TEAMS = st.sampled_from(["", "early", "late", "legal"])
CAMPAIGNS = st.sampled_from([CampaignId(f"c{n}") for n in range(5)])
CLAIMS = st.lists(
    st.builds(
        Claim,
        campaign_id=CAMPAIGNS,
        weight=st.integers(1, 10),
        priority=st.integers(1, 3),
        teams=st.frozensets(TEAMS, max_size=3),
        most=st.none() | st.integers(0, 6),
    ),
    max_size=5,
    unique_by=lambda claim: claim.campaign_id,
)
MEMBERS = st.lists(
    st.builds(
        Member,
        agent_id=st.integers(0, 999).map(str),
        team=TEAMS,
        home=st.none() | CAMPAIGNS,
        busy=st.booleans(),
    ),
    max_size=20,
    unique_by=lambda member: member.agent_id,
)


@settings(max_examples=300, deadline=None)
@given(CLAIMS, MEMBERS)
def test_invariants(claims: list[Claim], members: list[Member]) -> None:
    by_id = {claim.campaign_id: claim for claim in claims}
    placed = allocate(claims, members)
    assert placed.keys() == {m.agent_id for m in members}
    count = Counter(placed.values())
    for member in members:
        home = placed[member.agent_id]
        if member.busy:
            assert home == member.home
        elif home is not None:
            assert may_serve(by_id[home], member.team)
    arrived = Counter(
        placed[m.agent_id]
        for m in members
        if placed[m.agent_id] != m.home and m.home in by_id and may_serve(by_id[m.home], m.team)
    )
    for claim in claims:
        # Who has a place already is not moved where nobody can use them.
        if claim.most is not None and arrived[claim.campaign_id]:
            assert arrived[claim.campaign_id] <= claim.most
    for member in members:
        if member.busy:
            continue
        home = placed[member.agent_id]
        mine = by_id[home].priority if home is not None else 0
        used = home is not None and not _over(by_id[home], count[home])
        for claim in claims:
            wants = claim.most is None or count[claim.campaign_id] < claim.most
            if may_serve(claim, member.team) and wants:
                # Nobody idles, or serves what is less urgent, where someone could use them.
                assert used
                assert mine >= claim.priority


def _over(claim: Claim, count: int) -> bool:
    return claim.most is not None and count > claim.most


@settings(max_examples=300, deadline=None)
@given(CLAIMS, MEMBERS)
def test_given_again_it_is_given_unchanged(claims: list[Claim], members: list[Member]) -> None:
    placed = allocate(claims, members)
    settled = [msgspec.structs.replace(m, home=placed[m.agent_id]) for m in members]
    assert allocate(claims, settled) == placed


@given(st.lists(st.integers(1, 10), min_size=1, max_size=4), st.integers(0, 60))
def test_shares_are_true_to_the_weights(weights: list[int], staff: int) -> None:
    claims = [
        Claim(campaign_id=CampaignId(f"c{n}"), weight=weight) for n, weight in enumerate(weights)
    ]
    count = Counter(allocate(claims, agents(staff)).values())
    for claim in claims:
        share = staff * claim.weight / sum(weights)
        assert count[claim.campaign_id] >= int(share)
