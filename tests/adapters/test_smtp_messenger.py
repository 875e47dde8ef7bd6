"""E-mail over a real SMTP server passes the suite of all providers, and its own faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from dialer.runtime.clock import WallClock
from telephony_adapters.errors import CarrierUnavailable, MessageRejected, OutcomeUnknown
from telephony_adapters.messaging import (
    AnyMessageEvent,
    DeliveryState,
    Kept,
    MessageMoved,
    Refusal,
)
from telephony_adapters.smtp.adapter import SmtpMessenger
from telephony_adapters.smtp.checkup import look_at_inbox, look_at_server
from telephony_adapters.smtp.settings import Security
from tests.adapters.messaging_conformance import EveryMessenger, InboundCases, ReceiptCases
from tests.adapters.messaging_lab import FarSide
from tests.adapters.smtp_lab import (
    OWN,
    PASSWORD,
    USER,
    PostOffice,
    SmtpLab,
    bounce_of,
    certificate,
)
from tests.support.permits import permit_for


class TestSmtpMessenger(EveryMessenger, ReceiptCases, InboundCases):
    @pytest.fixture
    async def lab(self, tmp_path: Path) -> AsyncIterator[SmtpLab]:
        lab = SmtpLab(tmp_path)
        await lab.start()
        yield lab
        await lab.stop()


class TestSmtpMessengerWithoutInbox(EveryMessenger):
    @pytest.fixture
    async def lab(self, tmp_path: Path) -> AsyncIterator[SmtpLab]:
        lab = SmtpLab(tmp_path, inbox=False)
        await lab.start()
        yield lab
        await lab.stop()


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[SmtpLab]:
    lab = SmtpLab(tmp_path)
    await lab.start()
    yield lab
    await lab.stop()


# --- the connection ------------------------------------------------------------------------------


async def test_many_letters_go_over_one_connection(lab: SmtpLab) -> None:
    for _ in range(20):
        await lab.send_to(FarSide.TAKES)
    assert lab.taken() == 20
    assert lab.post.sessions == 1


async def test_a_connection_ends_after_its_letters(tmp_path: Path) -> None:
    lab = SmtpLab(tmp_path, messages_per_connection=3)
    await lab.start()
    for _ in range(7):
        await lab.send_to(FarSide.TAKES)
    assert (lab.taken(), lab.post.sessions) == (7, 3)
    await lab.stop()


async def test_letters_share_the_connections_that_are_allowed(tmp_path: Path) -> None:
    lab = SmtpLab(tmp_path, connections=3)
    await lab.start()
    messages = [lab.message(lab.address(FarSide.TAKES)) for _ in range(30)]
    await asyncio.gather(*(lab.send(message) for message in messages))
    assert lab.taken() == 30
    assert lab.post.sessions <= 3
    assert len({mail.mail["Message-ID"] for mail in lab.post.taken}) == 30
    await lab.stop()


async def test_a_stale_connection_is_replaced_once(lab: SmtpLab) -> None:
    await lab.send_to(FarSide.TAKES)
    lab.post.hang_up()
    await lab.send_to(FarSide.TAKES)
    assert (lab.taken(), lab.post.sessions) == (2, 2)


async def test_a_refusal_leaves_the_connection_open(lab: SmtpLab) -> None:
    for _ in range(3):
        with pytest.raises(MessageRejected):
            await lab.send_to(FarSide.INVALID)
    await lab.send_to(FarSide.TAKES)
    assert lab.post.sessions == 1


async def test_a_server_that_says_goodbye_is_called_again(lab: SmtpLab) -> None:
    to = lab.address(FarSide.TAKES)
    lab.post.replies[to] = "421 4.3.2 shutting down"
    with pytest.raises(CarrierUnavailable):
        await lab.send_to(FarSide.TAKES)
    del lab.post.replies[to]
    await lab.send_to(FarSide.TAKES)
    assert lab.taken() == 1


@pytest.mark.parametrize(
    ("reply", "refusal", "permanent"),
    [
        ("554 5.7.1 looks like spam", Refusal.FILTERED, False),
        ("550 go away", Refusal.FILTERED, False),
        ("552 5.3.4 message too big", Refusal.CONTENT, False),
        ("452 4.2.2 mailbox full", Refusal.MAILBOX_FULL, False),
        ("550 5.1.1 no such user after all", Refusal.INVALID_ADDRESS, True),
    ],
)
async def test_a_letter_that_is_refused_whole_was_certainly_not_sent(
    lab: SmtpLab, reply: str, refusal: Refusal, permanent: bool
) -> None:
    lab.post.after_data[lab.address(FarSide.TAKES)] = reply
    with pytest.raises(MessageRejected) as rejected:
        await lab.send_to(FarSide.TAKES)
    assert rejected.value.refusal is refusal
    assert rejected.value.permanent is permanent
    assert lab.taken() == 0


@asynccontextmanager
async def scripted(
    tmp_path: Path, replies: dict[bytes, bytes], *, timeout_s: float = 2.0
) -> AsyncIterator[tuple[SmtpLab, SmtpMessenger, list[bytes]]]:
    """A started adapter before a server that says what it is told to; and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 post.example\r\n")
        async for line in reader:
            asked.append(line.rstrip())
            writer.write(replies.get(line[:4].rstrip().upper(), b""))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    lab = SmtpLab(tmp_path, timeout_s=timeout_s)
    lab.post.port = server.sockets[0].getsockname()[1]
    messenger = SmtpMessenger(lab.settings(), WallClock())
    await messenger.start(lab.events.append)
    try:
        yield lab, messenger, asked
    finally:
        await messenger.stop()
        server.close()


