"""Classifies failures of backends, and translates them into the errors that clients get.

`from_response` and `from_error` return an `UpstreamFailure` for every known body (docs/chat-completions.md 3.1).
`to_client` maps it to the error tree (docs/chat-completions.md 3.2). An overflow of the context window is not
recognised here: call `overflow_detection.detect` first.

Backends quote credentials, internal addresses and whole HTML pages. Nothing of it
reaches a client except through `redact` and the caller's ``scrub``, which knows the real credentials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from attrs import frozen

from claude_bridge.core import errors
from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.redaction import redact
from claude_bridge.core.upstream_errors import bodies, retry_after
from claude_bridge.core.upstream_errors.bodies import MAX_WORD_CHARACTERS, ErrorBody, one_line

Scrub = Callable[[str], str]
"""Returns a text without the known secrets."""

DEFAULT_RETRY_AFTER = 5.0
"""Seconds to wait if the backend does not say (docs/chat-completions.md 3.1)."""

MAX_RETRY_AFTER_SECONDS = 60.0
"""Seconds; with more, a client gives up at once (measured with Claude Code: 90 s, one request)."""


def from_response(status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamFailure:
    """Return the failure of an error response, or of a 200 whose body is an error.

    ``headers`` have lower-case names; ``now`` is in Unix seconds, for dates in headers. Never raises.
    """
    return _failure(status, bodies.parse_bytes(body), headers, now)


def from_error(value: object, *, status: int = 200) -> UpstreamFailure:
    """Return the failure of a decoded error object, or of the chunk or body around it. Never raises."""
    match value:
        case {"error": str(text), **rest} if not rest:
            return _failure(status, bodies.parse_text(text), {}, 0.0)
        case _:
            return _failure(status, bodies.parse(value), {}, 0.0)


def _failure(status: int, body: ErrorBody, headers: Mapping[str, str], now: float) -> UpstreamFailure:
    """Return the failure that results from status, headers and body."""
    answered, status = status, _status_from_names(body) if status < _FIRST_FAILED_STATUS else status
    asked = retry_after.in_headers(status, headers, now=now)
    asked = body.retry_after if asked is None else asked
    return UpstreamFailure(
        status=status,
        code=body.code,
        type=body.type,
        message=body.message,
        retry_after=retry_after.in_words(body.message) if asked is None else asked,
        request_id=one_line(next(filter(None, map(headers.get, _ID_HEADERS)), body.request_id), MAX_WORD_CHARACTERS),
        prompt_tokens=body.prompt_tokens,
        context_window=body.context_window,
        answered=answered,
        page=body.page,
    )


_ID_HEADERS = ("x-request-id", "request-id", "x-generation-id")  # the last is OpenRouter's
# 3xx counts as a failure: a backend's redirects are not followed.
_FIRST_FAILED_STATUS = 300
_STATUSES = range(400, 600)
_DEFAULT_STATUS = 502
_NO_MESSAGE = "(no message)"
# Names of errors inside a stream, which have no status (OpenAI and Azure, Anthropic, Google,
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
    "invalid_prompt": 400,
    "bio_policy": 400,
    "misalignment_policy_violation": 400,
    "image_content_policy_violation": 400,
    "invalid_image": 400,
    "invalid_image_format": 400,
    "invalid_base64_image": 400,
    "invalid_image_url": 400,
    "image_too_large": 400,
    "image_too_small": 400,
    "image_parse_error": 400,
    "image_file_too_large": 400,
    "unsupported_image_media_type": 400,
    "empty_image_file": 400,
    "failed_to_download_image": 400,
    "tool_use_failed": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "timeout_error": 504,
    "deadline_exceeded": 504,
    "unavailable": 503,
    "unavailable_error": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "overloaded_error": 529,
}


def _status_from_names(body: ErrorBody) -> int:
    """Return the status that stands for an error without one, by its code and type."""
    if body.code.isascii() and body.code.isdigit() and int(body.code) in _STATUSES:
        return int(body.code)
    names = (body.code.lower(), body.type.lower())
    return next((_STATUS_BY_NAME[name] for name in names if name in _STATUS_BY_NAME), _DEFAULT_STATUS)


@frozen(kw_only=True)
class _Case:
    """A failure and its context, with all texts redacted."""

    failure: UpstreamFailure
    backend: str
    model: str
    forwarded: bool
    message: str
    url: str
    scrub: Scrub

    @property
    def description(self) -> str:
        """Return a sentence that names the backend, its status unless that is 200, and its message."""
        if 0 < self.failure.answered < _FIRST_FAILED_STATUS:
            if self.message == _NO_MESSAGE:
                return f"backend {self.backend!r} sent something that is no answer, and no reason"
            return f"backend {self.backend!r} reported an error inside its answer: {self.message}"
        return f"backend {self.backend!r} answered {self.failure.status}: {self.message}"

    @property
    def place(self) -> str:
        """Return the address of the request."""
        return self.url or f"the url of backend {self.backend!r}"

    def wait(self, default: float | None = None) -> float | None:
        """Return the seconds for the client's ``retry-after``, or None."""
        seconds = default if self.failure.retry_after is None else self.failure.retry_after
        return None if seconds is None else min(seconds, MAX_RETRY_AFTER_SECONDS)


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
    :param forwarded: whether the refused credential was the client's own, not the bridge's.
    :param scrub: applied to every text for the client.
    :param names: names in the configuration, which may look like credentials but are none.
    :param url: the address of the request, without secrets.
    """
    message = redact(scrub(failure.message or failure.code or failure.type or _NO_MESSAGE), (backend, model, *names))
    case = _Case(
        failure=failure,
        backend=scrub(backend),
        model=scrub(model),
        forwarded=forwarded,
        message=message,
        url=scrub(url),
        scrub=scrub,
    )
    make_error = next((make_error for applies, make_error in _RULES if applies(failure)), _refused)
    return make_error(case)


def _credential_refused(case: _Case) -> errors.BridgeError:
    """Return the error for a refused credential; a 401 for the bridge's own would make the client ask for a login."""
    if not case.forwarded:
        return errors.UpstreamCredentialRefused(
            f"the bridge's own credential for backend {case.backend!r} was refused: {case.message}", should_retry=False
        )
    return errors.AuthenticationFailed(
        f"backend {case.backend!r} refused your API key: {case.message}", should_retry=False
    )


