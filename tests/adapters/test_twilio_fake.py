"""The fake keeps Twilio's own rules, so that passing against it means something."""

from __future__ import annotations

import signal
import subprocess
import sys

import aiohttp
import pytest

from load_tests.bench_twilio import measure
from telephony_adapters.messages import HangupCause, InboundCall
from telephony_adapters.simulator.heard import Speaker
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.fake.__main__ import main
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import CreateFault, UnreadableFault, parse_fault
from telephony_adapters.twilio.fake.lines import Behaviour, UnreadableLine, parse_line
from telephony_adapters.twilio.transport import Refused
from tests.adapters.lab import OUR_NUMBER, FarEnd
from tests.adapters.twilio_lab import twilio_lab
from tests.support.free_port import free_port


async def test_calls_leave_the_queue_at_the_accounts_rate() -> None:
    async with twilio_lab(FakeSettings(calls_per_s=0.5), queued_call_expiry_s=60.0) as lab:
        for _ in range(3):
            await lab.dial(FarEnd.RINGS)
        waiting = [3 - lab.fake.exchange.dialed]
        for _ in range(2):
            await lab.pass_time(2.0)
            waiting.append(3 - lab.fake.exchange.dialed)
        assert waiting in ([3, 1, 0], [2, 1, 0])


async def test_without_our_own_timeout_twilio_rings_longer_than_asked() -> None:
    async with twilio_lab() as lab:
        call_id = await lab.dial(FarEnd.RINGS)
        call = lab.call(call_id)
        await lab.adapter.stop()
        await lab.pass_time(16.0)
        assert not call.status.is_final
        await lab.pass_time(2.0)
        assert call.status is CallStatus.NO_ANSWER


async def test_a_stranger_is_not_let_in() -> None:
    async with twilio_lab() as lab, aiohttp.ClientSession() as session:
        url = f"{lab.fake.url}/2010-04-01/Accounts/{lab.fake.settings.account_sid}.json"
        async with session.get(url) as reply:
            assert reply.status == 401
            assert (await reply.json())["code"] == 20003
        async with session.get(url, headers={"Authorization": "Basic bm86bm8="}) as reply:
            assert reply.status == 401


async def test_what_a_document_cannot_say_ends_the_call() -> None:
    async with twilio_lab() as lab:
        call_id = await lab.dial_and_answer()
        call = lab.call(call_id)
        lab.fake.exchange.redirect(call, "<Response><Reject/></Response>")
        assert (await lab.end(call_id)).cause is HangupCause.NORMAL_CALLEE
        other = await lab.dial_and_answer()
        lab.fake.exchange.redirect(lab.call(other), "no TwiML")
        await lab.end(other)


async def test_who_is_in_a_room_that_is_ended_goes_on_with_the_document() -> None:
    async with twilio_lab() as lab:
        document = (
            "<Response><Dial><Conference>party</Conference></Dial><Pause length='5'/></Response>"
        )
        form = {"To": ["client:guest"], "From": ["+1"], "Twiml": [document]}
        call = lab.fake.exchange.create(form)
        await lab.until(lambda: call.room is not None)
        await lab.pass_time(30.0)
        assert call.room is not None
        lab.fake.exchange.end_room(call.room)
        await lab.pass_time(4.0)
        assert not call.status.is_final
        await lab.pass_time(2.0)
        assert call.status is CallStatus.COMPLETED


async def test_an_agent_hears_who_comes_and_who_goes() -> None:
    async with twilio_lab() as lab:
        leg_id = await lab.open_leg()
        address = lab.call(leg_id).to
        call_id = await lab.dial_and_answer()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{lab.fake.url}/fake/ears", params={"at": address}) as ears,
        ):
            await lab.adapter.bridge(call_id, leg_id)
            heard = await ears.content.readline()
            assert Speaker.RIGHT_PARTY in heard.decode()
            assert call_id in heard.decode()
            await lab.adapter.hangup(call_id)
            assert Speaker.SILENCE in (await ears.content.readline()).decode()
            await lab.adapter.close_agent_leg(leg_id)
            assert await ears.content.readline() == b""


async def test_the_benchmark_measures_every_call() -> None:
    taken = await measure(at_once=3, rounds=1)
    assert len(taken) == 3
    assert min(taken) > 0.0


def test_lines_and_faults_on_the_command_line() -> None:
    number, line = parse_line("+12025550123=machine:40")
    assert number == "+12025550123"
    assert (line.behaviour, line.hangs_up_after_s) == (Behaviour.MACHINE, 40.0)
    assert parse_fault("+1=silent_placed")[1].create is CreateFault.SILENT_PLACED
    assert parse_fault("+1=repeats")[1].repeats == 2
    for text in ("+1", "+1=", "+1=sings", "+1=busy:soon"):
        with pytest.raises(UnreadableLine, match="busy"):
            parse_line(text)
    with pytest.raises(UnreadableFault, match="too_many"):
        parse_fault("+1=sleeps")
    assert main(["--line", "+1=sings"]) == 2
    assert main(["--text", "+1=sings"]) == 2


