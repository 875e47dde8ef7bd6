"""Commands that have commands below them: `users`, `campaign`, `packs`, `content`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from campaigns.campaign import CampaignAction
from campaigns.content.lifecycle import ContentAction
from dialer.cli.shell import shell_of

users_app = typer.Typer(help="Who may log in: add, list, team, deactivate, password.")
campaign_app = typer.Typer(help="Campaigns: create, list, start, pause, resume, stop, pacing.")
packs_app = typer.Typer(help="Rule packs: list, show, compare, validate, retention.")
content_app = typer.Typer(help="Texts and telephone flows: check, add, submit, approve.")
prompts_app = typer.Typer(help="What machines say: recordings and text to speech: add, list, say.")

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Campaign = Annotated[str, typer.Argument(help="Name or id of the campaign.")]
User = Annotated[str, typer.Option("--user", help="Who does it: logs in with their password.")]
ContentName = Annotated[str, typer.Argument(help="Name of the text or flow.")]
ContentVersion = Annotated[
    int | None, typer.Option(min=1, help="Default: the newest to which it can be done.")
]


# --- users --------------------------------------------------------------------------------------


@users_app.command("add")
def users_add(
    ctx: typer.Context,
    username: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: Annotated[str, typer.Option(help="agent, manager, supervisor, compliance or admin.")],
    name: Annotated[str, typer.Option(help="Name that others see.")] = "",
    team: Annotated[str, typer.Option(help="Team that campaigns may ask for.")] = "",
    password_stdin: PasswordStdin = False,
) -> None:
    """Make a user. Without a terminal or --password-stdin a password is made and shown once."""
    from dialer.cli.users_command import add_user

    add_user(
        shell_of(ctx), username, role=role, name=name, team=team, password_stdin=password_stdin
    )


@users_app.command("list")
def users_list(ctx: typer.Context) -> None:
    """All users."""
    from dialer.cli.users_command import show_users

    show_users(shell_of(ctx))


@users_app.command("deactivate")
def users_deactivate(
    ctx: typer.Context, username: Annotated[str, typer.Argument(help="Who is shut out.")]
) -> None:
    """Shut a user out, with all their sessions and tokens. One active admin must be left."""
    from dialer.cli.users_command import deactivate_user

    deactivate_user(shell_of(ctx), username)


@users_app.command("team")
def users_team(
    ctx: typer.Context,
    username: Annotated[str, typer.Argument(help="Who.")],
    team: Annotated[str, typer.Argument(help="The team; an empty text for none.")],
) -> None:
    """Put a user in a team, from their next login on."""
    from dialer.cli.users_command import change_team

    change_team(shell_of(ctx), username, team)


@users_app.command("password")
def users_password(
    ctx: typer.Context,
    username: Annotated[str, typer.Argument(help="Whose password.")],
    password_stdin: PasswordStdin = False,
) -> None:
    """Give a user another password."""
    from dialer.cli.users_command import change_password

    change_password(shell_of(ctx), username, password_stdin=password_stdin)


# --- campaigns ----------------------------------------------------------------------------------


@campaign_app.command("create")
def campaign_create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the new campaign.")],
    portfolio: Annotated[str, typer.Option(help="Portfolio whose accounts it works.")],
    settings: Annotated[
        Path | None, typer.Option(help="Settings as JSON; - for standard input.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="predictive (the default), progressive, preview or ivr.")
    ] = None,
    flow: Annotated[
        str | None, typer.Option(help="With --mode ivr: the approved flow that takes the calls.")
    ] = None,
) -> None:
    """Make a campaign in draft and enrol the portfolio's accounts."""
    from dialer.cli.campaign_command import make_campaign

    make_campaign(shell_of(ctx), name, portfolio=portfolio, settings=settings, mode=mode, flow=flow)


@campaign_app.command("list")
def campaign_list(ctx: typer.Context) -> None:
    """All campaigns and how their accounts stand."""
    from dialer.cli.campaign_command import show_campaigns

    show_campaigns(shell_of(ctx))


