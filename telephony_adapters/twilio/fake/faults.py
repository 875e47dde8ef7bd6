"""What goes wrong between Marcador and Twilio, by called number. Pure."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class CreateFault(StrEnum):
    """What happens to a `POST /Calls`."""

    TOO_MANY = "too_many"
    """429 with code 20429 and `Retry-After`: not processed."""
    SERVER_ERROR = "server_error"
    """500, nothing placed."""
    SERVER_ERROR_PLACED = "server_error_placed"
    """500, and the call was placed all the same."""
    SILENT_PLACED = "silent_placed"
    """No answer for ever, and the call was placed."""
    SILENT = "silent"
    """No answer for ever, nothing placed."""
    REFUSED = "refused"
    """400 with code 21211."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong with the calls to one number."""

    create: CreateFault | None = None
    times: int = 1
    """How many creates of this number meet `create`; later ones are served."""
    record: CreateFault | None = None
    """What happens to every request to record the call."""
    repeats: int = 0
    """Every callback comes this many times more."""
    late_s: float = 0.0
    """Every callback comes this much later."""
    out_of_order: bool = False
    """Every second callback, from the first on, comes two seconds late."""
    lost: frozenset[str] = frozenset()
    """What never arrives: status events (`ringing`, `answered` ...), `amd`, `participant-join`,
    `participant-leave`, `recording-STATUS`."""
    wrong_signature: bool = False


NO_FAULT = Fault()


class UnreadableFault(Exception):
    """A fault on the command line that says nothing we know."""


def parse_fault(text: str) -> tuple[str, Fault]:
    """`NUMBER=FAULT`: a create fault, `repeats`, `late`, `out_of_order` or `wrong_signature`.

    Raises `UnreadableFault`.
    """
    number, _, name = text.partition("=")
    others = {
        "repeats": Fault(repeats=2),
        "late": Fault(late_s=3.0),
        "out_of_order": Fault(out_of_order=True),
        "wrong_signature": Fault(wrong_signature=True),
    }
    if name in others:
        return number, others[name]
    try:
        return number, Fault(create=CreateFault(name))
    except ValueError as error:
        names = ", ".join([*CreateFault, *others])
        raise UnreadableFault(f"{text!r}: NUMBER=FAULT; faults: {names}") from error
