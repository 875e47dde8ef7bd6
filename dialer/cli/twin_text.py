"""The twin's figures in words, Spanish and English: rows, sentences, and tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from dialer.cli.shell import Shell
from dialer.cli.texts import Texts
from dialer.simulation.twin.results import (
    CallbackFigures,
    InboundFigures,
    Pooled,
    PreviewFigures,
    Spread,
    TwinResult,
)
from dialer.simulation.twin.run import Advice, TwinReport

Row = tuple[str, str]


def figure_rows(texts: Texts, total: Pooled, target: float) -> list[Row]:
    """What a day comes to, a name and a value each."""
    say = texts.say
    hours = max(total.staffed_h, 1e-9)
    rows = [
        (say("agentes", "agents"), f"{total.agents}"),
        (say("horas-agente", "agent-hours"), f"{total.staffed_h:.1f}"),
        (say("ocupación", "occupancy"), _share(total.occupancy)),
        (
            say("espera del agente: media, p90, p99", "agent's wait: mean, p90, p99"),
            f"{total.idle_wait_mean_s:.1f} s, {total.idle_wait_p90_s:.1f} s, "
            f"{total.idle_wait_p99_s:.1f} s",
        ),
        (
            say("abandono: todo el día", "abandoned: whole day"),
            f"{total.abandoned_share:.2%} ({say('meta', 'target')} {target:.1%}; "
            f"{total.abandoned:.0f} {say('de', 'of')} {total.answered:,.0f})",
        ),
        (
            say("abandono: peores 30 min", "abandoned: worst 30 min"),
            window_cell(texts, total.worst_30min),
        ),
        (say("abandono: peores 24 h", "abandoned: worst 24 h"), f"{total.worst_24h:.2%}"),
        (say("marcaciones", "dials"), f"{total.dials:,.0f}"),
        (say("líneas por agente", "lines per agent"), f"{total.lines_per_agent:.2f}"),
        (say("contactos (personas)", "contacts (people)"), _count(total.contacts)),
        (say("contactos con titular", "right-party contacts"), _count(total.right_party)),
        (say("promesas", "promises"), _count(total.promises)),
        (
            say("por hora-agente: contactos, titulares, promesas",
                "per agent-hour: contacts, right parties, promises"),
            f"{total.contacts.mean / hours:.2f}, {total.right_party.mean / hours:.2f}, "
            f"{total.promises.mean / hours:.2f}",
        ),
    ]  # fmt: skip
    if total.legal_dials:
        legal_used = total.legal_used * total.legal_dials
        used = f"{legal_used:,.0f} {say('de', 'of')} {total.legal_dials:,.0f}"
        rows.insert(
            8,
            (
                say("de las que la ley permite ese día", "of those the law allows that day"),
                f"{total.legal_used:.1%} ({used})",
            ),
        )
    if total.given_up:
        given_up = say("dejadas de timbrar sin agente libre", "hung up for want of an agent")
        rows.append((given_up, f"{total.given_up:,.0f}"))
    if total.previews is not None:
        rows.append(_preview_row(texts, total.previews))
    if total.callbacks is not None:
        rows += _callback_rows(texts, total.callbacks)
    if total.inbound is not None:
        rows += _inbound_rows(texts, total.inbound)
    return rows


def _preview_row(texts: Texts, looks: PreviewFigures) -> Row:
    say = texts.say
    return (
        say("vistas antes de llamar: cuentas, dejadas, media",
            "looked at before calling: accounts, skipped, mean"),
        f"{looks.looked:,.0f}, {looks.skipped:,.0f}, {looks.look_mean_s:.1f} s",
    )  # fmt: skip


def _callback_rows(texts: Texts, calls: CallbackFigures) -> list[Row]:
    say = texts.say
    return [
        (
            say("devoluciones: debidas, marcadas", "callbacks: due, dialed"),
            f"{calls.due:,.0f}, {calls.dialed:,.0f} ({calls.by_own_agent:,.0f} "
            + say("por quien prometió", "by who promised")
            + ")",
        ),
        (
            say("devoluciones: demora media", "callbacks: mean delay"),
            f"{calls.late_mean_s:,.0f} s",
        ),
        (
            say("devoluciones: contactos, titulares, promesas",
                "callbacks: contacts, right parties, promises"),
            f"{calls.contacts:,.0f}, {calls.right_party:,.0f}, {calls.promises:,.0f}",
        ),
    ]  # fmt: skip


def _inbound_rows(texts: Texts, calls: InboundFigures) -> list[Row]:
    say = texts.say
    return [
        (
            say("entrantes: llamadas, atendidas, perdidas, rechazadas",
                "inbound: calls, connected, missed, turned away"),
            f"{calls.calls:,.0f}, {calls.connected:,.0f}, {calls.missed:,.0f}, "
            f"{calls.turned_away:,.0f}",
        ),
        (
            say("entrantes: espera media, p90", "inbound: wait mean, p90"),
            f"{calls.wait_mean_s:.1f} s, {calls.wait_p90_s:.1f} s",
        ),
        (
            say("entrantes: titulares, promesas", "inbound: right parties, promises"),
            f"{calls.right_party:,.0f}, {calls.promises:,.0f}",
        ),
    ]  # fmt: skip


def advice_lines(texts: Texts, report: TwinReport) -> list[str]:
    """What another team would change, a sentence each, and what limits the day."""
    own = report.total
    lines = [_advice(texts, own, advice) for advice in report.staffing]
    short = _starved(report.results)
    if own.legal_used >= 0.97:
        lines.append(
            texts.say(
                "Se usa casi todo lo que la ley permite ese día: más agentes esperarían. Hacen "
                "falta cuentas, no gente.",
                "Nearly all that the law allows that day is used: more agents would wait. "
                "Accounts are wanted, not people.",
            )
        )
    elif short > 0.10:
        lines.append(
            texts.say(
                f"El {short:.0%} del tiempo no había a quién marcar (horas, reintentos): "
                "el límite es la cartera, no el ritmo.",
                f"For {short:.0%} of the time nobody could be dialed (hours, retries): the "
                "portfolio is the limit, not the pacing.",
            )
        )
    return lines


def _advice(texts: Texts, own: Pooled, advice: Advice) -> str:
    size = advice.size
    head = texts.say(
        f"Con {size.agents} agentes en vez de {own.agents}: ocupación "
        f"{own.occupancy.mean:.1%} → {size.occupancy.mean:.1%}, "
        f"{_signed(advice.contacts_change)} contactos, {_signed(advice.promises_change)} promesas "
        f"en {advice.hours_change:+.1f} horas-agente",
        f"With {size.agents} agents instead of {own.agents}: occupancy "
        f"{own.occupancy.mean:.1%} → {size.occupancy.mean:.1%}, "
        f"{_signed(advice.contacts_change)} contacts, {_signed(advice.promises_change)} promises "
        f"in {advice.hours_change:+.1f} agent-hours",
    )
    if advice.contacts_per_hour is None or advice.promises_per_hour is None:
        return head + "."
    more = advice.hours_change > 0
    return head + texts.say(
        f"; cada hora-agente {'añadida da' if more else 'quitada cuesta'} "
        f"{advice.contacts_per_hour:z.2f} contactos y {advice.promises_per_hour:z.2f} promesas.",
        f"; each agent-hour {'added brings' if more else 'taken away costs'} "
        f"{advice.contacts_per_hour:z.2f} contacts and {advice.promises_per_hour:z.2f} promises.",
    )


def staffing_rows(texts: Texts, report: TwinReport) -> tuple[list[str], list[list[str]]]:
    """Sizes of the team side by side, the one asked about among them."""
    say = texts.say
    titles = [
        say("agentes", "agents"), say("ocupación %", "occupancy %"),
        say("espera media s", "mean wait s"), say("abandono %", "abandoned %"),
        say("uso legal %", "legal use %"), say("contactos", "contacts"),
        say("titulares", "right parties"), say("promesas", "promises"),
        say("promesas/h añadida", "promises/h added"),
    ]  # fmt: skip
    marginal = {a.size.agents: a.promises_per_hour for a in report.staffing}
    sizes = sorted([report.total, *(a.size for a in report.staffing)], key=lambda s: s.agents)
    rows = []
    for size in sizes:
        per_hour = marginal.get(size.agents)
        mine = size.agents == report.total.agents
        rows.append(
            [
                f"{size.agents}{' *' if mine else ''}",
                f"{size.occupancy.mean * 100:.1f}",
                f"{size.idle_wait_mean_s:.1f}",
                f"{size.abandoned_share * 100:.2f}",
                f"{size.legal_used * 100:.1f}",
                f"{size.contacts.mean:,.0f}",
                f"{size.right_party.mean:,.0f}",
                f"{size.promises.mean:,.0f}",
                "-" if per_hour is None else f"{per_hour:.2f}",
            ]
        )
    return titles, rows


def segment_rows(texts: Texts, results: Sequence[TwinResult]) -> tuple[list[str], list[list[str]]]:
    """Segments of the first seed."""
    say = texts.say
    titles = [
        say("segmento", "segment"), say("cuentas", "accounts"), say("marcadas", "dialed"),
        say("marcaciones", "dials"), say("permitidas", "allowed"), say("contactos", "contacts"),
        say("titulares", "right parties"), say("promesas", "promises"),
    ]  # fmt: skip
    rows = [
        [
            s.name, f"{s.accounts:,}", f"{s.dialed:,}", f"{s.dials:,}", f"{s.legal_dials:,}",
            f"{s.contacts:,}", f"{s.right_party:,}", f"{s.promises:,}",
        ]
        for s in results[0].segments
    ]  # fmt: skip
    return titles, rows


def notes_of(texts: Texts, report: TwinReport) -> list[str]:
    """Where figures come from, and who may not be dialed."""
    notes = [texts.say(*note) for note in report.notes]
    for segment, rule in report.refused.items():
        notes.append(
            texts.say(
                f"A {segment} no se le puede marcar ese día: {rule}",
                f"{segment} may not be dialed that day: {rule}",
            )
        )
    if len(report.seeds) == 1:
        notes.append(
            texts.say(
                "Un solo día simulado: con --runs 5 se ve cuánto es azar.",
                "A single simulated day: --runs 5 tells how much of it is chance.",
            )
        )
    return notes


def tell(shell: Shell, report: TwinReport) -> None:
    """The report for a terminal."""
    texts, definition = shell.texts, report.definition
    table = Table(title=title_of(texts, report), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in figure_rows(texts, report.total, definition.campaign.target_abandonment):
        table.add_row(name, value)
    shell.out.print(table)
    shell.out.print(rich_table(*segment_rows(texts, report.results)))
    if report.staffing:
        shell.out.print(rich_table(*staffing_rows(texts, report)))
    for line in advice_lines(texts, report):
        shell.say(f"• {line}")
    for note in notes_of(texts, report):
        shell.say(note, style="dim")


def title_of(texts: Texts, report: TwinReport) -> str:
    definition = report.definition
    runs = texts.say("simulaciones", "runs") if len(report.seeds) > 1 else ""
    seeds = (
        f", {len(report.seeds)} {runs}"
        if runs
        else f", {texts.say('semilla', 'seed')} " + str(report.seeds[0])
    )
    at = f"{report.opens_at:%Y-%m-%d}"
    return f"{definition.name}: {at} ({definition.timezone}){seeds}"


def rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> Table:
    """A plain table whose first column holds names."""
    table = Table(title=title or None)
    for place, name in enumerate(titles):
        table.add_column(name, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _starved(results: Sequence[TwinResult]) -> float:
    """Share of decisions that the supply of accounts bound."""
    return sum(r.clamps.get("cap:supply", 0.0) for r in results) / len(results)


def window_cell(texts: Texts, worst: float | None) -> str:
    """The worst half hour of those that say something."""
    if worst is None:
        return texts.say("ninguna con 200 respuestas", "none with 200 answers")
    return f"{worst:.2%}"


def _share(value: Spread) -> str:
    return f"{value.mean:.1%}" + (f" ± {value.error * 100:.1f}" if value.error else "")


def _count(value: Spread) -> str:
    return f"{value.mean:,.0f}" + (f" ± {value.error:.0f}" if value.error else "")


def _signed(value: Spread) -> str:
    return f"{value.mean:+,.0f}" + (f" (± {value.error:.0f})" if value.error else "")
