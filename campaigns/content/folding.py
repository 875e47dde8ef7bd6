"""Text as an eye reads it: without accents, case, invisible characters and look-alike letters.

Whoever wants to get a forbidden word past a filter writes `d e u d a`, `d3uda`, `DЕUDA` with a
Cyrillic letter, or hides a zero-width space in it. The folded text keeps, for every character,
its place in the original, so that a finding can point at it.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final, NamedTuple

FIELD_MARK: Final = "\ufffc"
"""Stands where a merge field stood: it ends a word, and is never part of one."""

_LOOKALIKES: Final = str.maketrans(
    "аеорсухкмтнвіјѕԁɡһοαειυκντρηχßøđłıƒɑǝɐᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
    "aeopcyxkmtnbijsdghoaeiukvtpnxsodlifaeaabcdefghijklmnoprstuvwyz",
)
"""Letters of other alphabets that look like a Latin one (after case folding)."""


class Folded(NamedTuple):
    """`text[i]` comes from position `places[i]` of the original."""

    text: str
    places: tuple[int, ...]


def fold(original: str) -> Folded:
    """Lower case without accents; look-alikes are Latin; invisible characters are gone."""
    kept: list[str] = []
    places: list[int] = []
    for place, character in enumerate(original):
        if character == FIELD_MARK or (" " <= character <= "~"):
            kept.append(character.lower())
            places.append(place)
            continue
        for part in unicodedata.normalize("NFKD", character).casefold():
            for plain in unicodedata.normalize("NFKD", part).translate(_LOOKALIKES):
                if unicodedata.category(plain) in ("Mn", "Me", "Cf", "Cc") and plain not in "\n\t":
                    continue
                kept.append(plain)
                places.append(place)
    return Folded("".join(kept), tuple(places))


_LEET: Final = str.maketrans("0134578@$!|€+", "oieastbasiiet")
SIGNS: Final = frozenset("@$!|€+")
"""Signs that may stand for letters."""
AMBIGUOUS: Final = frozenset("1!|")
"""May stand for i or for l."""


class Reading(StrEnum):
    """How digits and signs inside a word are read."""

    LETTERS = "letters"
    """They stand for letters: `d3uda`."""
    BLURRED = "blurred"
    """The same, and i and l are one letter in a word that has `1`, `!` or `|`: see `blur`."""
    APART = "apart"
    """Digits and signs only part letters: `d|e|u|d|a`, `2deuda`."""


class Token(NamedTuple):
    """A word as it may be read, and where it stands in the original."""

    word: str
    start: int
    end: int
    """Behind its last character."""


def blur(word: str) -> str:
    """The word with l read as i."""
    return word.replace("l", "i")


def tokens(folded: Folded, reading: Reading = Reading.LETTERS) -> list[Token]:
    """The words, as one of the readings has them."""
    apart = reading is Reading.APART
    found: list[Token] = []
    text, places = folded
    at, length = 0, len(text)
    while at < length:
        if not _in_word(text[at], apart=apart):
            at += 1
            continue
        start = at
        while at < length and _in_word(text[at], apart=apart):
            at += 1
        # A sign at the edge is punctuation: `hola!` and `$500` are no riddles.
        first, last = start, at
        while first < last - 1 and text[first] in SIGNS:
            first += 1
        while last > first + 1 and text[last - 1] in "!|+€":
            last -= 1
        word = _letters(text[first:last], reading)
        found.append(Token(_without_runs(word), places[first], places[last - 1] + 1))
    return found


def _in_word(character: str, *, apart: bool) -> bool:
    if apart:
        return character.isalpha()
    return character.isalnum() or character in SIGNS


def is_latin(letter: str) -> bool:
    """Whether a letter is one of the Latin alphabet, with or without a mark on it."""
    parts = unicodedata.normalize("NFKD", letter.casefold())
    return all(c in _PLAIN or unicodedata.category(c) == "Mn" for c in parts)


_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzßøæœđłð")


def _letters(word: str, reading: Reading) -> str:
    if word.isalpha() or (len(word) > 1 and not any(c.isalpha() for c in word)):
        return word
    blurred = reading is Reading.BLURRED and not AMBIGUOUS.isdisjoint(word)
    plain = word.translate(_LEET)
    return blur(plain) if blurred else plain


_RUN: Final = re.compile(r"([^\W\d_])\1{2,}")


def _without_runs(word: str) -> str:
    """`deuuuda` is read as `deuda`: no word of ours has a letter three times in a row."""
    return _RUN.sub(r"\1", word)


def without_doubles(word: str) -> str:
    """Every letter once where it is repeated: `deudda` and `deuda` are the same."""
    return "".join(c for i, c in enumerate(word) if i == 0 or c != word[i - 1])