def _forbidden(case: _Case) -> errors.BridgeError:
    if not case.forwarded:
        return errors.UpstreamForbidden(
            f"backend {case.backend!r} does not permit this with the bridge's own credential: {case.message}",
            should_retry=False,
        )
    return errors.PermissionDenied(
        f"backend {case.backend!r} does not permit this with your API key: {case.message}", should_retry=False
    )


def _billing_refused(case: _Case) -> errors.BridgeError:
    return errors.BillingRefused(f"no credit left at backend {case.backend!r}: {case.message}", should_retry=False)


def _not_found(case: _Case) -> errors.BridgeError:
    """Return the error for an unknown model; what to do about it depends on the name that the client asked for."""
    return errors.NotFound(
        f"model: {case.model} is unknown to backend {case.backend!r} ({case.message})", should_retry=False
    )


def _misaddressed(case: _Case) -> errors.BridgeError:
    """Return the error for a url without the backend's API, which is not about the model; no retry helps."""
    failure = case.failure
    if failure.page is None:
        answered = f"{failure.answered}: {case.message}"
    else:
        title = redact(case.scrub(failure.page))
        page = f"with a web page{f' ({title})' if title else ''}, not with JSON"
        answered = page if failure.answered < _FIRST_FAILED_STATUS else f"{failure.answered} {page}"
    return errors.UpstreamMisaddressed(
        f"{case.place} answered {answered}. The url of backend {case.backend!r} is wrong", should_retry=False
    )


def _wants_tls(case: _Case) -> errors.BridgeError:
    return errors.UpstreamMisaddressed(
        f"{case.place} speaks TLS: the url of backend {case.backend!r} must begin with https://",
        should_retry=False,
        right_scheme="https",
    )


def _refused(case: _Case) -> errors.BridgeError:
    return errors.UpstreamRefused(f"upstream rejected the request: {case.message}", should_retry=False)


def _too_large(case: _Case) -> errors.BridgeError:
    return errors.RequestTooLarge(f"the request is too large: {case.description}", should_retry=False)


def _timed_out(case: _Case) -> errors.BridgeError:
    return errors.UpstreamTimeout(case.description, retry_after=case.wait())


def _rate_limited(case: _Case) -> errors.BridgeError:
    return errors.UpstreamRateLimited(case.description, retry_after=case.wait(DEFAULT_RETRY_AFTER))


