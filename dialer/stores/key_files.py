"""Secret keys in files of their own: made once, and never left open to others."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


class KeyUnusable(Exception):
    """A key cannot be read or made, or others can read it: why, and how to mend it."""


def load_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """What the file holds; where there is none, one is made that only its owner may read.

    Raises `KeyUnusable`.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _load(path)
    except OSError as error:
        raise KeyUnusable(
            f"the key {path} cannot be made: {error.strerror}; "
            "check that the directory exists and may be written"
        ) from error
    made = make()
    with os.fdopen(handle, "wb") as file:
        file.write(made)
        file.flush()
        os.fsync(file.fileno())
    return made


def _load(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise KeyUnusable(f"others may read the key {path}; run: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise KeyUnusable(f"the key {path} cannot be read: {error.strerror}") from error
