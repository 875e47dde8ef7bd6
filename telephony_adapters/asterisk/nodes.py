"""Several Asterisks as one carrier: what each must be told of the others."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.settings import AsteriskSettings, fits
from telephony_adapters.clock import Clock
from telephony_adapters.nodes.carrier import NodesCarrier
from telephony_adapters.nodes.settings import NAME_PATTERN, NodeLimits, NodesSettings


class AsteriskNode(msgspec.Struct, frozen=True, kw_only=True):
    """One Asterisk of several."""

    limits: NodeLimits
    settings: AsteriskSettings
    """Without `links`, which are made of what is said of the others."""
    link_dial: str
    """Dial string by which the others call it, with `{token}` for a one-time word."""

    @property
    def name(self) -> str:
        return self.limits.name


def faults(nodes: Sequence[AsteriskNode]) -> list[str]:
    """What is wrong with several nodes, each as `nodes.NAME.key: fault`."""
    found = []
    urls: dict[str, str] = {}
    for node in nodes:
        here = f"nodes.{node.name}"
        if not re.fullmatch(NAME_PATTERN, node.name):
            found.append(f"{here}: a name of small letters, digits and `-`, at most 20")
        found += [f"{here}.{fault}" for fault in node.settings.faults()]
        if len(nodes) > 1 and not node.link_dial:
            found.append(f"{here}.link_dial: say how the other nodes call this one")
        elif len(nodes) > 1 and not fits(node.link_dial, {"token"}):
            found.append(f"{here}.link_dial: a dial string with {{token}}, not `{node.link_dial}`")
        same = urls.setdefault(node.settings.url, node.name)
        if same != node.name:
            found.append(f"{here}.url: node `{same}` has the same")
    if nodes and all(node.limits.drain for node in nodes):
        found.append("nodes: every node is to be drained: leave one that takes calls")
    return found


def linked(nodes: Sequence[AsteriskNode]) -> list[AsteriskNode]:
    """Each told how to call the others."""
    return [
        msgspec.structs.replace(
            node,
            settings=msgspec.structs.replace(
                node.settings,
                links={other.name: other.link_dial for other in nodes if other is not node},
            ),
        )
        for node in nodes
    ]


def carrier(nodes: Sequence[AsteriskNode], settings: NodesSettings, clock: Clock) -> NodesCarrier:
    """All of them as one; not started."""
    return NodesCarrier(
        [(node.limits, AsteriskCarrier(node.settings, clock)) for node in linked(nodes)],
        settings,
        clock,
    )
