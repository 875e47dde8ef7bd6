"""What a flow says, filled in for one person and checked again before anybody hears it."""

from __future__ import annotations

from campaigns.content.render import MergeValues, RenderContext
from campaigns.content.sending import Prepared, SendPolicy, Skipped, fill
from campaigns.content.template import Template, TemplateKind, TextLanguage
from campaigns.flows.messages import Speak
from compliance.types import Channel, ContentClass


def spoken(
    command: Speak,
    values: MergeValues,
    context: RenderContext,
    policy: SendPolicy = SendPolicy(),
) -> str | Skipped:
    """The words of a `Speak`, or why they must not be said to this person.

    A value can smuggle a debt word into a neutral prompt just as into a text, and an old balance
    is told to nobody here either. Whoever gets `Skipped` ends the call, or goes to an agent.
    """
    template = spoken_template(command.text, TextLanguage(command.language), command.content_class)
    made = fill(template, {**values, **command.values}, context, policy)
    return made.text if isinstance(made, Prepared) else made


def spoken_template(text: str, language: TextLanguage, claimed: ContentClass) -> Template:
    """A prompt as the lint and the renderer see it."""
    limited = claimed is ContentClass.VOICEMAIL_LIMITED
    return Template(
        name="spoken",
        kind=TemplateKind.VOICEMAIL if limited else TemplateKind.NOTICE,
        channel=Channel.VOICE,
        language=language,
        content_class=claimed,
        body=text,
    )
