"""Whatever files and calls come in whatever order: profiles are true, and what binds stays."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.portfolio.model import FlagKind, ImportedAccount
from compliance.messages import Subject
from compliance.types import PartyRole, PointLabel, StatusKind, Validity
from dialer.core.writes import AddStatus, ForbidWork, OptOutPoint, SetValidity, SubjectWrite
from dialer.stores.ledger.database import Ledger, open_ledger
from dialer.stores.ledger.sharing import mark_shared
from dialer.stores.ledger.subjects import apply_subject_writes
from tests.stores.ledger.relational.world import (
    NOW_MS,
    account,
    bring_in,
    column,
    flag,
    new_context,
    party,
    phone,
    profiles_agree,
    subject,
)

PEOPLE = ("1", "2")
NUMBERS = tuple(f"+5691000000{digit}" for digit in range(2))

points = st.builds(
    phone,
    st.sampled_from(NUMBERS),
    label=st.sampled_from([PointLabel.MOBILE, PointLabel.WORK, PointLabel.UNKNOWN]),
    rank=st.integers(0, 3),
)


@st.composite
def accounts(draw: st.DrawFn) -> ImportedAccount:
    parties = []
    for index, document in enumerate(
        draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=2, unique=True))
    ):
        has = draw(st.lists(points, min_size=1, max_size=2, unique_by=lambda p: p.address))
        role = PartyRole.GUARANTOR if index else PartyRole.HOLDER
        parties.append(party(document, *has, role=role))
    kinds = st.sampled_from(
        [FlagKind.CEASE, FlagKind.NO_CALLS, FlagKind.NO_WORK_CALLS, FlagKind.DISPUTE]
    )
    return account(
        draw(st.sampled_from(["A", "B"])),
        *parties,
        total=draw(st.integers(-5, 5)),
        recalled=draw(st.booleans()),
        flags=tuple(map(flag, draw(st.lists(kinds, max_size=1)))),
    )


batches = st.lists(accounts(), min_size=1, max_size=2, unique_by=lambda a: a.external_id)
calls = st.tuples(
    st.sampled_from(PEOPLE),
    st.sampled_from(["opt_out", "wrong", "no_work", "cease"]),
    st.integers(0, 1),
)
histories = st.lists(st.one_of(batches, calls), min_size=3, max_size=8)


async def say(ledger: Ledger, call: tuple[str, str, int], at_ms: int) -> None:
    """What an agent learns in a call, of a person who is on file with a number."""
    document, what, index = call
    known = await column(ledger, "SELECT match_key FROM person")
    if f"doc:rut:{document}" not in known:
        return
    person = await subject(ledger, document)
    person_id = person.person.person_id
    write: SubjectWrite = AddStatus(person_id=person_id, kind=StatusKind.CEASE, since_ms=at_ms)
    if what != "cease":
        if not person.contact_points:
            return
        chosen = person.contact_points[index % len(person.contact_points)].contact_point_id
        if what == "opt_out":
            write = OptOutPoint(person_id=person_id, contact_point_id=chosen, at_ms=at_ms)
        elif what == "no_work":
            write = ForbidWork(person_id=person_id, contact_point_id=chosen)
        else:
            write = SetValidity(
                person_id=person_id,
                contact_point_id=chosen,
                validity=Validity.WRONG_NUMBER,
                at_ms=at_ms,
            )
    async with ledger.write() as conn:
        await apply_subject_writes(conn, [write])


def bonds(person: Subject) -> set[str]:
    """Everything that keeps somebody from being contacted."""
    found = {f"status {s.kind}" for s in person.person.statuses}
    found |= {f"suppressed {s.suppression_id}" for s in person.suppressions}
    found |= {f"wish {p.preference_id}" for p in person.preferences}
    for number in person.contact_points:
        if number.opted_out_at is not None:
            found.add(f"{number.address} opted out")
        if number.validity.is_dead:
            found.add(f"{number.address} dead")
        if number.work_forbidden:
            found.add(f"{number.address} no work")
    return found


History = list[list[ImportedAccount] | tuple[str, str, int]]


@given(history=histories)
@settings(max_examples=40, deadline=None)
def test_no_history_loosens_anything(sqlite_template: Path, history: History) -> None:
    asyncio.run(_live_through(sqlite_template, history))


async def _live_through(template: Path, history: History) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        shutil.copy(template, path)
        ledger = await open_ledger(f"sqlite+aiosqlite:///{path}", now_ms=NOW_MS)
        try:
            context = await new_context(ledger)
            held: dict[str, set[str]] = {}
            for step, what in enumerate(history):
                at_ms = NOW_MS + step
                if isinstance(what, tuple):
                    await say(ledger, what, at_ms)
                else:
                    await bring_in(ledger, context, *what, now_ms=at_ms)
                    again = await bring_in(ledger, context, *what, now_ms=at_ms)
                    assert again.unchanged == len(what)
                await mark_shared(ledger, now_ms=at_ms, source="job")
                await profiles_agree(ledger)
                for key in await column(ledger, "SELECT match_key FROM person"):
                    document = str(key).removeprefix("doc:rut:")
                    now = bonds(await subject(ledger, document))
                    assert held.get(document, set()) <= now
                    held[document] = now
        finally:
            await ledger.close()
