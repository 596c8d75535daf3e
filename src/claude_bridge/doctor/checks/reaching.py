"""Checks 1 and 2: whether something is there, and whether it is the API. They spend no token."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve

from claude_bridge.config.backend_urls import is_here
from claude_bridge.core.errors import (
    BridgeError,
    UpstreamCut,
    UpstreamMisaddressed,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.model_list import ModelList
from claude_bridge.doctor.asking import Reply
from claude_bridge.doctor.examination import Examination

REFUSED: Final = frozenset({401, 403})
_NO_SUCH_PATH: Final = frozenset({404, 405})
"""To a request that names no model, 404 cannot be about a model."""

_FAILED: Final = 500
_URL: Final = re.compile(r"`url = ([^`\s]+)`")
_KIND: Final = re.compile(r"`kind = ([^`\s]+)`")
_UNTRUSTED: Final = "certificate verify failed"


async def address(examination: Examination) -> None:
    """Look whether the bridge is to listen where the backend does: only one of them can."""
    clash, origin = examination.clash, examination.origin
    if clash is None:
        return
    place, line = _place(examination.backend.url), f"listen = {clash.instead}"
    cure = f"`{line}` in [server]"
    if not origin.in_file:
        line = origin.listen.line(str(clash.port))
        cure = f"`{line}`, or {cure}{origin.place}"
    if origin.alone:
        examination.ok(
            f"{place} is where a bridge listens too by default: for claude-bridge run set {cure}; "
            "claude-bridge launch chooses another port itself"
        )
        return
    examination.fault(
        f"the bridge listens at {place} as well, and only one of the two can: set {cure}",
        section=origin.listen.subject,
        option=line,
    )


async def connection(examination: Examination) -> None:
    """Ask for the list of models: whether something answers, with or without TLS as the url says."""
    backend = examination.backend
    examination.listing = reply = await examination.get_list(examination.credential)
    error = examination.meaning_of(reply)
    right = "" if error is None else await _other_scheme(examination, error)
    if right:
        schemes = [urlsplit(url).scheme for url in (right, backend.url)]
        line = examination.origin.url.line(right)
        examination.fault(
            f"{_place(backend.url)} speaks {schemes[0]}, not {schemes[1]}: set `{line}`",
            section=examination.origin.url.subject,
            option=line,
            last=True,
        )
    elif reply.error is not None:
        examination.fault(_unreached(examination, reply.error), last=True)
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
    path = examination.kind.models_path
    reply = await examination.asker.small(evolve(backend, url=other, headers=()), None, path)
    speaks = reply.status or (reply.error is not None and _UNTRUSTED in reply.error.message)
    return other if speaks else ""


def _unreached(examination: Examination, error: BridgeError) -> str:
    place = _place(examination.backend.url)
    if isinstance(error, UpstreamTimeout):
        return (
            f"{place} takes the connection and says nothing to GET {examination.list_url}: it is busy with "
            "another request, is still loading its model, or does not speak HTTP"
        )
    if _UNTRUSTED in error.message:
        return (
            f"{error.message}: this machine does not know the authority that signed the certificate of {place}; name "
            f"it with `ca_file = /path/to/ca.pem` in [{examination.section}]{examination.origin.place}"
        )
    reason = error.message.removeprefix(f"cannot reach backend {examination.backend.name}: ")
    cure = "start the server, or correct" if is_here(examination.backend.url) else "check that it is up, or correct"
    return f"{place}: {reason}: {cure} {examination.origin.url.name}"


async def path(examination: Examination) -> None:
    """Look whether the url is that of the API, by the list and by a request for an answer that is empty."""
    if await _is_bridge(examination):
        examination.fault(
            f"what answers at {_place(examination.backend.url)} is a claude-bridge, not a backend: name the server "
            f"behind it in {examination.origin.url.name}",
            last=True,
        )
        return
    reply = examination.listing or Reply(url="")
    models = examination.kind.read_models(reply.body) if reply.good else None
    if models is not None:
        await _listed(examination, models)
    elif reply.status not in REFUSED:
        await _without_list(examination, reply)


async def _is_bridge(examination: Examination) -> bool:
    """Return whether a bridge answers; asked where its address or the command line makes that likely."""
    if examination.clash is None and not examination.origin.alone:
        return False
    page = await examination.json("/")
    return isinstance(page, dict) and page.get("service") == "claude-bridge"


async def _listed(examination: Examination, models: ModelList) -> None:
    examination.listed = models
    if models:
        examination.ok(f"GET {examination.list_url} lists {_counted(len(models))}")
    else:
        examination.warn(f"GET {examination.list_url} lists no model: load one on the server")
    await another_api(examination)


async def another_api(examination: Examination) -> None:
    """Look whether a server whose list of models is there, as that is the same in several APIs, has another API."""
    reply = await examination.post_empty(examination.credential)
    error = None if reply.good else examination.meaning_of(reply)
    of_a_model = "model" in examination.failure(reply).message.lower()  # which some servers miss first
    if not isinstance(error, UpstreamMisaddressed) and (reply.status not in _NO_SUCH_PATH or of_a_model):
        return
    signs = await examination.signposts.look(examination.backend, examination.credential)
    if _KIND.search(signs) or _URL.search(signs):
        _misaddressed(examination, f"{reply.url} answers {reply.status}. {signs}")


async def _without_list(examination: Examination, reply: Reply) -> None:
    """Decide by an empty request for an answer: some servers have no list."""
    chat = await examination.post_empty(examination.credential)
    error = examination.meaning_of(chat)
    if isinstance(error, UpstreamUnavailable) or reply.status >= _FAILED <= chat.status:
        told = error or examination.meaning_of(reply)
        examination.fault(f"{told}: the server is there but does not serve yet", last=True)
        return
    is_elsewhere = isinstance(error, UpstreamMisaddressed) or chat.good or chat.status in _NO_SUCH_PATH
    if chat.error is None and not is_elsewhere:
        _without_list_but_there(examination, reply, chat)
        return
    signs = await examination.signposts.look(examination.backend, examination.credential)
    wrong = error.message if isinstance(error, UpstreamMisaddressed) else _answered(examination, chat)
    if _KIND.search(signs):
        wrong = f"{chat.url} answers {chat.status}"
    _misaddressed(examination, f"{wrong}. {signs}")


def _without_list_but_there(examination: Examination, reply: Reply, chat: Reply) -> None:
    """Report that there is no list, or that the server speaks another API, one that has a header of its own."""
    said = examination.failure(chat).message.lower()
    for name, kind in KINDS.items():
        for header, _ in kind.headers:
            if header.lower() in said and kind is not examination.kind:
                told = f"{chat.url} asks for the header {header}, as {kind.api_name} does"
                _misaddressed(examination, f"{told}: set `kind = {name}`")
                return
    examination.ok(f"no list of models at {reply.url}, but {chat.url} is there")


def _misaddressed(examination: Examination, told: str) -> None:
    """Report that url or kind are wrong; ``told`` has what they should be as lines of a file, as far as it is known."""
    url, kind, setting = _URL.search(told), _KIND.search(told), examination.origin.url
    if url is not None:
        told = told.replace(url[0], f"`{setting.line(url[1])}`")
    if kind is None:
        line = "" if url is None else setting.line(url[1])
        examination.fault(told, section=setting.subject, option=line, last=True)
        return
    if not examination.origin.in_file:
        address = examination.backend.url if url is None else url[1]
        write = f"`claude-bridge init --kind {kind[1]} --url {address}` writes one"
        examination.fault(f"{told} in [{examination.section}] of a configuration file ({write})", last=True)
        return
    examination.fault(told, section=examination.section, option=f"kind = {kind[1]}", last=True)
    if url is not None:
        line = setting.line(url[1])
        examination.fault(f"with that kind the url is another: set `{line}`", section=setting.subject, option=line)


def _answered(examination: Examination, chat: Reply) -> str:
    """Return what a server said to an empty request that is not the API's."""
    if chat.error is not None:
        return chat.error.message
    said = "" if chat.good else examination.failure(chat).message
    return f"{chat.url} answered {chat.status}{said and ': '}{said}"


def _counted(models: int) -> str:
    return f"{models:,} model{'s' if models != 1 else ''}"


def _place(url: str) -> str:
    """Return host and port of a url."""
    return urlsplit(url).netloc
