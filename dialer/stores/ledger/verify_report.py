"""What a verification of the ledger finds, and the verification of one person's export."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from compliance.chain import BreakKind, ChainBreak, ChainChecker, ChainedEvent, Head
from compliance.types import PersonId

PROBLEMS_MOST: Final = 200
"""Problems that a report lists one by one; all are counted."""


class ProblemKind(StrEnum):
    """What is wrong. The first four are those of `compliance.chain.BreakKind`."""

    GAP = BreakKind.GAP
    OUT_OF_ORDER = BreakKind.OUT_OF_ORDER
    WRONG_HASH = BreakKind.WRONG_HASH
    FOREIGN = BreakKind.FOREIGN
    WRONG_DECISION = "wrong_decision"
    """The column `decision_id` is not what the event's body says."""
    HEAD_CHANGED = "head_changed"
    """The event that a checkpoint signed has another hash now."""
    TAIL_REMOVED = "tail_removed"
    """A person's stream ends before the head that a checkpoint signed."""
    PERSON_REMOVED = "person_removed"
    """A checkpoint signed a head of this person, and no event of theirs is left."""
    CHECKPOINT_CHANGED = "checkpoint_changed"
    """Its heads, or its row, are not what its root was computed from."""
    CHECKPOINT_UNSIGNED = "checkpoint_unsigned"
    """Its signature is not of this row, or of another key than the ledger's."""
    CHECKPOINT_REMOVED = "checkpoint_removed"
    LINK_BROKEN = "link_broken"
    """An entry of a shared stream is missing, or points at an event that is not there."""
    ATTEMPT_UNPROVEN = "attempt_unproven"
    """An attempt is on file whose event is not."""
    AUDIT_CHANGED = "audit_changed"
    STORAGE = "storage"
    """The database finds its own file damaged."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not as it was written, and where."""

    kind: ProblemKind
    where: str
    """`PERSON/SEQ` of an event, `checkpoint N`, `audit N`, a stream or a table."""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} at {self.where}" + (f": {self.detail}" if self.detail else "")


class VerifyReport(msgspec.Struct, kw_only=True):
    """What a verification found."""

    events: int = 0
    people: int = 0
    checkpoints: int = 0
    events_after_checkpoint: int = 0
    """Not yet signed: of these alone, one taken from the end of a stream would not show."""
    problem_count: int = 0
    problems: list[Problem] = []
    """The first `PROBLEMS_MOST`."""

    @property
    def holds(self) -> bool:
        return self.problem_count == 0

    def add(self, kind: ProblemKind, where: str, detail: str = "") -> None:
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_MOST:
            self.problems.append(Problem(kind=kind, where=where, detail=detail))


def verify_person(
    person_id: PersonId, events: Iterable[ChainedEvent], heads: Iterable[Head] = ()
) -> VerifyReport:
    """Verify one person's exported stream, alone or against heads from signed checkpoints."""
    report = VerifyReport(people=1)
    signed = {head.seq: head for head in heads if head.person_id == person_id}
    checker = ChainChecker(person_id)
    for event in events:
        report.events += 1
        note_break(checker.step(event), report)
        head = signed.pop(event.seq, None)
        if head is not None and head.hash != event.hash:
            report.add(ProblemKind.HEAD_CHANGED, f"{person_id}/{event.seq}")
    note_missing(person_id, checker.seq, sorted(signed), report)
    return report


def note_break(found: ChainBreak | None, report: VerifyReport) -> None:
    if found is not None:
        detail = f"expected {found.expected}, found {found.found}"
        report.add(ProblemKind(found.kind), f"{found.person_id}/{found.seq}", detail)


def note_missing(
    person_id: str, last_seq: int, signed: Sequence[int], report: VerifyReport
) -> None:
    """Heads that were signed and of which no event is left."""
    beyond = [seq for seq in signed if seq > last_seq]
    if not beyond:
        return  # One inside the stream shows as a gap.
    kind = ProblemKind.TAIL_REMOVED if last_seq else ProblemKind.PERSON_REMOVED
    detail = f"a checkpoint signed event {beyond[-1]}"
    report.add(kind, f"{person_id}/{last_seq + 1}", detail)
