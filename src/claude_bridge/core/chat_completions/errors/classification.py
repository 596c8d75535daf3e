"""What a backend says when it fails, whatever the shape it says it in, and what a client is told.

`from_response` and `from_error` make one `UpstreamFailure` of every body known (wire-contract
5.10). `to_client` maps it to the error tree by design 6. An overflow of the context window is not
decided here: ask `overflow.detect` first.

Backends quote credentials, internal addresses and whole HTML pages. Nothing of what they say
reaches a client but through `redact` and the caller's ``scrub``, which knows the real credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from attrs import frozen

from claude_bridge.core import errors
from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.errors import bodies, retry_after
from claude_bridge.core.chat_completions.errors.bodies import MAX_WORD_CHARACTERS, ErrorBody, one_line
from claude_bridge.core.redaction import redact

Scrub = Callable[[str], str]
"""Takes the known secrets out of a text."""

DEFAULT_RETRY_AFTER = 5.0
"""Seconds to wait where the backend does not say (wire-contract 5.10)."""

MAX_RETRY_AFTER_SECONDS = 60.0
"""Seconds; a client that is told more gives up at once (measured with Claude Code: 90 s, one request)."""


def from_response(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamFailure:
    """Read a response that failed by its status, or a 200 whose body is an error.

    ``headers`` have lower-case names; ``now`` is in Unix seconds, for dates in headers. Never raises.
    """
    return _failure(status, bodies.parse_bytes(body), headers, now)


def from_error(value: object, *, status: int = 200) -> UpstreamFailure:
    """Read a decoded error object, or the chunk or body around it. Never raises."""
    match value:
        case {"error": str(text), **rest} if not rest:
            return _failure(status, bodies.parse_text(text), {}, 0.0)
        case _:
            return _failure(status, bodies.parse(value), {}, 0.0)


def _failure(status: int, said: ErrorBody, headers: Mapping[str, str], now: float) -> UpstreamFailure:
    """Put together what the body and the head say."""
    answered, status = status, _status_from_names(said) if status < _FIRST_FAILED_STATUS else status
    asked = retry_after.in_headers(status, headers, now=now)
    asked = said.retry_after if asked is None else asked
    return UpstreamFailure(
        status=status,
        code=said.code,
        type=said.type,
        message=said.message,
        retry_after=retry_after.in_words(said.message) if asked is None else asked,
        request_id=one_line(next(filter(None, map(headers.get, _ID_HEADERS)), said.request_id), MAX_WORD_CHARACTERS),
        prompt_tokens=said.prompt_tokens,
        context_window=said.context_window,
        answered=answered,
        page=said.page,
    )


_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id")  # the last is OpenRouter's
# 3xx is a failure too: a backend's redirects are not followed.
_FIRST_FAILED_STATUS = 300
_STATUSES = range(400, 600)
_DEFAULT_STATUS = 502
_NO_MESSAGE = "(no message)"
# Names that servers give to an error inside a stream, where there is no status (OpenAI and Azure, Anthropic, Google,
# vLLM, Moonshot, DashScope, LiteLLM).
_STATUS_BY_NAME = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "throttling_error": 429,
    "engine_overloaded_error": 429,
    "insufficient_quota": 402,
    "exceeded_current_quota_error": 402,
    "arrearage": 402,
    "billing_error": 402,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "authenticationerror": 401,
    "unauthenticated": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "not_found_error": 404,
    "notfounderror": 404,
    "model_not_found": 404,
    "deploymentnotfound": 404,
    "not_found": 404,
    "request_too_large": 413,
    "invalid_request_error": 400,
    "badrequesterror": 400,
    "invalid_argument": 400,
    "invalid_parameter_error": 400,
    "content_filter": 400,
    "tool_use_failed": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "timeout_error": 504,
    "deadline_exceeded": 504,
    "unavailable": 503,
    "unavailable_error": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "overloaded_error": 529,
}


def _status_from_names(said: ErrorBody) -> int:
    """Return the status that an error without one would have had."""
    if said.code.isascii() and said.code.isdigit() and int(said.code) in _STATUSES:
        return int(said.code)
    names = (said.code.lower(), said.type.lower())
    return next((_STATUS_BY_NAME[name] for name in names if name in _STATUS_BY_NAME), _DEFAULT_STATUS)


@frozen(kw_only=True)
class _Case:
    """A failure on its way to a client."""

    failure: UpstreamFailure
    backend: str
    model: str
    forwarded: bool
    said: str
    url: str
    scrub: Scrub

    @property
    def blame(self) -> str:
        """Name the backend and what it answered; of one that answered 200 nothing else is said."""
        if 0 < self.failure.answered < _FIRST_FAILED_STATUS:
            if self.said == _NO_MESSAGE:
                return f"backend {self.backend!r} sent something that is not a chat completion, and no reason"
            return f"backend {self.backend!r} reported an error inside its answer: {self.said}"
        return f"backend {self.backend!r} answered {self.failure.status}: {self.said}"

    @property
    def place(self) -> str:
        """Name the address that was asked."""
        return self.url or f"the url of backend {self.backend!r}"

    def wait(self, default: float | None = None) -> float | None:
        """Return the seconds to tell the client."""
        asked = default if self.failure.retry_after is None else self.failure.retry_after
        return None if asked is None else min(asked, MAX_RETRY_AFTER_SECONDS)


def to_client(
    failure: UpstreamFailure,
    *,
    backend: str,
    model: str,
    forwarded: bool,
    scrub: Scrub,
    names: Collection[str] = (),
    url: str = "",
) -> errors.BridgeError:
    """Return the error that the client gets for a failure.

    :param model: the name that the client asked for.
    :param forwarded: the refused credential was the client's own, not the bridge's.
    :param scrub: applied to everything that the client will read.
    :param names: of the configuration, which are no credentials although they may look like some.
    :param url: the address that was asked, without what is secret in it.
    """
    told = failure.message or failure.code or failure.type or _NO_MESSAGE
    said = redact(scrub(told), (backend, model, *names))
    case = _Case(
        failure=failure,
        backend=scrub(backend),
        model=scrub(model),
        forwarded=forwarded,
        said=said,
        url=scrub(url),
        scrub=scrub,
    )
    tell = next((tell for applies, tell in _RULES if applies(failure)), _refused)
    return tell(case)


def _credential_refused(case: _Case) -> errors.BridgeError:
    """Ours is our fault: a 401 would make the client ask its user to log in."""
    if not case.forwarded:
        return errors.UpstreamCredentialRefused(
            f"the bridge's own credential for backend {case.backend!r} was refused: {case.said}", should_retry=False
        )
    return errors.AuthenticationFailed(
        f"backend {case.backend!r} refused your API key: {case.said}", should_retry=False
    )


def _forbidden(case: _Case) -> errors.BridgeError:
    if not case.forwarded:
        return _credential_refused(case)
    return errors.PermissionDenied(
        f"backend {case.backend!r} does not permit this with your API key: {case.said}", should_retry=False
    )


def _billing_refused(case: _Case) -> errors.BridgeError:
    return errors.BillingRefused(f"no credit left at backend {case.backend!r}: {case.said}", should_retry=False)


def _not_found(case: _Case) -> errors.BridgeError:
    """Clients show every 404 as a trouble with the model, so the text says what to set."""
    return errors.NotFound(
        f"model: {case.model} is unknown to backend {case.backend!r} ({case.said}). Name a model that it has in "
        f"[route:default] of the bridge's configuration, or in ANTHROPIC_MODEL",
        should_retry=False,
    )


def _misaddressed(case: _Case) -> errors.BridgeError:
    """Something answers at the url, but no chat completions: never the model's fault, and no retry helps."""
    failure = case.failure
    if failure.page is None:
        answered = f"{failure.answered}: {case.said}"
    else:
        title = redact(case.scrub(failure.page))
        page = f"with a web page{f' ({title})' if title else ''}, not with JSON"
        answered = page if failure.answered < _FIRST_FAILED_STATUS else f"{failure.answered} {page}"
    return errors.UpstreamMisaddressed(
        f"{case.place} answered {answered}. The url of backend {case.backend!r} is wrong", should_retry=False
    )


