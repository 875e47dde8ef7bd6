"""An identity check: judged, recorded, and only then true."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from compliance.types import Validity
from dialer.core.identity import IdentityOnFile, check
from dialer.core.records import IdentityChecked, to_ms
from dialer.core.writes import SetValidity, Write
from dialer.runtime.pump import LiveContact
from dialer.runtime.recorder import Recorder
from dialer.stores.ledger.streams import Appended, NewEvent


async def verify(
    recorder: Recorder,
    live: LiveContact,
    answers: Mapping[str, str],
    on_file: IdentityOnFile,
    *,
    by: str,
    now: datetime,
) -> bool:
    """Whether the answers prove who it is; that they do is on record when this returns.

    Counts a try. `by` is the agent, or the flow.
    """
    live.identity_tries += 1
    contact = live.contact
    passed = check(dict(answers), on_file).passed
    writes: tuple[Write, ...] = ()
    if passed and live.number_proven:
        writes = (
            SetValidity(
                person_id=contact.person_id,
                contact_point_id=contact.point.contact_point_id,
                validity=Validity.VERIFIED_RIGHT_PARTY,
                at_ms=to_ms(now),
            ),
        )
    body = IdentityChecked(
        attempt_id=contact.attempt_id,
        agent_id=by,
        passed=passed,
        factors=tuple(sorted(answers)),
    )
    event = NewEvent(person_id=contact.person_id, at_ms=to_ms(now), body=body, writes=writes)
    (recorded,) = await recorder.record([event])
    passed = passed and isinstance(recorded, Appended)
    live.verified = live.verified or passed
    return passed