def test_the_command_serves_on_loopback_until_it_is_told_to_stop() -> None:
    port = free_port()
    command = [sys.executable, "-m", "telephony_adapters.twilio.fake", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


# --- people who call, conferences, recordings ---------------------------------------------------


async def test_somebody_calls_by_a_request_and_gives_up() -> None:
    async with twilio_lab() as lab, aiohttp.ClientSession() as session:
        url = f"{lab.fake.url}/fake/calls"
        async with session.post(url, data={"To": OUR_NUMBER, "From": "+13055550101"}) as reply:
            assert reply.status == 201
            sid = (await reply.json())["sid"]
        theirs = lab.fake.exchange.calls[sid]
        await lab.until(lambda: any(isinstance(event, InboundCall) for event in lab.events))
        assert theirs.is_ringing_in
        await lab.pass_time(61.0)
        assert theirs.status is CallStatus.NO_ANSWER
        async with session.post(url, data={"From": "+13055550101"}) as reply:
            assert reply.status == 400


async def test_a_number_without_a_webhook_takes_no_calls() -> None:
    async with twilio_lab() as lab:
        lab.fake.exchange.voice_url = ""
        theirs = lab.fake.exchange.somebody_calls(None, OUR_NUMBER, patience_s=60.0)
        await lab.until(lambda: theirs.status.is_final)
        assert theirs.status is CallStatus.FAILED
        assert theirs.answered_at is None


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ("<Response><Pause length='30'/></Response>", CallStatus.RINGING),
        ("<Response><Pause length='2'/><Say>Hola</Say><Pause length='30'/></Response>",
         CallStatus.IN_PROGRESS),
        ("<Response><Reject/></Response>", CallStatus.BUSY),
        ("<Response><Pause length='1'/><Reject/></Response>", CallStatus.BUSY),
        ("<Response><Hangup/></Response>", CallStatus.COMPLETED),
    ],
)  # fmt: skip
async def test_which_verbs_answer_a_call_that_comes_in(document: str, status: CallStatus) -> None:
    async with twilio_lab() as lab:
        exchange = lab.fake.exchange
        theirs = exchange.somebody_calls(None, OUR_NUMBER, patience_s=60.0)
        exchange.redirect(theirs, document)
        await lab.pass_time(10.0)
        assert theirs.status is status


async def test_what_only_rings_cannot_be_redirected_or_recorded() -> None:
    async with twilio_lab() as lab:
        theirs = lab.fake.exchange.somebody_calls(None, OUR_NUMBER, patience_s=60.0)
        api = lab.adapter.api
        for asking in (
            api.redirect_call(theirs.sid, "<Response/>"),
            api.record(theirs.sid, "http://127.0.0.1:9"),
        ):
            with pytest.raises(Refused) as refused:
                await asking
            assert refused.value.twilio_code == 21220
        await api.end_call(theirs.sid)
        assert theirs.status is CallStatus.CANCELED


async def test_a_participant_on_hold_or_muted() -> None:
    async with twilio_lab() as lab, aiohttp.ClientSession() as session:
        call_id, leg_id = await lab.converse()
        room = lab.call(call_id).room
        assert room is not None
        owner = lab.fake.settings
        base = f"{lab.fake.url}/2010-04-01/Accounts/{owner.account_sid}/Conferences/{room.sid}"
        owned = {"Authorization": aiohttp.encode_basic_auth(owner.account_sid, owner.auth_token)}
        url = f"{base}/Participants/{lab.call(call_id).sid}.json"
        for change, by_person, by_agent in (
            ({"Muted": "true"}, {leg_id}, set()),
            ({"Muted": "false", "Hold": "true"}, set(), set()),
            ({"Hold": "false"}, {leg_id}, {call_id}),
        ):
            async with session.post(url, data=change, headers=owned) as reply:
                assert reply.status == 200
            assert (lab.heard_by(call_id), lab.heard_by(leg_id)) == (by_person, by_agent)
        async with session.get(url, headers=owned) as reply:
            assert (await reply.json())["hold"] is False
        async with session.get(f"{base}/Participants/nobody.json", headers=owned) as reply:
            assert (reply.status, (await reply.json())["code"]) == (404, 20404)


async def test_a_pause_is_silence_unless_it_is_skipped() -> None:
    async with twilio_lab() as lab, aiohttp.ClientSession() as session:
        call_id = await lab.dial_and_answer()
        sid, owner = lab.call(call_id).sid, lab.fake.settings
        recording = await lab.adapter.api.record(sid, "http://127.0.0.1:9")
        account = f"{lab.fake.url}/2010-04-01/Accounts/{owner.account_sid}"
        current = f"{account}/Calls/{sid}/Recordings/Twilio.CURRENT.json"
        owned = {"Authorization": aiohttp.encode_basic_auth(owner.account_sid, owner.auth_token)}
        for change, status in (
            ({"Status": "paused"}, 200),
            ({"Status": "in-progress"}, 200),
            ({"Status": "paused", "PauseBehavior": "skip"}, 200),
            ({"Status": "sings"}, 400),
            ({"Status": "stopped"}, 200),
        ):
            async with session.post(current, data=change, headers=owned) as reply:
                assert reply.status == status
            await lab.pass_time(2.0)
        async with session.get(f"{account}/Recordings/{recording}.json", headers=owned) as reply:
            found = await reply.json()
        assert (found["status"], found["duration"]) == ("completed", "4")
        async with session.post(current, data={"Status": "paused"}, headers=owned) as reply:
            assert reply.status == 404
        url = f"{account}/Recordings/{recording}.json"
        for status in (204, 404):
            async with session.delete(url, headers=owned) as reply:
                assert reply.status == status