OK = b"250 ok\r\n"
POLITE = {b"EHLO": OK, b"MAIL": OK, b"RCPT": OK, b"RSET": OK, b"QUIT": OK, b"DATA": b"354 go\r\n"}


async def test_a_server_that_never_answers_the_letter_leaves_a_doubt(tmp_path: Path) -> None:
    async with scripted(tmp_path, POLITE, timeout_s=1.0) as (lab, messenger, _):
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(message.to, lab.now(), channel=message.channel)
        with pytest.raises(OutcomeUnknown):
            await messenger.send(message, permit)
        assert lab.events == []


async def test_notices_are_asked_for_where_the_server_offers_them(tmp_path: Path) -> None:
    replies = POLITE | {b"EHLO": b"250-post.example\r\n250 DSN\r\n", b".": OK}
    async with scripted(tmp_path, replies) as (lab, messenger, asked):
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(message.to, lab.now(), channel=message.channel)
        header_id = await messenger.send(message, permit)
        (mail,) = [line for line in asked if line.startswith(b"MAIL ")]
        assert mail.endswith(f" RET=HDRS ENVID={header_id}".encode())
        (rcpt,) = [line for line in asked if line.startswith(b"RCPT ")]
        assert rcpt.endswith(b" NOTIFY=FAILURE")


@pytest.mark.parametrize(
    "reply", [b"what?\r\n", b"250", b"299 hm\r\n", b"9" * 70_000, b"\xff\xfe\r\n"]
)
async def test_a_server_that_talks_nonsense_to_the_letter_leaves_a_doubt(
    tmp_path: Path, reply: bytes
) -> None:
    async with scripted(tmp_path, POLITE | {b".": reply}, timeout_s=1.0) as (lab, messenger, _):
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(message.to, lab.now(), channel=message.channel)
        with pytest.raises(OutcomeUnknown):
            await messenger.send(message, permit)


@pytest.mark.parametrize("verb", [b"MAIL", b"RCPT"])
async def test_a_server_that_talks_nonsense_before_it_was_sent_nothing(
    tmp_path: Path, verb: bytes
) -> None:
    replies = POLITE | {verb: b"what?\r\n"}
    async with scripted(tmp_path, replies, timeout_s=1.0) as (lab, messenger, asked):
        message = lab.message(lab.address(FarSide.TAKES))
        permit = permit_for(message.to, lab.now(), channel=message.channel)
        with pytest.raises(CarrierUnavailable):
            await messenger.send(message, permit)
        assert b"DATA" not in asked


async def test_a_doubtful_letter_that_bounces_is_told(lab: SmtpLab) -> None:
    message = lab.message(lab.address(FarSide.SILENT_TAKEN))
    with pytest.raises(OutcomeUnknown):
        await lab.send(message)
    lab.arrives(bounce_of(lab.post.taken[0]))
    await lab.moved(message, DeliveryState.BOUNCED)


