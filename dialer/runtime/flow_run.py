"""One flow on one call, with what belongs to its life only."""

from __future__ import annotations

from datetime import datetime

from campaigns.content.render import MergeValue
from campaigns.model import Callback
from compliance.types import CampaignId
from dialer.core.flow_session import Doing, Session
from dialer.core.identity import IdentityOnFile
from dialer.core.script import Script
from dialer.runtime.pump import LiveContact
from dialer.stores.ledger.screens import PersonOnScreen
from telephony_adapters.clock import TimerHandle
from telephony_adapters.messages import CallId


class NobodyKnown(Exception):
    """Something that concerns one person, on a call of somebody unknown."""


class FlowRun:
    """Mutable on purpose: the session inside is not."""

    __slots__ = (
        "_timer",
        "call_id",
        "callback",
        "caller",
        "campaign_id",
        "debt_values",
        "live",
        "on_file",
        "person",
        "playing",
        "promise_review_at",
        "script",
        "session",
    )

    def __init__(
        self,
        call_id: CallId,
        campaign_id: CampaignId,
        live: LiveContact | None,
        script: Script,
        session: Session,
    ) -> None:
        self.call_id = call_id
        self.campaign_id = campaign_id
        self.live = live
        """None: somebody calls us, and nobody knows whose call it may be."""
        self.script = script
        self.session = session
        self.person: PersonOnScreen | None = None
        self.on_file = IdentityOnFile()
        """What the person can be asked to prove, by keys."""
        self.debt_values: dict[str, MergeValue] = {}
        """Empty until an identity check is on record as passed."""
        self.caller: str | None = None
        """Number of somebody who calls us, E.164; None: withheld, or we called."""
        self.playing = ""
        """The playback that the carrier has been asked for."""
        self.callback: Callback | None = None
        self.promise_review_at: datetime | None = None
        self._timer: TimerHandle | None = None

    @property
    def person_is_gone(self) -> bool:
        """The call ended before the flow began."""
        return self.session.doing is Doing.OVER

    @property
    def known(self) -> LiveContact:
        """Whose call it is. Raises `NobodyKnown`: what concerns one person cannot be done."""
        if self.live is None:
            raise NobodyKnown(f"nobody knows whose call {self.call_id} is")
        return self.live

    @property
    def is_verified(self) -> bool:
        """Whether an identity check of this call is on record as passed."""
        return self.live is not None and self.live.verified and self.session.state.verified

    @property
    def by(self) -> str:
        """Who records what this flow hears, as agents are named in the ledger."""
        return f"flow:{self.script.label}"

    def set_timer(self, timer: TimerHandle) -> None:
        """One timer a flow: a new one takes the place of the last."""
        self.stop_timer()
        self._timer = timer

    def stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
