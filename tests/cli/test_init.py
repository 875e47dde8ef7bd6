"""`init`: makes what is missing, and nothing twice."""

from __future__ import annotations

import asyncio
import stat
import tomllib

from msgspec.structs import replace

from dialer.bootstrap import open_stores
from dialer.cli.exits import ExitCode
from dialer.config import AsteriskNodeConfig, load_config
from dialer.stores.ledger.users import Role, credentials_of, verify_password
from tests.cli.conftest import PASSWORD, Cli


def _password_holds(cli: Cli, username: str, password: str) -> bool:
    config = load_config(cli.folder / "marcador.toml", environ={})

    async def look() -> bool:
        async with open_stores(config) as ledger, ledger.read() as conn:
            found = await credentials_of(conn, username)
        assert found is not None
        assert found.user.role is Role.ADMIN
        return verify_password(found.password_hash, password)

    return asyncio.run(look())


def test_everything_is_made(cli: Cli) -> None:
    answer = cli("init", "--username", "ana", "--json").json
    assert answer["config_written"] is True
    assert answer["admin"] == "ana"
    assert _password_holds(cli, "ana", answer["password"])
    key = cli.folder / "var" / "ledger-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((cli.folder / "var").stat().st_mode) == 0o700
    assert len(answer["public_key"]) == 64


def test_again_changes_nothing(cli: Cli) -> None:
    first = cli("init", "--json").json
    text = (cli.folder / "marcador.toml").read_text()
    again = cli("init", "--json").json
    assert again["config_written"] is False
    assert again["admin"] is None
    assert again["public_key"] == first["public_key"]
    assert (cli.folder / "marcador.toml").read_text() == text


def test_a_file_of_ones_own_is_kept_unless_forced(cli: Cli) -> None:
    file = cli.folder / "marcador.toml"
    file.write_text("# mine\n[http]\nport = 8461\n")
    assert cli("init").code == ExitCode.OK
    assert file.read_text().startswith("# mine")
    assert cli("init", "--force").code == ExitCode.OK
    assert "# mine" not in file.read_text()


def test_the_file_loads_and_holds_what_was_given(cli: Cli) -> None:
    args = ("--language", "en", "--data-dir", "store", "--set", "http.port=8470")
    assert cli("init", *args).code == ExitCode.OK
    text = (cli.folder / "marcador.toml").read_text()
    found = {key: value for key, value in tomllib.loads(text).items() if value}
    assert found == {"language": "en", "data_dir": "store", "http": {"port": 8470}}
    assert load_config(cli.folder / "marcador.toml", environ={}).http.port == 8470


def test_the_commented_keys_are_the_defaults(cli: Cli) -> None:
    cli("init")
    lines = (cli.folder / "marcador.toml").read_text().splitlines()
    bare = [line.removeprefix("# ") for line in lines]
    settings = "\n".join(
        line for line in bare if line.startswith("[") or (" = " in line and "..." not in line)
    )
    (cli.folder / "all.toml").write_text(settings)
    usual = load_config(environ={})
    asterisk = replace(usual.asterisk, nodes={"NAME": AsteriskNodeConfig()})
    assert load_config(cli.folder / "all.toml", environ={}) == replace(usual, asterisk=asterisk)


def test_the_password_from_standard_input(cli: Cli) -> None:
    ran = cli("init", "--password-stdin", "--json", stdin=f"{PASSWORD}\n")
    assert ran.json["password"] is None
    assert _password_holds(cli, "admin", PASSWORD)


def test_a_password_that_is_too_short_leaves_no_admin(english: Cli) -> None:
    ran = english("init", "--password-stdin", stdin="short\n")
    assert ran.code == ExitCode.BAD_INPUT
    assert "10 characters" in ran.err
    assert english("init", "--json").json["admin"] == "admin"


def test_no_password_came(english: Cli) -> None:
    assert english("init", "--password-stdin").code == ExitCode.BAD_INPUT


def test_it_refuses_a_broken_house_pack(english: Cli) -> None:
    (english.folder / "packs").mkdir()
    (english.folder / "packs" / "ours.toml").write_text('pack = "ours"\n')
    ran = english("init", "--set", "house_packs=packs")
    assert ran.code == ExitCode.BAD_INPUT
    assert "ours.toml" in ran.err