async def test_the_pace_is_kept_and_no_letter_leaves_after_its_permit(tmp_path: Path) -> None:
    lab = SmtpLab(tmp_path, max_per_s=10.0)
    await lab.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    to = lab.address(FarSide.TAKES)
    await asyncio.gather(*(lab.send(lab.message(to)) for _ in range(3)))
    assert loop.time() - began >= 0.19
    sendings = []
    for _ in range(20):
        message = lab.message(to)
        permit = permit_for(to, lab.now(), channel=message.channel, valid_s=1.0)
        sendings.append(lab.adapter.send(message, permit))
    outcomes = await asyncio.gather(*sendings, return_exceptions=True)
    late = [one for one in outcomes if isinstance(one, MessageRejected)]
    assert {one.refusal for one in late} == {Refusal.RATE}
    sent = [one for one in outcomes if isinstance(one, str)]
    assert lab.taken() == 3 + len(sent)
    await lab.stop()


async def test_a_letter_that_waits_for_a_slow_server_does_not_outlive_its_permit(
    lab: SmtpLab,
) -> None:
    message = lab.message(lab.address(FarSide.TAKES))
    permit = permit_for(message.to, lab.now(), channel=message.channel, valid_s=0.5)
    lab.post.slow_s = 0.6
    with pytest.raises(MessageRejected) as rejected:
        await lab.adapter.send(message, permit)
    assert (rejected.value.refusal, rejected.value.provider_code) == (Refusal.RATE, "local:late")
    assert lab.taken() == 0
    lab.post.slow_s = 0.0
    await lab.send(message)
    assert (lab.taken(), lab.post.sessions) == (1, 1)


# --- encryption and login ------------------------------------------------------------------------


async def test_starttls_with_login(tmp_path: Path) -> None:
    context, ca_file = certificate(tmp_path)
    lab = SmtpLab(
        tmp_path, security=Security.STARTTLS, user=USER, password=PASSWORD, ca_file=str(ca_file)
    )
    lab.post = PostOffice(tls=context, login=True)
    await lab.start()
    await lab.send_to(FarSide.TAKES)
    assert (lab.taken(), lab.post.logins) == (1, 1)
    assert "auth" in await look_at_server(lab.settings())
    assert lab.taken() == 1
    await lab.stop()


async def test_a_wrong_password_is_told_as_such(tmp_path: Path) -> None:
    context, ca_file = certificate(tmp_path)
    lab = SmtpLab(
        tmp_path, security=Security.STARTTLS, user=USER, password="wrong", ca_file=str(ca_file)
    )
    lab.post = PostOffice(tls=context, login=True)
    with pytest.raises(CarrierUnavailable, match=r"refuses the login of smtp\.user") as refused:
        await lab.start()
    assert "wrong" not in str(refused.value)
    await lab.stop()


async def test_a_server_whose_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    lab = SmtpLab(tmp_path, security=Security.STARTTLS)
    lab.post = PostOffice(tls=context)
    with pytest.raises(CarrierUnavailable):
        await lab.start()
    await lab.stop()


async def test_without_starttls_no_letter_leaves_in_the_open(tmp_path: Path) -> None:
    lab = SmtpLab(tmp_path, security=Security.STARTTLS)
    with pytest.raises(CarrierUnavailable, match="STARTTLS"):
        await lab.start()
    assert lab.taken() == 0
    await lab.stop()


# --- what comes in -------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_put_aside_and_counted(lab: SmtpLab) -> None:
    assert lab.inbox is not None
    bad = lab.arrives(b"\xff\xfe no mail at all")
    huge = lab.arrives(b"From: a@b.example\r\n\r\n" + b"x" * (11 * 1024 * 1024))
    heard = await lab.hear("deudor@deudores.example", "BAJA")
    assert heard.text == "BAJA"
    await lab.until(lambda: lab.adapter.counts["inbox_aside"] == 2)
    await lab.until(lambda: not list((lab.inbox or Path()).joinpath("new").iterdir()))
    aside = sorted(path.name for path in (lab.inbox / ".aside" / "new").iterdir())
    assert aside == [bad.name, huge.name]
    assert len(list((lab.inbox / "cur").iterdir())) == 1


async def test_an_inbox_that_was_away_is_read_when_it_is_back(lab: SmtpLab) -> None:
    assert lab.inbox is not None
    (lab.inbox / "new").rename(lab.inbox / "elsewhere")
    await lab.pass_time(1.0)
    (lab.inbox / "elsewhere").rename(lab.inbox / "new")
    heard = await lab.hear("deudor@deudores.example", "BAJA")
    assert heard.text == "BAJA"


