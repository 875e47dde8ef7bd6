"""The reject file, and phones that are not one person's alone."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from pathlib import Path

import campaigns.portfolio
from campaigns.portfolio.dates import DateError
from campaigns.portfolio.importer import ImportSettings, read_portfolio
from campaigns.portfolio.model import ImportedAccount, RejectedRow
from campaigns.portfolio.money import AmountError
from campaigns.portfolio.phones import PhoneProblem
from campaigns.portfolio.proposal import propose_profile
from campaigns.portfolio.reader import RowProblem
from campaigns.portfolio.rejects import REASONS, WARNINGS, RejectWriter
from campaigns.portfolio.sharing import PhoneIndex, SharedPhone

TEXT = """\
id_cuenta;rut;nombre;saldo_total;telefono_1;telefono_referencia;nombre_referencia
1;6139023-5;Ana;5;939717701;939717702;Eva
2;5297628-6;Luz;5;939717701;;
3;6139023-5;Ana;5;939717701;939717703;Sol
4;8449132-2;Paz;5;939717702;S/N;
5;8449132-2;=SUMA(1);x;;;
"""


def results() -> list[ImportedAccount | RejectedRow]:
    data = TEXT.encode()
    settings = ImportSettings(profile=propose_profile(data, "CL").profile, today=date(2026, 11, 23))
    return list(read_portfolio(io.BytesIO(data), settings))


def test_the_reject_file_says_what_and_how_to_mend_it() -> None:
    out = io.StringIO(newline="")
    writer = RejectWriter(out)
    writer.write_all(results())
    assert (writer.rows, writer.cells) == (1, 1)
    header, cell, row = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert header[:5] == ["row", "what", "column", "value", "code"]
    assert cell[:5] == ["5", "cell", "telefono_referencia", "S/N", "phone_dummy"]
    assert row[:5] == ["6", "row", "saldo_total", "x", "amount_not_a_number"]
    assert all(row[5:9])
    assert row[9:] == ["5", "8449132-2", "'=SUMA(1)", "x", "", "", ""]  # not run as a formula


def test_every_code_has_its_sentences() -> None:
    for codes in (AmountError, DateError, RowProblem):
        assert set(codes) <= REASONS
    assert set(PhoneProblem) <= WARNINGS.keys()
    sources = Path(campaigns.portfolio.__file__).parent.glob("*.py")
    source = "\n".join(path.read_text("utf-8") for path in sources)
    assert set(re.findall(r'ImportWarning\(\s*code="(\w+)"', source)) <= WARNINGS.keys()
    assert set(re.findall(r'_warn\("(\w+)"', source)) <= WARNINGS.keys()
    assert set(re.findall(r'Reject\("(\w+)"', source)) <= REASONS
    for text in WARNINGS.values():
        assert text.es != text.en


def test_shared_numbers_and_numbers_that_are_a_references_too() -> None:
    index = PhoneIndex()
    found = [result for result in results() if isinstance(result, ImportedAccount)]
    for account in found:  # a batch each: the order and the cut do not matter
        index.add([account])
    assert list(index.shared()) == [
        SharedPhone(address="+56939717701", people=("doc:rut:52976286", "doc:rut:61390235"))
    ]
    assert list(index.also_reference()) == [
        SharedPhone(address="+56939717702", people=("doc:rut:84491322",))
    ]
    again = PhoneIndex()
    again.add(reversed(found))
    assert set(again.shared()) == set(index.shared())