@campaign_app.command("start")
def campaign_start(ctx: typer.Context, name: Campaign) -> None:
    """Let a draft dial; a running server begins within a second."""
    _change_state(ctx, name, CampaignAction.START)


@campaign_app.command("pause")
def campaign_pause(ctx: typer.Context, name: Campaign) -> None:
    """No new contacts; calls in progress go on."""
    _change_state(ctx, name, CampaignAction.PAUSE)


@campaign_app.command("resume")
def campaign_resume(ctx: typer.Context, name: Campaign) -> None:
    """Let a paused campaign dial again."""
    _change_state(ctx, name, CampaignAction.RESUME)


@campaign_app.command("stop")
def campaign_stop(ctx: typer.Context, name: Campaign) -> None:
    """No new contacts ever; it completes when those in progress have ended."""
    _change_state(ctx, name, CampaignAction.STOP)


@campaign_app.command("pacing")
def campaign_pacing(
    ctx: typer.Context,
    name: Campaign,
    minutes: Annotated[
        int, typer.Option(min=1, max=1440, help="How much before the newest decision.")
    ] = 60,
    decisions: Annotated[
        int, typer.Option(min=1, max=2000, help="Newest decisions to tell one by one.")
    ] = 8,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with charts, one file, there.")
    ] = None,
) -> None:
    """How it was paced: calls, abandonments and occupancy, and why so many calls were placed."""
    from dialer.cli.pacing_command import show_pacing

    show_pacing(shell_of(ctx), name, minutes=minutes, decisions=decisions, html=html)


def _change_state(ctx: typer.Context, name: str, action: CampaignAction) -> None:
    from dialer.cli.campaign_command import change_state

    change_state(shell_of(ctx), name, action)


# --- rule packs ---------------------------------------------------------------------------------


@packs_app.command("list")
def packs_list(ctx: typer.Context) -> None:
    """The packs that are loaded."""
    from dialer.cli.packs_command import show_packs

    show_packs(shell_of(ctx))


@packs_app.command("show")
def packs_show(
    ctx: typer.Context, pack: Annotated[str, typer.Argument(help="Id of the pack.")]
) -> None:
    """Every rule of a pack, with its source."""
    from dialer.cli.packs_command import show_pack

    show_pack(shell_of(ctx), pack)


@packs_app.command("diff")
def packs_diff(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(help="A pack's file, or the id of one that is loaded.")],
    new: Annotated[str, typer.Argument(help="The other one.")],
) -> None:
    """What a new version of a pack says otherwise: rules added, removed and changed."""
    from dialer.cli.packs_command import show_difference

    show_difference(shell_of(ctx), old, new)


@packs_app.command("retention")
def packs_retention(ctx: typer.Context) -> None:
    """How long the packs that are loaded ask to keep records, and since when."""
    from dialer.cli.packs_command import show_retention

    show_retention(shell_of(ctx), datetime.now(UTC))


@packs_app.command("validate")
def packs_validate(
    ctx: typer.Context,
    path: Annotated[Path, typer.Argument(help="A pack (TOML), or a folder of packs.")],
    production: Annotated[
        bool, typer.Option("--production", help="Refuse drafts, as in production.")
    ] = False,
) -> None:
    """Check packs as the start would, and ask their examples. Exit code 5 if one is not good."""
    from dialer.cli.packs_command import validate_packs

    validate_packs(shell_of(ctx), path, production=production)


# --- texts and flows ----------------------------------------------------------------------------


@content_app.command("lint")
def content_lint(
    ctx: typer.Context, file: Annotated[Path, typer.Argument(help="A text, as YAML or JSON.")]
) -> None:
    """Check a text as the ledger would. Exit code 5 if it has an error."""
    from dialer.cli.content_command import lint_file

    lint_file(shell_of(ctx), file)


