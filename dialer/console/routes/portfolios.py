"""Portfolios, and the files that are imported into them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from campaigns.portfolio.errors import PortfolioError
from campaigns.portfolio.profile import check_profile, load_profile
from compliance.types import CollectorRole, CreditorId, DebtClass
from dialer.console.errors import (
    BAD_FIELD,
    BAD_UPLOAD,
    BODY_TOO_LARGE,
    DISK_FULL,
    NAME_TAKEN,
    TOO_SLOW,
    ApiError,
)
from dialer.console.services import ImportStatus
from dialer.console.table import (
    API,
    MANAGERS,
    OFFICE,
    Call,
    Nothing,
    Route,
    not_found,
    route,
    stream,
)
from dialer.console.uploads import store_body
from dialer.core.records import to_ms
from dialer.stores.ledger.audit import record_audit
from dialer.stores.ledger.ids import new_id
from dialer.stores.ledger.jobs import JobState, get_job, list_jobs
from dialer.stores.ledger.portfolios import (
    Portfolio,
    PortfolioExists,
    create_portfolio,
    get_portfolio,
    list_portfolios,
    save_import_profile,
)

B = TypeVar("B")
Q = TypeVar("Q")

CSV: Final = "text/csv"


class PortfolioView(msgspec.Struct, frozen=True, kw_only=True):
    portfolio_id: str
    name: str
    creditor_id: CreditorId
    creditor_name: str
    creditor_name_neutral: str
    collector_role: CollectorRole
    country: str
    currency: str
    debt_class: DebtClass
    synthetic: bool
    created_ms: int


class PortfolioList(msgspec.Struct, frozen=True, kw_only=True):
    portfolios: list[PortfolioView]


class NewPortfolio(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    creditor_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    creditor_name: Annotated[str, Meta(min_length=1, max_length=200)]
    creditor_name_neutral: Annotated[str, Meta(max_length=200)] = ""
    """A name that does not tell that it collects debts; none: the creditor's name."""
    collector_role: CollectorRole
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
    """ISO 3166-1 alpha-2."""
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    """ISO 4217."""
    debt_class: DebtClass = DebtClass.CONSUMER
    synthetic: bool = False
    """Invented people: can never be dialed through a real carrier."""


class ProfileBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    profile: Annotated[str, Meta(max_length=200_000)]
    """TOML: how the creditor's files are read."""


class ProfileView(msgspec.Struct, frozen=True, kw_only=True):
    profile: str | None


class UploadQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    file_name: Annotated[str, Meta(min_length=1, max_length=255)]
    recall_missing: bool = False
    """The file names every account there is: take back those it lacks."""


class JobsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    portfolio_id: Annotated[str, Meta(max_length=64)] | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    job_id: str
    portfolio_id: str
    file_name: str
    file_sha256: str
    file_bytes: int
    state: JobState
    rows_read: int
    counts: dict[str, int]
    has_rejects: bool
    failed: bool
    started_ms: int
    ended_ms: int | None


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    jobs: list[JobView]


# --- portfolios ----------------------------------------------------------------------------------


async def all_portfolios(call: Call[Nothing, Nothing]) -> PortfolioList:
    async with call.services.ledger.read() as conn:
        found = await list_portfolios(conn)
    return PortfolioList(portfolios=[_view(portfolio) for portfolio in found])


async def one_portfolio(call: Call[Nothing, Nothing]) -> PortfolioView:
    return _view(await _portfolio(call))


async def add_portfolio(call: Call[NewPortfolio, Nothing]) -> PortfolioView:
    body = call.body
    now_ms = to_ms(call.services.clock.now())
    made = Portfolio(
        portfolio_id=new_id(),
        name=body.name,
        creditor_id=CreditorId(body.creditor_id),
        creditor_name=body.creditor_name,
        creditor_name_neutral=body.creditor_name_neutral or body.creditor_name,
        collector_role=body.collector_role,
        country=body.country,
        currency=body.currency,
        debt_class=body.debt_class,
        synthetic=body.synthetic,
        created_ms=now_ms,
    )
    try:
        async with call.services.ledger.write() as conn:
            await create_portfolio(conn, made)
            await record_audit(
                conn,
                at_ms=now_ms,
                actor=call.user.user_id,
                action="portfolio.create",
                target=made.portfolio_id,
                detail={"synthetic": made.synthetic},
            )
    except PortfolioExists as error:
        raise ApiError(NAME_TAKEN, where="name", name=body.name) from error
    return _view(made)


