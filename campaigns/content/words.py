"""Finding forbidden words in a text, however they are written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

import msgspec

from campaigns.content.folding import (
    AMBIGUOUS,
    Reading,
    Token,
    blur,
    fold,
    tokens,
    without_doubles,
)

MOST_JOINED: Final = 4
"""A word may be torn into as many pieces and is still recognised."""
LEAST_JOINED: Final = 4
"""Letters that a torn word needs to be recognised."""
LONGEST_PIECE: Final = 12
"""Letters of the first piece of a torn word, at most."""
LONGEST_STEM: Final = 16
"""Letters of a stem in the lists, at most."""
REMEMBERED: Final = 20_000
"""Words whose judgement each list keeps in memory."""


class WordGroup(StrEnum):
    """What is wrong with a word."""

    DEBT = "debt"
    COURT = "court"
    THREAT = "threat"
    ATTORNEY = "attorney"
    MONEY = "money"


class Hit(NamedTuple):
    """A forbidden word in a text."""

    group: WordGroup
    term: str
    """As the list has it."""
    start: int
    end: int
    """Behind the last character of what was found."""


class _Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    es: tuple[str, ...]
    en: tuple[str, ...]


class _Harmless(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    everywhere: tuple[str, ...]
    with_debt: tuple[str, ...]


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    all: tuple[str, ...]


class _Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    debt: _Words
    court: _Words
    threat: _Words
    attorney: _Words
    money: _Words
    harmless: _Harmless
    names: _Plain
    times: _Plain


@cache
def _lists() -> _Lists:
    resource = files("campaigns") / "data" / "content" / "words.toml"
    return msgspec.toml.decode(resource.read_bytes(), type=_Lists)


def also_a_name(term: str) -> bool:
    """Whether a person may bear the word as a name."""
    return term.rstrip("*") in _lists().names.all


def time_words() -> frozenset[str]:
    """Words that days and hours are told with."""
    return frozenset(_lists().times.all)


class _Term(NamedTuple):
    """An entry of a list."""

    group: WordGroup
    text: str


class _Index:
    """The terms of some groups, ready to be looked up."""

    def __init__(self, terms: Collection[_Term]) -> None:
        self.exact: dict[str, _Term] = {}
        self.stems: dict[str, _Term] = {}
        self.phrases: dict[str, list[tuple[_Term, tuple[str, ...]]]] = {}
        for term in terms:
            words = tuple(term.text.split())
            if len(words) > 1:
                self.phrases.setdefault(words[0], []).append((term, words))
                if not term.text.endswith("*"):
                    self.exact["".join(words)] = term
            elif term.text.endswith("*"):
                self.stems[term.text[:-1]] = term
            else:
                self.exact[term.text] = term
        self._doubled = {without_doubles(word): term for word, term in self.exact.items()}
        self._doubled_stems = {without_doubles(stem): term for stem, term in self.stems.items()}
        # Texts of a campaign differ in a few words only.
        self.word = lru_cache(maxsize=REMEMBERED)(self._word)
        self.whole = lru_cache(maxsize=REMEMBERED)(self._whole)

    def _whole(self, word: str) -> _Term | None:
        """The term that a word is."""
        return self.exact.get(word) or _by_stem(self.stems, word)

    def _word(self, word: str) -> _Term | None:
        """The same, also with letters written twice."""
        found = self._whole(word)
        if found is None and len(bare := without_doubles(word)) >= 5 and bare != word:
            found = self._doubled.get(bare) or _by_stem(self._doubled_stems, bare)
        return found

    def inside(self, word: str) -> _Term | None:
        """A term of four letters or more anywhere in a word spelled letter by letter."""
        for stem, term in (*self.stems.items(), *self.exact.items()):
            if len(stem) >= LEAST_JOINED and stem in word:
                return term
        return None

    def in_label(self, label: str) -> _Term | None:
        """A term in a part of a host or path: `mipago`, `debtrelief`; not `lien` in `clientes`."""
        for stem, term in self.stems.items():
            if len(stem) >= LEAST_JOINED and stem in label:
                return term
        for word, term in self.exact.items():
            at_edge = label.startswith(word) or label.endswith(word)
            if (len(word) > LEAST_JOINED and word in label) or (
                len(word) == LEAST_JOINED and at_edge
            ):
                return term
        return None

    def phrase_at(self, words: Sequence[str], at: int) -> tuple[_Term, int] | None:
        """The phrase that begins with a word, and its number of words."""
        for term, parts in self.phrases.get(words[at], ()):
            here = words[at : at + len(parts)]
            fits = len(here) == len(parts)
            if fits and all(_same(p, w) for p, w in zip(parts, here, strict=True)):
                return term, len(parts)
        return None


def _by_stem(stems: dict[str, _Term], word: str) -> _Term | None:
    longest = min(len(word), LONGEST_STEM)
    return next((stems[word[:n]] for n in range(3, longest + 1) if word[:n] in stems), None)


def _same(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


@cache
def _index(groups: frozenset[WordGroup], *, blurred: bool = False) -> _Index:
    terms: list[_Term] = []
    for group in sorted(groups):
        words: _Words = getattr(_lists(), group.value)
        terms += [_Term(group, blur(text) if blurred else text) for text in (*words.es, *words.en)]
    return _Index(terms)


def find_words(text: str, groups: frozenset[WordGroup], *, debt_allowed: bool) -> list[Hit]:
    """Every forbidden word of the groups, in the order of the text.

    `debt_allowed`: the text may speak of the debt, so sentences that the law asks of such texts
    are harmless.
    """
    found: list[Hit] = []
    for reading, read in _readings(text):
        words = _without_harmless(read, debt_allowed=debt_allowed)
        found += _hits(_index(groups, blurred=reading is Reading.BLURRED), words)
    return _merged(found)


_MIXED: Final = re.compile(r"[^\W\d_][\d@$!|€+]|[\d@$!|€+][^\W\d_]")
"""A letter beside a digit or a sign that may stand for one."""


@lru_cache(maxsize=32)
def _readings(text: str) -> tuple[tuple[Reading, tuple[Token, ...]], ...]:
    """The words of a text in every reading that could differ from the first."""
    folded = fold(text)
    wanted = [Reading.LETTERS]
    if _MIXED.search(folded.text):
        wanted.append(Reading.APART)
    if not AMBIGUOUS.isdisjoint(folded.text):
        wanted.append(Reading.BLURRED)
    return tuple((reading, tuple(tokens(folded, reading))) for reading in wanted)


def _merged(found: list[Hit]) -> list[Hit]:
    """In the order of the text; what several readings found of one place is one hit."""
    kept: list[Hit] = []
    for hit in sorted(found, key=lambda hit: (hit.group, hit.start, -hit.end)):
        last = kept[-1] if kept else None
        if last is not None and last.group is hit.group and hit.start < last.end:
            kept[-1] = last._replace(end=max(last.end, hit.end))
        else:
            kept.append(hit)
    return sorted(kept, key=lambda hit: (hit.start, hit.end))


def _hits(index: _Index, reading: list[Token]) -> Iterator[Hit]:
    words = [token.word for token in reading]
    covered = -1
    for at, token in enumerate(reading):
        if (phrase := index.phrase_at(words, at)) is not None:
            term, length = phrase
            yield Hit(*term, token.start, reading[at + length - 1].end)
            covered = reading[at + length - 1].end
        elif token.start >= covered and (known := index.word(token.word)) is not None:
            yield Hit(*known, token.start, token.end)
    yield from _spelled(index, reading)
    yield from _torn(index, reading)


def _spelled(index: _Index, reading: list[Token]) -> Iterator[Hit]:
    """Words spelled letter by letter: `d e u d a`, `d.e.u.d.a`."""
    at = 0
    while at < len(reading):
        run = at
        while run < len(reading) and len(reading[run].word) == 1:
            run += 1
        if run - at >= LEAST_JOINED:
            term = index.inside("".join(token.word for token in reading[at:run]))
            if term is not None:
                yield Hit(*term, reading[at].start, reading[run - 1].end)
        at = max(run, at + 1)


def _torn(index: _Index, reading: list[Token]) -> Iterator[Hit]:
    """Words torn in pieces: `deu da`, `co-bran-za`."""
    for at, first in enumerate(reading):
        if not first.word or len(first.word) > LONGEST_PIECE:
            continue
        joined = first.word
        for last in range(at + 1, min(at + MOST_JOINED, len(reading))):
            joined += reading[last].word
            if len(joined) < LEAST_JOINED:
                continue
            whole = index.whole(joined)
            parts = reading[at : last + 1]
            # `a pagar` and `de moras` are two words; a piece that stands alone is none.
            if whole is None or any(index.word(t.word) for t in parts):
                continue
            if _pieces(whole.text, parts):
                yield Hit(*whole, first.start, reading[last].end)


def _pieces(term: str, parts: Sequence[Token]) -> bool:
    """Whether the tear lies inside the term's own letters, not in its free ending."""
    return not term.endswith("*") or sum(len(p.word) for p in parts[:-1]) < len(term) - 1


