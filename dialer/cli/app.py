"""The tree of commands, and the one place where a run of the program ends.

Commands import what they need when they run, so that `marcador --help` is fast.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from typer.main import get_command

from compliance.types import CollectorRole, DebtClass
from dialer.cli.exits import ExitCode
from dialer.cli.groups import campaign_app, content_app, packs_app, prompts_app, users_app
from dialer.cli.message_groups import add_messages_to
from dialer.cli.officer_groups import add_to
from dialer.cli.shell import GlobalOptions, Shell, shell_of, write_json
from dialer.cli.twin_groups import add_twin_to

_WITH_VALUE: Final = ("--config", "--data-dir", "--language", "--set")
STDOUT: Final = 1
_OWN: Final = {"replay": ("--set",)}
_FLAGS: Final = ("--json", "--debug")

app = typer.Typer(
    name="marcador",
    help="Marcador: predictive dialing for debt collections, with compliance at its core.",
    no_args_is_help=False,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Speech(StrEnum):
    ES = "es"
    EN = "en"


class AdapterName(StrEnum):
    SIMULATOR = "simulator"
    ASTERISK = "asterisk"


class RunMode(StrEnum):
    PREDICTIVE = "predictive"
    PROGRESSIVE = "progressive"
    PREVIEW = "preview"
    SMS = "sms"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    IVR = "ivr"


# --- running ------------------------------------------------------------------------------------


def run_cli(args: Sequence[str]) -> int:
    """Run one command; returns the exit code. Nothing but `SystemExit` of an import escapes."""
    shell = Shell()
    try:
        given = hoisted(args)
        shell = Shell(_peek(given))
        ended = get_command(app)(args=given, prog_name="marcador", standalone_mode=False)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough, as `head` does; typer exits on that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return ExitCode.OK
    except (KeyboardInterrupt, typer.Abort):
        ended = ExitCode.INTERRUPTED
    except typer.TyperException as error:
        return _usage(error, shell)
    except Exception as error:
        return _failed(error, shell)
    if ended == ExitCode.INTERRUPTED:
        shell.err.print(shell.texts.say("Interrumpido.", "Interrupted."))
    return ended if isinstance(ended, int) else ExitCode.OK


def hoisted(args: Sequence[str]) -> list[str]:
    """`args` with the global options first, wherever they stood before a `--`.

    A command's own option of the same name stays with the command.
    """
    first: list[str] = []
    rest: list[str] = []
    left = list(args)
    while left:
        arg = left.pop(0)
        name, equals, _ = arg.partition("=")
        if arg == "--":
            rest += [arg, *left]
            break
        if rest and name in _OWN.get(rest[0], ()):
            rest.append(arg)
            continue
        if arg in _FLAGS or (name in _WITH_VALUE and equals):
            first.append(arg)
        elif arg in _WITH_VALUE:
            first += [arg, *left[:1]]
            del left[:1]
        else:
            rest.append(arg)
    return first + rest


def _peek(args: Sequence[str]) -> GlobalOptions:
    """What error messages depend on, known before the command line has been understood."""
    values = dict(pairwise(args))
    values |= {name: value for name, equals, value in (a.partition("=") for a in args) if equals}
    config = values.get("--config")
    return GlobalOptions(
        config=None if config is None else Path(config),
        language=values.get("--language"),
        json="--json" in args,
        debug="--debug" in args,
    )


def _usage(error: typer.TyperException, shell: Shell) -> int:
    what = getattr(error, "format_message", error.__str__)()
    place = getattr(getattr(error, "ctx", None), "command_path", "marcador")
    head = shell.texts.say("No se entiende la orden", "The command line cannot be understood")
    mend = shell.texts.say(f"vea `{place} --help`", f"see `{place} --help`")
    _complain(shell, "usage", f"{head}: {what}", mend, ExitCode.USAGE)
    return ExitCode.USAGE


def _failed(error: Exception, shell: Shell) -> int:
    from dialer.cli.errors import told

    if shell.options.debug:
        traceback.print_exception(error, file=sys.stderr)
    found = told(error, shell.texts)
    if found is not None:
        _complain(shell, found.kind, found.what, found.mend, found.exit_code)
        return found.exit_code
    what = shell.texts.say(
        f"Falla inesperada de Marcador: {type(error).__name__}: {error}",
        f"Unexpected failure of Marcador: {type(error).__name__}: {error}",
    )
    mend = shell.texts.say(
        "repita la orden con --debug y envíe lo que muestre",
        "run it again with --debug and report what it shows",
    )
    _complain(shell, "unexpected", what, mend, ExitCode.FAILURE)
    return ExitCode.FAILURE


def _complain(shell: Shell, kind: str, what: str, mend: str, code: int) -> None:
    if shell.json:
        problem = {"kind": kind, "what": what, "mend": mend, "exit_code": int(code)}
        write_json(msgspec.json.encode({"error": problem}))
    print(f"{what.rstrip('.')}.", file=sys.stderr)
    if mend:
        print(f"  {shell.texts.say('Remedio', 'To mend it')}: {mend}", file=sys.stderr)


# --- global options -----------------------------------------------------------------------------


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"marcador {version('marcador')}")
        raise typer.Exit()


@app.callback()
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="Configuration file (TOML). Default: MARCADOR_CONFIG, or marcador.toml here."
        ),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(help="Folder of databases, keys and reports.")
    ] = None,
    language: Annotated[
        Speech | None, typer.Option(help="Language of messages. Default: as configured.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override one configuration key."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Answer in JSON on standard output.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    ctx.obj = Shell(
        GlobalOptions(
            config=config,
            data_dir=data_dir,
            language=None if language is None else language.value,
            overrides=tuple(overrides or ()),
            json=as_json,
            debug=debug,
        )
    )
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


# --- commands -----------------------------------------------------------------------------------


@app.command()
def init(
    ctx: typer.Context,
    username: Annotated[str, typer.Option(help="Name of the first administrator.")] = "admin",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    generate_password: Annotated[
        bool, typer.Option("--generate-password", help="Make a password and show it once.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write the configuration file anew.")
    ] = False,
) -> None:
    """Write a configuration file; make the data folder, ledger, signing key and first admin."""
    from dialer.cli.init_command import InitOptions, run_init

    run_init(
        shell_of(ctx),
        InitOptions(
            username=username,
            password_stdin=password_stdin,
            generate_password=generate_password,
            force=force,
        ),
    )


@app.command()
def sample(
    ctx: typer.Context,
    country: Annotated[str, typer.Argument(help="CL, CO, MX, PE or US.")],
    out: Annotated[Path, typer.Option(help="File to write.")],
    accounts: Annotated[int, typer.Option(help="How many accounts.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same file.")] = 1,
    clean: Annotated[bool, typer.Option("--clean", help="Without the dirt of real files.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
) -> None:
    """Generate a portfolio of invented people, in the dialect of a country's creditors."""
    from dialer.cli.sample_command import SampleOptions, run_sample

    options = SampleOptions(
        country=country, out=out, accounts=accounts, seed=seed, clean=clean, force=force
    )
    run_sample(shell_of(ctx), options)


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="The creditor's file: CSV in any dialect.")],
    portfolio: Annotated[str, typer.Option(help="Name of the portfolio; made if it is new.")],
    country: Annotated[
        str | None, typer.Option(help="ISO 3166 code. Default: guessed from the file.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code.")] = None,
    creditor: Annotated[str | None, typer.Option(help="Name of the creditor.")] = None,
    collector_role: Annotated[
        CollectorRole | None, typer.Option(help="Who collects. Default: third_party.")
    ] = None,
    debt_class: Annotated[
        DebtClass | None, typer.Option(help="Kind of debts. Default: consumer.")
    ] = None,
    synthetic: Annotated[
        bool | None,
        typer.Option("--synthetic/--real", help="Invented people are never really called."),
    ] = None,
    profile: Annotated[Path | None, typer.Option(help="How columns are to be read (TOML).")] = None,
    save_profile: Annotated[
        Path | None, typer.Option(help="Write the profile that was used there.")
    ] = None,
    full_replace: Annotated[
        bool,
        typer.Option("--full-replace", help="Take back accounts that the file does not name."),
    ] = False,
) -> None:
    """Import a portfolio. The same file again changes nothing; Ctrl-C loses nothing."""
    from dialer.cli.import_command import ImportOptions, import_and_tell

    options = ImportOptions(
        file=file,
        portfolio=portfolio,
        country=country,
        currency=currency,
        creditor=creditor,
        collector_role=collector_role,
        debt_class=debt_class,
        synthetic=synthetic,
        profile=profile,
        save_profile=save_profile,
        full_replace=full_replace,
    )
    import_and_tell(shell_of(ctx), options)


