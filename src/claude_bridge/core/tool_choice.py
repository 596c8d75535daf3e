"""Which tools are offered and which of them must be called, in the strictest form that a server accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from attrs import frozen

from claude_bridge.core.conversation import ToolChoice
from claude_bridge.core.tool_names import upstream_name

ToolChoices = Literal["named", "required", "any", "auto", "none"]
"""The most that a server accepts, as the option ``tool_choice`` of a model describes it."""


@frozen(kw_only=True)
class ResolvedChoice:
    """The names of the tools that are sent, and the choice among them.

    :ivar offered: all names, or the only one that may be called, or none.
    :ivar word: the field's word, or None to leave the field out.
    :ivar name: the tool that must be called, where the field can name it; else "".
    :ivar instruction: an instruction for the model if the server cannot force a call, else "".
    """

    offered: Sequence[str]
    word: str | None = None
    name: str = ""
    instruction: str = ""


_FORCING_WORDS: Final[Mapping[ToolChoices, str | None]] = {
    "named": "required",
    "required": "required",
    "any": "any",
    "auto": "auto",
    "none": None,
}
"""The value that forces the call of some tool, as far as the server supports that."""


def resolve(choice: ToolChoice | None, offered: Sequence[str], form: ToolChoices) -> ResolvedChoice:
    """Return the tool choice in the strictest form that the server accepts (docs/chat-completions.md 1.5).

    The choice of one tool is left out if that tool is not offered (claude-code-router and others send it nevertheless,
    and get a 400). If one tool cannot be named, it alone is offered; the history may use other tools, which servers do
    not check. The list of tools stands at the prompt's beginning in most chat templates, so that this invalidates a
    cached prefix. If the server cannot force a call at all, the model is instructed at the prompt's end, which costs
    nothing more.
    """
    if choice is None or not offered:
        return ResolvedChoice(offered=offered)
    if choice.kind == "none":
        unknown = form in {"auto", "none"}
        return ResolvedChoice(offered=()) if unknown else ResolvedChoice(offered=offered, word="none")
    if choice.kind == "any":
        text = "You must call one of your tools now." if form in {"auto", "none"} else ""
        return ResolvedChoice(offered=offered, word=_FORCING_WORDS[form], instruction=text)
    if choice.kind != "tool":
        return ResolvedChoice(offered=offered, word=None if form == "none" else "auto")
    name = upstream_name(choice.name)
    if name not in offered:
        return ResolvedChoice(offered=offered)
    if form == "named":
        return ResolvedChoice(offered=offered, name=name)
    text = f"You must call the tool {name} now." if form in {"auto", "none"} else ""
    return ResolvedChoice(offered=(name,), word=_FORCING_WORDS[form], instruction=text)
