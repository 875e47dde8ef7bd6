from __future__ import annotations

import itertools

import msgspec
import pytest

from campaigns.campaign import (
    FINAL_STATES,
    TRANSITIONS,
    CampaignAction,
    CampaignSettings,
    CampaignSettingsError,
    CampaignState,
    ImpossibleAction,
    PreviewSettings,
    RetrySettings,
    changed_settings,
    dump_settings,
    load_settings,
    possible_actions,
    step,
)
from compliance.types import Mode

ALLOWED = {
    CampaignState.DRAFT: {"start": "running", "abort": "aborted"},
    CampaignState.RUNNING: {"pause": "paused", "stop": "draining", "abort": "aborted"},
    CampaignState.PAUSED: {"resume": "running", "stop": "draining", "abort": "aborted"},
    CampaignState.DRAINING: {"complete": "completed", "abort": "aborted"},
    CampaignState.COMPLETED: {},
    CampaignState.ABORTED: {},
}


@pytest.mark.parametrize(
    ("state", "action"), list(itertools.product(CampaignState, CampaignAction))
)
def test_every_pair_of_state_and_action(state: CampaignState, action: CampaignAction) -> None:
    expected = ALLOWED[state].get(action.value)
    if expected is None:
        with pytest.raises(ImpossibleAction, match=f"is {state.value} cannot {action.value}"):
            step(state, action)
    else:
        assert step(state, action).value == expected


def test_final_states_are_those_without_a_way_out() -> None:
    leaving = {state for state, _ in TRANSITIONS}
    assert set(CampaignState) - leaving == FINAL_STATES
    assert {s for s in CampaignState if s.is_final} == FINAL_STATES
    assert [s for s in CampaignState if s.may_dial] == [CampaignState.RUNNING]
    assert [s.value for s in CampaignState if s.takes_accounts] == ["draft", "running", "paused"]


def test_every_state_can_be_reached() -> None:
    reached = {CampaignState.DRAFT}
    while more := {to for (frm, _), to in TRANSITIONS.items() if frm in reached} - reached:
        reached |= more
    assert reached == set(CampaignState)


def test_possible_actions_tell_the_way_on() -> None:
    assert possible_actions(CampaignState.PAUSED) == ("resume", "stop", "abort")
    assert possible_actions(CampaignState.COMPLETED) == ()
    with pytest.raises(ImpossibleAction, match="none: it has ended"):
        step(CampaignState.COMPLETED, CampaignAction.START)


def test_defaults_are_cautious_and_round_trip() -> None:
    settings = load_settings("{}")
    assert settings == CampaignSettings()
    assert settings.amd is False
    assert settings.mode is Mode.PREDICTIVE
    assert settings.target_abandonment <= 0.01
    changed = CampaignSettings(
        mode=Mode.PROGRESSIVE,
        caller_ids=("+12025550123",),
        timezone="America/Bogota",
        retry=RetrySettings(min_gap_s=60, max_attempts=7),
    )
    assert load_settings(dump_settings(changed)) == changed
    assert load_settings(msgspec.to_builtins(changed)) == changed


def test_what_only_one_mode_takes_stays_behind_when_the_mode_changes() -> None:
    ratio = CampaignSettings(mode=Mode.PROGRESSIVE, lines_per_idle_agent=2.0)
    assert changed_settings(ratio, {"mode": "predictive"}) == CampaignSettings()
    assert changed_settings(ratio, {"amd": True}).lines_per_idle_agent == 2.0
    looking = CampaignSettings(mode=Mode.PREVIEW, preview=PreviewSettings(limit_s=30))
    assert changed_settings(looking, {"mode": "predictive"}) == CampaignSettings()
    with pytest.raises(CampaignSettingsError, match="come with mode progressive"):
        changed_settings(ratio, {"mode": "predictive", "lines_per_idle_agent": 2.0})


def test_equal_settings_give_equal_text() -> None:
    one = load_settings('{"amd": true, "daily_cap": 9}')
    two = load_settings('{"daily_cap": 9, "amd": true}')
    assert dump_settings(one) == dump_settings(two)


@pytest.mark.parametrize(
    ("source", "key", "problem"),
    [
        ('{"mode": "manual"}', "mode", "must be one of blast, ivr, predictive, preview"),
        ('{"mode": "ivr"}', "flow", "must be given in the mode ivr"),
        ('{"flow": "locator-agent"}', "flow", "must be given in the mode ivr, and in no other"),
        (
            '{"mode": "ivr", "flow": "f", "leave_message": true}',
            "leave_message",
            "mode ivr and amd",
        ),
        ('{"spoken": {"return_number": "600"}}', "spoken.return_number", "E.164"),
        ('{"lines": 0}', "lines", ">= 1"),
        ('{"lines_per_idle_agent": 2}', "lines_per_idle_agent", "come with mode progressive"),
        (
            '{"mode": "progressive", "lines_per_idle_agent": 0.5}',
            "lines_per_idle_agent",
            ">= 1",
        ),
        ('{"mode": "warp"}', "mode", "invalid enum value"),
        ('{"target_abandonment": 0.05}', "target_abandonment", "<= 0.03"),
        ('{"target_abandonment": 0}', "target_abandonment", "> 0"),
        ('{"ring_timeout_s": 5}', "ring_timeout_s", ">= 15"),
        ('{"ring_timeout_s": "25"}', "ring_timeout_s", "expected `int`"),
        ('{"connect_limit_ms": 5000}', "connect_limit_ms", "<= 2000"),
        ('{"caller_ids": ["5551234"]}', "caller_ids", "E.164"),
        ('{"caller_ids": [5]}', "caller_ids[0]", "expected `str`"),
        ('{"timezone": "Mars/Olympus"}', "timezone", "IANA zone"),
        ('{"timezone": "../etc/passwd"}', "timezone", "IANA zone"),
        ('{"timezone": ""}', "timezone", "IANA zone"),
        ('{"daily_cap": 0}', "daily_cap", ">= 1"),
        ('{"retry": {"min_gap_s": -1}}', "retry.min_gap_s", ">= 0"),
        ('{"retry": {"gap": 1}}', "retry.gap", "no such setting; there are: min_gap_s"),
        ('{"retry": 3}', "retry", "expected `object`"),
        ('{"accounts": {"dpd_from": 9, "dpd_to": 1}}', "accounts.dpd_from", "not be above dpd_to"),
        ('{"accounts": {"stages": ["x"]}}', "accounts.stages[0]", "invalid enum value"),
        ('{"accounts": {"stage": []}}', "accounts.stage", "no such setting; there are: stages"),
        ('{"speed": 2}', "speed", "no such setting; there are: mode, purpose"),
        ('{"mode": ', "", "not valid JSON"),
        ("[]", "", "expected `object`"),
    ],
)
def test_bad_settings_name_the_exact_key(source: str, key: str, problem: str) -> None:
    with pytest.raises(CampaignSettingsError) as caught:
        load_settings(source)
    assert caught.value.key == key
    assert problem in caught.value.problem
    assert key in str(caught.value)