def _wants_tls(case: _Case) -> errors.BridgeError:
    return errors.UpstreamMisaddressed(
        f"{case.place} speaks TLS: the url of backend {case.backend!r} has to begin with https://", should_retry=False
    )


def _refused(case: _Case) -> errors.BridgeError:
    return errors.UpstreamRefused(f"upstream rejected the request: {case.said}", should_retry=False)


def _too_large(case: _Case) -> errors.BridgeError:
    return errors.RequestTooLarge(f"the request is too large for {case.blame}", should_retry=False)


def _timed_out(case: _Case) -> errors.BridgeError:
    return errors.UpstreamTimeout(case.blame, retry_after=case.wait())


def _rate_limited(case: _Case) -> errors.BridgeError:
    return errors.UpstreamRateLimited(case.blame, retry_after=case.wait(DEFAULT_RETRY_AFTER))


def _unavailable(case: _Case) -> errors.BridgeError:
    return errors.UpstreamUnavailable(case.blame, retry_after=case.wait(DEFAULT_RETRY_AFTER))


def _overloaded(case: _Case) -> errors.BridgeError:
    return errors.UpstreamOverloaded(case.blame, retry_after=case.wait(DEFAULT_RETRY_AFTER))


def _server_error(case: _Case) -> errors.BridgeError:
    return errors.UpstreamServerError(case.blame, retry_after=case.wait())


def _never_served(case: _Case) -> errors.BridgeError:
    return errors.UpstreamServerError(case.blame, should_retry=False)


def _redirected(case: _Case) -> errors.BridgeError:
    return errors.UpstreamServerError(
        f"backend {case.backend!r} answered {case.failure.status}, a redirect, which the bridge does not follow: "
        f"check the backend's url",
        should_retry=False,
    )


def _status(*statuses: int | range) -> Callable[[UpstreamFailure], bool]:
    """Make a test of the status alone."""
    wanted = frozenset(status for each in statuses for status in ([each] if isinstance(each, int) else each))
    return lambda failure: failure.status in wanted


