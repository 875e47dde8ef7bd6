"""`marcador explain`: why a contact was made, or not."""

from __future__ import annotations

import typer

from compliance.explain import Language, render
from dialer.bootstrap import load_rule_packs
from dialer.cli.exits import CliError, ExitCode
from dialer.cli.replay_command import replay_lines
from dialer.cli.shell import Shell
from dialer.cli.stores import existing_ledger
from dialer.runtime.explaining import (
    DecisionTold,
    Standing,
    Story,
    explain_contact,
    replay_story,
)


def run_explain(shell: Shell, asked: str, *, limit: int, passes: bool, replay: bool) -> None:
    """Tell the decisions behind an id, the newest first. With `replay` each is made again; exits
    with `NO` where one comes out otherwise."""
    config = shell.config
    story = shell.run(_explain(shell, asked, limit, replay=replay))
    texts = shell.texts
    if story is None:
        raise CliError(
            ExitCode.BAD_INPUT,
            texts.say(f"El libro no conoce {asked!r}", f"The ledger knows nothing by {asked!r}"),
            texts.say(
                "dé el id de una decisión, llamada, evento, teléfono, cuenta o persona",
                "give the id of a decision, call, event, phone, account or person",
            ),
        )
    if shell.json:
        shell.answer(story)
    else:
        _tell(shell, story, config.language, passes=passes)
    if not all(found.holds for found in story.replays):
        raise typer.Exit(ExitCode.NO)


async def _explain(shell: Shell, asked: str, limit: int, *, replay: bool) -> Story | None:
    config = shell.config
    packs = load_rule_packs(config)
    async with existing_ledger(shell) as ledger:
        story = await explain_contact(ledger, packs, asked, language=config.language, limit=limit)
        if story is None or not replay:
            return story
        return await replay_story(ledger, story)


def _tell(shell: Shell, story: Story, language: Language, *, passes: bool) -> None:
    texts = shell.texts
    for standing in story.standings:
        shell.say(_standing(shell, standing))
    if not story.decisions:
        shell.say(
            texts.say(
                "Ningún contacto se ha decidido todavía.", "No contact has been decided on yet."
            )
        )
    replays = {found.decision_id: found for found in story.replays}
    for told in story.decisions:
        shell.say("")
        shell.say(_head(told), style="green bold" if told.allowed else "red bold")
        if told.explanation is None:
            shell.say(
                "  " + texts.say("la prueba no se guardó", "its proof was not kept"), style="yellow"
            )
        else:
            for line in render(told.explanation, language, passes=passes):
                shell.say(f"  {line}")
            for line in _counters(shell, told):
                shell.say(f"  {line}")
        shell.say(f"  {_end(shell, told)}")
        if told.decision_id in replays:
            for line in replay_lines(shell, replays[told.decision_id]):
                shell.say(f"  {line}")


def _standing(shell: Shell, standing: Standing) -> str:
    texts = shell.texts
    since = f"{standing.not_before:%Y-%m-%d %H:%M:%S} UTC"
    state = texts(f"queue_{standing.state}")
    wait = texts.say(f" hasta {since}", f" until {since}") if standing.state == "waiting" else ""
    return texts.say(
        f"Cuenta {standing.account}, campaña {standing.campaign} "
        f"({texts(f'state_{standing.campaign_state}')}): {state}{wait}; motivo "
        f"{standing.reason or '-'}; {standing.attempts} intentos, último código "
        f"{standing.last_code or '-'}",
        f"Account {standing.account}, campaign {standing.campaign} "
        f"({texts(f'state_{standing.campaign_state}')}): {state}{wait}; reason "
        f"{standing.reason or '-'}; {standing.attempts} attempts, last code "
        f"{standing.last_code or '-'}",
    )


def _head(told: DecisionTold) -> str:
    where = told.address or told.contact_point_id
    parts = [f"{told.at:%Y-%m-%d %H:%M:%S} UTC", told.channel, where, told.account or "-"]
    if told.campaign is not None:
        parts.append(told.campaign)
    return f"{told.decision_id}  " + "  ".join(parts)


def _counters(shell: Shell, told: DecisionTold) -> list[str]:
    """Rules that count, with the events that they counted."""
    if told.explanation is None:
        return []
    texts = shell.texts
    lines = []
    for line in told.explanation.lines:
        if line.counter is None:
            continue
        limit = "-" if line.limit is None else str(line.limit)
        events = f": {', '.join(line.event_ids)}" if line.event_ids else ""
        lines.append(
            texts.say(
                f"contador {line.rule_id}: {line.counter} de {limit}{events}",
                f"counter {line.rule_id}: {line.counter} of {limit}{events}",
            )
        )
    return lines


def _end(shell: Shell, told: DecisionTold) -> str:
    texts = shell.texts
    if told.end is not None:
        return texts.say(
            f"Resultado: {told.end.code} {told.end.name}",
            f"Outcome: {told.end.code} {told.end.name}",
        )
    if told.allowed:
        return texts.say("Resultado: aún no se conoce", "Outcome: not known yet")
    return texts.say("No se llamó.", "No call was made.")
