"""How the program ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How `marcador` ends. Scripts may rely on these."""

    OK = 0
    """Done; a check was answered with yes."""
    FAILURE = 1
    """Unexpected: a fault of Marcador itself."""
    USAGE = 2
    """The command line cannot be understood."""
    BAD_INPUT = 3
    """The configuration, a file or a name that was given cannot be used."""
    UNAVAILABLE = 4
    """The ledger, Redis, the carrier, the port or the disk is not available."""
    NO = 5
    """The question was answered with no: blocked, does not verify, problems found."""
    INTERRUPTED = 130
    """Ctrl-C."""


class CliError(Exception):
    """What a command itself cannot do, in the user's language already."""

    def __init__(self, code: ExitCode, what: str, mend: str) -> None:
        super().__init__(f"{what}. {mend}")
        self.code = code
        self.what = what
        self.mend = mend
