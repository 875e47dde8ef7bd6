"""A flow with what is known of its nodes: which of them tell of a debt."""

from __future__ import annotations

from typing import NamedTuple

from campaigns.content.lint import text_class
from campaigns.flows.model import (
    BEFORE_VERIFICATION,
    AnyNode,
    Callback,
    Disclose,
    Flow,
    Link,
    LinkPurpose,
    Promise,
    Record,
    texts,
)
from compliance.types import ContentClass


class Program(NamedTuple):
    flow: Flow
    disclosing: frozenset[str]
    """Nodes that only a verified person may reach."""
    personal: frozenset[str]
    """Nodes that write something down for one person, or write to them: who it is must be known."""


def compile_flow(flow: Flow) -> Program:
    return Program(
        flow,
        frozenset(key for key, node in flow.nodes.items() if discloses(node)),
        frozenset(key for key, n in flow.nodes.items() if isinstance(n, Callback | Record | Link)),
    )


def discloses(node: AnyNode) -> bool:
    """Whether a node tells, or presumes, that there is a debt: by its kind, fields or words."""
    if isinstance(node, Disclose | Promise):
        return True
    if isinstance(node, Link) and node.purpose is LinkPurpose.PAY:
        return True
    if isinstance(node, Record) and node.matter not in BEFORE_VERIFICATION:
        return True
    return any(
        text_class(text) is not ContentClass.NEUTRAL
        for _, said in texts(node)
        for text in (said.es, said.en)
    )
