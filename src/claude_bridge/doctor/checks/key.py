"""Check 3: whether the key is accepted, and whether one is needed.

A request without messages costs nothing, and mostly tells: it is sent with the key, with a wrong one and without one.
Servers that look at the request before they look at the key answer all three alike; then short answers decide.
"""

from __future__ import annotations

from typing import Final

from claude_bridge.config.dialects import BEARER, key_header
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import BillingRefused
from claude_bridge.doctor import questions
from claude_bridge.doctor.asking import Answer, Reply
from claude_bridge.doctor.checks import models, server
from claude_bridge.doctor.checks.reaching import REFUSED
from claude_bridge.doctor.examination import Examination

WRONG: Final = Secret("claude-bridge-doctor-asks-with-a-wrong-key")

_LIST_IS_OPEN: Final = "the list of models is open, chat is not"
_PAYMENT: Final = 402


async def key(examination: Examination) -> None:
    """Look whether the key is accepted, by requests that cost nothing; of several keys each."""
    await _first_key(examination)
    for number, other in enumerate(examination.backend.api_key[1:], start=2):
        if other.secret is not None and not examination.over:
            chat = await examination.post_empty(other.secret)
            if chat.status in REFUSED:
                examination.warn(
                    f"key {examination.backend.name}/{number} is refused ({chat.status}): the {_ordinal(number)} "
                    f"line of {examination.origin.key.name}",
                )


async def _first_key(examination: Examination) -> None:
    reply = examination.listing
    if reply is not None and reply.status in REFUSED:
        if not await _wants_another_header(examination):
            _refused(examination, _said(examination, reply), f"GET /{examination.kind.models_path.partition('?')[0]}")
        return
    chat = await examination.post_empty(examination.credential)
    meaning = None if chat.good else examination.meaning_of(chat)
    if chat.status in REFUSED:
        _refused(examination, _said(examination, chat), _LIST_IS_OPEN)
    elif chat.status == _PAYMENT or isinstance(meaning, BillingRefused):
        examination.fault(f"{meaning}", last=True)
    elif examination.credential is None:
        examination.key_in_doubt = "not asked for"
    elif await _is_refused(examination, WRONG):
        examination.ok("the key is accepted, and a wrong one is refused")
    else:
        examination.key_in_doubt = "asked for" if await _is_refused(examination, None) else "not asked for"


async def _wants_another_header(examination: Examination) -> bool:
    """Look whether the server takes the key in the header of another dialect; say so, and return whether it does."""
    credential, used = examination.credential, examination.dialect.dialect.key_header
    if credential is None:
        return False
    for name in dict.fromkeys(each.key_header for each in examination.kind.dialects.values()):
        if name in {used, BEARER}:  # which `headers` cannot set
            continue
        header = key_header(examination.backend, credential, name)
        reply = await examination.asker.small(
            *(examination.backend, None, examination.kind.models_path), more=(*examination.kind.headers, header)
        )
        if reply.good:
            line = f"headers = {name}: ${{BACKEND_API_KEY}}"
            setting = examination.origin.key.name
            examination.fault(
                f"the server takes the key in the header {name}, and it is sent in {used}: set `{line}` in "
                f"[{examination.section}]{examination.origin.place} instead of {setting}",
                section=examination.section,
                option=line if examination.origin.in_file else "",
                last=True,
            )
            return True
    return False


async def without_tokens(examination: Examination) -> None:
    """Report what is likely about the key, where no token may be spent to find out."""
    if not examination.key_in_doubt:
        return
    if examination.credential is None:
        examination.ok("the server asks for no key")
    elif examination.key_in_doubt == "asked for":
        examination.ok("the server asks for a key, and says nothing against this one")
    else:
        examination.ok("nothing is said against the key; the server seems to ask for none")


async def with_tokens(examination: Examination) -> None:
    """Ask for a short answer without the key, with it, and with a wrong one, as far as nothing before has told."""
    if not examination.key_in_doubt:
        return
    server.observe(examination)
    models.choose(examination)
    told = False
    if examination.model is not None:
        told = await (_validity(examination) if examination.key_in_doubt == "asked for" else _need(examination))
    if not told:
        await without_tokens(examination)


