"""What a call that a flow served comes to: recorded and fed back as an agent's word is. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from campaigns.dispositions import DispositionCode, outcome_of
from campaigns.model import Callback, HolidayPredicate
from campaigns.retry import MissingFact
from compliance.types import EventKind
from dialer.core.call import Call
from dialer.core.outcome import Contact, NewId, Outcome, Recorded, ended_body, judged
from dialer.core.writes import AddSuppression, CloseAttempt


class FlowWord(msgspec.Struct, frozen=True, kw_only=True):
    """What a flow says a call was."""

    code: DispositionCode
    verified: bool = False
    stopped: bool = False
    """The opt-out was recorded during the call."""
    callback: Callback | None = None
    """Recorded during the call."""
    promise_review_at: datetime | None = None
    """Of the promise that was recorded during the call."""

    @property
    def safe_code(self) -> DispositionCode:
        """What can be said where the code lacks a fact that it needs."""
        if self.verified:
            return DispositionCode.RIGHT_PARTY_HUNG_UP
        return DispositionCode.HUNG_UP_BEFORE_TALK


def flow_ended(
    contact: Contact,
    call: Call,
    word: FlowWord,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
) -> Outcome:
    """The end of a call and the flow's word on it, in one record."""
    try:
        return _ended(contact, call, word, word.code, now, is_holiday, new_id)
    except MissingFact:
        return _ended(contact, call, word, word.safe_code, now, is_holiday, new_id)


def _ended(
    contact: Contact,
    call: Call,
    word: FlowWord,
    code: DispositionCode,
    now: datetime,
    is_holiday: HolidayPredicate,
    new_id: NewId,
) -> Outcome:
    outcome = outcome_of(code, answered=True) or EventKind.CONVERSATION
    body = ended_body(contact, call, outcome, code)
    state = contact.account_state(
        callback=word.callback,
        promise_review_at=word.promise_review_at or contact.promise_review_at,
    )
    done = judged(contact, body, (CloseAttempt(),), code, now, is_holiday, new_id, state=state)
    if not word.stopped:
        return done
    # The stop itself was recorded when the key was pressed.
    recorded = tuple(
        Recorded(r.body, tuple(w for w in r.writes if not isinstance(w, AddSuppression)))
        for r in done.recorded
    )
    return done._replace(recorded=recorded)
