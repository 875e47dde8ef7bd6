"""Verifying the whole ledger: every hash, every head that was ever signed, and what hangs on them.

Reads page by page in short transactions, so that appends go on and memory stays bounded: events
are never changed, hence what is appended meanwhile only makes streams longer.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select, text

from compliance.chain import GENESIS, Head, RootHash, audit_hash
from compliance.types import PersonId
from dialer.stores.ledger.bulk import Dialect
from dialer.stores.ledger.checkpoints import Checkpoint
from dialer.stores.ledger.database import Ledger, LedgerUnavailable, Trouble
from dialer.stores.ledger.schema import audit_event
from dialer.stores.ledger.verify_report import (
    PROBLEMS_MOST,
    Problem,
    ProblemKind,
    VerifyReport,
    verify_person,
)
from dialer.stores.ledger.verify_walk import (
    PAGE_EVENTS,
    Progress,
    Signed,
    as_text,
    spelled,
    verify_events,
)

__all__ = ["Problem", "ProblemKind", "Progress", "VerifyReport", "verify_ledger", "verify_person"]

PAGE_CHECKPOINTS: Final = 20


async def verify_ledger(
    ledger: Ledger,
    *,
    public_key: str | None = None,
    known: Checkpoint | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Recompute everything that can be recomputed, and say exactly where it differs.

    Args:
        public_key: hex; the key that must have signed every checkpoint. None: any one key.
        known: a checkpoint kept outside the ledger, which must still stand in it; shows a whole
            ledger that was rolled back, too.
        progress: told after every page.

    Raises:
        LedgerUnavailable: it cannot be opened or reached.
    """
    report = VerifyReport()
    try:
        signed = await _verify_checkpoints(ledger, public_key, known, report)
        await verify_events(ledger, signed, report, progress)
        await _verify_links(ledger, report)
        await _verify_audit(ledger, report)
    except LedgerUnavailable as error:
        if error.trouble is not Trouble.DAMAGED:
            raise
        report.add(ProblemKind.STORAGE, error.where, error.what)
    if ledger.dialect is Dialect.SQLITE:
        await _verify_file(ledger, report)
    return report


# --- checkpoints ----------------------------------------------------------------------------------


_CHECKPOINTS: Final = """
    SELECT * FROM checkpoint WHERE checkpoint_no > :after ORDER BY checkpoint_no LIMIT :page
"""
_HEADS: Final = """
    SELECT checkpoint_no, BYTES(person_id), seq, BYTES(hash) FROM checkpoint_head
    WHERE checkpoint_no > :first AND checkpoint_no <= :last
    ORDER BY checkpoint_no, person_id
"""


async def _verify_checkpoints(
    ledger: Ledger, public_key: str | None, known: Checkpoint | None, report: VerifyReport
) -> Signed:
    signed = Signed()
    previous = GENESIS
    known_found = known is None
    while True:
        page, heads = await _checkpoint_page(ledger, signed.checkpoint_no)
        for row in page:
            report.checkpoints += 1
            where = f"checkpoint {row.checkpoint_no}"
            for missing in range(signed.checkpoint_no + 1, row.checkpoint_no):
                report.add(ProblemKind.CHECKPOINT_REMOVED, f"checkpoint {missing}")
            public_key = public_key or row.public_key
            if row.public_key != public_key:
                report.add(ProblemKind.CHECKPOINT_UNSIGNED, where, "signed with another key")
            elif not row.signature_holds():
                report.add(ProblemKind.CHECKPOINT_UNSIGNED, where, "its signature does not hold")
            _verify_root(row, previous, heads.get(row.checkpoint_no, []), report)
            known_found = known_found or row == known
            previous = row.root
            signed = Signed(row.checkpoint_no, row.event_no)
        if len(page) < PAGE_CHECKPOINTS:
            break
    if known is not None and not known_found:
        where = f"checkpoint {known.checkpoint_no}"
        report.add(
            ProblemKind.CHECKPOINT_REMOVED, where, "the one kept outside is not in the ledger"
        )
    return signed


