"""A binary file to numbered rows of cells, whatever is broken in it.

Memory is bounded: chunks of bytes become lines, lines become records. A quotation mark that is
never closed would swallow the rest of the file in an ordinary reader; here its row is reported
and reading goes on with the next line. Row numbers are those of a spreadsheet: every record
counts, blank ones too, and the first is row 1.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import BinaryIO

import msgspec

from campaigns.portfolio.dialect import Dialect

CHUNK_BYTES = 1 << 18
MAX_LINE_CHARS = 1 << 16
"""Longer lines are cut: no portfolio has them, and memory must not depend on the file."""
MAX_RECORD_LINES = 64
"""A quoted cell may hold this many lines; a longer one is a quotation mark gone astray."""


class RowProblem(StrEnum):
    """Why a record could not be read; also the reject reason."""

    UNCLOSED_QUOTE = "row_unclosed_quote"
    UNREADABLE = "row_unreadable"
    WRONG_FIELD_COUNT = "row_wrong_field_count"


class RawRow(msgspec.Struct, gc=False):
    number: int
    cells: list[str]
    problem: RowProblem | None = None


class _RecordTooLong(Exception):
    """Raised inside the csv module's iteration to get out of an endless quoted cell."""


def _decode_utf8(data: bytes) -> str:
    """UTF-8, and the Windows code page for the lines of a file that mixes both."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(map(_decode_mixed_line, data.splitlines(keepends=True)))


def _decode_mixed_line(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_single_byte(line)


def _decode_single_byte(data: bytes) -> str:
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:  # five bytes mean nothing in cp1252; Latin-1 has no such gaps
        return data.decode("latin-1")


class _Lines:
    """Lines of a binary file without their ends; counts the bytes it has consumed."""

    def __init__(
        self, file: BinaryIO, encoding: str, on_bytes: Callable[[int], None] | None
    ) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._lines: deque[str] = deque()
        self._ended = False
        self._bytes: bytes = b""
        """Start of a line whose end is in the next chunk; of UTF-16, as text in `_text`."""
        self._text = ""
        self._decode = _decode_utf8 if encoding.startswith("utf-8") else _decode_single_byte
        # UTF-16 has the bytes of line ends inside of other characters: decode, then split.
        self._utf16 = codecs.getincrementaldecoder("utf-16-le")("replace")
        self._is_utf16 = encoding == "utf-16"
        self.bytes_read = 0

    def push_back(self, lines: list[str]) -> None:
        self._lines.extendleft(reversed(lines))

    def next_line(self) -> str | None:
        while not self._lines:
            if self._ended:
                return None
            self._fill()
        return self._lines.popleft()

    def _fill(self) -> None:
        data = self._file.read(CHUNK_BYTES)
        if not self.bytes_read:
            self.bytes_read, data = self._without_bom(data)
        self.bytes_read += len(data)
        self._ended = not data
        if data and self._on_bytes is not None:
            self._on_bytes(self.bytes_read)
        if self._is_utf16:
            text = self._text + self._utf16.decode(data, final=self._ended)
            end = self._end_of_lines(text.rfind("\n"), text.rfind("\r"), len(text))
            text, self._text = text[:end], text[end:]
        else:
            data = self._bytes + data
            end = self._end_of_lines(data.rfind(b"\n"), data.rfind(b"\r"), len(data))
            text, self._bytes = self._decode(data[:end]), data[end:]
        if not text:
            return
        lines = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not lines[-1]:
            lines.pop()
        for line in lines:
            starts = range(0, len(line), MAX_LINE_CHARS) if len(line) > MAX_LINE_CHARS else ()
            self._lines.extend([line[at : at + MAX_LINE_CHARS] for at in starts] or [line])

    def _without_bom(self, data: bytes) -> tuple[int, bytes]:
        """Length of the byte order mark, and the data behind it; without one, little-endian."""
        if not self._is_utf16:
            bare = data.removeprefix(codecs.BOM_UTF8)
        elif data.startswith(codecs.BOM_UTF16_BE):
            self._utf16 = codecs.getincrementaldecoder("utf-16-be")("replace")
            bare = data[2:]
        else:
            bare = data.removeprefix(codecs.BOM_UTF16_LE)
        return len(data) - len(bare), bare

    def _end_of_lines(self, newline: int, carriage_return: int, length: int) -> int:
        """Where the last whole line ends; everything at the end of the file or of patience."""
        if self._ended or length > MAX_LINE_CHARS + 2 * CHUNK_BYTES:
            return length
        if newline >= 0:
            return newline + 1
        # Old Macintosh files. One that ends the chunk may have its newline in the next.
        return carriage_return + 1 if 0 <= carriage_return < length - 1 else 0


class RowReader:
    """Iterates over the rows of a file below its header.

    `header` is the row of column names, or None where the dialect has none. Blank rows are
    counted and left out; rows with another number of cells than the header carry a problem, but
    empty cells too many at the end are taken off without a word.
    """

    def __init__(
        self, file: BinaryIO, dialect: Dialect, on_bytes: Callable[[int], None] | None = None
    ) -> None:
        self._source = _Lines(file, dialect.encoding, on_bytes)
        self._csv = csv.reader(_PhysicalLines(self), delimiter=dialect.delimiter)
        self._taken: list[str] = []
        self._number = 0
        self._width = 0
        self.blank_rows = 0
        self.header: list[str] | None = None
        while self._number < dialect.header_row:
            row = self._record()
            if row is None:
                break
            if row.number == dialect.header_row:
                self.header = row.cells
                self._width = len(row.cells)

    @property
    def bytes_read(self) -> int:
        return self._source.bytes_read

    def expect_width(self, width: int) -> None:
        """How many cells a row has, for a file without a header."""
        self._width = width

    def __iter__(self) -> Iterator[RawRow]:
        width = self._width
        while (row := self._record()) is not None:
            cells = row.cells
            may_be_blank = not cells or not cells[0].strip()
            if may_be_blank and not any(cell.strip() for cell in cells):
                self.blank_rows += 1
                continue
            if len(cells) != width:
                if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                    del cells[width:]
                elif row.problem is None and width:
                    row = self._misfit(row)
            yield row

    def _misfit(self, row: RawRow) -> RawRow:
        """A row of the wrong width. Where it spans lines, only its first one is given up."""
        if len(self._taken) > 1:
            first, rest = self._taken[0], self._taken[1:]
            self._source.push_back(rest)
            return RawRow(row.number, [first], RowProblem.UNCLOSED_QUOTE)
        return RawRow(row.number, row.cells, RowProblem.WRONG_FIELD_COUNT)

    def _record(self) -> RawRow | None:
        self._taken = []
        try:
            cells = next(self._csv)
        except StopIteration:
            return None
        except _RecordTooLong:
            return self._give_up(RowProblem.UNCLOSED_QUOTE)
        except csv.Error:
            return self._give_up(RowProblem.UNREADABLE)
        self._number += 1
        return RawRow(self._number, cells)

    def _give_up(self, problem: RowProblem) -> RawRow:
        """Report the first line of a broken record; the others are read again as records."""
        first, rest = self._taken[0], self._taken[1:]
        self._source.push_back(rest)
        self._number += 1
        return RawRow(self._number, [first], problem)

    def take_line(self) -> str:
        """One line for the record being read (called by the csv module's iteration)."""
        if len(self._taken) >= MAX_RECORD_LINES:
            raise _RecordTooLong
        line = self._source.next_line()
        if line is None:
            if self._taken:
                raise _RecordTooLong  # the file ended inside a quoted cell
            raise StopIteration
        self._taken.append(line)
        return line + "\n"


class _PhysicalLines:
    """What the csv module iterates over. A class, since a generator dies with its first raise."""

    def __init__(self, reader: RowReader) -> None:
        self._reader = reader

    def __iter__(self) -> _PhysicalLines:
        return self

    def __next__(self) -> str:
        return self._reader.take_line()
