"""Bytes to rows: every dialect, and nothing lost however broken the file is."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.portfolio.columns import count_known
from campaigns.portfolio.dialect import Dialect, detect_dialect, detect_encoding
from campaigns.portfolio.reader import CHUNK_BYTES, MAX_LINE_CHARS, RowProblem, RowReader


def rows_of(
    data: bytes, encoding: str = "utf-8", delimiter: str = ";", header_row: int = 1, width: int = 0
) -> tuple[RowReader, list[tuple[int, list[str], RowProblem | None]]]:
    dialect = Dialect(encoding=encoding, delimiter=delimiter, header_row=header_row)
    reader = RowReader(io.BytesIO(data), dialect)
    if not header_row:
        reader.expect_width(width)
    return reader, [(row.number, row.cells, row.problem) for row in reader]


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16")],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [";", ",", "|", "\t"])
def test_every_dialect_is_found_and_read(
    encoding: str, name: str, newline: str, delimiter: str
) -> None:
    lines = [["id_cuenta", "nombre", "saldo_total"], ["A1", "Íñigo Muñoz", "1"], ["A2", "Zoë", "2"]]
    data = newline.join(delimiter.join(line) for line in lines).encode(encoding)
    dialect = detect_dialect(data, count_known, str.isdigit)
    assert (dialect.encoding, dialect.delimiter, dialect.header_row) == (name, delimiter, 1)
    reader, rows = rows_of(data, dialect.encoding, dialect.delimiter)
    assert reader.header == lines[0]
    assert [cells for _, cells, _ in rows] == lines[1:]
    assert reader.bytes_read == len(data)


def test_decimal_commas_do_not_make_a_comma_file() -> None:
    data = b"id_cuenta;nombre;saldo_total\n1;Ana;1,5\n2;Eva;2,5\n3;Luz;3,5\n"
    assert detect_dialect(data, count_known, str.isdigit).delimiter == ";"


def test_quoted_delimiters_do_not_mislead() -> None:
    data = b'id_cuenta,nombre,saldo_total\n1,"Soto; Ana; Eva",1\n2,"Paz; Luz; Sol",2\n'
    assert detect_dialect(data, count_known, str.isdigit).delimiter == ","


def test_a_title_above_the_header_and_no_header_at_all() -> None:
    titled = b"Cartera al 01/01/2026;;\n\nid_cuenta;nombre;saldo\n1;Ana;5\n"
    assert detect_dialect(titled, count_known, str.isdigit).header_row == 3
    bare = b"A1;Ana Soto;5\nA2;Eva Paz;7\n"
    assert detect_dialect(bare, count_known, str.isdigit).header_row == 0


def test_latin_1_bytes_that_cp1252_lacks() -> None:
    assert detect_encoding(b"a;\x81\xf1") == "latin-1"
    assert detect_encoding("ñ".encode()[:1]) == "utf-8"  # cut in the middle of a character


def test_lines_of_another_encoding_in_a_utf_8_file() -> None:
    data = "id;n\n1;ñandú\n2;ñandú\n".encode() + "3;ñandú\n".encode("cp1252")
    assert detect_encoding(data) == "utf-8"
    _, rows = rows_of(data)
    assert [cells for _, cells, _ in rows] == [["1", "ñandú"], ["2", "ñandú"], ["3", "ñandú"]]


def test_quoted_cells_keep_delimiters_newlines_and_quotes() -> None:
    _, rows = rows_of(b'id;n\n1;"a;b\nc ""d"""\n2;x\n')
    assert rows == [(2, ["1", 'a;b\nc "d"'], None), (3, ["2", "x"], None)]


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    _, rows = rows_of(b'id;n\n1;x\n2;"oops\n3;y\n4;z\n')
    assert rows == [
        (2, ["1", "x"], None),
        (3, ['2;"oops'], RowProblem.UNCLOSED_QUOTE),
        (4, ["3", "y"], None),
        (5, ["4", "z"], None),
    ]


def test_two_stray_quotes_far_apart_cost_two_rows() -> None:
    _, rows = rows_of(b'id;n\n1;"oops\n2;y\n3;oops";z\n4;w\n')
    assert [(number, problem) for number, _, problem in rows] == [
        (2, RowProblem.UNCLOSED_QUOTE),
        (3, None),
        (4, RowProblem.WRONG_FIELD_COUNT),
        (5, None),
    ]


def test_blank_rows_count_in_numbers_but_are_no_rows() -> None:
    reader, rows = rows_of(b"id;n\n\n1;x\n;;\n2;y\n")
    assert [(number, cells) for number, cells, _ in rows] == [(3, ["1", "x"]), (5, ["2", "y"])]
    assert reader.blank_rows == 2


def test_a_wrong_number_of_cells_is_told_unless_the_surplus_is_empty() -> None:
    _, rows = rows_of(b"id;n\n1;x;;\n2\n3;y;z\n")
    assert [problem for _, _, problem in rows] == [
        None,
        RowProblem.WRONG_FIELD_COUNT,
        RowProblem.WRONG_FIELD_COUNT,
    ]
    assert rows[0][1] == ["1", "x"]


def test_an_endless_line_does_not_fill_the_memory() -> None:
    data = b"id;n\n" + b"x" * (5 * MAX_LINE_CHARS + CHUNK_BYTES) + b"\n2;y\n"
    reader, rows = rows_of(data)
    assert max(len(cell) for _, cells, _ in rows for cell in cells) <= MAX_LINE_CHARS
    assert rows[-1][1] == ["2", "y"]
    assert reader.bytes_read == len(data)


def test_lines_across_chunks_are_whole() -> None:
    count = CHUNK_BYTES // 5
    data = b"id;n\n" + b"".join(b"%d;\xc3\xb1\r\n" % number for number in range(count))
    _, rows = rows_of(data)
    assert [cells for _, cells, _ in rows] == [[str(number), "ñ"] for number in range(count)]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(max_examples=200)
@given(
    table=st.lists(st.tuples(CELL, CELL, CELL), max_size=12),
    delimiter=st.sampled_from([";", ",", "|", "\t"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@example(
    table=[("", "", "\x85"), (" ", "\u00a0", ""), ("", "x", "")], delimiter=";", encoding="utf-8"
)
def test_what_the_csv_module_writes_is_read_back(
    table: list[tuple[str, str, str]], delimiter: str, encoding: str
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(("a", "b", "c"))
    writer.writerows(table)
    _, rows = rows_of(out.getvalue().encode(encoding), encoding, delimiter)
    assert [tuple(cells) for _, cells, _ in rows] == [
        row for row in table if any(cell.strip() for cell in row)
    ]


@settings(max_examples=400)
@given(
    data=st.binary(max_size=300)
    | st.text('a;b"\n\r,1 \x00ñ', max_size=120).map(str.encode)
    | st.lists(st.sampled_from([b'"', b"\n", b";", b"\r\n", b"\xe9", b"x", b"\x00"])).map(b"".join),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]),
    header_row=st.integers(0, 2),
)
def test_arbitrary_bytes_are_read_to_the_end(data: bytes, encoding: str, header_row: int) -> None:
    reader, rows = rows_of(data, encoding, ";", header_row, width=2)
    assert reader.bytes_read == len(data)
    numbers = [number for number, _, _ in rows]
    assert numbers == sorted(set(numbers))
    detect_dialect(data, count_known, str.isdigit)
