"""The e-mail codecs: letters, replies of servers, and whatever mail comes in."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.policy import SMTP
from email.utils import parseaddr

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compliance.types import Channel
from telephony_adapters.errors import MessageRejected
from telephony_adapters.messaging import (
    DeliveryState,
    MessageId,
    MessageMoved,
    MessageReceived,
    OutboundMessage,
    Refusal,
)
from telephony_adapters.settings import SettingsProblem
from telephony_adapters.smtp.addresses import is_address, on_the_wire
from telephony_adapters.smtp.codes import Stage, provider_code, refusal_of
from telephony_adapters.smtp.inbound import LONGEST_TEXT, MalformedMail, own_words, read_mail
from telephony_adapters.smtp.letters import OurMail, compose
from telephony_adapters.smtp.settings import Security, SmtpSettings, check

AT = datetime(2026, 6, 3, 15, 0, tzinfo=UTC)
SETTINGS = SmtpSettings(
    host="post.example",
    from_address="cobranza@agencia.example",
    from_name="Agencia Ñandú, S.A.",
    return_path="rebotes+{id}@agencia.example",
)
OURS = OurMail.of(SETTINGS)
MESSAGE = OutboundMessage(
    message_id=MessageId("01J00000000000000000000001"),
    channel=Channel.EMAIL,
    to="deudor@deudores.example",
    subject="Un mensaje para usted",
    text="Señora Núñez: llámenos.\n",
)
OUR_HEADER_ID = f"<{MESSAGE.message_id}.marcador@agencia.example>"


def written(**changes: object) -> Message:
    letter = compose(msgspec.structs.replace(MESSAGE, **changes), SETTINGS, AT)
    return message_from_bytes(letter.raw)


# --- letters -------------------------------------------------------------------------------------


def test_a_letter_says_who_writes_to_whom_and_what() -> None:
    letter = compose(MESSAGE, SETTINGS, AT)
    mail = message_from_bytes(letter.raw)
    assert letter.header_id == mail["Message-ID"] == OUR_HEADER_ID
    shown, address = parseaddr(mail["From"])
    assert address == "cobranza@agencia.example"
    assert str(make_header(decode_header(shown))) == "Agencia Ñandú, S.A."
    assert mail["To"] == letter.to == MESSAGE.to
    assert mail["Date"] == "Wed, 03 Jun 2026 15:00:00 +0000"
    assert mail["List-Unsubscribe"] is None
    payload = mail.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n") == MESSAGE.text
    assert letter.raw.isascii()
    assert all(len(line) <= 998 for line in letter.raw.split(b"\r\n"))


def test_one_click_is_offered_over_https_only() -> None:
    plain = written(unsubscribe_url="http://agencia.example/b")
    assert plain["List-Unsubscribe"] == "<http://agencia.example/b>"
    assert plain["List-Unsubscribe-Post"] is None


def test_an_answer_belongs_to_its_thread() -> None:
    mail = written(in_reply_to="<theirs@deudores.example>")
    assert mail["In-Reply-To"] == mail["References"] == "<theirs@deudores.example>"


def test_an_address_of_letters_beyond_ascii_is_written_as_servers_take_it() -> None:
    assert written(to="deudor@ñandú.cl")["To"] == "deudor@xn--and-6ma2c.cl"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"to": "deudor"}, Refusal.INVALID_ADDRESS),
        ({"to": "deudor@"}, Refusal.INVALID_ADDRESS),
        ({"to": "a@b.example,c@d.example"}, Refusal.INVALID_ADDRESS),
        ({"to": "a@b.example>\r\nRCPT TO:<c@d.example"}, Refusal.INVALID_ADDRESS),
        ({"to": "ñandú@deudores.example"}, Refusal.INVALID_ADDRESS),
        ({"sender": "a@b.example\nBcc: c@d.example"}, Refusal.ACCOUNT),
        ({"subject": "Hola\r\nBcc: c@d.example"}, Refusal.CONTENT),
        ({"subject": "Hola\nBcc: c@d.example"}, Refusal.CONTENT),
        ({"subject": "Hola\u2028Bcc: c@d.example"}, Refusal.CONTENT),
        ({"subject": "Hola\x07"}, Refusal.CONTENT),
        ({"subject": "x" * 501}, Refusal.CONTENT),
        ({"unsubscribe_url": "https://a.example/\r\nBcc: c@d.example"}, Refusal.CONTENT),
        ({"unsubscribe_url": "https://a.example/>,<mailto:c@d.example"}, Refusal.CONTENT),
        ({"unsubscribe_url": "javascript:alert(1)"}, Refusal.CONTENT),
        ({"in_reply_to": "<a@b>\r\nBcc: c@d.example"}, Refusal.CONTENT),
        ({"text": "un \ud800 suelto"}, Refusal.CONTENT),
        ({"message_id": "a b"}, Refusal.OTHER),
    ],
)
def test_what_cannot_be_written_safely_is_not_written(
    changes: dict[str, object], refusal: Refusal
) -> None:
    with pytest.raises(MessageRejected) as rejected:
        written(**changes)
    assert rejected.value.refusal is refusal


@given(subject=st.text(max_size=120), text=st.text(max_size=500), html=st.none() | st.text())
def test_no_text_of_ours_can_add_a_header(subject: str, text: str, html: str | None) -> None:
    names = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"]
    try:
        mail = written(subject=subject, text=text, html=html)
    except MessageRejected:
        return
    body = [name for name in mail.keys() if name.startswith("Content-")]  # noqa: SIM118
    assert sorted(mail.keys()) == sorted([*names, *body])
    assert mail.get_all("To") == [MESSAGE.to]


def test_the_envelope_tells_the_message() -> None:
    letter = compose(MESSAGE, SETTINGS, AT)
    assert letter.envelope_from == f"rebotes+{MESSAGE.message_id}@agencia.example"
    assert OURS.in_address(letter.envelope_from) == MESSAGE.message_id
    assert OURS.in_address("rebotes+@agencia.example") is None
    assert OURS.in_address("rebotes+x@otra.example") is None
    plain = OurMail.of(msgspec.structs.replace(SETTINGS, return_path="rebotes@agencia.example"))
    assert plain.in_address("rebotes@agencia.example") is None


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("host", {"host": ""}),
        ("host", {"host": "post.example\nx"}),
        ("from_address", {"from_address": "cobranza"}),
        ("from_name", {"from_name": "a\nb"}),
        ("reply_to", {"reply_to": "nobody"}),
        ("return_path", {"return_path": "{id}"}),
        ("security", {"security": Security.PLAIN}),
        ("laboratory", {"laboratory": True}),
        ("password", {"user": "marcador"}),
        ("user", {"password": "secret"}),
    ],
)
def test_a_setting_that_cannot_work_is_named(key: str, changes: dict[str, object]) -> None:
    with pytest.raises(SettingsProblem) as problem:
        check(msgspec.structs.replace(SETTINGS, **changes))
    assert problem.value.key == key
    assert "secret" not in str(problem.value)


def test_plain_is_for_this_machine_or_by_explicit_leave() -> None:
    local = msgspec.structs.replace(SETTINGS, host="127.0.0.1", security=Security.PLAIN)
    assert check(local).the_port == 25
    check(msgspec.structs.replace(SETTINGS, security=Security.PLAIN, allow_plain=True))
    assert check(SETTINGS).the_port == 587


def test_a_mail_server_on_this_machine_reaches_people_unless_it_is_a_laboratory() -> None:
    local = msgspec.structs.replace(SETTINGS, host="127.0.0.1")
    assert not local.reaches_nobody
    assert msgspec.structs.replace(local, laboratory=True).reaches_nobody
    assert not msgspec.structs.replace(SETTINGS, laboratory=True).reaches_nobody


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(msgspec.structs.replace(SETTINGS, user="u", password="secret"))


@given(st.text(max_size=300))
def test_an_address_that_passes_has_no_room_for_commands(text: str) -> None:
    if is_address(text):
        assert text.isascii()
        assert not set(text) & set('\r\n <>,;:\\"()[]')
        assert on_the_wire(text) == text
    wire = on_the_wire(text)
    assert wire is None or is_address(wire)


# --- replies of servers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text", "stage", "refusal"),
    [
        (550, "5.1.1 user unknown", Stage.RECIPIENT, Refusal.INVALID_ADDRESS),
        (550, "5.0.0 no such user here", Stage.RECIPIENT, Refusal.INVALID_ADDRESS),
        (550, "5.0.0 rejected", Stage.CONTENT, Refusal.FILTERED),
        (550, "no such user here", Stage.RECIPIENT, Refusal.INVALID_ADDRESS),
        (556, "5.1.10 null MX", Stage.RECIPIENT, Refusal.INVALID_ADDRESS),
        (550, "5.2.1 disabled", Stage.RECIPIENT, Refusal.INVALID_ADDRESS),
        (552, "5.2.2 over quota", Stage.RECIPIENT, Refusal.MAILBOX_FULL),
        (452, "4.2.2 over quota", Stage.RECIPIENT, Refusal.MAILBOX_FULL),
        (552, "quota", Stage.RECIPIENT, Refusal.MAILBOX_FULL),
        (550, "5.7.1 blocked by policy", Stage.RECIPIENT, Refusal.FILTERED),
        (550, "5.7.26 DMARC", Stage.CONTENT, Refusal.ACCOUNT),
        (554, "5.7.1 Relay access denied", Stage.RECIPIENT, Refusal.ACCOUNT),
        (550, "relay not permitted", Stage.RECIPIENT, Refusal.ACCOUNT),
        (451, "4.7.1 greylisted", Stage.RECIPIENT, Refusal.RATE),
        (450, "4.1.1 perhaps later", Stage.RECIPIENT, Refusal.UNREACHABLE),
        (450, "mailbox busy", Stage.RECIPIENT, Refusal.UNREACHABLE),
        (550, "5.1.8 bad sender", Stage.SENDER, Refusal.ACCOUNT),
        (553, "sender not allowed", Stage.SENDER, Refusal.ACCOUNT),
        (530, "5.7.0 authentication required", Stage.SENDER, Refusal.ACCOUNT),
        (550, "rejected", Stage.CONTENT, Refusal.FILTERED),
        (554, "5.6.0 bad content", Stage.CONTENT, Refusal.CONTENT),
        (554, "5.4.4 no route", Stage.RECIPIENT, Refusal.UNREACHABLE),
        (599, "new of tomorrow", Stage.RECIPIENT, Refusal.OTHER),
        (550, "5.99.99 new of tomorrow", Stage.RECIPIENT, Refusal.OTHER),
    ],
)
def test_replies_are_told_by_class(code: int, text: str, stage: Stage, refusal: Refusal) -> None:
    assert refusal_of(code, text, stage) is refusal


@given(
    st.integers(400, 499),
    st.integers(0, 99),
    st.integers(0, 99),
    st.text(st.characters(exclude_categories=["N"]), max_size=60),
    st.sampled_from(Stage),
)
def test_a_temporary_reply_is_never_final(
    code: int, subject: int, detail: int, text: str, stage: Stage
) -> None:
    assert not refusal_of(code, text, stage).is_permanent
    assert not refusal_of(code, f"4.{subject}.{detail} {text}", stage).is_permanent


@given(st.integers(0, 999), st.text(max_size=600), st.sampled_from(Stage))
def test_no_reply_is_an_error(code: int, text: str, stage: Stage) -> None:
    assert isinstance(refusal_of(code, text, stage), Refusal)
    assert provider_code(code, text).startswith("smtp:")


# --- notices -------------------------------------------------------------------------------------


def report(
    fields: str,
    *,
    kind: str = "delivery-status",
    to: str = "cobranza@agencia.example",
    envelope: str = "",
    original: str = f"Message-ID: {OUR_HEADER_ID}\r\nTo: deudor@deudores.example\r\n",
) -> bytes:
    return (
        f"Return-Path: <>\r\nFrom: mailer-daemon@far.example\r\nTo: {to}\r\n"
        f'Content-Type: multipart/report; report-type={kind}; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        f"--B\r\nContent-Type: message/{kind}\r\n\r\n"
        f"Reporting-MTA: dns; far.example\r\n{envelope}\r\n{fields}\r\n\r\n"
        f"--B\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\nLlámenos\r\n--B--\r\n"
    ).encode()


def failed(status: str, diagnostic: str = "") -> str:
    said = f"\r\nDiagnostic-Code: smtp; {diagnostic}" if diagnostic else ""
    return f"Final-Recipient: rfc822; d@x.example\r\nAction: failed\r\nStatus: {status}{said}"


@pytest.mark.parametrize(
    ("fields", "state", "refusal", "code"),
    [
        (
            failed("5.1.1", "550 5.1.1 unknown"),
            DeliveryState.BOUNCED,
            Refusal.INVALID_ADDRESS,
            "smtp:550 5.1.1",
        ),
        (
            failed("5.0.0", "550 5.1.1 unknown"),
            DeliveryState.BOUNCED,
            Refusal.INVALID_ADDRESS,
            "smtp:550 5.1.1",
        ),
        (failed("5.2.2"), DeliveryState.FAILED, Refusal.MAILBOX_FULL, "smtp: 5.2.2"),
        (failed("5.7.1", "554 spam"), DeliveryState.FAILED, Refusal.FILTERED, "smtp:554 5.7.1"),
        (failed("4.4.1", "timed out"), DeliveryState.FAILED, Refusal.UNREACHABLE, "smtp: 4.4.1"),
        (
            failed("4.0.0", "550 5.1.1 unknown"),
            DeliveryState.FAILED,
            Refusal.UNREACHABLE,
            "smtp:550 4.0.0",
        ),
        (failed("4.1.1"), DeliveryState.FAILED, Refusal.UNREACHABLE, "smtp: 4.1.1"),
    ],
)
def test_a_notice_of_failure(
    fields: str, state: DeliveryState, refusal: Refusal, code: str
) -> None:
    event = read_mail(report(fields), AT, OURS)
    assert isinstance(event, MessageMoved)
    assert (event.message_id, event.state, event.refusal) == (MESSAGE.message_id, state, refusal)
    assert event.provider_code == code
    assert event.at == AT
    assert read_mail(report(fields), AT, OURS) == event


def test_a_message_is_known_by_envelope_and_address_without_its_headers() -> None:
    by_envelope = report(
        failed("5.1.1"), original="", envelope=f"Original-Envelope-Id: {OUR_HEADER_ID}\r\n"
    )
    by_address = report(
        failed("5.1.1"), original="", to=f"rebotes+{MESSAGE.message_id}@agencia.example"
    )
    for raw in (by_envelope, by_address):
        event = read_mail(raw, AT, OURS)
        assert isinstance(event, MessageMoved)
        assert event.message_id == MESSAGE.message_id


EXIM = """Return-path: <>
X-Failed-Recipients: full@deudores.example
Auto-Submitted: auto-replied
From: Mail Delivery System <Mailer-Daemon@post.example>
To: cobranza@agencia.example
Content-Type: multipart/report; report-type=delivery-status; boundary=1795667341-eximdsn-12
MIME-Version: 1.0
Message-Id: <E1xWR6T-0007xv-25@post.example>

