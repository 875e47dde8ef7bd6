"""How a file is written: encoding, delimiter, where the header is. Told from its first bytes."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Callable, Sequence

from compliance.messages import Message

SAMPLE_BYTES = 1 << 20
"""How much of a file's beginning detection wants; less is fine."""

DELIMITERS = (";", ",", "|", "\t")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1")
_SAMPLE_ROWS = 300
_HEADER_SEARCH_ROWS = 10
_UNDEFINED_CP1252 = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))


class Dialect(Message, frozen=True, kw_only=True):
    encoding: str
    delimiter: str
    header_row: int
    """Row of the column names, the first line being 1; 0 where the file has none."""


def detect_encoding(sample: bytes) -> str:
    """One of `ENCODINGS`. Bytes that are not UTF-8 are taken for the Windows code page."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    try:
        # `final=False` forgives a character that the end of the sample cuts in two.
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=False)
    except UnicodeDecodeError:
        return _single_byte_encoding(sample)
    return "utf-8"


def _single_byte_encoding(sample: bytes) -> str:
    """UTF-8 after all, where most lines are and a few were pasted in from elsewhere."""
    good = bad = 0
    for line in sample.splitlines():
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            bad += 1
        else:
            good += 1
    if good > bad:
        return "utf-8"
    return "latin-1" if any(byte in sample for byte in _UNDEFINED_CP1252) else "cp1252"


def decode_sample(sample: bytes, encoding: str) -> str:
    """Text of a sample, whose last line may be cut; line ends are `\\n`."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    text = decoder.decode(sample, final=False)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sample_rows(
    text: str, delimiter: str, *, limit: int = _SAMPLE_ROWS, skip: int = 0
) -> list[list[str]]:
    """Rows of a text behind the first `skip`, as far as they can be read, without blank ones."""
    rows: list[list[str]] = []
    try:
        for number, row in enumerate(csv.reader(text.split("\n"), delimiter=delimiter), 1):
            if number > skip and any(row):
                rows.append(row)
            if len(rows) >= limit:
                break
    except csv.Error:
        pass  # a field beyond the csv module's limit: what came before is sample enough
    return rows


def detect_dialect(
    sample: bytes,
    known_names: Callable[[Sequence[str]], int],
    looks_like_data: Callable[[str], bool],
) -> Dialect:
    """Dialect of a file from its beginning.

    `known_names` counts the cells of a row that are known names of columns;
    `looks_like_data` tells whether a cell is a date, a number, an address ... and so no name.
    """
    encoding = detect_encoding(sample)
    text = decode_sample(sample, encoding)
    if len(sample) >= SAMPLE_BYTES:
        text = text[: text.rfind("\n") + 1] or text

    best: tuple[tuple[int, float, int], str] | None = None
    for delimiter in DELIMITERS:
        rows = sample_rows(text, delimiter)
        if not rows:
            continue
        widths = Counter(map(len, rows))
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        known = max((known_names(row) for row in rows[:_HEADER_SEARCH_ROWS]), default=0)
        score = (known, count / len(rows) if width > 1 else 0.0, width)
        if best is None or score > best[0]:
            best = (score, delimiter)
    delimiter = best[1] if best else ","
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        header_row=_header_row(text, delimiter, known_names, looks_like_data),
    )


def _header_row(
    text: str,
    delimiter: str,
    known_names: Callable[[Sequence[str]], int],
    looks_like_data: Callable[[str], bool],
) -> int:
    """Row number of the column names; exports often put a title above them."""
    number = 0
    first: list[str] | None = None
    try:
        for row in csv.reader(text.split("\n"), delimiter=delimiter):
            number += 1
            if number > _HEADER_SEARCH_ROWS:
                break
            if known_names(row) >= 2:
                return number
            if first is None and any(row):
                first = row
    except csv.Error:
        pass
    if first is None or any(looks_like_data(cell) for cell in first):
        return 0
    return 1
