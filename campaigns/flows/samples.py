"""The flows that ship with Marcador, all of them proved."""

from __future__ import annotations

from functools import cache

from campaigns.content.samples import sample_sources
from campaigns.flows.model import Flow, parse_flow


@cache
def sample_flows() -> tuple[Flow, ...]:
    return tuple(parse_flow(text) for text in sample_sources("flows").values())