--1795667341-eximdsn-12
Content-type: text/plain; charset=us-ascii

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  full@deudores.example
    %s

--1795667341-eximdsn-12
Content-type: message/delivery-status

Reporting-MTA: dns; post.example
Original-Envelope-ID: %s

Action: failed
Final-Recipient: rfc822;full@deudores.example
Status: 5.0.0

--1795667341-eximdsn-12
Content-type: text/rfc822-headers

From: Agencia <cobranza@agencia.example>

--1795667341-eximdsn-12--
"""
"""As Exim 4.96 writes it about a local refusal: the reason is in the part for people only."""


@pytest.mark.parametrize(
    ("text", "state", "refusal"),
    [
        ("552 5.2.2 mailbox full", DeliveryState.FAILED, Refusal.MAILBOX_FULL),
        ("550 5.1.1 unknown here", DeliveryState.BOUNCED, Refusal.INVALID_ADDRESS),
        ("Unrouteable address", DeliveryState.FAILED, Refusal.OTHER),
    ],
)
def test_a_summary_speaks_against_no_address(
    text: str, state: DeliveryState, refusal: Refusal
) -> None:
    event = read_mail((EXIM % (text, OUR_HEADER_ID)).encode(), AT, OURS)
    assert isinstance(event, MessageMoved)
    assert (event.message_id, event.state, event.refusal) == (MESSAGE.message_id, state, refusal)


@pytest.mark.parametrize(
    ("text", "state", "refusal"),
    [
        ("<d@x.example>: 550-5.1.1 no such user", DeliveryState.BOUNCED, Refusal.INVALID_ADDRESS),
        ("host said: 552 5.2.2 mailbox full", DeliveryState.FAILED, Refusal.MAILBOX_FULL),
        ("I'm afraid I wasn't able to deliver", DeliveryState.FAILED, Refusal.OTHER),
    ],
)
def test_a_notice_in_a_program_s_own_words(
    text: str, state: DeliveryState, refusal: Refusal
) -> None:
    head = b"From: MAILER-DAEMON@x.example\r\nTo: %s\r\n\r\n"
    address = f"rebotes+{MESSAGE.message_id}@agencia.example".encode()
    event = read_mail(head % address + text.encode(), AT, OURS)
    assert isinstance(event, MessageMoved)
    assert (event.message_id, event.state, event.refusal) == (MESSAGE.message_id, state, refusal)
    quoted = f"{text}\n--- the message:\nMessage-ID: {OUR_HEADER_ID}\n".encode()
    assert read_mail(head % b"cobranza@agencia.example" + quoted, AT, OURS) == event
    with pytest.raises(MalformedMail):
        read_mail(head % b"cobranza@agencia.example" + text.encode(), AT, OURS)


def test_delays_are_no_news_and_deliveries_are() -> None:
    assert read_mail(report("Action: delayed\r\nStatus: 4.4.1"), AT, OURS) is None
    assert read_mail(report("Action: relayed\r\nStatus: 2.0.0"), AT, OURS) is None
    event = read_mail(report("Action: delivered\r\nStatus: 2.1.5"), AT, OURS)
    assert isinstance(event, MessageMoved)
    assert event.state is DeliveryState.DELIVERED


def test_a_complaint_is_an_opt_out() -> None:
    event = read_mail(report("Feedback-Type: abuse", kind="feedback-report"), AT, OURS)
    assert isinstance(event, MessageMoved)
    assert (event.state, event.refusal) == (DeliveryState.FAILED, Refusal.OPTED_OUT)


@pytest.mark.parametrize(
    "raw",
    [
        report(failed("5.1.1"), original="Message-ID: <x.marcador@otra.example>\r\n"),
        report(failed("5.1.1"), original="Message-ID: <x@agencia.example>\r\n"),
        report("Status: 5.1.1"),
        report("Action: exploded\r\nStatus: 5.1.1"),
        report("Feedback-Type: abuse", kind="feedback-report", original=""),
        b"",
        b"To: cobranza@agencia.example\r\n\r\nno sender",
        b"From: a@b.example\r\n\r\nto nobody",
        b"From: <>\r\nTo: cobranza@agencia.example\r\n\r\n",
    ],
)
def test_what_names_nothing_of_ours_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedMail):
        read_mail(raw, AT, OURS)


# --- replies -------------------------------------------------------------------------------------


def reply(text: str, subtype: str = "plain", **headers: str) -> bytes:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "Ana Núñez <ana@deudores.example>"
    mail["To"] = "cobranza@agencia.example"
    mail["Message-ID"] = "<1@deudores.example>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text, subtype=subtype)
    return mail.as_bytes()


def heard(raw: bytes) -> MessageReceived:
    event = read_mail(raw, AT, OURS)
    assert isinstance(event, MessageReceived)
    return event


QUOTED = (
    "BAJA\n\nEl mié, 3 jun 2026 a las 11:00, Agencia (<cobranza@agencia.example>)\nescribió:\n\n"
    "> Señora Núñez: llámenos.\n> Responda BAJA para no recibir más\n"
)


@pytest.mark.parametrize(
    "text",
    [
        "BAJA",
        "  BAJA \r\n\r\n",
        QUOTED,
        "On Wed, Jun 3, 2026 at 11:00 AM Agencia wrote:\n> llámenos\n\nBAJA",
        "BAJA\n\n-----Mensaje original-----\nDe: Agencia\nLlámenos",
        "BAJA\n________________________________\nDe: Agencia <c@a.example>\nLlámenos",
        "BAJA\n\nDe: Agencia <c@a.example>\nEnviado: miércoles\nLlámenos",
        "BAJA\n-- \nAna Núñez\nGerente",
    ],
)
def test_a_word_stands_alone_without_what_it_quotes(text: str) -> None:
    assert own_words(text) == "BAJA"
    assert heard(reply(text)).text == "BAJA"


def test_html_alone_is_read_too() -> None:
    html = (
        "<html><head><style>p{}</style></head><body><p>ya pagu&eacute;</p>"
        "<blockquote>Señora Núñez: llámenos</blockquote></body></html>"
    )
    assert heard(reply(html, "html")).text == "ya pagué"
    assert heard(reply("<blockquote>BAJA", "html")).text == "BAJA"


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated (vacation)"},
        {"Precedence": "bulk"},
        {"X_Autoreply": "yes"},
        {"Return_Path": "<>"},
        {"List_Id": "<news.deudores.example>"},
    ],
)
def test_what_no_person_wrote_is_marked(headers: dict[str, str]) -> None:
    assert heard(reply("Estoy de vacaciones", **headers)).automatic
    assert not heard(reply("Estoy de vacaciones", Auto_Submitted="no")).automatic


def test_a_sender_is_told_as_ledgers_keep_addresses() -> None:
    raw = reply("BAJA").replace(b"<ana@deudores.example>", b"<Ana@Deudores.EXAMPLE>")
    assert heard(raw).sender == "ana@deudores.example"


def test_the_same_mail_is_the_same_event_and_another_text_is_another() -> None:
    assert heard(reply("BAJA")) == heard(reply("BAJA"))
    assert heard(reply("BAJA")).event_id != heard(reply("ya pagué")).event_id


def test_a_reply_far_down_a_thread_names_our_message() -> None:
    event = heard(
        reply("ok", In_Reply_To="<theirs@x.example>", References=f"<a@b.example> {OUR_HEADER_ID}")
    )
    assert event.in_reply_to == OUR_HEADER_ID


@pytest.mark.parametrize("subject", ["=?utf-8?b?a?=", "=?nonsense?q?x?=", "=?utf-8?q?=ff?="])
def test_a_broken_subject_loses_no_opt_out(subject: str) -> None:
    raw = f"From: a@b.example\r\nTo: c@agencia.example\r\nSubject: {subject}\r\n\r\nBAJA"
    event = heard(raw.encode())
    assert event.text == "BAJA"
    assert event.subject


def test_attachments_are_counted_and_not_read() -> None:
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"] = "ana@deudores.example", "cobranza@agencia.example"
    mail.set_content("adjunto el comprobante")
    mail.add_attachment(b"BAJA", maintype="text", subtype="plain", filename="a.txt")
    event = heard(mail.as_bytes())
    assert (event.text, event.media) == ("adjunto el comprobante", 1)


# --- whatever comes ------------------------------------------------------------------------------

HEADER_NAMES = st.sampled_from(
    ["From", "To", "Subject", "Message-ID", "In-Reply-To", "Content-Type", "Return-Path",
     "Content-Transfer-Encoding", "Content-Disposition", "Auto-Submitted", "Delivered-To"]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "multipart/report; report-type=delivery-status; boundary=B",
            "multipart/mixed; boundary=B",
            "text/plain; charset=nonsense",
            "text/html; charset=utf-16",
            "message/delivery-status",
            "base64",
            "=?utf-8?b?////?=",
            "=?nonsense?q?x?=",
            "=?utf-8?b?a?=",
            OUR_HEADER_ID,
            "a@b.example",
        ]
    ),
)
MAILS = st.builds(
    lambda headers, body: (
        "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n" + body
    ).encode("utf-8", "surrogatepass"),
    st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=8),
    st.text(max_size=300)
    | st.lists(
        st.sampled_from(["--B", "--B--", "Content-Type: message/delivery-status", "",
                         "Action: failed", "Status: 5.1.1", "Content-Type: message/rfc822"])
    ).map("\r\n".join),
)  # fmt: skip


def is_told_or_malformed(raw: bytes) -> None:
    try:
        event = read_mail(raw, AT, OURS)
    except MalformedMail:
        return
    if isinstance(event, MessageReceived):
        assert len(event.text) <= LONGEST_TEXT
        assert is_address(event.sender)
        assert read_mail(raw, AT, OURS) == event
    elif event is not None:
        assert event.message_id


@settings(max_examples=300)
@given(MAILS | st.binary(max_size=400))
def test_no_mail_is_an_error(raw: bytes) -> None:
    is_told_or_malformed(raw)


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_notice_is_told_or_malformed(data: st.DataObject) -> None:
    raw = bytearray(report(failed("5.1.1", "550 5.1.1 unknown")))
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[place] = data.draw(st.integers(0, 255))
        else:
            del raw[place : place + data.draw(st.integers(1, 40))]
            raw = raw or bytearray(b"x")
    is_told_or_malformed(bytes(raw))


def test_a_mail_of_a_thousand_wrappers_does_not_end_the_reading() -> None:
    deep = b"From: a@b.example\r\nTo: cobranza@agencia.example\r\n"
    for n in range(3_000):
        deep += b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n)
    is_told_or_malformed(deep + b"\r\nBAJA")


@given(st.text(max_size=2_000))
def test_own_words_are_never_more_than_was_written(text: str) -> None:
    assert len(own_words(text)) <= len(text)