async def test_mail_is_put_away_when_it_is_kept_and_told_again_until_then(lab: SmtpLab) -> None:
    assert lab.inbox is not None
    new = lab.inbox / "new"
    await lab.adapter.stop()
    keeping: list[asyncio.Future[bool]] = []
    told: list[AnyMessageEvent] = []

    def keep(event: AnyMessageEvent) -> Kept:
        told.append(event)
        keeping.append(asyncio.get_running_loop().create_future())
        return keeping[-1]

    await lab.someone_writes("deudor@deudores.example", "BAJA")
    for life in (1, 2):
        messenger = SmtpMessenger(lab.settings(), WallClock())
        await messenger.start(keep)
        await lab.until(lambda life=life: len(told) == life)  # type: ignore[misc]  # mypy knows no default there
        await lab.pass_time(1.0)
        assert len(list((lab.inbox / "new").iterdir())) == 1
        assert list((lab.inbox / "cur").iterdir()) == []
        if life == 1:
            await messenger.stop()
    assert told[0] == told[1]
    keeping[-1].set_result(True)
    await lab.until(lambda: messenger.counts["inbox_replies"] == 1)
    await lab.until(lambda: not list(new.iterdir()))
    await lab.someone_writes("deudor@deudores.example", "BAJA")
    await lab.until(lambda: len(told) == 3)
    keeping[-1].set_result(False)
    await lab.until(lambda: messenger.counts["inbox_aside"] == 1)
    assert not list((lab.inbox / "new").iterdir())
    assert len(list((lab.inbox / ".aside" / "new").iterdir())) == 1, "for a person to read"
    await messenger.stop()


async def test_a_reply_names_the_message_it_answers(lab: SmtpLab) -> None:
    message = lab.message(lab.address(FarSide.TAKES))
    provider_id = await lab.send(message)
    heard = await lab.hear(message.to, "ya pagué", answers=message)
    assert heard.in_reply_to == provider_id
    assert heard.subject == "Re: Un mensaje"
    assert heard.to == OWN


async def test_a_full_mailbox_is_a_failure_and_no_bounce(lab: SmtpLab) -> None:
    message = await lab.send_to(FarSide.TAKES)
    lab.arrives(bounce_of(lab.post.taken[0], "5.2.2", "552 5.2.2 over quota"))
    failed = await lab.moved(message, DeliveryState.FAILED)
    assert failed.refusal is Refusal.MAILBOX_FULL
    assert failed.provider_code == "smtp:552 5.2.2"


async def test_a_folder_that_is_no_maildir_is_named(tmp_path: Path) -> None:
    lab = SmtpLab(tmp_path)
    await lab.post.start()
    wrong = lab.settings(inbox_dir=str(tmp_path / "elsewhere"))
    messenger = SmtpMessenger(wrong, WallClock())
    with pytest.raises(CarrierUnavailable, match="is no Maildir"):
        await messenger.start(lab.events.append)
    with pytest.raises(CarrierUnavailable, match="is no Maildir"):
        await look_at_inbox(wrong)
    assert await look_at_inbox(lab.settings(inbox_dir=None)) is None
    assert await look_at_inbox(lab.settings()) == 0
    await lab.post.stop()


async def test_the_letter_carries_what_mail_of_a_campaign_must_carry(lab: SmtpLab) -> None:
    message = msgspec.structs.replace(
        lab.message(lab.address(FarSide.TAKES)),
        html="<p>Llámenos</p>",
        unsubscribe_url="https://agencia.example/baja/" + "t" * 120,
    )
    await lab.send(message)
    (taken,) = lab.post.taken
    assert taken.envelope_from == f"rebotes+{message.message_id}@agencia.example"
    assert taken.mail["List-Unsubscribe"] == f"<{message.unsubscribe_url}>"
    assert taken.mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert taken.mail["Auto-Submitted"] == "auto-generated"
    bodies = taken.mail.get_payload()
    assert isinstance(bodies, list)
    assert [part.get_content_type() for part in bodies if not isinstance(part, str)] == [
        "text/plain",
        "text/html",
    ]
    sent = [event for event in lab.events if isinstance(event, MessageMoved)]
    assert [event.state for event in sent] == [DeliveryState.SENT]