@app.command()
def run(
    ctx: typer.Context,
    portfolio: Annotated[str | None, typer.Option(help="Name of the portfolio to work.")] = None,
    use_sample: Annotated[
        bool, typer.Option("--sample", help="Generate and import a portfolio if there is none.")
    ] = False,
    country: Annotated[str, typer.Option(help="Of the sample.")] = "CL",
    accounts: Annotated[int, typer.Option(help="Of the sample.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the sample and the simulated people.")] = 1,
    agents: Annotated[int, typer.Option(min=1, max=500, help="Simulated agents.")] = 20,
    speed: Annotated[
        float | None, typer.Option(min=0.01, help="Simulated seconds in one real second.")
    ] = None,
    minutes: Annotated[
        int | None,
        typer.Option(min=1, help="Length by the shift's own clock. Default: until Ctrl-C."),
    ] = None,
    adapter: Annotated[
        AdapterName | None,
        typer.Option(help="Carrier: the simulator, or an Asterisk on this machine."),
    ] = None,
    mode: Annotated[
        RunMode,
        typer.Option(help="Agents take the calls, or a flow (ivr); or a channel of messages."),
    ] = RunMode.PREDICTIVE,
    flow: Annotated[
        str, typer.Option(help="With --mode ivr: one of the flows that come with Marcador.")
    ] = "promise-dtmf",
) -> None:
    """Work a portfolio with simulated agents on a carrier that reaches nobody, and report.

    Exit code 5 if the queue or the ledger does not add up at the end.
    """
    from dialer.cli.run import RunOptions, run_shift

    shell = shell_of(ctx)
    options = RunOptions(
        portfolio=portfolio,
        sample=use_sample,
        country=country.upper(),
        accounts=accounts,
        seed=seed,
        agents=agents,
        speed=speed,
        minutes=minutes,
        adapter=None if adapter is None else adapter.value,
        mode=mode.value,
        flow=flow if mode is RunMode.IVR else None,
        json=shell.json,
    )
    summary = shell.run(run_shift(shell.config, options, shell.told))
    if shell.json:
        write_json(msgspec.json.encode(summary))
    if not summary.queue_conserved or (summary.ledger is not None and not summary.ledger.holds):
        raise typer.Exit(ExitCode.NO)


