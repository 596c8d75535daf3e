"""Checks 1 to 3: whether something is there, whether it is the API, and takes the key. They spend no token."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve

from claude_bridge.core.errors import (
    BillingRefused,
    BridgeError,
    UpstreamCut,
    UpstreamMisaddressed,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from claude_bridge.core.model_list import ModelList
from claude_bridge.doctor.asking import Reply
from claude_bridge.doctor.examination import Examination

LIST: Final = "models"
CHAT: Final = "chat/completions"
EMPTY: Final = b"{}"
"""A request that every server refuses before a model sees it."""

_REFUSED: Final = frozenset({401, 403})
_NO_SUCH_PATH: Final = frozenset({404, 405})
"""To a request that names no model, 404 cannot be about a model."""

_PAYMENT: Final = 402
_FAILED: Final = 500
_OPTION: Final = re.compile(r"`(url = [^`\s]+)`")
_UNTRUSTED: Final = "certificate verify failed"


async def connection(examination: Examination) -> None:
    """Ask for the list of models: whether something answers, with or without TLS as the url says."""
    backend = examination.backend
    examination.listing = reply = await examination.get(LIST)
    error = examination.meaning_of(reply)
    right = "" if error is None else await _other_scheme(examination, error)
    if right:
        schemes = [urlsplit(url).scheme for url in (right, backend.url)]
        examination.fault(
            f"{_place(backend.url)} speaks {schemes[0]}, not {schemes[1]}: set `url = {right}`",
            section=examination.section,
            option=f"url = {right}",
            last=True,
        )
    elif reply.error is not None:
        examination.fault(_unreached(examination, reply.error), section=examination.section, last=True)
    else:
        examination.ok(f"{_place(backend.url)} answers")


async def _other_scheme(examination: Examination, error: BridgeError) -> str:
    """Return the url with the other scheme if the server speaks that, else "".

    Some TLS servers close the connection without a word when they are asked in plain HTTP, so they are asked in the
    other way too, without the key.
    """
    backend = examination.backend
    scheme, _, rest = backend.url.partition("://")
    other = f"{'http' if scheme == 'https' else 'https'}://{rest}"
    if error.right_scheme:
        return f"{error.right_scheme}://{rest}"
    if not isinstance(error, UpstreamCut):
        return ""
    reply = await examination.asker.small(evolve(backend, url=other, headers=()), None, LIST)
    speaks = reply.status or (reply.error is not None and _UNTRUSTED in reply.error.message)
    return other if speaks else ""


def _unreached(examination: Examination, error: BridgeError) -> str:
    place = _place(examination.backend.url)
    if isinstance(error, UpstreamTimeout):
        return (
            f"{place} takes the connection and says nothing to GET {examination.backend.url}/models: it is busy with "
            "another request, is still loading its model, or does not speak HTTP"
        )
    if _UNTRUSTED in error.message:
        return (
            f"{error.message}: this machine does not know the authority that signed the certificate of {place}; name "
            "it with `ca_file = /path/to/ca.pem`"
        )
    reason = error.message.removeprefix(f"cannot reach backend {examination.backend.name}: ")
    return f"{place}: {reason}: start the server, or correct `url`"


async def path(examination: Examination) -> None:
    """Look whether the url is that of the API, by the list and by a chat request that is empty."""
    reply = examination.listing or Reply(url="")
    models = examination.kind.read_models(reply.body) if reply.good else None
    if models is not None:
        await _listed(examination, models)
    elif reply.status not in _REFUSED:
        await _without_list(examination, reply)


async def _listed(examination: Examination, models: ModelList) -> None:
    examination.listed = models
    if models:
        examination.ok(f"GET {examination.backend.url}/models lists {_counted(len(models))}")
    else:
        examination.warn(
            f"GET {examination.backend.url}/models lists no model: load one on the server", section=examination.section
        )


async def _without_list(examination: Examination, reply: Reply) -> None:
    """Decide by chat completions: some servers have no list."""
    chat = await examination.asker.small(examination.backend, examination.credential, CHAT, EMPTY)
    error = examination.meaning_of(chat)
    if isinstance(error, UpstreamUnavailable) or reply.status >= _FAILED <= chat.status:
        told = error or examination.meaning_of(reply)
        examination.fault(f"{told}: the server is there and does not serve yet", last=True)
        return
    is_elsewhere = isinstance(error, UpstreamMisaddressed) or chat.good or chat.status in _NO_SUCH_PATH
    if chat.error is None and not is_elsewhere:
        examination.ok(f"no list of models at {reply.url}, but {chat.url} is there")
        return
    signs = await examination.signposts.look(examination.backend, examination.credential)
    wrong = error.message if isinstance(error, UpstreamMisaddressed) else _answered(examination, chat)
    option = _OPTION.search(signs)
    examination.fault(
        f"{wrong}. {signs}",
        section=examination.section,
        option=option[1] if option is not None else "",
        last=True,
    )


def _answered(examination: Examination, chat: Reply) -> str:
    """Return what a server said to an empty request that is not the API's."""
    if chat.error is not None:
        return chat.error.message
    said = "" if chat.good else examination.failure(chat).message
    return f"{chat.url} answered {chat.status}{said and ': '}{said}"


