"""`doctor` and `run` with an Asterisk: what is there, what is not, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from dialer.cli.exits import ExitCode
from telephony_adapters.asterisk import checkup
from telephony_adapters.lab.__main__ import environment
from telephony_adapters.lab.network import Network
from tests.cli.conftest import Cli
from tests.cli.world import Made

pytestmark = pytest.mark.xdist_group("asterisk")

NOBODY = ("--set", "telephony.adapter=asterisk", "--set", "asterisk.url=http://127.0.0.1:9")


@pytest.fixture
def pointed(network: Network, monkeypatch: pytest.MonkeyPatch) -> Network:
    for name, value in environment(network).items():
        monkeypatch.setenv(name, value)
    return network


def findings(cli: Cli, *args: str, code: ExitCode) -> dict[str, dict[str, Any]]:
    ran = cli("doctor", "--json", "--set", "http.port=0", *args)
    assert ran.code == code, ran.out
    return {finding["check"]: finding for finding in ran.json["findings"]}


def test_a_laboratory_in_order(english: Cli, made: Made, pointed: Network) -> None:
    found = findings(english, code=ExitCode.OK)
    assert "no real person" in found["carrier"]["found"]
    assert f"Asterisk {pointed.pbx.family}." in found["asterisk"]["found"]
    assert found["asterisk_trunk"]["found"].startswith("trunk: ")
    assert found["asterisk_app"]["found"] == "marcador: free"
    assert found["asterisk_amd"]["state"] == "ok"
    assert "context `marcador-inbound`" in found["asterisk_inbound"]["found"]
    assert "Stasis(marcador,inbound,${CALLERID(num-pres)})" in found["asterisk_inbound"]["found"]
    assert found["asterisk_modules"]["state"] == "ok"
    assert found["asterisk_recordings"]["state"] == "ok"


def test_what_conversations_need_is_missed(
    english: Cli, made: Made, pointed: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "CONVERSATION_MODULES", ("bridge_softmix.so", "bridge_none.so"))
    folder = pointed.pbx.recordings
    away = folder.with_name("away")
    folder.rename(away)
    try:
        found = findings(english, code=ExitCode.NO)
    finally:
        away.rename(folder)
    assert found["asterisk_modules"]["found"] == "modules are missing: bridge_none.so"
    assert "astspooldir" in found["asterisk_recordings"]["mend"]


def test_what_is_wrong_is_told(english: Cli, made: Made, pointed: Network) -> None:
    found = findings(
        english,
        *("--set", "asterisk.dial=PJSIP/{number}@nosuch", "--set", "asterisk.laboratory=false"),
        code=ExitCode.NO,
    )
    assert found["asterisk_trunk"]["state"] == "problem"
    assert "pjsip.conf" in found["asterisk_trunk"]["mend"]
    assert "allow_real_dialing" in found["carrier"]["found"]

    found = findings(english, "--set", "asterisk.password=wrong", code=ExitCode.NO)
    assert "does not know user `marcador`" in found["asterisk"]["found"]
    assert pointed.pbx.password not in str(found)

    found = findings(english, *NOBODY, code=ExitCode.NO)
    assert "does not answer" in found["asterisk"]["found"]

    found = findings(english, "--set", "asterisk.dial=PJSIP/trunk", code=ExitCode.NO)
    assert "asterisk.dial: " in found["carrier"]["found"]


def test_run_without_an_asterisk(english: Cli, made: Made) -> None:
    lab = ("--set", "asterisk.laboratory=true", "--set", "http.port=0")
    dial = ("--set", "asterisk.dial=PJSIP/trunk/sip:{number}@127.0.0.1:9")
    ran = english("run", *NOBODY, *lab, *dial, "--minutes", "1")
    assert ran.code == ExitCode.UNAVAILABLE, ran.err
    assert "The carrier is not available" in ran.err


def test_simulated_agents_never_work_where_people_are(english: Cli, made: Made) -> None:
    ran = english("run", *NOBODY, "--set", "telephony.allow_real_dialing=true", "--minutes", "1")
    assert ran.code == ExitCode.BAD_INPUT
    assert "real people" in ran.err


def test_telephones_ring_in_real_time(cli: Cli, made: Made) -> None:
    ran = cli("run", "--adapter", "asterisk", "--speed", "5")
    assert ran.code == ExitCode.USAGE
    assert "tiempo real" in ran.err


@pytest.fixture
def several(two_nodes: Network, monkeypatch: pytest.MonkeyPatch) -> Network:
    for name, value in environment(two_nodes).items():
        monkeypatch.setenv(name, value)
    return two_nodes


def test_several_nodes_in_order(english: Cli, made: Made, several: Network) -> None:
    found = findings(english, code=ExitCode.OK)
    assert "no real person" in found["carrier"]["found"]
    for name, pbx in zip(("north", "south"), several.nodes, strict=True):
        assert pbx.url in found[f"asterisk[{name}]"]["found"]
        assert found[f"asterisk_recordings[{name}]"]["state"] == "ok"
    assert found["asterisk_link[north>south]"]["found"] == "answers"
    assert found["asterisk_link[south>north]"]["found"] == "answers"


def test_a_node_that_cannot_call_another(english: Cli, made: Made, several: Network) -> None:
    at = several.nodes[0].link_port
    found = findings(
        english,
        *("--set", "asterisk.nodes.south.link_dial=PJSIP/node/sip:{token}@127.0.0.2:9"),
        *("--set", f"asterisk.nodes.north.link_dial=PJSIP/node/sip:0{{token}}@127.0.0.2:{at}"),
        code=ExitCode.NO,
    )
    assert "nothing comes back" in found["asterisk_link[north>south]"]["found"]
    assert "refuses the call" in found["asterisk_link[south>north]"]["found"]
    assert "exten => marcadorprobe" in found["asterisk_link[south>north]"]["mend"]


def test_a_node_that_is_not_there(english: Cli, made: Made, several: Network) -> None:
    nowhere = ("--set", "asterisk.nodes.south.url=http://127.0.0.1:9")
    found = findings(english, *nowhere, code=ExitCode.NO)
    assert found["asterisk[north]"]["state"] == "ok"
    assert "does not answer" in found["asterisk[south]"]["found"]
    assert found["asterisk_link[south>north]"]["state"] == "problem"
    assert found["asterisk_link[north>south]"]["found"] == "answers"