def _unavailable(case: _Case) -> errors.BridgeError:
    return errors.UpstreamUnavailable(case.description, retry_after=case.wait(DEFAULT_RETRY_AFTER))


def _overloaded(case: _Case) -> errors.BridgeError:
    return errors.UpstreamOverloaded(case.description, retry_after=case.wait(DEFAULT_RETRY_AFTER))


def _server_error(case: _Case) -> errors.BridgeError:
    return errors.UpstreamServerError(case.description, retry_after=case.wait())


def _never_served(case: _Case) -> errors.BridgeError:
    return errors.UpstreamServerError(case.description, should_retry=False)


def _redirected(case: _Case) -> errors.BridgeError:
    return errors.UpstreamServerError(
        f"backend {case.backend!r} answered {case.failure.status}, a redirect, which the bridge does not follow: "
        f"check the backend's url",
        should_retry=False,
    )


def _status(*statuses: int | range) -> Callable[[UpstreamFailure], bool]:
    """Return a predicate on the status alone."""
    expected = frozenset(status for each in statuses for status in ([each] if isinstance(each, int) else each))
    return lambda failure: failure.status in expected


def _matching(pattern: str, *statuses: int) -> Callable[[UpstreamFailure], bool]:
    """Return a predicate on the status and the words in code, type and message."""
    words = re.compile(pattern, re.IGNORECASE)

    def applies(failure: UpstreamFailure) -> bool:
        text = f"{failure.code} {failure.type} {failure.message}"
        return failure.status in statuses and words.search(text) is not None

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
# More tokens than an account may use in a minute, at OpenAI: no wait helps, and no other request has to wait for it.
_TOO_LARGE = r"request too large\b.{0,200}\b(?:tokens per min|tpm)\b"
# Groq's codes for output that it could not parse as a call or a message: the model may do better next time.
_MISWRITTEN = r"\b(?:tool_use_failed|output_parse_failed)\b"
# Servers with TLS that get a request without it: nginx, Go's, Apache.
_WANTS_TLS = r"plain http request was sent to https port|http request to an https server|plain http to an ssl-enabled"
# Messages about an unknown path. If the model's name is unknown instead, "model" is in the words.
_NO_SUCH_PATH = (
    r"cannot post /|no route\b|route not found|no such (?:route|path|endpoint)|unknown (?:request )?url|unknown_url"
    r"|invalid url|unexpected endpoint|unknown endpoint|404 page not found|method not allowed"
)
_NOT_FOUND_ALONE = r"\W*(?:404)?\W*(?:(?:page|file|resource|route|endpoint|path|url)\W+)?(?:not found)?\W*"
# A proxy's page for a server that is down, whatever its status.
_DOWN = r"\b50[0-9]\b|\b52[0-9]\b|bad gateway|service unavailable|temporarily unavailable|maintenance|gateway time"
_LOADING = r"loading (?:the )?model|model is (?:currently |still )?loading|still (?:loading|starting)"

_no_such_path = re.compile(_NO_SUCH_PATH, re.IGNORECASE).search
_not_found_alone = re.compile(_NOT_FOUND_ALONE, re.IGNORECASE).fullmatch
_down = re.compile(_DOWN, re.IGNORECASE).search


def _is_misaddressed(failure: UpstreamFailure) -> bool:
    """Return whether the path does not exist: the body is a page, or the server says so, or says nothing at all."""
    text = f"{failure.code} {failure.type} {failure.message}"
    named = "model" in text.lower()
    match failure.answered:
        case 405:
            return True  # every endpoint that is asked takes POST
        case 404 if failure.page is None:
            return not named and bool(_no_such_path(text) or _not_found_alone(failure.message))
        case 404:
            return True
        case 200 if failure.page is None:
            return not named and bool(_no_such_path(text))
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
    (_matching(_TOO_LARGE, 429), _too_large),
    # 524 is Cloudflare's: the origin did not answer in time.
    (_status(408, 504, 524), _timed_out),
    (_status(429), _rate_limited),
    (_status(503), _unavailable),
    (_matching(_LOADING, 425, 500, 502), _unavailable),
    (_status(529), _overloaded),
    # "Not implemented" does not change with a retry: llama.cpp without the option for tools.
    (_status(501), _never_served),
    (_status(range(300, 400)), _redirected),
    (_status(range(500, 600)), _server_error),
    (_status(range(400, 500)), _refused),
    (lambda _failure: True, _server_error),
)
