"""Texts and flows: their versions, who wrote and who approved them.

What fails the lint or the proof can be kept as a draft, and no further: the check is made here, by
the one function that submits and approves, so no way in can leave it out.
"""

from __future__ import annotations

import asyncio
import hashlib
from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from campaigns.content.findings import Finding, Severity
from campaigns.content.lifecycle import ContentAction, ContentState, step
from campaigns.content.lint import Report, lint
from campaigns.content.sending import ApprovedTemplate
from campaigns.content.template import Template
from campaigns.flows.model import Flow
from campaigns.flows.proof import Proof, prove
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import content_version
from dialer.stores.ledger.users import Role

TRIES: Final = 5
"""Somebody else may take a version number first; then the next one is tried."""

WRITERS: Final = frozenset({Role.MANAGER, Role.ADMIN})
APPROVERS: Final = frozenset({Role.COMPLIANCE})
MAY: Final = {
    ContentAction.SUBMIT: WRITERS,
    ContentAction.APPROVE: APPROVERS,
    ContentAction.RETURN: APPROVERS,
    ContentAction.RETIRE: WRITERS | APPROVERS,
}
"""Whose role may take a version on, by whatever way."""

CHECKED: Final = frozenset({ContentAction.SUBMIT, ContentAction.APPROVE})
"""Actions that nothing with an error may go through."""


class ContentKind(StrEnum):
    TEMPLATE = "template"
    FLOW = "flow"


class VersionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A version without its text."""

    kind: ContentKind
    name: str
    version: int
    state: ContentState
    sha256: str
    """Of the document; what is sent or played names it."""
    author: str
    created_ms: int
    submitted_by: str | None = None
    submitted_ms: int | None = None
    approved_by: str | None = None
    approved_ms: int | None = None
    retired_by: str | None = None
    retired_ms: int | None = None
    comment: str = ""
    """Why it was returned."""


class ContentVersion(msgspec.Struct, frozen=True, kw_only=True):
    info: VersionInfo
    document: Template | Flow

    def check(self) -> Report | Proof:
        """The lint's report, or the proof."""
        if isinstance(self.document, Template):
            return lint(self.document)
        return prove(self.document)