def _matching(pattern: str, *statuses: int) -> Callable[[UpstreamFailure], bool]:
    """Make a test of the status and of the words in code, type and message."""
    words = re.compile(pattern, re.IGNORECASE)

    def applies(failure: UpstreamFailure) -> bool:
        told = f"{failure.code} {failure.type} {failure.message}"
        return failure.status in statuses and words.search(told) is not None

    return applies


# OpenAI, Moonshot, DeepSeek, SiliconFlow, Z.ai, DashScope, xAI and Anthropic, in their own words. Google's "exceeded
# your current quota" is an ordinary rate limit, so those words alone do not count.
_NO_CREDIT = (
    r"insufficient_quota|insufficient[_ ](?:\w+[_ ])?(?:balance|credits?|funds)|balance is (?:too low|insufficient)"
    r"|exceeded_current_quota|not enough credits|billing_hard_limit|billing_not_active|\barrearage\b"
    r"|doesn't have any credits|used all available credits|run out of credits"
)
_BAD_KEY = r"invalid[_ ]api[_ ]key|incorrect api key|api key not valid|api_key_invalid"
_MODERATED = r"moderation|moderated|flagged|content[_ ](?:policy|filter|management)|safety (?:policy|system)"
# Servers that say 400 where others say 404: OpenRouter, DeepSeek, Mistral, Groq, LiteLLM.
_NO_SUCH_MODEL = (
    r"model_not_found|model not exist|is not a valid model id|invalid model:|invalid model name|model_decommissioned"
    r"|model [`'\"]?\S{1,100} does not exist"
)
# Groq's codes for what it could make no call or message of: the model may well write better next time.
_MISWRITTEN = r"\b(?:tool_use_failed|output_parse_failed)\b"
# Servers behind TLS that are asked without: nginx, Go's, Apache.
_WANTS_TLS = r"plain http request was sent to https port|http request to an https server|plain http to an ssl-enabled"
# What servers say of a path that they do not have. Where a name is known to be meant instead, "model" is in the words.
_NO_SUCH_PATH = (
    r"cannot post /|no route\b|route not found|no such (?:route|path|endpoint)|unknown (?:request )?url|unknown_url"
    r"|invalid url|unexpected endpoint|unknown endpoint|404 page not found|method not allowed"
)
_NOT_FOUND_ALONE = r"\W*(?:404)?\W*(?:(?:page|file|resource|route|endpoint|path|url)\W+)?(?:not found)?\W*"
# A proxy's page for a server that is down, whatever status it goes with.
_DOWN = r"\b50[0-9]\b|\b52[0-9]\b|bad gateway|service unavailable|temporarily unavailable|maintenance|gateway time"
_LOADING = r"loading (?:the )?model|model is (?:currently |still )?loading|still (?:loading|starting)"

_no_such_path = re.compile(_NO_SUCH_PATH, re.IGNORECASE).search
_not_found_alone = re.compile(_NOT_FOUND_ALONE, re.IGNORECASE).fullmatch
_down = re.compile(_DOWN, re.IGNORECASE).search


def _is_misaddressed(failure: UpstreamFailure) -> bool:
    """Return whether the path is what there is not: a page is there, or the server says so, or says nothing at all."""
    told = f"{failure.code} {failure.type} {failure.message}"
    named = "model" in told.lower()
    match failure.answered:
        case 405:
            return True  # every chat completions endpoint takes POST
        case 404 if failure.page is None:
            return not named and bool(_no_such_path(told) or _not_found_alone(failure.message))
        case 404:
            return True
        case 200 if failure.page is None:
            return not named and bool(_no_such_path(told))
        case 200:
            return not _down(failure.message)
        case _:
            return False


_RULES: tuple[tuple[Callable[[UpstreamFailure], bool], Callable[[_Case], errors.BridgeError]], ...] = (
    (_is_misaddressed, _misaddressed),
    (_matching(_WANTS_TLS, 400), _wants_tls),
    (_status(402), _billing_refused),
    (_matching(_NO_CREDIT, 400, 401, 403, 429), _billing_refused),
    (_status(401), _credential_refused),
    (_matching(_BAD_KEY, 400, 403), _credential_refused),
    (_matching(_MODERATED, 403), _refused),
    (_status(403), _forbidden),
    (_status(404), _not_found),
    (_matching(_NO_SUCH_MODEL, 400, 422), _not_found),
    (_matching(_MISWRITTEN, 400), _server_error),
    (_status(413), _too_large),
    # 524 is Cloudflare's: the origin did not answer in time.
    (_status(408, 504, 524), _timed_out),
    (_status(429), _rate_limited),
    (_status(503), _unavailable),
    (_matching(_LOADING, 425, 500, 502), _unavailable),
    (_status(529), _overloaded),
    # "Not implemented" stays so: llama.cpp without the option for tools.
    (_status(501), _never_served),
    (_status(range(300, 400)), _redirected),
    (_status(range(500, 600)), _server_error),
    (_status(range(400, 500)), _refused),
    (lambda _failure: True, _server_error),
)