async def key(examination: Examination) -> None:
    """Look whether the key is accepted, by the list and by a chat request that is empty; of several each."""
    await _first_key(examination)
    for number, other in enumerate(examination.backend.api_key[1:], start=2):
        if other.secret is not None and not examination.over:
            chat = await examination.asker.small(examination.backend, other.secret, CHAT, EMPTY)
            if chat.status in _REFUSED:
                examination.warn(
                    f"key {examination.backend.name}/{number} is refused ({chat.status}): the {_ordinal(number)} "
                    "line of `api_key`",
                    section=examination.section,
                )


async def _first_key(examination: Examination) -> None:
    reply = examination.listing
    if reply is not None and reply.status in _REFUSED:
        _refused(examination, reply, "GET /models")
        return
    chat = await examination.asker.small(examination.backend, examination.credential, CHAT, EMPTY)
    if chat.status in _REFUSED:
        _refused(examination, chat, "the list of models is open, chat is not")
    elif chat.status == _PAYMENT or isinstance(_meaning(examination, chat), BillingRefused):
        examination.fault(f"{_meaning(examination, chat)}", section=examination.section, last=True)
    elif examination.credential is None:
        examination.ok("the server asks for no key")
    else:
        await _is_needed(examination)


async def _is_needed(examination: Examination) -> None:
    """Look whether the same is answered without the key; only where the answer stays on this network."""
    bare = await examination.asker.small(examination.backend, None, LIST)
    chat = await examination.asker.small(examination.backend, None, CHAT, EMPTY) if bare.good else bare
    if bare.good and chat.error is None and chat.status not in _REFUSED:
        examination.ok("nothing is said against the key; the server seems to ask for none")
    else:
        examination.ok("the key is accepted")


def _refused(examination: Examination, reply: Reply, where: str) -> None:
    section, said = examination.section, examination.failure(reply).message or "no reason given"
    if examination.credential is not None:
        whose = "the key that clients bring" if examination.brought else "the key of `api_key`"
        examination.fault(
            f"{whose} is refused ({where}: {reply.status}, {said}): correct `api_key` in [{section}]",
            section=section,
            last=True,
        )
    elif examination.backend.has_key:
        examination.fault(
            f"the server asks for a key ({where}: {reply.status}), and the command of `api_key` in [{section}] has "
            "printed none: run it by hand as the user of the bridge",
            section=section,
            last=True,
        )
    elif examination.brought:
        examination.warn(
            f"the server asks for a key ({where}: {reply.status}), and clients bring their own: with a key in "
            "$ANTHROPIC_AUTH_TOKEN the doctor can look further",
            section=section,
        )
        examination.over = True
    else:
        examination.fault(
            f"the server asks for a key ({where}: {reply.status}, {said}) and none is configured: set `api_key` in "
            f"[{section}]",
            section=section,
            option="api_key = ${BACKEND_API_KEY}",
            last=True,
        )


def _meaning(examination: Examination, reply: Reply) -> BridgeError | None:
    return None if reply.good else examination.meaning_of(reply)


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")


def _counted(models: int) -> str:
    return f"{models:,} model{'s' if models != 1 else ''}"


def _place(url: str) -> str:
    """Return host and port of a url."""
    return urlsplit(url).netloc
