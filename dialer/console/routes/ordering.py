"""What orders and lists of the compliance officer share: one transaction, refusals as errors of the
API, pages, and whole telephone numbers for compliance alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy.ext.asyncio import AsyncConnection

from dialer.console.errors import (
    ALREADY_DECIDED,
    BAD_FIELD,
    NOT_OVERRIDABLE,
    ON_HOLD,
    SAME_PERSON,
    ApiError,
)
from dialer.console.table import Call, Nothing, not_found
from dialer.core.masking import masked
from dialer.core.records import to_ms
from dialer.stores.ledger import erasing, overrides
from dialer.stores.ledger.evidence import CheckToldOf
from dialer.stores.ledger.incidents import Incident
from dialer.stores.ledger.oversight import ConsentRow
from dialer.stores.ledger.suppression_lists import AlreadyEnded, SuppressionRow
from dialer.stores.ledger.users import Role

B = TypeVar("B")
Q = TypeVar("Q")
R = TypeVar("R")
A = TypeVar("A", CheckToldOf, ConsentRow, Incident, SuppressionRow)

OFFICERS: Final = frozenset({Role.COMPLIANCE})
Why = Annotated[str, Meta(min_length=1, max_length=500)]
"""Goes on record for good: name nobody in it."""


class Because(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reason: Why


class Ruling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    approve: bool


async def give_order(
    call: Call[B, Nothing], work: Callable[[AsyncConnection, str, int], Awaitable[R]]
) -> R:
    """Do it in one transaction as the caller; refusals come out as errors of the API."""
    actor, now_ms = call.user.user_id, to_ms(call.services.clock.now())
    try:
        return await call.services.ledger.transact(lambda conn: work(conn, actor, now_ms))
    except overrides.NotOverridable as error:
        raise ApiError(NOT_OVERRIDABLE, where="rule_id", es=str(error), en=str(error)) from error
    except (overrides.SamePerson, erasing.SamePerson) as error:
        raise ApiError(SAME_PERSON) from error
    except (overrides.AlreadyDecided, erasing.AlreadyDecided, AlreadyEnded) as error:
        raise ApiError(ALREADY_DECIDED) from error
    except erasing.OnHold as error:
        raise ApiError(ON_HOLD) from error
    except LookupError as error:
        raise not_found("lo que se nombra", "what is named") from error
    except ValueError as error:
        raise ApiError(BAD_FIELD, es=str(error), en=str(error)) from error


def following(found: Sequence[R], limit: int, id_of: Callable[[R], str]) -> str | None:
    """Where the page after this one begins; None: this was the last."""
    return id_of(found[-1]) if len(found) == limit else None


def for_reader(call: Call[B, Q], row: A) -> A:
    """A row as the caller may read it: whole telephone numbers are for compliance."""
    if call.user.role is Role.COMPLIANCE or not row.address:
        return row
    return msgspec.structs.replace(row, address=masked(row.address))
