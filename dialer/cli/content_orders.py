"""`marcador content add`, `submit`, `approve`, `return`, `retire`: the life of a text or flow.

Each is an order of somebody who logs in: who wrote or submitted a version does not approve it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from campaigns.content.lifecycle import (
    ContentAction,
    ContentState,
    ImpossibleContentAction,
    possible_actions,
)
from campaigns.content.samples import parse_template
from campaigns.content.source import parse
from campaigns.content.template import Template
from campaigns.flows.model import Flow, parse_flow
from dialer.cli.content_command import shipped_source, text_of
from dialer.cli.deciding import log_in, now_ms, tell
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.stores.ledger.content import (
    MAY,
    WRITERS,
    ContentKind,
    ContentRefused,
    SamePerson,
    VersionInfo,
    act_on_version,
    create_version,
    list_versions,
)
from dialer.stores.ledger.database import Ledger


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Where a version stands after an order."""

    kind: ContentKind
    name: str
    version: int
    state: ContentState
    possible: tuple[ContentAction, ...]


def add_version(shell: Shell, source: str, username: str, *, password_stdin: bool) -> None:
    """Keep a text or flow, from a file or one that comes with Marcador, as a draft."""
    document = _document(shell, source)

    async def work() -> VersionInfo:
        async with existing_ledger(shell) as ledger:
            user = await log_in(shell, ledger, username, WRITERS, stdin=password_stdin)
            async with ledger.write() as conn:
                made = await create_version(conn, document, actor=user.user_id, now_ms=now_ms())
            return made.info

    _tell(shell, shell.run(work()))


def act_on(
    shell: Shell,
    name: str,
    version: int | None,
    action: ContentAction,
    username: str,
    *,
    password_stdin: bool,
    comment: str = "",
) -> None:
    """Take a version on; None: the newest to which it can be done."""

    async def work() -> VersionInfo:
        async with existing_ledger(shell) as ledger:
            user = await log_in(shell, ledger, username, MAY[action], stdin=password_stdin)
            found = await _version(shell, ledger, name, version, action)
            return await act_on_version(
                ledger,
                found.kind,
                name,
                found.version,
                action,
                actor=user.user_id,
                now_ms=now_ms(),
                comment=comment,
            )

    try:
        after = shell.run(work())
    except ImpossibleContentAction as error:
        possible = ", ".join(possible_actions(error.state)) or "-"
        raise _refusal(
            shell,
            f"Una versión en estado {error.state} no admite {error.action}",
            f"A version that is {error.state} cannot {error.action}",
            f"admite: {possible}",
            f"it can: {possible}",
        ) from error
    except SamePerson as error:
        raise _refusal(
            shell,
            f"Quien escribió o presentó {name} no puede aprobarlo",
            f"Who wrote or submitted {name} cannot approve it",
            "pida la aprobación a otra persona de cumplimiento",
            "ask another person of compliance for the approval",
        ) from error
    except ContentRefused as error:
        raise _refusal(
            shell,
            "; ".join(f"{found.place} {found.es}".strip() for found in error.findings),
            "; ".join(f"{found.place} {found.en}".strip() for found in error.findings),
            "corríjalo en otra versión; `content lint` y `content prove` lo dicen todo",
            "mend it in another version; `content lint` and `content prove` tell everything",
        ) from error
    _tell(shell, after)


async def _version(
    shell: Shell, ledger: Ledger, name: str, version: int | None, action: ContentAction
) -> VersionInfo:
    async with ledger.read() as conn:
        found = [v for kind in ContentKind for v in await list_versions(conn, kind, name=name)]
    if version is None:
        ready = [one for one in found if action in possible_actions(one.state)]
        found = ready or found
    else:
        found = [one for one in found if one.version == version]
    if not found:
        asked = name if version is None else f"{name} {version}"
        raise _refusal(
            shell,
            f"No hay ninguna versión {asked} en el libro",
            f"There is no version {asked} in the ledger",
            "`marcador content list` las muestra; `content add` agrega una",
            "`marcador content list` shows them; `content add` adds one",
        )
    return found[0]


def _document(shell: Shell, source: str) -> Template | Flow:
    """Raises `CliError`, `ContentError`."""
    text = shipped_source(source)
    if text is None:
        text = text_of(shell, Path(source))
    tree = parse(text).tree
    is_flow = "nodes" in tree
    return parse_flow(text) if is_flow else parse_template(text)


def _tell(shell: Shell, info: VersionInfo) -> None:
    tell(
        shell,
        Told(
            kind=info.kind,
            name=info.name,
            version=info.version,
            state=info.state,
            possible=possible_actions(info.state),
        ),
    )


def _refusal(shell: Shell, es: str, en: str, mend_es: str, mend_en: str) -> CliError:
    return CliError(ExitCode.BAD_INPUT, shell.texts.say(es, en), shell.texts.say(mend_es, mend_en))
