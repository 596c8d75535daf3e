"""Checks 9 to 11: whether the model calls tools, calls are parsed, and results are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.chat_completions.openai_types import ToolCallDelta
from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner
from claude_bridge.core.chat_completions.tool_parsers.syntaxes import SYNTAXES
from claude_bridge.core.conversation import Conversation, ToolChoice
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import Event, FinishReason
from claude_bridge.doctor import questions
from claude_bridge.doctor.asking import Answer
from claude_bridge.doctor.examination import Examination, Tried

PARSERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "tool_call": ("Hermes", "hermes", "qwen25"),
    "qwen3_coder": ("Qwen3-Coder", "qwen3_coder", "qwen3_coder"),
    "kimi_k2": ("Kimi", "kimi_k2", "kimi_k2"),
    "kimi_k3": ("Kimi", "kimi_k2", "kimi_k2"),
    "deepseek_v3": ("DeepSeek", "deepseek_v3", "deepseekv3"),
    "dsml": ("DeepSeek", "deepseek_v32", "deepseekv32"),
    "minimax_m2": ("MiniMax", "minimax_m2", "minimax-m2"),
    "minimax_m1": ("MiniMax", "minimax", "minimax"),
    "mistral": ("Mistral", "mistral", "mistral"),
    "llama": ("Llama", "llama3_json", "llama3"),
    "harmony": ("gpt-oss", "openai", "gpt-oss"),
}
"""Form of calls in a text, by the function that reads it -> its name, vLLM's and SGLang's parsers for it."""

_SENT: Final[Mapping[str, str]] = {
    "named": "the tool's name",
    "required": "`required` with that tool alone",
    "any": "`any` with that tool alone",
    "auto": "`auto` and an instruction to call it",
    "none": "no tool_choice, and an instruction in its place",
}
"""What the bridge sends for a forced tool, by the trait, the strongest first."""

_PLAIN: Final = ("JSON", "hermes", "qwen25")
_VLLM_FLAG: Final = "enable-auto-tool-choice"


async def tools(examination: Examination) -> None:
    """Offer one tool that is needed, and look whether it is called."""
    if _has_no_template(examination):
        examination.fault(
            "the chat template of this model does not support tools, so llama.cpp can only describe them in words: "
            "take a model that was trained for tools, or give its template with --chat-template-file"
        )
        return
    answer = await examination.ask(questions.weather())
    error = examination.meaning(answer)
    if error is not None:
        examination.takes_tools = not answer.refused
        examination.fault(_refused(error) if answer.refused else _failed(error))
    elif answer.calls:
        examination.ok("the model calls a tool when it is offered one")
    elif form := written_form(answer.text):
        _as_text(examination, form)
    else:
        await _forced(examination, answer)


async def _forced(examination: Examination, free: Answer) -> None:
    """Ask again so that the model must call the tool."""
    answer = await examination.ask(questions.weather(ToolChoice(kind="any")))
    if answer.calls:
        examination.warn(
            "the model calls a tool only when it is forced to: it may be too small for Claude Code, or its chat "
            "template hides the tools"
        )
    elif form := written_form(answer.text):
        _as_text(examination, form)
    elif free.finished is not None and free.finished.reason is FinishReason.LENGTH:
        examination.warn("400 tokens were not enough for a call: the model thinks for longer, which costs time")
    else:
        examination.fault(
            "the model answers with text where only a tool helps: it was not trained for tools, or its chat template "
            "does not show them; Claude Code needs a model that calls tools"
        )


def written_form(text: str) -> tuple[str, str, str] | None:
    """Return the form in which a text calls the tool, with vLLM's and SGLang's parsers for it; None for no call."""
    found: list[ToolCallDelta] = []

    def receive(call: ToolCallDelta, _events: list[Event]) -> None:
        found.append(call)

    scanner = ToolCallScanner((questions.TOOL,), receive)
    events: list[Event] = []
    scanner.add(text, events)
    scanner.end(events)
    if not found:
        return None
    marked = [(text.find(marker), -len(marker), marker) for marker in SYNTAXES if marker in text]
    syntax = SYNTAXES[min(marked)[2]].__name__ if marked else ""
    return PARSERS.get(syntax, _PLAIN)


def _as_text(examination: Examination, form: tuple[str, str, str]) -> None:
    """Report that the server parses no calls; the bridge does, where it is told to or knows the model's family."""
    name, vllm, sglang = form
    flags = {
        "vllm": f"start vLLM with `--enable-auto-tool-choice --tool-call-parser {vllm}`",
        "sglang": f"start SGLang with `--tool-call-parser {sglang}`",
        "llamacpp": "start llama-server with `--jinja`",
    }
    flag = flags.get(
        examination.dialect.dialect.name,
        f"give the server one (vLLM: `--enable-auto-tool-choice --tool-call-parser {vllm}`)",
    )
    recovers = getattr(examination.target(), "recover_tool_calls", False)
    told = f"calls come as text, in the form of {name}: the server has no tool parser; {flag}"
    if not examination.knows("recover_tool_calls"):
        examination.fault(told)
        return
    bridge = (
        "the bridge turns them into real calls (recover_tool_calls is on)"
        if recovers
        else "or let the bridge turn them into real calls: `recover_tool_calls = yes`"
    )
    told = f"{told}; {bridge}"
    if recovers:
        examination.warn(told)
    else:
        examination.fault(told, option="recover_tool_calls = yes")


