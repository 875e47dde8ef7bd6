"""Rules about recording a conversation: whose consent, what is announced, whether it pauses."""

from __future__ import annotations

from datetime import datetime

from compliance import consents
from compliance.context import Context
from compliance.declared import Declared
from compliance.messages import Finding
from compliance.rules.base import PackRule, ParamError
from compliance.rules.conduct import not_known, says
from compliance.rules.conflict import Demanding, Demands
from compliance.schema_conduct import Parties, RecordingConsentParams


class RecordingConsent(PackRule[RecordingConsentParams], Demanding):
    """No recording without the consent that the law asks for (e.g. Cal. Penal Code 632)."""

    params_type = RecordingConsentParams

    def prepare(self) -> None:
        params = self.params
        if params.parties is Parties.ALL and params.announce is None and params.consent is None:
            raise ParamError(
                "parties", params.parties, "nothing would ever do", "give announce, consent or both"
            )
        if params.announce is not None and params.consent is None:
            self.demands = Demands(requires=frozenset({params.announce}))

    def is_due(self, ctx: Context) -> bool:
        return ctx.request.recorded is not False

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        found, consent = self.settled(ctx.declared), self.params.consent
        if found is not None:
            return found
        if consent is None or consents.in_force(consent, ctx, at) is not None:
            return self.passed
        return self._unannounced(ctx.declared, consents.next_start(consent, ctx, at))

    def settled(self, declared: Declared) -> Finding | None:
        params = self.params
        if declared.recorded is False:
            return self.passed
        if declared.recorded is None:
            return self._unknown("recording_not_known", {})
        if params.pause and declared.recording_can_pause is not True:
            if declared.recording_can_pause is None:
                return self._unknown("recording_pause_not_known", {})
            return self.stop("recording_cannot_pause", releasing_event="recording_changed")
        if params.announce is None and params.consent is None:
            return self.passed
        if params.consent is None:
            return self._unannounced(declared, None)
        announced = params.announce is not None and says(declared, params.announce)
        return self.passed if announced else None

    def _unannounced(self, declared: Declared, first_ok: datetime | None) -> Finding:
        """What the announcement makes of a recording that nobody has consented to beforehand."""
        params = self.params
        detail: dict[str, str | int] = {"parties": params.parties}
        if params.announce is not None:
            said = says(declared, params.announce)
            if said:
                return self.passed
            detail |= {"statement": params.announce}
            if said is None and first_ok is None:
                return self._unknown("statements_not_declared", detail)
        return self.stop(
            "recording_without_consent",
            first_ok=first_ok,
            releasing_event="recording_changed",
            detail=detail,
        )

    def _unknown(self, code: str, detail: dict[str, str | int]) -> Finding:
        return not_known(
            self,
            self.params.if_unknown,
            code,
            releasing_event="recording_changed",
            detail=detail,
        )