def find_inside(text: str, groups: frozenset[WordGroup]) -> Hit | None:
    """A forbidden word anywhere in a string without spaces: a host, a path."""
    folded = fold(text)
    index = _index(groups)
    for token in tokens(folded):
        if (term := index.in_label(token.word)) is not None:
            return Hit(*term, token.start, token.end)
    whole = "".join(c for c in folded.text if c.isalnum())
    if "-" in text and (term := index.in_label(whole)) is not None:
        return Hit(*term, 0, len(text))
    return None


@cache
def _harmless(*, debt_allowed: bool) -> dict[str, list[list[str]]]:
    """Harmless phrases by their first word, the longest first."""
    lists = _lists().harmless
    found: dict[str, list[list[str]]] = {}
    for phrase in (*lists.everywhere, *(lists.with_debt if debt_allowed else ())):
        words = phrase.split()
        found.setdefault(words[0], []).append(words)
    return {first: sorted(phrases, key=len, reverse=True) for first, phrases in found.items()}


def _without_harmless(reading: Sequence[Token], *, debt_allowed: bool) -> list[Token]:
    """The tokens without those of harmless phrases."""
    phrases = _harmless(debt_allowed=debt_allowed)
    words = [token.word for token in reading]
    kept: list[Token] = []
    at = 0
    while at < len(reading):
        skip = next((len(p) for p in phrases.get(words[at], ()) if words[at : at + len(p)] == p), 0)
        # What stood around a harmless phrase must not join over the gap.
        kept.append(reading[at]._replace(word="") if skip else reading[at])
        at += max(skip, 1)
    return kept
