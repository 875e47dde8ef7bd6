"""Portfolios, uploads and imports, on a real ledger and real files."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import update

from campaigns.sample.generator import SampleSettings, generate
from dialer.config import Config, HttpConfig
from dialer.console import imports as imports_module
from dialer.console import uploads as bodies
from dialer.console.imports import ImportRuns, safe_name
from dialer.console.services import ImportState, ImportStatus
from dialer.runtime.importing import ImportJob
from dialer.stores.ledger.database import Ledger
from dialer.stores.ledger.schema import import_job
from dialer.stores.ledger.users import Role
from tests.console.world import FakeServices, Reply, World, config_of, until
from tests.support.house import NOON_IN_CHILE

LIMIT = 200_000
CSV = {"Content-Type": "text/csv"}
PORTFOLIO = {
    "name": "Banco Uno",
    "creditor_id": "banco-uno",
    "creditor_name": "Banco Uno",
    "collector_role": "third_party",
    "country": "CL",
    "currency": "CLP",
    "synthetic": True,
}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return config_of(tmp_path, http=HttpConfig(port=0, max_upload_bytes=LIMIT))


def sample(accounts: int = 30, *, dirt: bool = False) -> bytes:
    out = StringIO(newline="")
    settings = SampleSettings(
        country="CL", accounts=accounts, seed=3, today=NOON_IN_CHILE.date(), dirt=dirt
    )
    generate(out, settings)
    return out.getvalue().encode()


async def portfolio(world: World) -> str:
    made = await world.call("POST", "portfolios", role=Role.MANAGER, json=PORTFOLIO)
    assert made.status == 201, made.raw
    return str(made.json["portfolio_id"])


async def upload(
    world: World, portfolio_id: str, data: bytes, name: str = "mayo.csv", **query: str
) -> Reply:
    return await world.call(
        "POST",
        f"portfolios/{portfolio_id}/imports",
        role=Role.MANAGER,
        data=data,
        headers=CSV,
        params={"file_name": name, **query},
    )


async def ended(world: World, import_id: str) -> ImportStatus:
    async with asyncio.timeout(30):
        while True:
            reply = await world.call("GET", f"imports/{import_id}", role=Role.MANAGER)
            status = msgspec.json.decode(reply.raw, type=ImportStatus)
            if status.state is not ImportState.RUNNING:
                return status
            await asyncio.sleep(0.02)


# --- portfolios ----------------------------------------------------------------------------------


async def test_a_portfolio_is_made_once(world: World) -> None:
    portfolio_id = await portfolio(world)
    again = await world.call("POST", "portfolios", role=Role.MANAGER, json=PORTFOLIO)
    assert (again.status, again.code, again.error["where"]) == (409, "name_taken", "name")
    one = await world.call("GET", f"portfolios/{portfolio_id}", role=Role.SUPERVISOR)
    assert (one.json["name"], one.json["creditor_name_neutral"]) == ("Banco Uno", "Banco Uno")
    listed = await world.call("GET", "portfolios", role=Role.COMPLIANCE)
    assert listed.json["portfolios"] == [one.json]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"country": "Chile"}, "country"),
        ({"currency": "pesos"}, "currency"),
        ({"creditor_id": "../up"}, "creditor_id"),
        ({"collector_role": "friend"}, "collector_role"),
        ({"name": ""}, "name"),
    ],
)
async def test_bad_portfolios(world: World, change: dict[str, str], where: str) -> None:
    reply = await world.call("POST", "portfolios", role=Role.MANAGER, json={**PORTFOLIO, **change})
    assert (reply.status, reply.error["where"]) == (422, where)


async def test_the_import_profile_can_be_read_and_corrected(world: World) -> None:
    portfolio_id = await portfolio(world)
    path = f"portfolios/{portfolio_id}/profile"
    assert (await world.call("GET", path, role=Role.MANAGER)).json == {"profile": None}
    bad = await world.call("PUT", path, role=Role.MANAGER, json={"profile": "columns = 3"})
    assert (bad.status, bad.code, bad.error["where"]) == (422, "bad_field", "profile")
    started = await upload(world, portfolio_id, sample())
    await ended(world, str(started.json["import_id"]))
    kept = (await world.call("GET", path, role=Role.MANAGER)).json
    assert isinstance(kept["profile"], str)
    assert (await world.call("PUT", path, role=Role.MANAGER, json=kept)).status == 204


# --- imports -------------------------------------------------------------------------------------


async def test_a_file_is_uploaded_imported_and_deleted(world: World, config: Config) -> None:
    portfolio_id = await portfolio(world)
    started = await upload(world, portfolio_id, sample(40))
    assert started.status == 202
    import_id = str(started.json["import_id"])
    assert started.headers["Location"] == f"/api/v1/imports/{import_id}"
    status = await ended(world, import_id)
    assert (status.state, status.rows, status.counts["new"]) == (ImportState.DONE, 40, 40)
    assert status.file_name == "mayo.csv"
    assert status.bytes_read == status.file_bytes
    left = [path.name for path in (config.data_path / "uploads").rglob("*") if path.is_file()]
    assert left == ["status.json"], "what people sent us is gone"

    jobs = await world.call(
        "GET", "import-jobs", role=Role.MANAGER, params={"portfolio_id": portfolio_id}
    )
    found = jobs.json["jobs"]
    assert isinstance(found, list)
    job = found[0]
    assert isinstance(job, dict)
    assert (job["job_id"], job["state"], job["rows_read"]) == (status.job_id, "done", 40)
    assert "path" not in str(job)
    again = await upload(world, portfolio_id, sample(40))
    same = await ended(world, str(again.json["import_id"]))
    assert (same.counts["new"], same.counts["unchanged"]) == (0, 40)


async def test_rejected_rows_can_be_downloaded(world: World) -> None:
    portfolio_id = await portfolio(world)
    started = await upload(world, portfolio_id, sample(120, dirt=True), "sucio.csv")
    status = await ended(world, str(started.json["import_id"]))
    assert status.has_rejects
    path = f"import-jobs/{status.job_id}/rejects"
    reply = await world.call("GET", path, role=Role.MANAGER)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/csv")
    disposition = f'attachment; filename="rejects-{status.job_id}.csv"'
    assert reply.headers["Content-Disposition"] == disposition
    assert reply.raw.startswith(b"\xef\xbb\xbf")
    assert reply.raw.count(b"\n") > 1


async def test_an_unreadable_file_says_why(world: World) -> None:
    portfolio_id = await portfolio(world)
    excel = await upload(world, portfolio_id, b"PK\x03\x04" + b"\0" * 100, "mayo.xlsx")
    status = await ended(world, str(excel.json["import_id"]))
    assert status.state is ImportState.FAILED
    assert status.error_en is not None
    assert "Excel" in status.error_en
    assert status.error_en.startswith("mayo.xlsx: ")
    assert "uploads" not in (status.error_es or ""), "our folders are our business"


async def test_a_file_without_an_account_column_brings_a_profile_to_correct(world: World) -> None:
    portfolio_id = await portfolio(world)
    strange = await upload(world, portfolio_id, b"a;b\n1;2\n3;4\n")
    status = await ended(world, str(strange.json["import_id"]))
    assert status.state is ImportState.FAILED
    assert status.error_es
    assert status.error_en
    assert status.error_es != status.error_en
    assert status.proposed_profile is not None
    assert "[" in status.proposed_profile


async def test_an_import_that_the_server_broke_off_is_interrupted(
    services: FakeServices, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio_id = await portfolio(world)
    reading = asyncio.Event()

    async def for_ever(_: ImportJob) -> None:
        reading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ImportJob, "run", for_ever)
    started = await upload(world, portfolio_id, sample())
    import_id = str(started.json["import_id"])
    await reading.wait()
    await services.imports.close()
    status = await ended(world, import_id)
    assert status.state is ImportState.INTERRUPTED
    folder = services.config.data_path / "uploads" / import_id
    assert [path.name for path in folder.iterdir()] == ["status.json"]


async def test_an_import_of_a_dead_process_is_interrupted(
    ledger: Ledger, services: FakeServices, world: World
) -> None:
    place = await services.imports.receive("mayo.csv")
    place.path.write_bytes(sample())
    status = ImportStatus(
        import_id=place.import_id,
        portfolio_id="p",
        file_name="mayo.csv",
        file_bytes=1,
        state=ImportState.RUNNING,
        started_ms=1,
    )
    dead = await asyncio.create_subprocess_exec("true")
    await dead.wait()
    folder = place.path.parent.parent
    kept = {"pid": dead.pid, "status": msgspec.to_builtins(status)}
    (folder / "status.json").write_bytes(msgspec.json.encode(kept))
    later = ImportRuns(ledger, services.config.data_path, services.clock)
    found = await later.status(place.import_id)
    assert found is not None
    assert found.state is ImportState.INTERRUPTED
    assert not place.path.exists(), "a dead process's upload holds personal data too"


# --- bounds and paths ----------------------------------------------------------------------------


def uploads(config: Config) -> list[Path]:
    return [path for path in (config.data_path / "uploads").rglob("*") if path.is_file()]


async def test_an_upload_has_a_limit_told_or_not(world: World, config: Config) -> None:
    portfolio_id = await portfolio(world)
    told = await upload(world, portfolio_id, b"x" * (LIMIT + 1))
    assert (told.status, told.code) == (413, "body_too_large")

    async def chunks() -> object:
        for _ in range(30):
            yield b"x" * 10_000

    async with world.http.post(
        f"/api/v1/portfolios/{portfolio_id}/imports",
        params={"file_name": "a.csv"},
        headers={**CSV, "Authorization": f"Bearer {await world.token_of(Role.MANAGER)}"},
        data=chunks(),
    ) as reply:
        assert reply.status == 413
    assert uploads(config) == [], "nothing of it is kept"


async def test_an_empty_upload_and_a_wrong_type(world: World, config: Config) -> None:
    portfolio_id = await portfolio(world)
    empty = await upload(world, portfolio_id, b"")
    assert (empty.status, empty.code) == (422, "bad_upload")
    wrong = await world.call(
        "POST",
        f"portfolios/{portfolio_id}/imports",
        role=Role.MANAGER,
        data=b"x",
        headers={"Content-Type": "application/json"},
        params={"file_name": "a.csv"},
    )
    assert (wrong.status, wrong.code) == (415, "unsupported_media_type")
    nowhere = await upload(world, "nowhere", sample())
    assert (nowhere.status, nowhere.code) == (404, "not_found")
    assert uploads(config) == []


async def test_a_sender_that_hangs_up_leaves_nothing(world: World, config: Config) -> None:
    portfolio_id = await portfolio(world)
    host, _, port = world.url.removeprefix("http://").partition(":")
    token = await world.token_of(Role.MANAGER)
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST /api/v1/portfolios/{portfolio_id}/imports?file_name=a.csv HTTP/1.1\r\n"
        f"Host: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n"
        f"Content-Length: 100000\r\n\r\nid;name\n".encode()
    )
    await writer.drain()
    folder = config.data_path / "uploads"
    await until(lambda: folder.exists() and any(folder.iterdir()))
    writer.close()
    await until(lambda: not any(folder.iterdir()))


async def test_a_full_disk_is_told_and_leaves_nothing(
    world: World, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio_id = await portfolio(world)

    def full(_fd: int, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(bodies, "_write_all", full)
    reply = await upload(world, portfolio_id, sample())
    assert (reply.status, reply.code) == (507, "disk_full")
    assert uploads(config) == []


async def test_only_the_owner_can_read_an_upload(
    world: World, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio_id = await portfolio(world)
    seen: list[int] = []

    async def look(job: ImportJob) -> None:
        seen.extend(stat.S_IMODE(p.stat().st_mode) for p in uploads(config) if p.suffix == ".csv")
        await asyncio.Event().wait()

    monkeypatch.setattr(ImportJob, "run", look)
    await upload(world, portfolio_id, sample())
    await until(lambda: bool(seen))
    assert seen == [0o600]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("mayo.csv", "mayo.csv"),
        ("cartera 2026 (final).csv", "cartera_2026_final_.csv"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("/etc/passwd", "passwd"),
        ("..", "portfolio.csv"),
        (".hidden", "hidden"),
        ("a/", "portfolio.csv"),
        ("x\x00y\r\nz.csv", "x_y_z.csv"),
        ("ñandú.csv", "ñandú.csv"),
        ("x" * 300 + ".csv", "x" * 76 + ".csv"),
        ("status.json", "status.json"),
    ],
)
def test_names_of_uploads_are_names_and_nothing_more(given: str, kept: str) -> None:
    assert safe_name(given) == kept


async def test_no_upload_leaves_its_folder(world: World, config: Config) -> None:
    portfolio_id = await portfolio(world)
    for name in ("../../../evil.csv", "status.json", "%2e%2e%2fevil.csv"):
        started = await upload(world, portfolio_id, sample(), name)
        status = await ended(world, str(started.json["import_id"]))
        assert status.state is ImportState.DONE
    outside = {p.name for p in config.data_path.parent.rglob("*evil*")}
    assert outside == set()
    assert {p.name for p in uploads(config)} == {"status.json"}


@pytest.mark.parametrize("kind", ["absolute", "up", "link", "folder", "missing"])
async def test_only_files_that_imports_wrote_can_be_downloaded(
    world: World, config: Config, tmp_path: Path, kind: str
) -> None:
    """Even if somebody wrote another path into the ledger."""
    portfolio_id = await portfolio(world)
    started = await upload(world, portfolio_id, sample())
    status = await ended(world, str(started.json["import_id"]))
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    folder = config.data_path / "imports"
    folder.mkdir(exist_ok=True)
    (folder / "link.csv").symlink_to(secret)
    path = {
        "absolute": str(secret),
        "up": str(folder / ".." / "secret.txt"),
        "link": str(folder / "link.csv"),
        "folder": str(folder),
        "missing": str(folder / "gone.csv"),
    }[kind]
    async with world.ledger.write() as conn:
        await conn.execute(update(import_job).values(reject_path=path))
    reply = await world.call("GET", f"import-jobs/{status.job_id}/rejects", role=Role.MANAGER)
    assert (reply.status, reply.code) == (404, "not_found")
    assert b"secret" not in reply.raw


async def test_ids_of_imports_name_no_paths(services: FakeServices) -> None:
    for import_id in ("..", "../..", "a/b", "", "x" * 26, "01M83K5S2GFWGNMZW1KCKCP0NK/.."):
        assert await services.imports.status(import_id) is None


def test_a_living_process_is_not_taken_for_dead() -> None:
    assert imports_module._alive(os.getppid())
    assert not imports_module._alive(os.getpid()), "of our own imports we know the running ones"