async def _checkpoint_page(
    ledger: Ledger, after: int
) -> tuple[list[Checkpoint], dict[int, list[Head]]]:
    heads: dict[int, list[Head]] = defaultdict(list)
    async with ledger.read() as conn:
        found = await conn.execute(text(_CHECKPOINTS), {"after": after, "page": PAGE_CHECKPOINTS})
        page = [Checkpoint(**row) for row in found.mappings()]
        if page:
            bound = {"first": after, "last": page[-1].checkpoint_no}
            for row in await conn.execute(spelled(_HEADS, ledger.dialect), bound):
                head = Head(person_id=PersonId(as_text(row[1])), seq=row[2], hash=as_text(row[3]))
                heads[row[0]].append(head)
    return page, heads


def _verify_root(
    row: Checkpoint, previous: str, heads: Sequence[Head], report: VerifyReport
) -> None:
    where = f"checkpoint {row.checkpoint_no}"
    try:
        root = RootHash(previous, row.checkpoint_no, row.at_ms, row.event_no)
        for head in heads:
            root.add(head)
    except (ValueError, struct.error) as error:
        report.add(ProblemKind.CHECKPOINT_CHANGED, where, str(error))
        return
    if root.heads != row.heads or root.hexdigest() != row.root:
        detail = f"it signed {row.heads} heads; the {root.heads} on file have another root"
        report.add(ProblemKind.CHECKPOINT_CHANGED, where, detail)


# --- what hangs on events ------------------------------------------------------------------------

_ORPHAN_LINKS: Final = text(
    """
    SELECT l.stream, l.seq, l.person_id, l.person_seq FROM stream_link AS l
    WHERE NOT EXISTS (SELECT 1 FROM ledger_event AS e
                      WHERE e.person_id = l.person_id AND e.seq = l.person_seq)
    ORDER BY l.stream, l.seq LIMIT :most
    """
)
_LINK_GAPS: Final = text(
    """
    SELECT stream, count(*) AS entries, max(seq) AS head FROM stream_link
    GROUP BY stream HAVING count(*) <> max(seq) ORDER BY stream LIMIT :most
    """
)
_ORPHAN_ATTEMPTS: Final = text(
    """
    SELECT a.attempt_id, a.person_id FROM attempt AS a
    WHERE NOT EXISTS (SELECT 1 FROM ledger_event AS e WHERE e.decision_id = a.attempt_id)
    ORDER BY a.attempt_id LIMIT :most
    """
)


async def _verify_links(ledger: Ledger, report: VerifyReport) -> None:
    most = {"most": PROBLEMS_MOST}
    async with ledger.read() as conn:
        for row in await conn.execute(_ORPHAN_LINKS, most):
            detail = f"event {row.person_id}/{row.person_seq} is not there"
            report.add(ProblemKind.LINK_BROKEN, f"{row.stream}/{row.seq}", detail)
        for row in await conn.execute(_LINK_GAPS, most):
            detail = f"{row.entries} entries, the last is number {row.head}"
            report.add(ProblemKind.LINK_BROKEN, row.stream, detail)
        for row in await conn.execute(_ORPHAN_ATTEMPTS, most):
            where = f"attempt {row.attempt_id}"
            report.add(ProblemKind.ATTEMPT_UNPROVEN, where, f"person {row.person_id}")


async def _verify_audit(ledger: Ledger, report: VerifyReport) -> None:
    previous, number = GENESIS, 0
    while True:
        query = (
            select(audit_event)
            .where(audit_event.c.audit_no > number)
            .order_by(audit_event.c.audit_no)
            .limit(PAGE_EVENTS)
        )
        async with ledger.read() as conn:
            page = (await conn.execute(query)).all()
        for row in page:
            computed = audit_hash(
                previous, row.audit_no, row.at_ms, row.actor, row.action, row.target, row.detail
            )
            if row.audit_no != number + 1:
                detail = f"the next on file is {row.audit_no}"
                report.add(ProblemKind.AUDIT_CHANGED, f"audit {number + 1}", detail)
            elif computed != row.hash:
                report.add(ProblemKind.AUDIT_CHANGED, f"audit {row.audit_no}")
            previous, number = row.hash, row.audit_no
        if len(page) < PAGE_EVENTS:
            return


async def _verify_file(ledger: Ledger, report: VerifyReport) -> None:
    """Indexes that disagree with their tables, pages that are none: SQLite's own check."""
    try:
        async with ledger.read() as conn:
            found = (await conn.execute(text("PRAGMA integrity_check(20)"))).scalars().all()
    except LedgerUnavailable as error:
        report.add(ProblemKind.STORAGE, ledger.where, error.what)
        return
    for line in found:
        if line != "ok":
            report.add(ProblemKind.STORAGE, ledger.where, str(line))
