"""The people who get messages: pure and seeded.

What becomes of a message is a function of (seed, channel, address, how many went there before):
it does not depend on what else is sent or in which order, so one seed gives one history. Figures
are assumptions in the order of what providers publish; replies are short, as people write them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import blake2b
from statistics import NormalDist
from typing import Final, Protocol

import msgspec

from compliance.types import Channel
from telephony_adapters.messaging import DeliveryState, OutboundMessage, Refusal
from telephony_adapters.simulator.world import NumberOwner


class PlannedMove(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message will have come so far. Seconds from the sending."""

    after_s: float
    state: DeliveryState
    refusal: Refusal | None = None
    provider_code: str = ""


class PlannedReply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody, or a machine, will answer. Seconds from the sending."""

    after_s: float
    text: str
    automatic: bool = False


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """All that will become of one message, if nobody interferes."""

    refused: Refusal | None = None
    """Turned away at once; nothing else happens."""
    moves: tuple[PlannedMove, ...] = ()
    """In order of time."""
    reply: PlannedReply | None = None


class MessageWorld(Protocol):
    """Decides what becomes of a message."""

    def fate(self, message: OutboundMessage, past: int) -> Fate:
        """`past` counts the messages that went to that address before. Pure."""


class WrittenIntent(StrEnum):
    """What somebody means who writes back."""

    STOP = "stop"
    ALREADY_PAID = "already_paid"
    WRONG_NUMBER = "wrong_number"
    CALL_ME = "call_me"
    WILL_PAY = "will_pay"
    WHO_IS_THIS = "who_is_this"
    DISPUTE = "dispute"
    THANKS = "thanks"


WRITTEN: Final[Mapping[WrittenIntent, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    WrittenIntent.STOP: (
        ("BAJA", "STOP", "baja", "Alto", "no me escriban más"),
        ("STOP", "Stop", "stop texting me", "unsubscribe"),
    ),
    WrittenIntent.ALREADY_PAID: (
        ("ya pagué", "Ya pague esa deuda la semana pasada", "eso ya está pagado"),
        ("I already paid", "already paid this last week"),
    ),
    WrittenIntent.WRONG_NUMBER: (
        ("número equivocado", "Numero equivocado, no soy esa persona", "no lo conozco"),
        ("wrong number", "You have the wrong number"),
    ),
    WrittenIntent.CALL_ME: (
        ("llámame", "Llamame mañana en la tarde por favor", "me pueden llamar?"),
        ("call me", "Please call me tomorrow afternoon"),
    ),
    WrittenIntent.WILL_PAY: (
        ("pago el viernes", "Puedo pagar en dos cuotas?"),
        ("I'll pay on Friday", "can I pay in two parts?"),
    ),
    WrittenIntent.WHO_IS_THIS: (
        ("¿quién es?", "Quien habla?"),
        ("who is this?", "Who are you?"),
    ),
    WrittenIntent.DISPUTE: (
        ("no debo nada", "Esa deuda no es mía"),
        ("I don't owe this", "that debt is not mine"),
    ),
    WrittenIntent.THANKS: (("ok gracias", "Ok"), ("ok thanks", "Ok")),
}
"""What people write, in Spanish and in English."""
AWAY: Final = ("Respuesta automática: estoy fuera de la oficina", "Automatic reply: out of office")
RIGHT_PARTY_INTENTS: Final = {
    WrittenIntent.STOP: 0.18,
    WrittenIntent.ALREADY_PAID: 0.18,
    WrittenIntent.CALL_ME: 0.12,
    WrittenIntent.WILL_PAY: 0.20,
    WrittenIntent.WHO_IS_THIS: 0.12,
    WrittenIntent.DISPUTE: 0.08,
    WrittenIntent.THANKS: 0.12,
}
STRANGER_INTENTS: Final = {WrittenIntent.WRONG_NUMBER: 0.75, WrittenIntent.STOP: 0.25}


class ChannelRates(msgspec.Struct, frozen=True, kw_only=True):
    """How messages of one channel fare. Shares lie between 0 and 1."""

    invalid: float
    """Addresses that do not exist (numbers: those that are in service and take no messages)."""
    refused_at_once: float
    """Of the invalid: told on sending; the others bounce later."""
    filtered: float
    unreachable: float
    mailbox_full: float = 0.0
    not_mobile: float = 0.0
    delivered_s: float
    """Median from sending to delivery."""
    read: float = 0.0
    """Delivered messages whose reading is told."""
    read_s: float = 600.0
    replies: float
    """Delivered messages that somebody answers."""
    reply_s: float = 900.0
    away: float = 0.0
    """Delivered messages that a machine answers."""


DEFAULT_RATES: Final[Mapping[Channel, ChannelRates]] = {
    Channel.SMS: ChannelRates(
        invalid=0.02,
        refused_at_once=0.5,
        filtered=0.01,
        unreachable=0.04,
        not_mobile=0.03,
        delivered_s=4.0,
        replies=0.04,
    ),
    Channel.WHATSAPP: ChannelRates(
        invalid=0.12,
        refused_at_once=0.0,
        filtered=0.01,
        unreachable=0.03,
        delivered_s=3.0,
        read=0.7,
        replies=0.10,
        reply_s=600.0,
    ),
    Channel.EMAIL: ChannelRates(
        invalid=0.05,
        refused_at_once=0.6,
        filtered=0.03,
        unreachable=0.01,
        mailbox_full=0.01,
        delivered_s=20.0,
        replies=0.015,
        reply_s=5400.0,
        away=0.01,
    ),
}

_SENT_S: Final = 0.5
_STRANGERS: Final = 0.15
"""E-mail addresses and the like that belong to somebody else, where no world of numbers tells."""
_DELIVERED_SIGMA: Final = 0.8
_REPLY_SIGMA: Final = 1.2
_DRAWS: Final = 12
_NORMAL: Final = NormalDist()


class SeededCorrespondents:
    """A `MessageWorld` drawn from `rates` by `seed`.

    `owner_of` tells whose a number is, so that the same wrong number says so on the telephone
    and in writing; without it strangers are drawn.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[Channel, ChannelRates] = DEFAULT_RATES,
        *,
        owner_of: Callable[[str], NumberOwner] | None = None,
    ) -> None:
        self._key = blake2b(f"messages|{seed}".encode(), digest_size=32).digest()
        self._rates = rates
        self._owner_of = owner_of

    def fate(self, message: OutboundMessage, past: int) -> Fate:
        rates = self._rates[message.channel]
        kind, at_once, whose, *_ = self._draws(f"address|{message.channel}|{message.to}")
        owner = self._owner(message, whose)
        luck, delay, reads, read_delay, replies, reply_delay, *words = self._draws(
            f"message|{message.channel}|{message.to}|{past + 1}"
        )
        sent = PlannedMove(after_s=_SENT_S, state=DeliveryState.SENT)
        delivered_s = _SENT_S + _lognormal(delay, rates.delivered_s, _DELIVERED_SIGMA)
        refusal, code = _refusal_of(kind, owner, rates)
        if refusal is not None and at_once < rates.refused_at_once:
            return Fate(refused=refusal)
        if refusal is None:
            refusal, code = _misfortune(luck, rates)
        if refusal is not None:
            state = DeliveryState.BOUNCED if refusal.is_permanent else DeliveryState.FAILED
            failed = PlannedMove(
                after_s=delivered_s, state=state, refusal=refusal, provider_code=code
            )
            return Fate(moves=(sent, failed))
        moves = [sent, PlannedMove(after_s=delivered_s, state=DeliveryState.DELIVERED)]
        if reads < rates.read:
            read_s = delivered_s + _lognormal(read_delay, rates.read_s, _REPLY_SIGMA)
            moves.append(PlannedMove(after_s=read_s, state=DeliveryState.READ))
        reply = None
        if replies < rates.replies + rates.away:
            reply = self._reply(
                message,
                owner,
                words,
                moves[-1].after_s + _lognormal(reply_delay, rates.reply_s, _REPLY_SIGMA),
                delivered_s if replies >= rates.replies else None,
            )
        return Fate(moves=tuple(moves), reply=reply)

    def _owner(self, message: OutboundMessage, whose: float) -> NumberOwner:
        if self._owner_of is not None and message.channel is not Channel.EMAIL:
            return self._owner_of(message.to)
        return NumberOwner.WRONG_PARTY if whose < _STRANGERS else NumberOwner.RIGHT_PARTY

    def _reply(
        self,
        message: OutboundMessage,
        owner: NumberOwner,
        words: list[float],
        after_s: float,
        away_s: float | None,
    ) -> PlannedReply:
        intent_draw, text_draw, language_draw, *_ = words
        foreign = message.to.startswith("+1") or "@" in message.to
        language = 1 if foreign and language_draw < 0.5 else 0
        if away_s is not None:
            return PlannedReply(after_s=away_s + 1.0, text=AWAY[language], automatic=True)
        stranger = owner in (NumberOwner.WRONG_PARTY, NumberOwner.THIRD_PARTY)
        intents = STRANGER_INTENTS if stranger else RIGHT_PARTY_INTENTS
        texts = WRITTEN[_choose(intents, intent_draw)][language]
        return PlannedReply(after_s=after_s, text=texts[int(text_draw * len(texts))])

    def _draws(self, label: str) -> tuple[float, ...]:
        digest = blake2b(label.encode(), digest_size=48, key=self._key).digest()
        return tuple(one / 2.0**32 for one in struct.unpack(f">{_DRAWS}I", digest))


