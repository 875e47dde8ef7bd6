"""Where the law allows only authorised channels: the creditor's word, recorded as such."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import msgspec

from campaigns.portfolio.importer import ImportSettings, read_portfolio
from campaigns.portfolio.model import ImportedAccount
from campaigns.portfolio.profile import ImportProfile, dump_profile, fingerprint, load_profile
from campaigns.portfolio.proposal import propose_profile
from compliance.types import Channel, ConsentScope

FILE = (
    "id_cuenta;numero_documento;nombre_completo;saldo_total;telefono_1;consentimiento_voz\n"
    "A-1;52055106;Ana Rojas;100.000,00;3157317515;\n"
    "A-2;52055107;Luis Peña;100.000,00;3157317516;NO\n"
).encode()


def consents(profile: ImportProfile) -> list[list[tuple[Channel | None, bool, str]]]:
    settings = ImportSettings(profile=profile, today=date(2026, 11, 23))
    rows = list(read_portfolio(BytesIO(FILE), settings))
    assert all(isinstance(row, ImportedAccount) for row in rows)
    return [
        [
            (c.channel, c.granted, c.evidence)
            for c in row.consents
            if c.scope is ConsentScope.CHANNEL
        ]
        for row in rows
        if isinstance(row, ImportedAccount)
    ]


def test_colombia_proposes_voice_on_the_creditors_word_and_says_so() -> None:
    proposal = propose_profile(FILE, "CO")
    assert proposal.profile.declared_channels == (Channel.VOICE,)
    assert any("declared_channels" in doubt.es for doubt in proposal.doubts)
    first, second = consents(proposal.profile)
    assert [(channel, granted) for channel, granted, _ in first] == [(Channel.VOICE, True)]
    assert "creditor's word" in first[0][2]
    assert [(channel, granted) for channel, granted, _ in second] == [(Channel.VOICE, False)], (
        "a person whose row says no is not declared"
    )


def test_a_declaration_struck_out_leaves_no_consent() -> None:
    profile = propose_profile(FILE, "CO").profile
    struck = msgspec.structs.replace(profile, declared_channels=())
    first, _ = consents(struck)
    assert first == []
    assert fingerprint(struck) != fingerprint(profile), "rows are read anew after the change"


def test_elsewhere_nothing_is_declared() -> None:
    assert propose_profile(FILE, "MX").profile.declared_channels == ()


def test_a_declaration_survives_the_profiles_text() -> None:
    profile = propose_profile(FILE, "CO").profile
    assert load_profile(dump_profile(profile)) == profile
