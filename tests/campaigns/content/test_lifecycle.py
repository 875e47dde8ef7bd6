"""The life of a version, pair by pair."""

from __future__ import annotations

import itertools

import pytest

from campaigns.content.lifecycle import (
    TRANSITIONS,
    ContentAction,
    ContentState,
    ImpossibleContentAction,
    possible_actions,
    step,
)


@pytest.mark.parametrize(("state", "action"), list(itertools.product(ContentState, ContentAction)))
def test_every_pair(state: ContentState, action: ContentAction) -> None:
    if (state, action) in TRANSITIONS:
        assert step(state, action) is TRANSITIONS[state, action]
        assert action in possible_actions(state)
    else:
        with pytest.raises(ImpossibleContentAction) as told:
            step(state, action)
        assert (told.value.state, told.value.action) == (state, action)


def test_only_what_was_submitted_is_approved_and_nothing_comes_back() -> None:
    sources = {s for (s, a) in TRANSITIONS if a is ContentAction.APPROVE}
    assert sources == {ContentState.SUBMITTED}
    assert possible_actions(ContentState.RETIRED) == ()
