"""The limited-content message of 12 CFR 1006.2(j): these sentences, and nothing else.

Required: a business name that does not indicate debt collection, a request to reply, the name of
a natural person to contact, a telephone number. Optional: a salutation, date and time of the
message, suggested times to reply, that any representative may answer. Any other content makes it
a communication. So the message is not searched for what is forbidden; it is built of sentences
that are known to be allowed, and each one must be one of them.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, NamedTuple

from campaigns.content.folding import fold
from campaigns.content.words import time_words


class Item(StrEnum):
    """What a sentence of the message is, in the terms of the rule."""

    BUSINESS = "business_name"
    REQUEST = "request_to_reply"
    PERSON = "person_to_contact"
    NUMBER = "telephone_number"
    SALUTATION = "salutation"
    DATE = "date_and_time"
    TIMES = "suggested_times"
    ANYBODY = "any_representative"


REQUIRED: Final = (Item.BUSINESS, Item.REQUEST, Item.PERSON, Item.NUMBER)

_GAP: Final = r"[,:;]?\s+"
_COMPANY: Final = r"\{\{company\}\}"
_PERSON: Final = r"\{\{agent_name\}\}"
_NUMBER: Final = r"\{\{return_number\}\}(?: (?:o|u|y|or|and)(?: al| el| at)? \{\{other_number\}\})?"
_TIMES: Final = r"(?:\{\{reply_times\}\}|\{\{hours\}\})"
_WHO_ES: Final = (
    rf"(?: (?:con {_PERSON}|conmigo)(?: o con (?:otro|cualquier) (?:representante|asociado))?)?"
)
_WHO_EN: Final = rf"(?: {_PERSON}| me)(?: or (?:another|any) (?:representative|associate))?"


class _Sentence(NamedTuple):
    pattern: re.Pattern[str]
    items: tuple[Item, ...]


def _sentence(pattern: str, *items: Item) -> _Sentence:
    return _Sentence(re.compile(pattern), items)


_SENTENCES: Final = (
    # Spanish
    _sentence(r"(?:hola|buenos dias|buen dia|buenas tardes|buenas noches)", Item.SALUTATION),
    _sentence(
        rf"(?:le )?(?:habla|llama|saluda|soy|le habla|mi nombre es) {_PERSON}{_GAP}"
        rf"(?:de|desde|y llamo de|y le llamo de) {_COMPANY}",
        Item.PERSON,
        Item.BUSINESS,
    ),
    _sentence(rf"(?:este es un mensaje|mensaje|un mensaje) de {_COMPANY}", Item.BUSINESS),
    _sentence(
        r"(?:por favor )?(?:llameme|llamenos|comuniquese|devuelva (?:la|esta|mi) llamada|"
        rf"devuelvame la llamada|le pido que llame|responda){_WHO_ES} (?:al|a) {_NUMBER}",
        Item.REQUEST,
        Item.NUMBER,
    ),
    _sentence(
        r"(?:por favor )?(?:comuniquese|hable|llame|pregunte|pida hablar) (?:con|por) "
        rf"{_PERSON}(?: o con (?:otro|cualquier) (?:representante|asociado))? (?:al|a) {_NUMBER}",
        Item.REQUEST,
        Item.PERSON,
        Item.NUMBER,
    ),
    _sentence(rf"(?:pregunte por|pida hablar con) {_PERSON}", Item.PERSON),
    _sentence(r"(?:hoy es|este mensaje es del|mensaje del) \{\{message_date\}\}", Item.DATE),
    _sentence(
        rf"(?:puede (?:llamar|llamarme|llamarnos|responder)|estamos disponibles|atendemos)"
        rf"(?: de| el| en el horario de)? {_TIMES}",
        Item.TIMES,
    ),
    _sentence(
        r"(?:puede (?:hablar|comunicarse) con )?(?:cualquier representante|cualquier asociado|"
        r"cualquiera de nuestros representantes|cualquiera de nuestros asociados)"
        r"(?: (?:puede atenderle|puede atender su llamada|le atendera))?",
        Item.ANYBODY,
    ),
    # English
    _sentence(r"(?:hello|hi|good (?:morning|afternoon|evening|day))", Item.SALUTATION),
    _sentence(
        rf"(?:this is|my name is) {_PERSON}{_GAP}"
        rf"(?:(?:calling )?(?:from|with)|and i am calling from) {_COMPANY}",
        Item.PERSON,
        Item.BUSINESS,
    ),
    _sentence(rf"(?:this is )?a message from {_COMPANY}", Item.BUSINESS),
    _sentence(
        r"(?:please )?(?:call|contact|reach|return (?:my|this|our) call(?: to)?)"
        rf"(?:{_WHO_EN}| us)?(?: back)? at {_NUMBER}",
        Item.REQUEST,
        Item.NUMBER,
    ),
    _sentence(rf"(?:please )?ask for {_PERSON}", Item.PERSON),
    _sentence(r"(?:today is|this message was left on) \{\{message_date\}\}", Item.DATE),
    _sentence(
        rf"(?:you (?:can|may) (?:call|reply|reach us)|we are available)(?: on| from)? {_TIMES}",
        Item.TIMES,
    ),
    _sentence(
        r"(?:you (?:can|may) speak (?:to|with) )?any (?:of our )?(?:representatives?|associates?)"
        r"(?: or associates?)?(?: (?:can|may) (?:help you|answer your call|answer))?",
        Item.ANYBODY,
    ),
)

_END: Final = re.compile(r"[.!?;\n]+(?=\s|$|[¡¿])|\n")
_FIELD: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_EDGE: Final = " \t,¡¿!?:;"


class Unknown(NamedTuple):
    """A sentence that is none of the allowed ones."""

    text: str
    start: int


class Limited(NamedTuple):
    """What a message is made of."""

    items: frozenset[Item]
    unknown: tuple[Unknown, ...]

    @property
    def missing(self) -> tuple[Item, ...]:
        return tuple(item for item in REQUIRED if item not in self.items)


def read_limited(text: str) -> Limited:
    """Take a message apart into the sentences of the rule."""
    items: set[Item] = set()
    unknown: list[Unknown] = []
    for start, sentence in _sentences(text):
        known = _match(sentence)
        if known is None:
            unknown.append(Unknown(sentence.strip(), start))
        else:
            items.update(known)
    return Limited(frozenset(items), tuple(unknown))


def _sentences(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    at = 0
    for end in _END.finditer(text):
        found.append((at, text[at : end.start()]))
        at = end.end()
    found.append((at, text[at:]))
    placed = [(start + len(s) - len(s.lstrip(_EDGE)), s.strip(_EDGE)) for start, s in found]
    return [(start, s) for start, s in placed if s]


def _match(sentence: str) -> tuple[Item, ...] | None:
    plain = " ".join(fold(_FIELD.sub(r"{{\1}}", sentence)).text.split())
    found = _whole(plain)
    if found is not None:
        return found
    # `Hola, le habla ...`: a salutation may stand before a sentence.
    head, comma, rest = plain.partition(", ")
    if comma and _whole(head) == (Item.SALUTATION,):
        after = _whole(rest.strip(_EDGE))
        return None if after is None else (Item.SALUTATION, *after)
    return None


def _whole(plain: str) -> tuple[Item, ...] | None:
    for sentence in _SENTENCES:
        if sentence.pattern.fullmatch(plain):
            found = sentence.items
            if "{{agent_name}}" in plain and Item.PERSON not in found:
                found = (*found, Item.PERSON)
            return found
    return None


def tells_only_times(text: str) -> bool:
    """Whether a value names days and hours and nothing else."""
    words = re.findall(r"[a-z]+", fold(text).text)
    return bool(text.strip()) and time_words().issuperset(words)
