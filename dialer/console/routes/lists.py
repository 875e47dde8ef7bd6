"""Lists in and out as files: suppressions, and the carrier's own records of calls."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from dialer.console.errors import BAD_UPLOAD, BODY_TOO_LARGE, ApiError
from dialer.console.routes.evidence import PROOFS, Id, Page
from dialer.console.routes.ordering import OFFICERS, following, for_reader
from dialer.console.table import API, Call, Nothing, Route, route, stream
from dialer.console.uploads import store_body
from dialer.core.records import to_ms
from dialer.runtime.listed_files import BadList, ListRead
from dialer.runtime.reconciling import BadCdr, CdrOptions, Reconciliation, reconcile
from dialer.runtime.suppression_files import read_list, write_list
from dialer.stores.ledger.suppression_lists import SuppressionRow, list_suppressions

Q = TypeVar("Q")

CSV: Final = "text/csv"
REJECTS_TOLD: Final = 200
"""Lines of a reject file that an answer repeats, at most."""


class SuppressionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    person_id: Id | None = None
    portfolio_id: Id | None = None
    reason: Annotated[str, Meta(max_length=40)] | None = None
    ended: bool = False
    """Those that have ended, or not begun, too."""
    after: Id | None = None
    """`next_after` of the page before."""
    limit: Page = 100


class SuppressionList(msgspec.Struct, frozen=True, kw_only=True):
    suppressions: list[SuppressionRow]
    next_after: str | None


class ExportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    portfolio_id: Id | None = None
    ended: bool = False


class ListAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an uploaded list."""

    lines: int
    added: int
    known: int
    """Lines that changed nothing: what they say stood already."""
    rejected: int
    rejects: list[str]
    """The reject file's first lines, its head among them."""


class CdrQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    call_id: Annotated[str, Meta(max_length=100)] | None = None
    """Name of the column with our call id. Of these, what is not given is guessed by name."""
    number: Annotated[str, Meta(max_length=100)] | None = None
    start: Annotated[str, Meta(max_length=100)] | None = None
    duration: Annotated[str, Meta(max_length=100)] | None = None
    """Column with billed seconds."""
    cause: Annotated[str, Meta(max_length=100)] | None = None
    zone: Annotated[str, Meta(max_length=64)] = "UTC"
    """IANA zone of instants that are written without an offset."""
    start_tolerance_s: Annotated[int, Meta(ge=0, le=3600)] = 120
    duration_tolerance_s: Annotated[int, Meta(ge=0, le=600)] = 5

    def options(self) -> CdrOptions:
        given = {
            name: value
            for name in ("call_id", "number", "start", "duration", "cause")
            if (value := getattr(self, name)) is not None
        }
        return CdrOptions(
            columns=given,
            zone=self.zone,
            start_tolerance_s=self.start_tolerance_s,
            duration_tolerance_s=self.duration_tolerance_s,
        )


class CdrAnswer(msgspec.Struct, frozen=True, kw_only=True):
    report: Reconciliation
    rejects: list[str]
    """The reject file's first lines, its head among them."""


# --- suppressions ---------------------------------------------------------------------------------


async def suppressions(call: Call[Nothing, SuppressionQuery]) -> SuppressionList:
    query = call.query
    async with call.services.ledger.read() as conn:
        found = await list_suppressions(
            conn,
            now_ms=to_ms(call.services.clock.now()),
            standing=not query.ended,
            person_id=query.person_id,
            portfolio_id=query.portfolio_id,
            reason=query.reason,
            after=query.after or "",
            limit=query.limit,
        )
    return SuppressionList(
        suppressions=[for_reader(call, row) for row in found],
        next_after=following(found, query.limit, lambda row: row.suppression_id),
    )


async def export_suppressions(call: Call[Nothing, ExportQuery]) -> web.StreamResponse:
    """The list as a file; it is written to disk first, so that a broken one is never sent."""
    query, services = call.query, call.services
    async with _folder(services.config.data_path) as folder:
        path = folder / "suppressions.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            await write_list(
                services.ledger,
                out,
                actor=call.user.user_id,
                now_ms=to_ms(services.clock.now()),
                standing=not query.ended,
                portfolio_id=query.portfolio_id,
            )
        response = web.StreamResponse(
            headers={
                hdrs.CONTENT_TYPE: f"{CSV}; charset=utf-8",
                hdrs.CONTENT_DISPOSITION: 'attachment; filename="suppressions.csv"',
            }
        )
        await response.prepare(call.request)
        with path.open("rb") as file:
            while block := await asyncio.to_thread(file.read, 1 << 16):
                await response.write(block)
        await response.write_eof()
    return response


