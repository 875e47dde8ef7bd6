"""The states of a version of a text or a flow: from draft to retired. One table.

A version never changes; another wording is another version. Whoever wrote it cannot approve it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ContentState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    """Waits for the approval of a second person."""
    APPROVED = "approved"
    """May be used. Of one name, one version at a time."""
    RETIRED = "retired"


class ContentAction(StrEnum):
    SUBMIT = "submit"
    APPROVE = "approve"
    RETURN = "return"
    """Not approved; its author may submit it again, or write another version."""
    RETIRE = "retire"


TRANSITIONS: Final[dict[tuple[ContentState, ContentAction], ContentState]] = {
    (ContentState.DRAFT, ContentAction.SUBMIT): ContentState.SUBMITTED,
    (ContentState.DRAFT, ContentAction.RETIRE): ContentState.RETIRED,
    (ContentState.SUBMITTED, ContentAction.APPROVE): ContentState.APPROVED,
    (ContentState.SUBMITTED, ContentAction.RETURN): ContentState.DRAFT,
    (ContentState.SUBMITTED, ContentAction.RETIRE): ContentState.RETIRED,
    (ContentState.APPROVED, ContentAction.RETIRE): ContentState.RETIRED,
}


class ImpossibleContentAction(Exception):
    """The version's state does not allow the action; tells which ones it allows."""

    def __init__(self, state: ContentState, action: ContentAction) -> None:
        possible = ", ".join(possible_actions(state)) or "none: it is retired"
        super().__init__(
            f"a version that is {state.value} cannot {action.value}; it can: {possible}"
        )
        self.state = state
        self.action = action


def step(state: ContentState, action: ContentAction) -> ContentState:
    """The state after an action. Raises `ImpossibleContentAction`."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise ImpossibleContentAction(state, action)
    return after


def possible_actions(state: ContentState) -> tuple[ContentAction, ...]:
    return tuple(action for action in ContentAction if (state, action) in TRANSITIONS)