def _refused(error: BridgeError) -> str:
    if _VLLM_FLAG in error.message:
        return (
            f"tools are refused: {error}. Start vLLM with `--enable-auto-tool-choice --tool-call-parser NAME`; for "
            "Qwen and Hermes NAME is hermes"
        )
    return f"tools are refused: {error}. Claude Code needs a model that calls tools"


def _failed(error: BridgeError) -> str:
    return (
        f"the answer fails when a tool is offered: {error}. The model writes calls that the server cannot read: take "
        "a model that was trained for tools, or the chat template that was made for this one"
    )


def _has_no_template(examination: Examination) -> bool:
    caps = examination.properties.get("chat_template_caps")
    return isinstance(caps, dict) and caps.get("supports_tools") is False


async def tool_choice(examination: Examination) -> None:
    """Force a tool by its name, some tool, and none, as Claude Code does for web search and others."""
    if _has_no_template(examination) or not examination.takes_tools:
        return
    named = questions.weather(ToolChoice(kind="tool", name=questions.TOOL))
    if not examination.knows("tool_choice"):
        await _choices_as_they_are(examination, named)
        return
    tried = await examination.try_trait("tool_choice", named)
    if tried.unclear:
        examination.warn(f"whether a tool can be forced is not known, as the answer fails: {tried.error}")
    elif tried.error is not None:
        weaker = await _weaker(examination, tried.before, named)
        _refused_choice(examination, f"a tool that is forced by its name is refused ({tried.error})", weaker)
    elif not tried.good:
        option = f"tool_choice = {tried.after}"
        examination.warn(
            f"a tool that is forced is refused as `{tried.before}`; the bridge learns from one refused request to send "
            f"{_SENT[tried.after]}: set `{option}`",
            option=option,
        )
    else:
        await _other_choices(examination, tried)


async def _choices_as_they_are(examination: Examination, named: Conversation) -> None:
    """Look which choices are taken where the bridge changes none."""
    asked = {
        "a tool that is forced by its name": named,
        "`any`": questions.weather(ToolChoice(kind="any")),
        "`none`": questions.forbidden(),
    }
    answers = {name: await examination.ask(question) for name, question in asked.items()}
    refused = {name: examination.meaning(answer) for name, answer in answers.items() if answer.refused}
    for name, error in refused.items():
        examination.warn(f"{name} is refused, which Claude Code uses for web search, among others: {error}")
    if refused:
        return
    failed = next((error for answer in answers.values() if (error := examination.meaning(answer))), None)
    if failed is not None:
        examination.warn(f"whether a tool can be forced is not known, as the answer fails: {failed}")
        return
    obeyed = all(answer.calls for answer in (*answers.values(),)[:2])
    examination.ok(f"a tool by its name{'' if obeyed else ', and it is not obeyed'}, any and none are accepted")


async def _other_choices(examination: Examination, tried: Tried) -> None:
    """Look whether `required` and `none` are taken as well, where the bridge would send them."""
    obeyed = "" if tried.answer.calls else ", and it is not obeyed"
    if tried.before == "named":
        question = questions.weather(ToolChoice(kind="any"))
        some = await examination.ask_with(question)
        if some.refused:
            weaker = await _weaker(examination, "required", question)
            told = f"`required` is refused, while a tool's name is accepted ({examination.meaning(some)})"
            _refused_choice(examination, told, weaker)
            return
    if tried.before not in {"auto", "none"}:
        none = await examination.ask_with(questions.forbidden())
        if none.refused:
            examination.warn(
                f"`tool_choice = none` is refused ({examination.meaning(none)}): after one refused request the bridge "
                f"sends {_SENT['none']}"
            )
            return
    if tried.before == "named":
        examination.ok(f"a tool by its name{obeyed}, required and none are accepted (`tool_choice = named`)")
    else:
        examination.ok(f"{tried.before} is the most that is sent{obeyed}")


async def _weaker(examination: Examination, refused: str, question: Conversation) -> str:
    """Return the strongest value below ``refused`` with which the question is answered, "" if there is none."""
    values = list(_SENT)
    return await examination.first_taken("tool_choice", values[values.index(refused) + 1 :], question)


def _refused_choice(examination: Examination, told: str, weaker: str) -> None:
    if weaker:
        option = f"tool_choice = {weaker}"
        examination.warn(f"{told}; with `{option}` the bridge sends {_SENT[weaker]}: set it", option=option)
    else:
        examination.warn(told)


async def results(examination: Examination) -> None:
    """Send the results of two calls at once, one an error."""
    if not examination.takes_tools:
        return
    answer = await examination.ask(questions.results())
    error = examination.meaning(answer)
    if error is not None and not answer.refused:
        examination.fault(f"the answer to the results of tools fails: {error}")
    elif error is not None:
        examination.fault(
            f"results of tools are refused: {error}. The chat template of the model cannot handle two calls in one "
            "turn, or no results at all: take a newer template, or another model"
        )
    elif not answer.text and not answer.calls and not answer.reasoning:
        examination.warn("the answer to the results of tools is empty: the chat template may drop them")
    else:
        examination.ok("two results at once, one of them an error, are answered")