ReadList = Callable[..., Awaitable[ListRead]]
"""`read_list`, `read_notices`, `read_checks`."""


async def take_list(call: Call[Nothing, Nothing], read: ReadList) -> web.StreamResponse:
    """Take in an uploaded list; what could not be used is told with the reason."""
    services = call.services
    async with uploaded(call) as (file, rejects):
        try:
            found = await read(
                services.ledger,
                file,
                rejects=rejects,
                actor=call.user.user_id,
                now=services.clock.now(),
            )
        except BadList as error:
            raise ApiError(BAD_UPLOAD, es=str(error), en=str(error)) from error
        told = ListAnswer(
            lines=found.lines,
            added=found.added,
            known=found.known,
            rejected=found.rejected,
            rejects=await _told(rejects, found.reject_file),
        )
    return web.json_response(body=msgspec.json.encode(told))


async def import_suppressions(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    return await take_list(call, read_list)


async def reconcile_calls(call: Call[Nothing, CdrQuery]) -> web.StreamResponse:
    services = call.services
    async with uploaded(call) as (file, rejects):
        try:
            report = await reconcile(
                services.ledger,
                file,
                call.query.options(),
                rejects=rejects,
                actor=call.user.user_id,
                now=services.clock.now(),
            )
        except BadCdr as error:
            raise ApiError(BAD_UPLOAD, es=str(error), en=str(error)) from error
        told = await _told(rejects, report.reject_file)
    report = msgspec.structs.replace(report, reject_file=None)
    return web.json_response(body=msgspec.json.encode(CdrAnswer(report=report, rejects=told)))


@asynccontextmanager
async def _folder(data: Path) -> AsyncIterator[Path]:
    """A folder that only this user may read, for as long as a request lasts."""
    make = partial(tempfile.mkdtemp, prefix="oversight-", dir=data)
    folder = Path(await asyncio.to_thread(make))
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@asynccontextmanager
async def uploaded(call: Call[Nothing, Q]) -> AsyncIterator[tuple[Path, Path]]:
    """The body as a file, and where bad lines go. Both are deleted at the end."""
    config = call.services.config
    limit = config.http.max_upload_bytes
    if (call.request.content_length or 0) > limit:
        raise ApiError(BODY_TOO_LARGE, limit=limit)
    async with _folder(config.data_path) as folder:
        file = folder / "upload.csv"
        await store_body(call.request, file, limit)
        yield file, folder / "rejects.csv"


async def _told(rejects: Path, written: str | None) -> list[str]:
    if written is None:
        return []
    text = await asyncio.to_thread(rejects.read_text, "utf-8")
    return text.splitlines()[: REJECTS_TOLD + 1]


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/suppressions",
        suppressions,
        body=Nothing,
        query=SuppressionQuery,
        answer=SuppressionList,
        roles=PROOFS,
        tag="oversight",
        en="Suppressions that stand",
        es="Supresiones vigentes",
    ),
    stream(
        "GET",
        f"{API}/suppressions/file",
        export_suppressions,
        query=ExportQuery,
        media_type=CSV,
        roles=OFFICERS,
        tag="oversight",
        en="Suppressions as a CSV file",
        es="Supresiones como archivo CSV",
    ),
    stream(
        "POST",
        f"{API}/suppressions/file",
        import_suppressions,
        query=Nothing,
        media_type="application/json",
        upload_type=CSV,
        answer=ListAnswer,
        roles=OFFICERS,
        tag="oversight",
        en="Add the suppressions of a CSV list; the same list again changes nothing",
        es="Agregar las supresiones de una lista CSV; la misma otra vez no cambia nada",
        errors=(BAD_UPLOAD, BODY_TOO_LARGE),
    ),
    stream(
        "POST",
        f"{API}/oversight/reconciliations",
        reconcile_calls,
        query=CdrQuery,
        media_type="application/json",
        upload_type=CSV,
        answer=CdrAnswer,
        roles=OFFICERS,
        tag="oversight",
        en="Compare a carrier's CDR file with the ledger; differences go to the review list",
        es="Comparar el archivo CDR de un operador con el libro; lo distinto va a revisión",
        errors=(BAD_UPLOAD, BODY_TOO_LARGE),
    ),
)