@content_app.command("prove")
def content_prove(
    ctx: typer.Context, file: Annotated[Path, typer.Argument(help="A flow, as YAML or JSON.")]
) -> None:
    """Prove that a flow tells no debt before verification. Exit code 5 and the path if it does."""
    from dialer.cli.content_command import prove_file

    prove_file(shell_of(ctx), file)


@content_app.command("list")
def content_list(ctx: typer.Context) -> None:
    """The texts and flows that come with Marcador, and those in the ledger."""
    from dialer.cli.content_command import list_content

    list_content(shell_of(ctx))


@content_app.command("show")
def content_show(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="Name from `content list`.")]
) -> None:
    """Print a text or flow that comes with Marcador, to begin one's own with."""
    from dialer.cli.content_command import show_content

    show_content(shell_of(ctx), name)


@content_app.command("add")
def content_add(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(help="A file, or a name that `content show` prints.")],
    user: User,
    password_stdin: PasswordStdin = False,
) -> None:
    """Keep a text or flow as a draft, the next version of its name. Needs manager or admin."""
    from dialer.cli.content_orders import add_version

    add_version(shell_of(ctx), source, user, password_stdin=password_stdin)


@content_app.command("submit")
def content_submit(
    ctx: typer.Context,
    name: ContentName,
    user: User,
    version: ContentVersion = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Ask for the approval of a draft. Needs manager or admin."""
    _act_on_content(ctx, name, version, ContentAction.SUBMIT, user, password_stdin)


@content_app.command("approve")
def content_approve(
    ctx: typer.Context,
    name: ContentName,
    user: User,
    version: ContentVersion = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Let campaigns use it; the version approved before retires. Needs compliance."""
    _act_on_content(ctx, name, version, ContentAction.APPROVE, user, password_stdin)


@content_app.command("return")
def content_return(
    ctx: typer.Context,
    name: ContentName,
    comment: Annotated[str, typer.Option(help="What its author should mend.")],
    user: User,
    version: ContentVersion = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Give it back to its author. Needs compliance."""
    _act_on_content(ctx, name, version, ContentAction.RETURN, user, password_stdin, comment)


@content_app.command("retire")
def content_retire(
    ctx: typer.Context,
    name: ContentName,
    user: User,
    version: ContentVersion = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Take it out of use for good. Needs manager, admin or compliance."""
    _act_on_content(ctx, name, version, ContentAction.RETIRE, user, password_stdin)


def _act_on_content(
    ctx: typer.Context,
    name: str,
    version: int | None,
    action: ContentAction,
    user: str,
    password_stdin: bool,
    comment: str = "",
) -> None:
    from dialer.cli.content_orders import act_on

    act_on(
        shell_of(ctx), name, version, action, user, password_stdin=password_stdin, comment=comment
    )


# --- what machines say --------------------------------------------------------------------------


@prompts_app.command("add")
def prompts_add(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A WAV file (PCM), 3 minutes at most.")],
    name: Annotated[str, typer.Option(help="Name of the recording.")],
    says: Annotated[str, typer.Option(help="The words it speaks, exactly as the flow has them.")],
) -> None:
    """Keep a recording in the language of --language; played wherever a flow says these words."""
    from dialer.cli.prompts_command import add_recording

    add_recording(shell_of(ctx), file, name=name, says=says)


@prompts_app.command("list")
def prompts_list(ctx: typer.Context) -> None:
    """All recordings, and the words they stand for."""
    from dialer.cli.prompts_command import show_recordings

    show_recordings(shell_of(ctx))


@prompts_app.command("say")
def prompts_say(
    ctx: typer.Context,
    words: Annotated[str, typer.Argument(help="What to say.")],
    file: Annotated[Path, typer.Argument(help="WAV file to write.")],
) -> None:
    """Speak words, in the language of --language, into a file, as a call would hear them."""
    from dialer.cli.prompts_command import say_words

    say_words(shell_of(ctx), words, file=file)
