"""Figures for Prometheus: requests, sockets, agents, and the campaigns that this worker drives."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from campaigns.campaign import CampaignState
from dialer.console.services import Services
from dialer.runtime.replaying import REVIEW_KIND
from dialer.stores.ledger.reviews import count_open_reviews

BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
NODE_FIGURES: Final = (
    "up",
    "draining",
    "lines",
    "legs",
    "links",
    "given_up",
    "refused_rate",
    "refused_lines",
)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry for each server: nothing global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "marcador_http_requests_total",
            "HTTP requests by route and status",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "marcador_http_request_seconds",
            "Time to answer an HTTP request, by route",
            ["route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.sockets = Gauge(
            "marcador_agent_sockets", "Agents' WebSockets that are open", registry=self.registry
        )
        self.said = Counter(
            "marcador_agent_messages_total",
            "Messages over agents' WebSockets",
            ["direction"],
            registry=self.registry,
        )
        self.closed = Counter(
            "marcador_agent_sockets_closed_total",
            "Agents' WebSockets that this server ended, by reason",
            ["reason"],
            registry=self.registry,
        )
        self._agents = Gauge(
            "marcador_agents", "Agents of this worker by state", ["state"], registry=self.registry
        )
        self._reviews = Gauge(
            "marcador_open_reviews",
            "Reviews that wait for a person, by kind: replay_difference, cdr_without_attempt ...",
            ["kind"],
            registry=self.registry,
        )
        self._campaign = Gauge(
            "marcador_campaign",
            "Live figures of the campaigns that this worker drives",
            ["campaign", "figure"],
            registry=self.registry,
        )

        self._carrier = Gauge(
            "marcador_carrier",
            "What the carrier's adapter has counted since the start",
            ["count"],
            registry=self.registry,
        )

        self._node = Gauge(
            "marcador_node",
            "The carrier's nodes: up, draining, lines, legs, links; and since the start "
            "refused_rate, refused_lines, given_up",
            ["node", "figure"],
            registry=self.registry,
        )

        self._provider = Gauge(
            "marcador_message_provider",
            "What the providers of messages have counted since the start",
            ["provider", "count"],
            registry=self.registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    async def page(self, services: Services) -> bytes:
        """The text that Prometheus reads."""
        self._agents.clear()
        for session in services.desk.sessions():
            self._agents.labels(session.state).inc()
        for name, count in services.carrier_counts().items():
            self._carrier.labels(name).set(count)
        for node in services.nodes():
            for name in NODE_FIGURES:
                self._node.labels(node.name, name).set(getattr(node, name))
        for provider, counts in services.provider_counts().items():
            for name, count in counts.items():
                self._provider.labels(provider, name).set(count)
        await self._count_reviews(services)
        self._campaign.clear()
        for campaign in await services.campaigns.list():
            if campaign.state is not CampaignState.RUNNING:
                continue
            figures = await services.campaigns.live(campaign.campaign_id)
            if figures is None:
                continue
            for name in (
                "dialed",
                "ringing",
                "answered",
                "machines",
                "connected",
                "abandoned",
                "waiting",
                "right_party",
                "promises",
                "blocked",
                "abandoned_pct",
                "occupancy_pct",
                "connect_p99_ms",
            ):
                self._campaign.labels(campaign.name, name).set(getattr(figures, name))
            for state, count in figures.queue.items():
                self._campaign.labels(campaign.name, f"queue_{state}").set(count)
        return generate_latest(self.registry)

    async def _count_reviews(self, services: Services) -> None:
        """Where the ledger is away the last figures stay away too: an alarm must not look calm."""
        self._reviews.clear()
        async with services.ledger.read() as conn:
            waiting = await count_open_reviews(conn)
        # Alarms are there from the start, so that a rule can be written for them.
        for kind, count in ({REVIEW_KIND: 0} | waiting).items():
            self._reviews.labels(kind).set(count)
