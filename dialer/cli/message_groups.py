"""Commands about written messages: `inbox` and `messages`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dialer.cli.shell import shell_of

inbox_app = typer.Typer(help="What people wrote to us: list, show, close.")

Thread = Annotated[str, typer.Argument(help="Id of the thread, from `inbox list`.")]


class Waiting(StrEnum):
    WAITING_US = "waiting_us"
    WAITING_THEM = "waiting_them"
    CLOSED = "closed"
    ALL = "all"


def add_messages_to(app: typer.Typer) -> None:
    """Hang the commands into the tree."""
    app.add_typer(inbox_app, name="inbox")
    app.command("messages")(messages)


@inbox_app.command("list")
def inbox_list(
    ctx: typer.Context,
    state: Annotated[Waiting, typer.Option(help="Which threads.")] = Waiting.WAITING_US,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most threads to show.")] = 50,
) -> None:
    """Threads, by default those that wait for a person, oldest first; addresses are masked."""
    from dialer.cli.inbox_command import show_threads

    show_threads(shell_of(ctx), None if state is Waiting.ALL else state.value, limit)


@inbox_app.command("show")
def inbox_show(ctx: typer.Context, thread: Thread) -> None:
    """A thread with its messages. Replies are sent over the API, by whoever is logged in."""
    from dialer.cli.inbox_command import show_thread

    show_thread(shell_of(ctx), thread)


@inbox_app.command("close")
def inbox_close(
    ctx: typer.Context,
    thread: Thread,
    resolution: Annotated[str, typer.Option(help="What was done. Name nobody in it.")],
) -> None:
    """It has been read and dealt with: the hold that waited for it ends."""
    from dialer.cli.inbox_command import end_thread

    end_thread(shell_of(ctx), thread, resolution)


def messages(
    ctx: typer.Context,
    campaign: Annotated[str, typer.Argument(help="Name or id of the campaign.")],
) -> None:
    """What became of a campaign's messages: sent, delivered, read, failed, replies, opt-outs."""
    from dialer.cli.inbox_command import show_messages

    show_messages(shell_of(ctx), campaign)