def _refusal_of(kind: float, owner: NumberOwner, rates: ChannelRates) -> tuple[Refusal | None, str]:
    """What stands against an address for as long as the world lasts."""
    if owner is NumberOwner.DISCONNECTED or kind < rates.invalid:
        return Refusal.INVALID_ADDRESS, "sim:unknown_address"
    if owner is NumberOwner.FAX or kind < rates.invalid + rates.not_mobile:
        return Refusal.NOT_MOBILE, "sim:landline"
    return None, ""


def _misfortune(luck: float, rates: ChannelRates) -> tuple[Refusal | None, str]:
    """What happens to one message."""
    for share, refusal in (
        (rates.filtered, Refusal.FILTERED),
        (rates.unreachable, Refusal.UNREACHABLE),
        (rates.mailbox_full, Refusal.MAILBOX_FULL),
    ):
        if luck < share:
            return refusal, f"sim:{refusal}"
        luck -= share
    return None, ""


def _choose(shares: Mapping[WrittenIntent, float], draw: float) -> WrittenIntent:
    for intent, share in shares.items():
        if draw < share:
            return intent
        draw -= share
    return WrittenIntent.THANKS


def _lognormal(draw: float, median: float, sigma: float) -> float:
    return median * math.exp(sigma * _NORMAL.inv_cdf(min(max(draw, 1e-6), 1 - 1e-6)))
