"""What a message that somebody wrote asks for, by the words in `data/keywords.toml`.

Whoever writes is understood as far as plain rules can, and no further: what they do not recognise,
a person reads. A request to stop is taken in every wording that is known, in whatever place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from campaigns.content.folding import fold
from compliance.messages import Message

LONGEST_CHARS: Final = 4_000
"""Of a text, what lies behind is not read for words."""
GAP_WORDS: Final = 3
"""Words that a `*` may stand for, at most."""


class Request(StrEnum):
    """What a person asks for. In the order in which they are told and done."""

    CEASE = "cease"
    """No contact at all, by whatever way (15 USC 1692c(c); in writing it binds at once)."""
    OPT_OUT = "opt_out"
    """Nothing more by this medium (12 CFR 1006.14(h); 47 CFR 64.1200(a)(10))."""
    NO_CALLS = "no_calls"
    """No calls, and no messages either."""
    WRONG_NUMBER = "wrong_number"
    DISPUTE = "dispute"
    PAID = "paid"
    CALL_ME = "call_me"
    HELP = "help"


STOPS: Final = frozenset({Request.CEASE, Request.OPT_OUT, Request.NO_CALLS})
"""Requests to be left alone."""


class Reading(Message, frozen=True, kw_only=True):
    """What a text was understood to say."""

    requests: tuple[Request, ...] = ()
    maybe: tuple[Request, ...] = ()
    """Stops that a lone word hints at ("stop by tomorrow"): a person must read it first."""

    @property
    def stops(self) -> bool:
        return not STOPS.isdisjoint(self.requests)


class _Words(Message, frozen=True, kw_only=True):
    whole: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    negatable: bool = False


class _Rule(msgspec.Struct, frozen=True):
    request: Request
    whole: frozenset[str]
    phrases: re.Pattern[str] | None
    negatable: bool


class _Book(msgspec.Struct, frozen=True):
    courtesy: frozenset[str]
    negations: frozenset[str]
    rules: tuple[_Rule, ...]
    hints: dict[str, Request]
    """Single words of `whole` that ask to stop."""


class KeywordsError(Exception):
    """The table of keywords is not whole; says where and what."""


def read(text: str) -> Reading:
    """What a text asks for. Never fails; a text of no known words asks for nothing."""
    book = bundled()
    clauses = clauses_of(text[:LONGEST_CHARS])
    words = [word for clause in clauses for word in clause]
    said = " ".join(_without(words, book.courtesy)) or " ".join(words)
    bare = " ".join(dict.fromkeys(said.split()))
    found: set[Request] = set()
    for rule in book.rules:
        is_whole = not rule.whole.isdisjoint((said, bare, " ".join(words)))
        if is_whole or _has_phrase(rule, clauses, book.negations):
            found.add(rule.request)
    if Request.NO_CALLS in found or Request.CEASE in found:
        found.discard(Request.CALL_ME)
    stopped = not found.isdisjoint(STOPS)
    hints = {book.hints[word] for word in words if word in book.hints} if not stopped else set()
    return Reading(
        requests=tuple(r for r in Request if r in found),
        maybe=tuple(r for r in Request if r in hints),
    )


def clauses_of(text: str) -> list[list[str]]:
    """The words of each clause, folded; apostrophes fall away."""
    folded = fold(re.sub(r"['’´`]", "", text)).text
    clauses = (re.findall(r"[a-z0-9]+", part) for part in re.split(r"[.,;:!?\n()¡¿]+", folded))
    return [clause for clause in clauses if clause]


def _without(words: Sequence[str], courtesy: frozenset[str]) -> list[str]:
    """Words without the courtesy at both ends."""
    start, end = 0, len(words)
    while start < end and words[start] in courtesy:
        start += 1
    while end > start and words[end - 1] in courtesy:
        end -= 1
    return list(words[start:end])


def _has_phrase(rule: _Rule, clauses: Iterable[Sequence[str]], negations: frozenset[str]) -> bool:
    if rule.phrases is None:
        return False
    for clause in clauses:
        line = f" {' '.join(clause)} "
        for match in rule.phrases.finditer(line):
            before = line[: match.start()].split()
            if not (rule.negatable and not negations.isdisjoint(before)):
                return True
    return False


def _pattern(phrases: Sequence[str]) -> re.Pattern[str] | None:
    if not phrases:
        return None
    gap = rf"(?: [a-z0-9]+){{0,{GAP_WORDS}}}"
    made = (re.escape(p).replace(r"\ \*", gap).replace(r"\ ", " ") for p in phrases)
    return re.compile(rf"(?<= )(?:{'|'.join(made)})(?= )")


@cache
def bundled() -> _Book:
    """The words that ship with Marcador."""
    resource = files("campaigns") / "data" / "keywords.toml"
    return parse(resource.read_text(encoding="utf-8"), "keywords.toml")


def parse(text: str, source: str) -> _Book:
    """Read a table in TOML. Raises `KeywordsError`, naming `source` and the place."""
    try:
        tree = msgspec.toml.decode(text, type=dict[str, object])
        lists = {
            name: frozenset(msgspec.convert(tree.pop(name, None), tuple[str, ...]))
            for name in ("courtesy", "negations")
        }
        tables = msgspec.convert(tree, dict[Request, dict[str, _Words]])
    except msgspec.DecodeError as error:
        raise KeywordsError(f"{source}: {error}") from error
    rules: list[_Rule] = []
    hints: dict[str, Request] = {}
    for request, languages in tables.items():
        for name, words in languages.items():
            for entry in (*words.whole, *words.phrases):
                if " ".join(w for c in clauses_of(entry.replace(" *", "")) for w in c) != (
                    entry.replace(" *", "")
                ):
                    raise KeywordsError(
                        f"{source}: [{request}.{name}]: {entry!r} is not folded: write lower case "
                        "without accents or punctuation"
                    )
            rules.append(
                _Rule(request, frozenset(words.whole), _pattern(words.phrases), words.negatable)
            )
            if request in STOPS:
                hints |= {word: request for word in words.whole if " " not in word}
    missing = [request.value for request in Request if request not in tables]
    if missing:
        raise KeywordsError(f"{source}: no table for {', '.join(missing)}")
    return _Book(lists["courtesy"], lists["negations"], tuple(rules), hints)
