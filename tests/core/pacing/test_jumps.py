"""A jump that nobody can know of yet leaves the half hour within its limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialer.core.pacing import (
    AgentOn,
    Clamp,
    Connected,
    Decision,
    DialPlaced,
    LiveAnswer,
    NoAnswer,
    PacingConfig,
    Snapshot,
    TalkEnded,
    WrapUpEnded,
    make_pacer,
)
from dialer.core.pacing.jumps import RISE_FACTOR, RISE_TO, room_for_jump

LATE = [0.0] * 20
"""Nobody picks up for so long: every call is unseen."""


def test_calls_of_the_last_seconds_and_the_abandonments_left_decide() -> None:
    # At 10 % a rise to 50 % brings 0.4 answers a call more: nine abandonments left, 3.6 of them
    # kept for chance, and 5 spare agents are good for 26 calls.
    assert room_for_jump(0.1, 1.0, [], LATE, 5.0, 9.0) == 26
    assert room_for_jump(0.1, 1.0, [5.0, 5.0, 5.0], LATE, 5.0, 9.0) == 11
    assert room_for_jump(0.1, 1.0, [40.0], LATE, 5.0, 9.0) == 0
    assert room_for_jump(0.1, 0.5, [], LATE, 5.0, 9.0) == 52


def test_the_more_calls_the_sooner_their_answers_tell() -> None:
    picked_by = [min(1.0, step / 20) for step in range(21)]
    unseen = []
    for calls in (2.0, 20.0, 200.0):
        room = room_for_jump(0.1, 1.0, [calls] * 20, picked_by, 0.0, 10_000.0)
        assert room is not None
        unseen.append((24_700 - room) / calls)
    assert unseen == sorted(unseen, reverse=True)
    assert unseen[0] > 8
    assert unseen[-1] < 3


def test_a_rate_that_is_high_already_cannot_jump() -> None:
    assert room_for_jump(RISE_TO, 1.0, [100.0], LATE, 0.0, 1.0) is None
    assert room_for_jump(0.9, 1.0, [100.0], LATE, 0.0, 1.0) is None


@given(
    rate=st.floats(0.01, 0.45),
    placed=st.floats(0.0, 200.0),
    spare=st.floats(0.0, 50.0),
    allowance=st.floats(0.0, 50.0),
)
def test_what_is_allowed_survives_the_rise_on_average(
    rate: float, placed: float, spare: float, allowance: float
) -> None:
    room = room_for_jump(rate, 1.0, [placed], LATE, spare, allowance)
    assert room is not None
    if room > 0:
        rise = min(RISE_TO, RISE_FACTOR * rate) - rate
        assert (placed + room) * rise - spare <= allowance + 1e-6


def busy_team_at_ten_percent(idle: int) -> Decision:
    """Half an hour of a team of thirty whose every tenth call is answered; then so many idle."""
    pacer = make_pacer(PacingConfig(ring_timeout_s=20.0))
    for i in range(30):
        pacer.observe(AgentOn(at_s=0.0, agent_id=f"a{i}"))
    answered = 0
    for second in range(1800):
        now = float(second)
        for i in range(2):
            pacer.observe(DialPlaced(at_s=now, call_id=f"{second}.{i}"))
        if second >= 8 and second % 5 == 0:
            agent, call = f"a{answered % 30}", f"{second - 8}.0"
            answered += 1
            pacer.observe(LiveAnswer(at_s=now, call_id=call))
            pacer.observe(Connected(at_s=now, call_id=call, agent_id=agent))
            pacer.observe(TalkEnded(at_s=now, agent_id=agent, talk_s=120.0))
            pacer.observe(WrapUpEnded(at_s=now, agent_id=agent, wrap_up_s=20.0))
        if second >= 20:
            for i in range(2):
                if not (i == 0 and (second - 12) % 5 == 0):
                    pacer.observe(NoAnswer(at_s=now, call_id=f"{second - 20}.{i}"))
        if second % 2 == 0:
            pacer.decide(snapshot(now, 4, 30))
    return pacer.decide(snapshot(1800.0, idle, 0))


def snapshot(at_s: float, idle: int, ringing: int) -> Snapshot:
    return Snapshot(
        at_s=at_s,
        staffed=30,
        idle_since_s=(at_s - 5.0,) * idle,
        talking_since_s=tuple(at_s - 4.0 * i for i in range(30 - idle)),
        ringing_since_s={"": (at_s - 10.0,) * ringing},
        settled=True,
    )


def test_the_reserve_binds_a_small_team_with_many_lines_and_is_named() -> None:
    bound = busy_team_at_ten_percent(20)
    assert bound.clamp is Clamp.JUMP_RESERVE
    assert 0 < bound.calls_to_place == bound.asked
    assert bound.faults == {}
    free = busy_team_at_ten_percent(3)
    assert free.clamp is not Clamp.JUMP_RESERVE
