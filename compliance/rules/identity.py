"""Rules about what the person sees of the sender: number, prefix, attestation, name."""

from __future__ import annotations

from datetime import datetime

from compliance.context import Context
from compliance.declared import Declared
from compliance.messages import Finding
from compliance.rules.base import PackRule, ParamError
from compliance.rules.conduct import not_known
from compliance.schema_conduct import NameRule, SenderIdentityParams
from compliance.zones import fold_text

_EVENT = "sender_changed"


class SenderIdentity(PackRule[SenderIdentityParams]):
    """Who calls or writes must be seen for who they are (RCW 19.16.250(19), 47 CFR 64.1601(e))."""

    params_type = SenderIdentityParams

    def prepare(self) -> None:
        params = self.params
        if not (
            params.caller_id_visible
            or params.prefixes
            or params.forbidden_prefixes
            or params.attestation
            or params.name
        ):
            raise ParamError(
                "caller_id_visible", False, "nothing is asked for", "set it, or another parameter"
            )

    def evaluate(self, ctx: Context, at: datetime) -> Finding:
        return self.settled(ctx.declared)

    def settled(self, declared: Declared) -> Finding:
        wrong = self._number(declared) or self._attestation(declared) or self._name(declared)
        return wrong or self.passed

    def _number(self, declared: Declared) -> Finding | None:
        params = self.params
        shown, withheld = declared.caller_id, declared.caller_id_withheld
        by_prefix = bool(params.prefixes or params.forbidden_prefixes)
        if not (params.caller_id_visible or by_prefix):
            return None
        if withheld or (shown is None and withheld is None):
            return self.stop("caller_id_withheld", releasing_event=_EVENT)
        if not by_prefix:
            return None
        if shown is None:
            return self._unless_passed("caller_id_not_known", {})
        if params.prefixes and not shown.startswith(params.prefixes):
            return self._prefix(shown, ",".join(params.prefixes))
        if params.forbidden_prefixes and shown.startswith(params.forbidden_prefixes):
            return self._prefix(shown, "-")
        return None

    def _prefix(self, shown: str, wanted: str) -> Finding:
        # The rest of our own number tells nothing more, and the record is shown to many.
        return self.stop(
            "caller_id_prefix",
            releasing_event=_EVENT,
            detail={"shown": shown[:7], "wanted": wanted},
        )

    def _attestation(self, declared: Declared) -> Finding | None:
        wanted, given = self.params.attestation, declared.attestation
        if not wanted or given in wanted:
            return None
        detail: dict[str, str | int] = {"wanted": ",".join(wanted), "attestation": given or "?"}
        if given is None:
            return self._unless_passed("attestation_not_known", detail)
        return self.stop("attestation_too_weak", releasing_event=_EVENT, detail=detail)

    def _name(self, declared: Declared) -> Finding | None:
        name, neutral = declared.sender_name, declared.name_neutral
        if self.params.name is None:
            return None
        if not name:
            return self._unless_passed("sender_name_missing", {})
        if self.params.name is NameRule.PRESENT:
            return None
        if not neutral:
            return self._unless_passed("neutral_name_not_known", {})
        if fold_text(name) != fold_text(neutral):
            return self.stop("sender_name_not_neutral", releasing_event=_EVENT)
        return None

    def _unless_passed(self, code: str, detail: dict[str, str | int]) -> Finding | None:
        found = not_known(self, self.params.if_unknown, code, releasing_event=_EVENT, detail=detail)
        return None if found is self.passed else found
