"""How an adapter call can go wrong. The difference between *rejected* and *unknown* is the
difference between trying again and never trying again blindly."""

from __future__ import annotations

from telephony_adapters.messaging import Refusal


class TelephonyError(Exception):
    """Root of what adapters raise. `code` is stable; the text is for people."""

    code = "telephony_error"

    def __init__(self, message: str, *, provider_code: str = "") -> None:
        super().__init__(message)
        self.provider_code = provider_code


class OriginateRejected(TelephonyError):
    """The carrier refused before anything rang: the call certainly was not placed."""

    code = "originate_rejected"


class OutcomeUnknown(TelephonyError):
    """No answer in time: the call may or may not exist. Reconcile by our own call id."""

    code = "outcome_unknown"


class CarrierUnavailable(TelephonyError):
    """There is no connection to the carrier; nothing was sent."""

    code = "carrier_unavailable"


class UnknownCall(TelephonyError):
    """The carrier knows no live call (or leg) of this id."""

    code = "unknown_call"


class DuplicateCall(TelephonyError):
    """The call id is in use: this originate was made before and was not repeated."""

    code = "duplicate_call"


class NotOffered(TelephonyError):
    """This adapter does not do that; its facts say so."""

    code = "not_offered"


class NoAudio(TelephonyError):
    """A prompt without a recording, for a carrier that has no voice of its own."""

    code = "no_audio"


class MessageRejected(TelephonyError):
    """The provider refused a message: it was certainly not sent."""

    code = "message_rejected"

    def __init__(
        self, message: str, *, refusal: Refusal = Refusal.OTHER, provider_code: str = ""
    ) -> None:
        super().__init__(message, provider_code=provider_code)
        self.refusal = refusal

    @property
    def permanent(self) -> bool:
        """The address, not the moment, is the reason."""
        return self.refusal.is_permanent
