"""Forms in a text that words alone do not show: money, capitals, alarm, links, the way out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from campaigns.content.folding import fold, is_latin
from campaigns.content.template import TextLanguage
from campaigns.content.words import WordGroup, find_inside, find_words

# --- money ---------------------------------------------------------------------------------------

_SIGN: Final = r"(?:(?<!\w)(?:R\$|US\$|U\$S|S/\.?(?!\s?n\b)|Bs\.?)|[$€£₡₲₱¢])"
_CODE: Final = r"(?:USD|MXN|CLP|COP|PEN|EUR|ARS|UYU|GTQ|CRC|BRL|DOP|HNL|NIO|BOB|PYG)"
_MONEY: Final = re.compile(
    rf"{_SIGN}\s?\d[\d.,\s]{{0,20}}|\d[\d.,]{{0,20}}\s?(?:{_SIGN}|{_CODE}\b|%)"
    rf"|\b{_CODE}\s?\d[\d.,]{{0,20}}"
    r"|(?<![\d.,])\d{1,3}(?:[.,]\d{3}){1,6}(?:[.,]\d{1,2})?(?![.,]?\d)"
    r"|(?<![\d.,])\d{3,20}[.,]\d{2}(?![.,]?\d)"
    r"|\b\d{1,20}\s?(?:mil|millon(?:es)?|k|grand)\b",
    re.IGNORECASE,
)
"""An amount by its sign, its currency's code, or thousands and decimals. A time such as 9.30 and a
telephone number are none."""


_MONEY_WORDS: Final = frozenset({WordGroup.MONEY})


def money(text: str) -> list[tuple[int, int]]:
    """Places that tell an amount of money."""
    plain = text
    if not text.isascii():  # a wide digit is a digit; every character keeps its place
        plain = "".join(unicodedata.normalize("NFKC", c)[:1] or c for c in text)
    found = [(m.start(), m.start() + len(m[0].rstrip())) for m in _MONEY.finditer(plain)]
    words = find_words(text, _MONEY_WORDS, debt_allowed=False)
    return sorted({*found, *((hit.start, hit.end) for hit in words)})


# --- capitals and alarm --------------------------------------------------------------------------

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
STOP_WORDS: Final = ("baja", "alto", "parar", "cancelar", "salir", "sair")
"""Words by which a text in Spanish or Portuguese may tell how to stop it. Packs know them all."""
_KEYWORDS: Final = frozenset(
    {*(word.upper() for word in STOP_WORDS), "STOP", "SMS", "ALTA", "HELP", "AYUDA", "INFO", "UTC"}
)
_ALARMS: Final = re.compile(r"!{2,}|[⚖🏛🚨⚠🔴👮🛑❗❌💰💸💳⛔☠📛🔔‼⁉]|\?{3,}|!\s*!|[¡!]{3,}")
MOST_CAPITAL_SHARE: Final = 0.4
LONG_CAPITAL_WORD: Final = 5


def capitals(text: str) -> Iterator[tuple[int, int]]:
    """Runs of shouting: three words in capitals, or two long ones; or most of the text."""
    run: list[re.Match[str]] = []
    words = list(_WORD.finditer(text))
    for word in [*words, None]:
        if word is not None and word[0].isupper() and word[0] not in _KEYWORDS:
            run.append(word)
            continue
        long = sum(len(w[0]) >= LONG_CAPITAL_WORD for w in run)
        if len(run) >= 3 or long >= 2:
            yield run[0].start(), run[-1].end()
        run = []
    letters = [c for w in words if w[0] not in _KEYWORDS for c in w[0]]
    share = sum(c.isupper() for c in letters) / max(len(letters), 1)
    if len(letters) >= 20 and share > MOST_CAPITAL_SHARE:
        yield words[0].start(), words[-1].end()


def alarms(text: str) -> Iterator[tuple[int, int]]:
    """Signs that press: many exclamation marks, sirens, scales, seals."""
    for found in _ALARMS.finditer(text):
        yield found.start(), found.end()


def hidden(text: str) -> Iterator[tuple[int, int]]:
    """Characters that cannot be seen, and letters that Spanish and English do not have."""
    for found in re.finditer(r"[^\W\d_]+", text):
        scripts = {_script(c) for c in found[0]}
        if len(scripts) > 1:
            odd = next(i for i, c in enumerate(found[0]) if _script(c) != "LATIN")
            yield found.start() + odd, found.start() + odd + 1
    if text.isascii() and text.replace("\n", "").isprintable():
        return
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        unseen = category == "Cf" or (category == "Cc" and character not in "\n\r\t")
        if unseen or (character.isalpha() and not is_latin(character)):
            yield place, place + 1


def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    if unicodedata.category(character) == "Mn":
        return "LATIN"
    return name.split(" ", 1)[0] if name else ""


# --- links ---------------------------------------------------------------------------------------

_LINK: Final = re.compile(
    r"(?P<scheme>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,15}://)(?P<host>[^\s/?#,;)\u201d\"']+)(?P<path>[^\s)\u201d\"']*)"
    r"|(?<![@\w.-])(?P<bare>(?:[a-z0-9-]{1,63}\.){1,8}"
    r"(?:com|net|org|info|biz|example|link|app|io|ly|me|gl|gd|to|mx|cl|co|pe|es|us|ar|br|ec|uy|py|bo"
    r"|cr|gt|hn|ni|pa|sv|do|uk|ca))(?P<rest>/[^\s)\u201d\"']*)?(?![\w.-]*@)(?!\w)",
    re.IGNORECASE,
)
_HIDING: Final = re.compile(
    r"(?:^|\.)(?:bit\.ly|tinyurl\.com|goo\.gl|t\.co|ow\.ly|is\.gd|cutt\.ly|rebrand\.ly|buff\.ly|"
    r"t\.me|chat\.whatsapp\.com|whatsapp\.com|facebook\.com|fb\.me|rb\.gy|shorturl\.at|"
    r"acortar\.link|n9\.cl)$"
)
_ADDRESS: Final = re.compile(r"^[\d.]+(?::\d+)?$|^\[|^xn--|\.xn--")
_TELLING: Final = frozenset({WordGroup.DEBT, WordGroup.COURT, WordGroup.ATTORNEY, WordGroup.THREAT})


class Link(NamedTuple):
    start: int
    end: int
    problem: str | None
    """Code of what is wrong with it."""


def links(text: str) -> Iterator[Link]:
    """The links of a text. Whoever sees one reads host and path without opening it."""
    for found in _LINK.finditer(text):
        host = (found["host"] or found["bare"]).lower().rstrip(".")
        path = (found["path"] or found["rest"] or "").rstrip(".")
        yield Link(found.start(), found.end(), _problem(found["scheme"], host, path))


def _problem(scheme: str | None, host: str, path: str) -> str | None:
    if scheme is not None and scheme.lower() != "https://":
        return "link_not_https"
    if _ADDRESS.search(host) or _HIDING.search(host.partition(":")[0]) or "@" in host:
        return "link_hides"
    if find_inside(host, _TELLING) or find_inside(path, _TELLING):
        return "link_tells"
    return None


# --- the way out ---------------------------------------------------------------------------------

OPT_OUT_LINES: Final[dict[TextLanguage, str]] = {
    TextLanguage.ES: "Para no recibir más mensajes responda BAJA o STOP",
    TextLanguage.EN: "Reply STOP to opt out",
}
_ASKS: Final[dict[TextLanguage, re.Pattern[str]]] = {
    TextLanguage.ES: re.compile(
        rf"(?:respond|envi|escrib|escrev|contest|mand)\w*[^.\n]{{0,30}}\b(?:{'|'.join(STOP_WORDS)})\b"
    ),
    TextLanguage.EN: re.compile(r"(?:reply|text|send|write|answer)\w*[^.\n]{0,30}\bstop\b"),
}
_STOP: Final = re.compile(r"\bSTOP\b")


def has_opt_out(text: str, language: TextLanguage) -> bool:
    """Whether a text says how to stop it: a word to reply, or the opt-out link.

    Texts in Spanish (or Portuguese, for Brazil) name one of `STOP_WORDS`, and STOP beside it:
    carriers know only that one.
    """
    if "{{opt_out_link}}" in text.replace(" ", ""):
        return True
    asks = _ASKS[language].search(fold(text).text) is not None
    return asks and _STOP.search(text) is not None