async def get_profile(call: Call[Nothing, Nothing]) -> ProfileView:
    return ProfileView(profile=(await _portfolio(call)).import_profile)


async def put_profile(call: Call[ProfileBody, Nothing]) -> Nothing:
    portfolio = await _portfolio(call)
    try:
        check_profile(load_profile(call.body.profile))
    except PortfolioError as error:
        told, mend = error.message, error.mend
        raise ApiError(
            BAD_FIELD,
            where="profile",
            es=f"{told.es} {mend.es}".rstrip("."),
            en=f"{told.en} {mend.en}".rstrip("."),
        ) from error
    async with call.services.ledger.write() as conn:
        await save_import_profile(conn, portfolio.portfolio_id, call.body.profile)
        await record_audit(
            conn,
            at_ms=to_ms(call.services.clock.now()),
            actor=call.user.user_id,
            action="portfolio.profile",
            target=portfolio.portfolio_id,
        )
    return Nothing()


async def _portfolio(call: Call[B, Q]) -> Portfolio:
    async with call.services.ledger.read() as conn:
        found = await get_portfolio(conn, call.param("portfolio_id"))
    if found is None:
        raise not_found("esa cartera", "that portfolio", where="portfolio_id")
    return found


def _view(portfolio: Portfolio) -> PortfolioView:
    return msgspec.convert(portfolio, PortfolioView, from_attributes=True)


# --- imports -------------------------------------------------------------------------------------


async def upload(call: Call[Nothing, UploadQuery]) -> web.StreamResponse:
    portfolio = await _portfolio(call)
    imports, limit = call.services.imports, call.services.config.http.max_upload_bytes
    if (call.request.content_length or 0) > limit:
        raise ApiError(BODY_TOO_LARGE, limit=limit)
    place = await imports.receive(call.query.file_name)
    arrived = False
    try:
        await store_body(call.request, place.path, limit)
        arrived = True
    finally:
        if not arrived:
            await imports.discard(place)
    status = await imports.start(
        place,
        portfolio,
        recall_missing=call.query.recall_missing,
        actor=call.user.user_id,
    )
    return web.Response(
        status=202,
        body=msgspec.json.encode(status),
        content_type="application/json",
        headers={hdrs.LOCATION: f"{API}/imports/{status.import_id}"},
    )


async def import_status(call: Call[Nothing, Nothing]) -> ImportStatus:
    found = await call.services.imports.status(call.param("import_id"))
    if found is None:
        raise not_found("esa importación", "that import", where="import_id")
    return found


async def import_jobs(call: Call[Nothing, JobsQuery]) -> JobList:
    async with call.services.ledger.read() as conn:
        rows = await list_jobs(conn, portfolio_id=call.query.portfolio_id, limit=call.query.limit)
    return JobList(
        jobs=[
            JobView(
                job_id=row.job_id,
                portfolio_id=row.portfolio_id,
                file_name=row.file_name,
                file_sha256=row.file_sha256,
                file_bytes=row.file_bytes,
                state=row.state,
                rows_read=row.rows_read,
                counts=row.counts,
                has_rejects=row.reject_path is not None,
                failed=row.error is not None,
                started_ms=row.started_ms,
                ended_ms=row.ended_ms,
            )
            for row in rows
        ]
    )