@app.command()
def serve(ctx: typer.Context) -> None:
    """Run the engine and the HTTP API until SIGTERM or Ctrl-C, then let calls end."""
    from dialer.cli.serve_command import run_serve

    run_serve(shell_of(ctx))


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Question as JSON; - for standard input.")] = Path(
        "-"
    ),
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of question and answer.")
    ] = False,
) -> None:
    """Ask the gate about a contact, in JSON. Exit code 0 allowed, 5 blocked."""
    from dialer.cli.check_command import run_check

    run_check(shell_of(ctx), file, schema=schema)


@app.command()
def explain(
    ctx: typer.Context,
    contact: Annotated[
        str,
        typer.Argument(help="Id of a decision, call, event, account or person; or a phone number."),
    ],
    limit: Annotated[int, typer.Option(min=1, max=200, help="Most decisions to tell.")] = 5,
    passes: Annotated[
        bool, typer.Option("--passes", help="Tell the rules that passed, too.")
    ] = False,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Decide again from the recorded facts and packs; compare."),
    ] = False,
) -> None:
    """Why a contact was made or not: every rule with its source, counters and local hours.

    With --replay exit code 5 if a decision comes out otherwise.
    """
    from dialer.cli.explain_command import run_explain

    run_explain(shell_of(ctx), contact, limit=limit, passes=passes, replay=replay)


@app.command("verify-ledger")
def verify_ledger(
    ctx: typer.Context,
    person: Annotated[str | None, typer.Option(help="Verify one person's record only.")] = None,
    known: Annotated[
        Path | None, typer.Option(help="A checkpoint kept outside the ledger (JSON).")
    ] = None,
) -> None:
    """Recompute every hash and signature. Exit code 5 and the exact place if one differs."""
    from dialer.cli.verify_command import run_verify

    run_verify(shell_of(ctx), person=person, known=known)


@app.command()
def export(
    ctx: typer.Context,
    person_or_account: Annotated[
        str, typer.Argument(help="Id of a person, or id or number of an account.")
    ],
    out: Annotated[Path, typer.Option(help="New or empty folder.")],
) -> None:
    """Write a person's sealed record, with the recipe to verify it without Marcador."""
    from dialer.cli.export_command import run_export

    run_export(shell_of(ctx), person_or_account, out)


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Is everything here that Marcador needs? Exit code 5 if something keeps it from working."""
    from dialer.cli.doctor import run_doctor

    run_doctor(shell_of(ctx))


add_to(app)
add_messages_to(app)
add_twin_to(app)
app.add_typer(campaign_app, name="campaign")
app.add_typer(content_app, name="content")
app.add_typer(packs_app, name="packs")
app.add_typer(prompts_app, name="prompts")
app.add_typer(users_app, name="users")
