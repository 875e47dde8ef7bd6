"""What the checks of `marcador doctor` find."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from dialer.cli.errors import told
from dialer.cli.texts import Texts


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one check found."""

    check: str
    state: State
    found: str
    mend: str = ""


def problem(check: str, error: BaseException, texts: Texts) -> Finding:
    """A check that failed, in the words of the error."""
    known = told(error, texts)
    if known is None:
        return Finding(
            check=check, state=State.PROBLEM, found=f"{type(error).__name__}: {error}", mend=""
        )
    return Finding(check=check, state=State.PROBLEM, found=known.what, mend=known.mend)