class ContentRefused(Exception):
    """The text fails the lint, or the flow its proof: it goes no further."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        errors = tuple(f for f in findings if f.severity is Severity.ERROR)
        super().__init__("; ".join(f"{f.place} {f.en}".strip() for f in errors))
        self.findings = errors


class SamePerson(Exception):
    """Who wrote or submitted a version cannot approve it."""


_INFO: Final = [content_version.c[name] for name in VersionInfo.__struct_fields__]
_TYPES: Final[dict[ContentKind, type[Template] | type[Flow]]] = {
    ContentKind.TEMPLATE: Template,
    ContentKind.FLOW: Flow,
}


def kind_of(document: Template | Flow) -> ContentKind:
    return ContentKind.TEMPLATE if isinstance(document, Template) else ContentKind.FLOW


async def create_version(
    conn: AsyncConnection, document: Template | Flow, *, actor: str, now_ms: int
) -> ContentVersion:
    """The next version of its name, as a draft. Its `version` is given here."""
    kind, name = kind_of(document), document.name
    for _ in range(TRIES):
        newest = select(func.max(content_version.c.version)).where(
            content_version.c.kind == kind, content_version.c.name == name
        )
        version = ((await conn.execute(newest)).scalar() or 0) + 1
        numbered = msgspec.structs.replace(document, version=version)
        text = msgspec.json.encode(numbered, order="sorted").decode()
        info = VersionInfo(
            kind=kind,
            name=name,
            version=version,
            state=ContentState.DRAFT,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            author=actor,
            created_ms=now_ms,
        )
        try:
            async with conn.begin_nested():
                row = msgspec.structs.asdict(info) | {"document": text}
                await conn.execute(content_version.insert().values(row))
        except IntegrityError:
            continue
        await _audit(conn, info, "create", actor, now_ms)
        return ContentVersion(info=info, document=numbered)
    raise RuntimeError(f"no version number of {name} could be had")


async def list_versions(
    conn: AsyncConnection,
    kind: ContentKind,
    *,
    name: str | None = None,
    state: ContentState | None = None,
) -> list[VersionInfo]:
    """By name; the newest version of each first."""
    query = (
        select(*_INFO)
        .where(content_version.c.kind == kind)
        .order_by(content_version.c.name, content_version.c.version.desc())
    )
    if name is not None:
        query = query.where(content_version.c.name == name)
    if state is not None:
        query = query.where(content_version.c.state == state)
    rows = await conn.execute(query)
    return [msgspec.convert(row, VersionInfo, from_attributes=True) for row in rows]


async def get_version(
    conn: AsyncConnection, kind: ContentKind, name: str, version: int
) -> ContentVersion | None:
    return await _one(conn, kind, select(content_version).where(_same(kind, name, version)))


async def approved_version(
    conn: AsyncConnection, kind: ContentKind, name: str
) -> ContentVersion | None:
    """The one version of a name that may be used."""
    query = select(content_version).where(
        content_version.c.kind == kind,
        content_version.c.name == name,
        content_version.c.state == ContentState.APPROVED,
    )
    return await _one(conn, kind, query)


async def approved_template(conn: AsyncConnection, name: str) -> ApprovedTemplate | None:
    """What a sender may prepare texts from; None: nothing of that name is approved."""
    found = await approved_version(conn, ContentKind.TEMPLATE, name)
    if found is None or not isinstance(found.document, Template):
        return None
    return ApprovedTemplate(
        template=found.document,
        author=found.info.author,
        approved_by=found.info.approved_by or "",
    )


async def act_on_version(
    ledger: Ledger,
    kind: ContentKind,
    name: str,
    version: int,
    action: ContentAction,
    *,
    actor: str,
    now_ms: int,
    comment: str = "",
) -> VersionInfo:
    """Take a version to its next state, with a row in the audit trail.

    Approving one retires the version of the same name that was approved before.

    Raises:
        LookupError: there is no such version.
        ImpossibleContentAction: its state does not allow the action.
        ContentRefused: it has errors, and the action is to submit or approve.
        SamePerson: who approves has written or submitted it.
    """
    async with ledger.read() as conn:
        found = await get_version(conn, kind, name, version)
    if found is None:
        raise LookupError(f"there is no version {version} of {name}")
    step(found.info.state, action)
    if action in CHECKED:
        # Outside of the transaction, which would make calls wait: a document never changes.
        report = await asyncio.to_thread(found.check)
        if not report.ok:
            raise ContentRefused(report.findings)
    async with ledger.write() as conn:
        before = await _locked(conn, kind, name, version)
        after = step(before.state, action)
        if action is ContentAction.APPROVE:
            if actor in (before.author, before.submitted_by):
                raise SamePerson(f"{name} {version} is approved by somebody else than its author")
            await _retire_approved(conn, before, actor, now_ms)
        changes = _changes(action, actor, now_ms) | {"state": after, "comment": comment}
        await conn.execute(
            update(content_version).where(_same(kind, name, version)).values(changes)
        )
        await _audit(conn, before, action.value, actor, now_ms)
    return msgspec.structs.replace(before, **changes)


async def _locked(conn: AsyncConnection, kind: ContentKind, name: str, version: int) -> VersionInfo:
    """A version; all versions of its name are kept from others until the transaction ends."""
    c = content_version.c
    query = select(*_INFO).where(c.kind == kind, c.name == name).order_by(c.version)
    rows = await conn.execute(query.with_for_update())
    found = {row.version: msgspec.convert(row, VersionInfo, from_attributes=True) for row in rows}
    return found[version]


def _changes(action: ContentAction, actor: str, now_ms: int) -> dict[str, object]:
    match action:
        case ContentAction.SUBMIT:
            return {"submitted_by": actor, "submitted_ms": now_ms}
        case ContentAction.APPROVE:
            return {"approved_by": actor, "approved_ms": now_ms}
        case ContentAction.RETIRE:
            return {"retired_by": actor, "retired_ms": now_ms}
        case ContentAction.RETURN:
            return {"submitted_by": None, "submitted_ms": None}


async def _retire_approved(
    conn: AsyncConnection, new: VersionInfo, actor: str, now_ms: int
) -> None:
    approved = await list_versions(conn, new.kind, name=new.name, state=ContentState.APPROVED)
    for old in approved:
        changes = _changes(ContentAction.RETIRE, actor, now_ms) | {"state": ContentState.RETIRED}
        await conn.execute(
            update(content_version).where(_same(old.kind, old.name, old.version)).values(changes)
        )
        await _audit(conn, old, ContentAction.RETIRE.value, actor, now_ms)


async def _audit(
    conn: AsyncConnection, info: VersionInfo, action: str, actor: str, now_ms: int
) -> None:
    await record_audit(
        conn,
        at_ms=now_ms,
        actor=actor,
        action=f"{info.kind}.{action}",
        target=f"{info.name}/{info.version}",
        detail={"sha256": info.sha256, "author": info.author},
    )


def _same(kind: ContentKind, name: str, version: int) -> ColumnElement[bool]:
    c = content_version.c
    return and_(c.kind == kind, c.name == name, c.version == version)


async def _one(
    conn: AsyncConnection, kind: ContentKind, query: Select[*tuple[object, ...]]
) -> ContentVersion | None:
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    return ContentVersion(
        info=msgspec.convert(row, VersionInfo, from_attributes=True),
        document=msgspec.json.decode(row.document, type=_TYPES[kind]),
    )
