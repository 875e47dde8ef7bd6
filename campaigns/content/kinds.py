"""What each kind of text must be and say."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from campaigns.content.folding import fold
from campaigns.content.template import TemplateKind, TextLanguage
from compliance.messages import Message
from compliance.types import Channel, ContentClass


class Phrase(StrEnum):
    """Sentences that a kind of text must have, in some wording."""

    ALREADY_PAID = "already_paid"
    RIGHT_TO_CORRECT = "right_to_correct"


_PHRASES: Final[dict[tuple[Phrase, TextLanguage], re.Pattern[str]]] = {
    (Phrase.ALREADY_PAID, TextLanguage.ES): re.compile(r"\bsi (?:usted )?ya (?:lo )?\w+"),
    (Phrase.ALREADY_PAID, TextLanguage.EN): re.compile(
        r"\bif you (?:have )?already\b|\balready (?:paid|made)\b"
    ),
    (Phrase.RIGHT_TO_CORRECT, TextLanguage.ES): re.compile(
        r"\bsi (?:algo|algun dato)\b.*\b(?:correct|error|bien)"
    ),
    (Phrase.RIGHT_TO_CORRECT, TextLanguage.EN): re.compile(
        r"\bif (?:any of this|anything|something)\b.*\b(?:wrong|correct|right)"
    ),
}

PHRASE_WORDS: Final[dict[Phrase, tuple[str, str]]] = {
    Phrase.ALREADY_PAID: (
        "decir qué pasa si ya pagó (“Si ya pagó, no haga caso de este mensaje”)",
        "what to do if it is paid (“If you have already paid, please ignore this message”)",
    ),
    Phrase.RIGHT_TO_CORRECT: (
        "el derecho a corregir (“Si algún dato no es correcto, llámenos”)",
        "the right to correct (“If anything is wrong, call us”)",
    ),
}


def has_phrase(phrase: Phrase, language: TextLanguage, text: str) -> bool:
    return _PHRASES[phrase, language].search(" ".join(fold(text).text.split())) is not None


class KindRule(Message, frozen=True, kw_only=True):
    classes: tuple[ContentClass, ...]
    fields: tuple[str, ...] = ()
    phrases: tuple[Phrase, ...] = ()


_N, _V = ContentClass.NEUTRAL, ContentClass.VERIFIED
_K, _P = TemplateKind, Phrase

RULES: Final[dict[TemplateKind, KindRule]] = {
    _K.CONTACT_REQUEST: KindRule(classes=(_N,), fields=("company", "return_number", "hours")),
    _K.SECURE_LINK: KindRule(classes=(_N,), fields=("company", "secure_link")),
    _K.PRE_DUE_REMINDER: KindRule(
        classes=(_V,),
        fields=("company", "invoice", "amount", "due_date", "payment_methods"),
        phrases=(_P.ALREADY_PAID,),
    ),
    _K.INVOICE_CHECK: KindRule(classes=(_V,), fields=("company", "invoice")),
    _K.FIRST_OVERDUE: KindRule(
        classes=(_V,),
        fields=("company", "creditor", "reference", "overdue", "payment_methods", "claim_route"),
        phrases=(_P.ALREADY_PAID,),
    ),
    _K.PROMISE_CONFIRMATION: KindRule(
        classes=(_V,),
        fields=("company", "promise_amount", "promise_date", "promise_method", "folio"),
        phrases=(_P.RIGHT_TO_CORRECT,),
    ),
    _K.PROMISE_REMINDER: KindRule(
        classes=(_V,),
        fields=("company", "promise_amount", "promise_date"),
        phrases=(_P.ALREADY_PAID,),
    ),
    _K.BROKEN_PROMISE: KindRule(
        classes=(_V,), fields=("company", "promise_date"), phrases=(_P.ALREADY_PAID,)
    ),
    _K.OFFER: KindRule(
        classes=(_V,),
        fields=("company", "plan_total", "instalments", "offer_expires", "approval_id"),
    ),
    _K.DISPUTE_ACKNOWLEDGEMENT: KindRule(classes=(_V,), fields=("company", "folio", "answer_by")),
    _K.PAYMENT_RECEIPT: KindRule(
        classes=(_V,), fields=("company", "paid_amount", "paid_on", "folio")
    ),
    _K.OPT_OUT_CONFIRMATION: KindRule(classes=(_N,), fields=("company",)),
    _K.VOICEMAIL: KindRule(classes=(ContentClass.VOICEMAIL_LIMITED,)),
    _K.NOTICE: KindRule(
        classes=(ContentClass.LEGAL_NOTICE, _V), fields=("company", "creditor", "claim_route")
    ),
}

WRITTEN: Final = frozenset({Channel.SMS, Channel.WHATSAPP, Channel.EMAIL})
"""Electronic messages: 12 CFR 1006.6(e) asks each of them for a way to opt out."""

_WRITTEN_CLASSES: Final = frozenset({_N, _V, ContentClass.LEGAL_NOTICE})
CLASSES_OF_CHANNEL: Final[dict[Channel, frozenset[ContentClass]]] = {
    Channel.SMS: _WRITTEN_CLASSES,
    Channel.WHATSAPP: _WRITTEN_CLASSES,
    Channel.EMAIL: _WRITTEN_CLASSES,
    Channel.LETTER: _WRITTEN_CLASSES,
    Channel.VOICE: frozenset({_N, ContentClass.VOICEMAIL_LIMITED}),
    Channel.RINGLESS_VOICEMAIL: frozenset({ContentClass.VOICEMAIL_LIMITED}),
}
"""A limited-content message is a voicemail and nothing else (12 CFR 1006.2(j), comment 2(j)-1)."""

SUBJECT_OF_NOTICE: Final = frozenset({"creditor", "reference"})
"""12 CFR 1006.42(b)(1): the subject of a notice names the creditor and one more identifier."""