async def _need(examination: Examination) -> bool:
    """Look whether chat is answered without a key; return whether that is known."""
    bare = await _short_answer(examination, None)
    if _is_answered(bare):
        if examination.credential is None:
            examination.ok("the server asks for no key")
        elif examination.brought:
            examination.ok("no key needed: any text will do in ANTHROPIC_AUTH_TOKEN")
        else:
            examination.ok(f"no key needed: leave {examination.origin.key.name} out")
        return True
    if not _refuses_key(bare):
        return False
    if examination.credential is None:
        _refused(examination, _said_in(bare), _LIST_IS_OPEN)
        return True
    return await _judged(examination, f"the key is accepted: {_LIST_IS_OPEN}")


async def _validity(examination: Examination) -> bool:
    """Look whether chat is answered with this very key; return whether that is known."""
    told = await _judged(examination, "")
    if not told or examination.over:
        return told
    if _is_answered(await _short_answer(examination, WRONG)):
        examination.ok("the server asks for a key, and takes any")
    else:
        examination.ok("the key is accepted, and a wrong one is not")
    return True


async def _judged(examination: Examination, accepted: str) -> bool:
    """Ask with the key, and say ``accepted`` if it is; return whether that is known."""
    answer = await _short_answer(examination, examination.credential)
    meaning = examination.meaning(answer)
    if _refuses_key(answer):
        _refused(examination, _said_in(answer), _LIST_IS_OPEN)
    elif isinstance(meaning, BillingRefused):
        examination.fault(f"{meaning}", last=True)
    elif not _is_answered(answer):
        return False
    elif accepted:
        examination.ok(accepted)
    return True


async def _short_answer(examination: Examination, credential: Secret | None) -> Answer:
    return await examination.asker.ask(
        examination.kind, examination.backend, credential, examination.target(), questions.greeting()
    )


def _is_answered(answer: Answer) -> bool:
    return answer.finished is not None


def _refuses_key(answer: Answer) -> bool:
    return answer.failure is not None and answer.failure.status in REFUSED


async def _is_refused(examination: Examination, credential: Secret | None) -> bool:
    """Return whether the list, where there is one, or chat is refused with this credential."""
    if examination.listing is not None and examination.listing.good:
        listing = await examination.get_list(credential)
        if listing.status in REFUSED:
            return True
    return (await examination.post_empty(credential)).status in REFUSED


def _refused(examination: Examination, said: str, where: str) -> None:
    """Report that the key is refused, or missing; ``said``: the status, and the server's words."""
    setting, name = examination.origin.key, examination.origin.key.name
    if examination.credential is not None:
        own = f"the key {'of' if examination.origin.in_file else 'in'} {name}"
        whose = "the key in ANTHROPIC_AUTH_TOKEN" if examination.brought else own
        examination.fault(f"{whose} is refused ({where}: {said}): correct it", last=True)
    elif examination.backend.has_key:
        examination.fault(
            f"the server asks for a key ({where}: {said}), and the command of {name} has printed none: run it by hand "
            "as the user of the bridge",
            last=True,
        )
    elif examination.brought:
        examination.warn(
            f"the server asks for a key ({where}: {said}), and clients bring their own: with a key in "
            f"$ANTHROPIC_AUTH_TOKEN the doctor can look further, or set {name}"
        )
        examination.over = True
    else:
        examination.fault(
            f"the server asks for a key ({where}: {said}) and none is configured: set {name}",
            section=setting.subject,
            option=setting.line("${BACKEND_API_KEY}") if examination.origin.in_file else "",
            last=True,
        )


def _said(examination: Examination, reply: Reply) -> str:
    return f"{reply.status}, {examination.failure(reply).message or 'no reason given'}"


def _said_in(answer: Answer) -> str:
    failure = answer.failure
    return "no answer" if failure is None else f"{failure.status}, {failure.message or 'no reason given'}"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
