"""The SDK speaks to the configured place and to nothing else."""

from __future__ import annotations

import os

import pytest

from telephony_adapters.errors import CarrierUnavailable
from telephony_adapters.twilio.client import NewCall, TwilioApi
from telephony_adapters.twilio.codec import CallStatus
from telephony_adapters.twilio.fake.exchange import FakeSettings
from telephony_adapters.twilio.fake.faults import CreateFault, Fault
from telephony_adapters.twilio.transport import RedirectingHttp, Refused
from tests.adapters.lab import FarEnd
from tests.adapters.twilio_lab import NUMBERS, TwilioLab, twilio_lab


def new_call(lab: TwilioLab, far_end: FarEnd) -> NewCall:
    return NewCall(
        to=lab.number(far_end),
        from_="+13055550100",
        twiml="<Response><Hangup/></Response>",
        status_url="http://127.0.0.1:9/nowhere",
        timeout_s=12,
    )


async def test_no_other_host_is_asked() -> None:
    async with twilio_lab() as lab:
        http = RedirectingHttp(lab.adapter.settings)
        http.open()
        try:
            for url in (
                "https://video.twilio.com/v1/Rooms",
                "https://api.twilio.com.example.com/2010-04-01",
                "http://api.twilio.com/2010-04-01",
                "https://api.twilio.com@example.com/2010-04-01",
            ):
                with pytest.raises(CarrierUnavailable, match="refused"):
                    await http.request("GET", url)
        finally:
            await http.close()


async def test_the_environment_does_not_move_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TWILIO_EDGE", "sydney")
    monkeypatch.setitem(os.environ, "TWILIO_REGION", "au1")
    async with twilio_lab() as lab:
        api = TwilioApi(lab.adapter.settings, lab.clock)
        api.open()
        try:
            assert await api.account_status() == "active"
        finally:
            await api.close()


async def test_a_list_is_read_to_its_last_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telephony_adapters.twilio.client.PAGE_CALLS", 3)
    async with twilio_lab(FakeSettings(calls_per_s=0.001)) as lab:
        api = TwilioApi(lab.adapter.settings, lab.clock)
        api.open()
        try:
            made = [await api.create_call(new_call(lab, FarEnd.RINGS)) for _ in range(8)]
            listed = await api.calls(CallStatus.QUEUED)
        finally:
            await api.close()
        # The first call left the queue at once, but only when the clock moves.
        assert {info.sid for info in listed} == {info.sid for info in made}


async def test_a_refusal_keeps_what_the_headers_said() -> None:
    faults = {NUMBERS[FarEnd.BUSY]: Fault(create=CreateFault.TOO_MANY, times=9)}
    async with twilio_lab(faults=faults, retry_limit_s=0.1) as lab:
        api = TwilioApi(lab.adapter.settings, lab.clock)
        api.open()
        try:
            with pytest.raises(Refused) as refusal:
                await api.create_call(new_call(lab, FarEnd.BUSY))
        finally:
            await api.close()
        assert (refusal.value.status, refusal.value.twilio_code) == (429, 20429)
        assert refusal.value.retry_after_s == 1.0


async def test_a_call_that_does_not_exist_is_gone() -> None:
    async with twilio_lab() as lab:
        api = TwilioApi(lab.adapter.settings, lab.clock)
        api.open()
        try:
            with pytest.raises(Refused) as refusal:
                await api.end_call("CA" + "9" * 32)
        finally:
            await api.close()
        assert refusal.value.is_gone


async def test_nobody_there_is_certainly_not_sent() -> None:
    async with twilio_lab() as lab:
        api = TwilioApi(lab.settings(0, api_url="http://127.0.0.1:9"), lab.clock)
        api.open()
        try:
            with pytest.raises(CarrierUnavailable, match="cannot be reached"):
                await api.create_call(new_call(lab, FarEnd.BUSY))
        finally:
            await api.close()
