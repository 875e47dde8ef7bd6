"""Flows for simulated campaigns: one that ships with Marcador, approved by two simulated people."""

from __future__ import annotations

from campaigns.content.lifecycle import ContentAction
from campaigns.flows.model import Flow
from campaigns.flows.samples import sample_flows
from dialer.stores.ledger.content import (
    ContentKind,
    act_on_version,
    approved_version,
    create_version,
)
from dialer.stores.ledger.database import Ledger

AUTHOR = "simulated manager"
APPROVER = "simulated compliance"


async def approve_shipped(ledger: Ledger, name: str, now_ms: int) -> None:
    """See that a flow of that name is approved. Raises `LookupError` when none ships so named.

    For synthetic portfolios: real people are served by flows that real people have approved.
    """
    async with ledger.read() as conn:
        if await approved_version(conn, ContentKind.FLOW, name) is not None:
            return
        flow = next((flow for flow in sample_flows() if flow.name == name), None)
        if flow is None:
            known = ", ".join(flow.name for flow in sample_flows())
            raise LookupError(f"no flow {name!r} comes with Marcador; there are: {known}")
    await approve(ledger, flow, now_ms)


async def approve(ledger: Ledger, flow: Flow, now_ms: int) -> None:
    """Take a flow from draft to approved. Raises `ContentRefused` where its proof fails."""
    async with ledger.write() as conn:
        made = await create_version(conn, flow, actor=AUTHOR, now_ms=now_ms)
    name, version = flow.name, made.info.version
    for action, actor in ((ContentAction.SUBMIT, AUTHOR), (ContentAction.APPROVE, APPROVER)):
        await act_on_version(
            ledger, ContentKind.FLOW, name, version, action, actor=actor, now_ms=now_ms
        )