async def reject_file(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    """The report of rejected rows. Only a file that an import wrote in our own folder is sent,
    whatever path the ledger names."""
    async with call.services.ledger.read() as conn:
        job = await get_job(conn, call.param("job_id"))
    missing = not_found("un archivo de rechazos", "a reject file", where="job_id")
    if job is None or job.reject_path is None:
        raise missing
    folder = call.services.config.data_path / "imports"
    path = await asyncio.to_thread(_inside, folder, job.reject_path)
    if path is None:
        raise missing
    return web.FileResponse(
        path,
        headers={
            hdrs.CONTENT_TYPE: f"{CSV}; charset=utf-8",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{path.name}"',
        },
    )


def _inside(folder: Path, path: str) -> Path | None:
    """The file, if it exists and lies below the folder, links followed."""
    found = Path(path).resolve()
    if found.is_relative_to(folder.resolve()) and found.is_file():
        return found
    return None


ROUTES: tuple[Route, ...] = (
    route(
        "GET",
        f"{API}/portfolios",
        all_portfolios,
        body=Nothing,
        query=Nothing,
        answer=PortfolioList,
        roles=OFFICE,
        tag="portfolios",
        en="All portfolios",
        es="Todas las carteras",
    ),
    route(
        "POST",
        f"{API}/portfolios",
        add_portfolio,
        body=NewPortfolio,
        query=Nothing,
        answer=PortfolioView,
        roles=MANAGERS,
        status=201,
        tag="portfolios",
        en="Make a portfolio",
        es="Crear una cartera",
        errors=(NAME_TAKEN,),
    ),
    route(
        "GET",
        f"{API}/portfolios/{{portfolio_id}}",
        one_portfolio,
        body=Nothing,
        query=Nothing,
        answer=PortfolioView,
        roles=OFFICE,
        tag="portfolios",
        en="One portfolio",
        es="Una cartera",
    ),
    route(
        "GET",
        f"{API}/portfolios/{{portfolio_id}}/profile",
        get_profile,
        body=Nothing,
        query=Nothing,
        answer=ProfileView,
        roles=OFFICE,
        tag="portfolios",
        en="How the files of a portfolio are read, as TOML",
        es="Cómo se leen los archivos de una cartera, en TOML",
    ),
    route(
        "PUT",
        f"{API}/portfolios/{{portfolio_id}}/profile",
        put_profile,
        body=ProfileBody,
        query=Nothing,
        answer=Nothing,
        roles=MANAGERS,
        tag="portfolios",
        en="Say how the files of a portfolio are read",
        es="Decir cómo se leen los archivos de una cartera",
    ),
    stream(
        "POST",
        f"{API}/portfolios/{{portfolio_id}}/imports",
        upload,
        query=UploadQuery,
        media_type="application/json",
        upload_type=CSV,
        answer=ImportStatus,
        status=202,
        roles=MANAGERS,
        tag="portfolios",
        en="Upload a file and import it in the background",
        es="Subir un archivo e importarlo en segundo plano",
        errors=(BODY_TOO_LARGE, BAD_UPLOAD, DISK_FULL, TOO_SLOW),
    ),
    route(
        "GET",
        f"{API}/imports/{{import_id}}",
        import_status,
        body=Nothing,
        query=Nothing,
        answer=ImportStatus,
        roles=OFFICE,
        tag="portfolios",
        en="How an uploaded file fares",
        es="Cómo va un archivo subido",
    ),
    route(
        "GET",
        f"{API}/import-jobs",
        import_jobs,
        body=Nothing,
        query=JobsQuery,
        answer=JobList,
        roles=OFFICE,
        tag="portfolios",
        en="Files that were imported, newest first, whoever imported them",
        es="Archivos importados, lo más nuevo primero, los haya importado quien sea",
    ),
    stream(
        "GET",
        f"{API}/import-jobs/{{job_id}}/rejects",
        reject_file,
        query=Nothing,
        media_type=CSV,
        roles=MANAGERS,
        tag="portfolios",
        en="Rejected rows and unused cells of an import, with how to mend them",
        es="Filas rechazadas y celdas sin usar de una importación, con su remedio",
    ),
)
