"""Several Asterisks in the configuration: what is refused, and in whose words; and SIGHUP."""

from __future__ import annotations

import http.client
import json
import signal
import time
from urllib.parse import urlsplit

import pytest

from dialer.bootstrap import asterisk_nodes, asterisk_settings, carrier_of, nodes_settings
from dialer.cli.exits import ExitCode
from dialer.config import Config, ConfigError, load_config
from dialer.runtime.clock import WallClock
from telephony_adapters.asterisk.adapter import AsteriskCarrier
from telephony_adapters.asterisk.nodes import linked
from telephony_adapters.lab.__main__ import environment
from telephony_adapters.lab.network import Network
from telephony_adapters.nodes.carrier import NodesCarrier
from tests.cli.conftest import Cli
from tests.cli.world import Made

pytestmark = pytest.mark.xdist_group("asterisk")

LIMIT_S = 30.0
TWO = {
    "telephony.adapter": "asterisk",
    "asterisk.password": "common",
    "asterisk.nodes.north.url": "http://10.0.0.1:8088",
    "asterisk.nodes.north.link_dial": "PJSIP/{token}@north",
    "asterisk.nodes.south.url": "http://10.0.0.2:8088",
    "asterisk.nodes.south.link_dial": "PJSIP/{token}@south",
    "asterisk.nodes.south.password": "own",
    "asterisk.nodes.south.max_lines": 90,
    "asterisk.nodes.south.trunks": "main, mobile",
}


def configured(**changes: object) -> Config:
    more = {key.replace("__", "."): value for key, value in changes.items()}
    return load_config(environ={}, overrides=TWO | more)


def test_what_a_node_does_not_say_is_as_all_have_it() -> None:
    config = configured()
    north, south = linked(asterisk_nodes(config))
    assert (north.settings.password, south.settings.password) == ("common", "own")
    assert north.settings.dial == south.settings.dial == config.asterisk.dial
    assert south.limits.max_lines == 90
    assert south.limits.trunks == {"main", "mobile"}
    assert north.settings.links == {"south": "PJSIP/{token}@south"}
    assert south.settings.leg_dial_string("node:north/marcador1") == "PJSIP/marcador1@north"
    assert nodes_settings(config).lost_s == 30.0
    assert isinstance(carrier_of(config, WallClock()), NodesCarrier)


@pytest.mark.parametrize(
    "endpoint", ["node:west/marcador1", "node:north/a@b", "node:north/", "node:"]
)
def test_a_link_leads_to_a_known_node_by_a_plain_word(endpoint: str) -> None:
    _, south = linked(asterisk_nodes(configured()))
    assert south.settings.leg_dial_string(endpoint) is None


def test_one_asterisk_is_as_it_was() -> None:
    config = load_config(environ={}, overrides={"telephony.adapter": "asterisk"})
    assert asterisk_nodes(config) == []
    assert type(carrier_of(config, WallClock())) is AsteriskCarrier
    assert asterisk_settings(config).links == {}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"asterisk.nodes.south.url": ""}, "asterisk.nodes.south.url: give http://HOST:PORT"),
        (
            {"asterisk.nodes.south.url": "http://10.0.0.1:8088"},
            "asterisk.nodes.south.url: node `north` has the same",
        ),
        (
            {"asterisk.nodes.south.link_dial": ""},
            "asterisk.nodes.south.link_dial: say how the other nodes call this one",
        ),
        (
            {"asterisk.nodes.south.link_dial": "PJSIP/{word}@south"},
            "asterisk.nodes.south.link_dial: a dial string with {token}",
        ),
        (
            {"asterisk.nodes.south.dial": "PJSIP/trunk"},
            "asterisk.nodes.south.dial: a dial string with",
        ),
        (
            {"asterisk.nodes.South_2.url": "http://10.0.0.3:8088"},
            "asterisk.nodes.South_2: a name of small letters",
        ),
        (
            {"asterisk.nodes.south.drain": True, "asterisk.nodes.north.drain": True},
            "asterisk.nodes: every node is to be drained",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_key(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        asterisk_nodes(load_config(environ={}, overrides=TWO | changes))
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("max_lines", -1), ("max_originates_per_s", 0), ("drain", "perhaps"), ("nothing", 1)],
)
def test_what_is_no_value_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        load_config(environ={}, overrides=TWO | {f"asterisk.nodes.south.{key}": value})


def test_a_bad_node_stops_the_start_in_both_languages(cli: Cli, english: Cli, made: Made) -> None:
    options = [word for key, value in TWO.items() for word in ("--set", f"{key}={value}")]
    bad = ("--set", "asterisk.nodes.south.link_dial=", "--set", "http.port=0")
    ran = english("serve", *options, *bad)
    assert ran.code == ExitCode.BAD_INPUT
    assert "asterisk.nodes.south.link_dial: say how" in ran.err
    ran = english("serve", "--language", "es", *options, *bad)
    assert ran.code == ExitCode.BAD_INPUT
    assert "asterisk.nodes.south.link_dial: diga cómo llaman" in ran.err
    ran = english("serve", *options, "--set", "asterisk.nodes.south.link_dail=x")
    assert "did you mean `asterisk.nodes.NAME.link_dial`?" in ran.err


def test_sighup_drains_a_node(english: Cli, made: Made, two_nodes: Network) -> None:
    words = ["serve", "--json", "--set", "http.port=0", "--language", "en"]
    for name, value in environment(two_nodes).items():
        key = name.removeprefix("MARCADOR_").lower().replace("__", ".")
        words += ["--set", f"{key}={value}"]
    process = english.process(*words)
    try:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert figure(url, "up", "south") == figure(url, "up", "north") == 1.0
        assert figure(url, "draining", "south") == 0.0
        file = english.folder / "marcador.toml"
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        for drain in (True, False):
            told = f"\n[asterisk.nodes.south]\ndrain = {str(drain).lower()}\n"
            file.write_text(before + told, encoding="utf-8")
            process.send_signal(signal.SIGHUP)
            deadline_s = time.monotonic() + LIMIT_S
            while figure(url, "draining", "south") != float(drain):
                assert time.monotonic() < deadline_s
        file.write_text(before + "[asterisk.nodes.south]\ndrain = 7\n", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == ExitCode.OK, err
        assert "config_not_read_again" in err
    finally:
        process.kill()
        process.communicate(timeout=30)


def figure(url: str, name: str, node: str) -> float:
    """Of the page that Prometheus reads."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=10)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    label = f'marcador_node{{figure="{name}",node="{node}"}} '
    return next(
        float(line.removeprefix(label)) for line in page.splitlines() if line.startswith(label)
    )
