"""Files of an import: opening what creditors send, and writing what is told about it."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from campaigns.portfolio.dialect import SAMPLE_BYTES
from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.importer import ImportSettings, PortfolioReader, Result, read_portfolio
from campaigns.portfolio.model import ImportCounts
from campaigns.portfolio.rejects import RejectWriter

_HASH_CHUNK_BYTES: Final = 1 << 20

_FOREIGN_FORMATS: Final = {
    b"PK\x03\x04": "an Excel (.xlsx) or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel (.xls) file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip file",
}
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class ImportFailed(Exception):
    """The import ended before the end of the file. What it had imported stays, and is right."""


class FileUnusable(ImportFailed):
    """The file is missing, empty, unreadable or no text: names it and says how to mend it."""


class ProfileUnusable(ImportFailed):
    """The file cannot be understood with this profile.

    `error` has the sentences in both languages; `profile_path` is where the proposed profile was
    written for a person to correct, if one was.
    """

    def __init__(self, error: PortfolioError, profile_path: Path | None = None) -> None:
        where = f" The proposed profile is in {profile_path}." if profile_path else ""
        super().__init__(f"{error}{where}")
        self.error = error
        self.profile_path = profile_path


class Batch(msgspec.Struct, frozen=True):
    """Some results of a file, and where reading stands after them."""

    results: list[Result]
    counts: ImportCounts
    bytes_read: int


async def read_ahead(
    reader: PortfolioReader, rejects: RejectFile, rows: int
) -> AsyncGenerator[Batch, None]:
    """Batches of results, the next one being read while the last one is worked on.

    Reading runs in one thread, which also writes the reject file. Close the iterator before the
    files (`contextlib.aclosing`): the thread ends with it.
    """
    results = iter(reader)

    def take() -> Batch:
        batch = list(islice(results, rows))
        rejects.write(batch)
        return Batch(batch, reader.counts, reader.bytes_read)

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="import") as thread:
        coming = loop.run_in_executor(thread, take)
        while (batch := await coming).results:
            coming = loop.run_in_executor(thread, take)
            yield batch
        yield batch


class RejectFile:
    """The report of rejected rows and unused cells; there is none when it would be empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> RejectFile:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # With a byte order mark, since spreadsheets take a CSV without one for cp1252.
        self._file = self._path.open("w", encoding="utf-8-sig", errors="replace", newline="")
        self._writer = RejectWriter(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, results: list[Result]) -> None:
        self._writer.write_all(results)

    def finish(self) -> str | None:
        """Path of the report; an empty one is taken away."""
        self._file.close()
        if self._writer.rows or self._writer.cells:
            return str(self._path)
        self._path.unlink()
        return None


def report_path(folder: Path, name: str, ending: str) -> Path:
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:100]
    return folder / f"{safe}.{ending}"


def write_text(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImportFailed(f"{path} cannot be written: {error}") from error


def open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise FileUnusable(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise FileUnusable(
            f"{path}: cannot be read: {error.strerror}; check its permissions"
        ) from error


def look_at(path: Path) -> tuple[bytes, int, str]:
    """The file's beginning, its size and its SHA-256. Raises `FileUnusable`."""
    digest = hashlib.sha256()
    size = 0
    with open_file(path) as file:
        try:
            sample = file.read(SAMPLE_BYTES)
            chunk = sample
            while chunk:
                digest.update(chunk)
                size += len(chunk)
                chunk = file.read(_HASH_CHUNK_BYTES)
        except OSError as error:
            raise FileUnusable(f"{path}: cannot be read: {error.strerror}") from error
    if not sample.strip():
        raise FileUnusable(f"{path}: the file is empty; ask its sender for it again")
    for mark, kind in _FOREIGN_FORMATS.items():
        if sample.startswith(mark):
            raise FileUnusable(f"{path}: this is {kind}; save it as CSV and import that")
    if b"\0" in sample and not sample.startswith(_UTF16_MARKS):
        raise FileUnusable(f"{path}: this is no text file; export the portfolio as CSV")
    return sample, size, digest.hexdigest()


def open_reader(file: BinaryIO, settings: ImportSettings) -> PortfolioReader:
    try:
        return read_portfolio(file, settings)
    except PortfolioError as error:
        raise ProfileUnusable(error) from error


def try_profile(path: Path, settings: ImportSettings) -> tuple[str, ...]:
    """Columns of the file that the profile does not speak of.

    Raises `ProfileUnusable` where the profile does not fit the file's header.
    """
    with open_file(path) as file:
        return open_reader(file, settings).unmapped_columns
