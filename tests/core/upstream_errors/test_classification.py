"""A backend's failure reaches the client as the right error, in words and without secrets."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import errors
from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.upstream_errors.classification import from_error, from_response, to_client
from tests.core.upstream_errors.test_bodies import JSON

NOON = 1_764_590_400.0
SECRET = "correct-horse_battery.staple"
OTHER_SECRET = "Zq9"


def decode(data: bytes) -> object:
    """Decode JSON as the bridge's own decoder does: ValueError for anything else."""
    decoded: object = json.JSONDecoder().decode(data.decode())
    return decoded


def scrub(text: str) -> str:
    """Take out the two secrets that this bridge knows."""
    return text.replace(SECRET, "***").replace(OTHER_SECRET, "***")


def response(status: int, body: object = None, **headers: str) -> UpstreamFailure:
    """Read a response with this JSON body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return from_response(status, named, json.dumps(body).encode(), now=NOON)


def client_error(failure: UpstreamFailure, *, forwarded: bool = True) -> errors.BridgeError:
    """Return a client of ``failure``."""
    return to_client(failure, backend="chutes", model="glm", forwarded=forwarded, scrub=scrub)


class FromResponseTests:
    """Failed responses."""

    def test_everything(self) -> None:
        """Status, code, type, message, wait and id of a response are all kept."""
        body = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
        assert response(429, body, retry_after="7", x_request_id="abc") == UpstreamFailure(
            status=429,
            code="rate_limit_exceeded",
            type="requests",
            message="slow down",
            retry_after=7,
            request_id="abc",
            answered=429,
        )

    def test_wait_in_the_body(self) -> None:
        """Without a header, a wait told in the message or in Google's details counts."""
        assert response(429, {"error": {"message": "Please try again in 3.5s."}}).retry_after == 3.5
        details = [{"retryDelay": "26s"}]
        assert response(429, {"error": {"message": "Please retry in 3s", "details": details}}).retry_after == 26
        assert response(429, {"error": {"message": "no"}}).retry_after is None

    def test_date(self) -> None:
        """A date in a header is a wait from now."""
        assert response(503, retry_after="Mon, 01 Dec 2025 12:00:30 GMT").retry_after == 30

    def test_request_id(self) -> None:
        """The id is found under each of its names, or in the body."""
        assert response(500, request_id="a").request_id == "a"
        assert response(500, x_generation_id="gen-1").request_id == "gen-1"
        assert response(500, x_request_id="", x_generation_id="gen-1").request_id == "gen-1"
        assert response(500, {"error": {"message": "x"}, "request_id": "b"}).request_id == "b"

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            ({"code": 429}, 429),
            ({"code": "503"}, 503),
            ({"code": "rate_limit_exceeded"}, 429),
            ({"type": "overloaded_error"}, 529),
            ({"status": "INVALID_ARGUMENT"}, 400),
            ({"code": 1210}, 502),
            ({"code": 200}, 502),
            ({"code": "\u0663\u0664"}, 502),
            ({"message": "what?"}, 502),
        ],
    )
    def test_success_with_an_error_in_it(self, error: object, status: int) -> None:
        """An error in a 200 body has the status that its code or its name stands for, else 502."""
        assert response(200, {"error": error}).status == status

    def test_message_stays_out_of_the_repr(self) -> None:
        """A failure that is logged by accident shows nothing of what the backend quoted."""
        assert SECRET not in repr(response(401, {"error": {"message": SECRET}}))

    @given(st.integers(100, 999), st.dictionaries(st.text(), st.text()), st.binary(), st.floats(0, 1e10))
    def test_any_bytes(self, status: int, headers: dict[str, str], body: bytes, now: float) -> None:
        """No response makes the reading or the telling fail."""
        failure = from_response(status, headers, body, now=now)
        assert isinstance(client_error(failure), errors.BridgeError)


class FromErrorTests:
    """Errors inside streams."""

    def test_chunk_or_error(self) -> None:
        """The chunk around the error and the error alone read the same."""
        error = {"message": "Upstream idle", "code": 504, "type": "x"}
        chunk = {"id": "gen-1", "object": "chat.completion.chunk", "error": error, "choices": []}
        assert from_error(chunk) == from_error(error)
        assert from_error(error).status == 504

    def test_text(self) -> None:
        """An error that is only a string is its message."""
        failure = from_error({"error": "out of memory"})
        assert (failure.status, failure.message) == (502, "out of memory")

    @pytest.mark.parametrize("code", ["server_is_overloaded", "slow_down"])
    def test_overload(self, code: str) -> None:
        """An overload that OpenAI's Responses API reports by its code alone has the status that it has elsewhere."""
        message = "Our servers are currently overloaded. Please try again later."
        failure = from_error({"error": {"code": code, "message": message}})
        assert failure.status == 503
        assert client_error(failure).retry_after == 5

    @given(JSON)
    def test_any_value(self, value: object) -> None:
        """No value makes the reading or the telling fail."""
        assert isinstance(client_error(from_error(value)), errors.BridgeError)


class ToClientTests:
    """The map."""

    @pytest.mark.parametrize(
        ("status", "error", "kind", "answered", "retry"),
        [
            (400, {"message": "bad"}, errors.UpstreamRefused, 400, False),
            (422, {"message": "bad"}, errors.UpstreamRefused, 400, False),
            (409, {"message": "bad"}, errors.UpstreamRefused, 400, False),
            (401, {"message": "no"}, errors.AuthenticationFailed, 401, False),
            (
                400,
                {"message": "API key not valid. Please pass a valid API key."},
                errors.AuthenticationFailed,
                401,
                False,
            ),
            (403, {"message": "no"}, errors.PermissionDenied, 403, False),
            (403, {"message": "your input was flagged"}, errors.UpstreamRefused, 400, False),
            (402, {"message": "pay"}, errors.BillingRefused, 402, False),
            (429, {"message": "pay", "code": "insufficient_quota"}, errors.BillingRefused, 402, False),
            (429, {"message": "Insufficient balance or no resource package"}, errors.BillingRefused, 402, False),
            (403, {"message": "Sorry, your account balance is insufficient"}, errors.BillingRefused, 402, False),
            (404, {"message": "no"}, errors.NotFound, 404, False),
            (400, {"message": "Model Not Exist"}, errors.NotFound, 404, False),
            (
                400,
                {
                    "message": "/chat/completions: Invalid model name passed in model=x. Call `/v1/models` to view "
                    "available models for your key."
                },
                errors.NotFound,
                404,
                False,
            ),
            (400, {"message": "no", "code": "model_not_found"}, errors.NotFound, 404, False),
            (413, {"message": "big"}, errors.RequestTooLarge, 413, False),
            (408, {"message": "slow"}, errors.UpstreamTimeout, 504, None),
            (504, {"message": "slow"}, errors.UpstreamTimeout, 504, None),
            (524, {"message": "slow"}, errors.UpstreamTimeout, 504, None),
            (429, {"message": "slow"}, errors.UpstreamRateLimited, 429, None),
            (
                429,
                {"message": "You exceeded your current quota, please check your plan and billing details."},
                errors.UpstreamRateLimited,
                429,
                None,
            ),
            (500, {"message": "oops"}, errors.UpstreamServerError, 502, None),
            (502, {"message": "overloaded"}, errors.UpstreamServerError, 502, None),
            (520, {"message": "oops"}, errors.UpstreamServerError, 502, None),
            (501, {"message": "tools need --jinja"}, errors.UpstreamServerError, 502, False),
            (503, {"message": "overloaded"}, errors.UpstreamUnavailable, 503, None),
            (500, {"message": "Loading model"}, errors.UpstreamUnavailable, 503, None),
            (529, {"message": "busy"}, errors.UpstreamOverloaded, 529, None),
            (302, {"message": "moved"}, errors.UpstreamServerError, 502, False),
            (200, {"message": "?"}, errors.UpstreamServerError, 502, None),
            (200, {"message": "?", "code": 429}, errors.UpstreamRateLimited, 429, None),
            (999, {"message": "?"}, errors.UpstreamServerError, 502, None),
        ],
    )
    def test_map(
        self, status: int, error: object, kind: type[errors.BridgeError], answered: int, retry: bool | None
    ) -> None:
        """Each failure becomes its own error, with its own status and advice on trying again."""
        error = client_error(response(status, {"error": error}))
        assert (type(error), error.status, error.should_retry) == (kind, answered, retry)

    @pytest.mark.parametrize("status", [401, 403])
    def test_our_credential(self, status: int) -> None:
        """The bridge's own key being refused is a bad gateway that names the backend, not a log-in for the user."""
        error = client_error(response(status, {"error": "no"}), forwarded=False)
        assert isinstance(error, errors.UpstreamCredentialRefused)
        assert (error.status, error.should_retry) == (502, False)
        assert "'chutes'" in error.message

    def test_refused_words(self) -> None:
        """The reason of a refused request is shown verbatim: clients drop the feature that it names."""
        error = client_error(response(400, {"error": {"message": "Unexpected role 'system' after role 'tool'"}}))
        assert error.message == "upstream rejected the request: Unexpected role 'system' after role 'tool'"

    def test_unknown_model_words(self) -> None:
        """An unknown model is named, with the backend and its words."""
        error = client_error(response(404, {"error": "no such model"}))
        assert error.message == "model: glm is unknown to backend 'chutes' (no such model)"

    @pytest.mark.parametrize("code", ["tool_use_failed", "output_parse_failed"])
    def test_miswritten_call(self, code: str) -> None:
        """What a model wrote badly is worth another try (console.groq.com/docs/errors): Groq's 400 is no refusal."""
        body = {"error": {"message": "Failed to call a function.", "type": "invalid_request_error", "code": code}}
        error = client_error(response(400, body))
        assert type(error) is errors.UpstreamServerError
        assert (error.status, error.should_retry) == (502, None)

    @pytest.mark.parametrize(("headers", "wait"), [({}, 5), ({"retry_after": "7"}, 7), ({"retry_after": "86400"}, 60)])
    @pytest.mark.parametrize("status", [429, 503, 529])
    def test_wait(self, status: int, headers: dict[str, str], wait: float) -> None:
        """Where waiting helps, a wait is always told: the backend's own, 5 s without one, never above 60 s."""
        assert client_error(response(status, None, **headers)).retry_after == wait

    def test_no_wait(self) -> None:
        """Other server errors tell a wait only where the backend did."""
        assert client_error(response(500)).retry_after is None
        assert client_error(response(500, retry_after="3")).retry_after == 3

    def test_silent_backend(self) -> None:
        """A failure without a word is told by its code, or said to have none."""
        assert "E17" in client_error(response(500, {"code": "E17"})).message
        assert client_error(response(500)).message == "backend 'chutes' answered 500: (no message)"


PAGE = b"<!doctype html><html><head><title>Open WebUI</title></head><body><h1>Hi</h1></body></html>"


class MisaddressedTests:
    """A wrong url is told as such, and is never the model's fault."""

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (404, PAGE),
            (405, PAGE),
            (200, PAGE),
            (404, b"404 page not found"),
            (404, b'{"detail":"Not Found"}'),
            (405, b'{"detail":"Method Not Allowed"}'),
            (404, b'{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}'),
            (404, b'{"error":{"message":"Invalid URL (POST /v1/x/chat/completions)","type":"invalid_request_error"}}'),
            (404, b'{"error":{"message":"Unknown request URL: POST /x.","code":"unknown_url"}}'),
            (404, b'{"message":"no Route matched with those values"}'),
            (404, b'{"timestamp":"t","status":404,"error":"Not Found","path":"/chat/completions"}'),
            (404, b'{"error":{"code":"404","message":"Resource not found"}}'),
            (404, b"<pre>Cannot POST /chat/completions</pre>"),
            (404, b"Cannot POST /chat/completions"),
            (200, b'{"error":"Unexpected endpoint or method. (POST /chat/completions)"}'),
            (404, b""),
            (404, b"{}"),
        ],
    )
    def test_wrong_url(self, status: int, body: bytes) -> None:
        """The address that was asked is named, and no retry asked for."""
        failure = from_response(status, {}, body, now=NOON)
        error = to_client(failure, backend="ui", model="m", forwarded=True, scrub=scrub, url="http://h:3000/chat")
        assert isinstance(error, errors.UpstreamMisaddressed)
        assert (error.status, error.should_retry) == (502, False)
        assert error.message.startswith("http://h:3000/chat answered ")
        assert error.message.endswith("The url of backend 'ui' is wrong")
        assert "502" not in error.message

    def test_page(self) -> None:
        """What the page is called tells what is there."""
        for failure in (
            from_response(200, {}, PAGE, now=NOON),
            from_error({"error": PAGE.decode()}),
        ):
            assert "answered with a web page (Open WebUI), not with JSON" in client_error(failure).message
        told_so = client_error(from_response(404, {}, PAGE, now=NOON)).message
        assert "answered 404 with a web page (Open WebUI)" in told_so
        assert "web page, not" in client_error(from_response(404, {}, b"<html><p>x", now=NOON)).message

    @pytest.mark.parametrize(
        "body",
        [
            b'{"error":{"message":"The model `m` does not exist.","type":"NotFoundError","code":404}}',
            b'{"error":{"message":"Not Found","code":"model_not_found"}}',
            b'{"error":{"message":"The API deployment for this resource does not exist","code":"DeploymentNotFound"}}',
            b'{"error":{"message":"No endpoints found for x/y.","code":404}}',
            b'{"error":"model \'m\' not found"}',
            b'{"detail":"Model not found"}',
        ],
    )
    def test_unknown_model_stays(self, body: bytes) -> None:
        """Where a name is what is not there, the answer is the API's 404."""
        assert isinstance(client_error(from_response(404, {}, body, now=NOON)), errors.NotFound)

    @pytest.mark.parametrize("status", [200, 500, 502, 503])
    def test_proxy_of_a_server_that_is_down(self, status: int) -> None:
        """A proxy's page says nothing of the url: the server is down, and may be asked again."""
        page = b"<html><head><title>502 Bad Gateway</title></head></html>"
        error = client_error(from_response(status, {}, page, now=NOON))
        assert not isinstance(error, errors.UpstreamMisaddressed)
        assert error.should_retry is None

    @pytest.mark.parametrize(
        "body",
        [
            b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
            b"Client sent an HTTP request to an HTTPS server.\n",
        ],
    )
    def test_server_behind_tls(self, body: bytes) -> None:
        """A server that waits for TLS says so, and the sentence says what to write."""
        error = client_error(from_response(400, {}, body, now=NOON))
        assert isinstance(error, errors.UpstreamMisaddressed)
        assert "must begin with https://" in error.message


class InsideAnswerTests:
    """What a backend that answered 200 says of itself."""

    def test_error(self) -> None:
        """An error inside an answer is told as one, and not as a status that nobody sent."""
        message = client_error(from_error({"error": {"message": "out of memory"}})).message
        assert message == "backend 'chutes' reported an error inside its answer: out of memory"

    def test_without_a_word(self) -> None:
        """An answer that is none is told as that."""
        message = client_error(from_error({"choices": [], "usage": {}})).message
        assert message == "backend 'chutes' sent something that is no answer, and no reason"


class SecrecyTests:
    """Nothing secret passes."""

    @given(
        st.sampled_from([200, 302, 400, 401, 402, 403, 404, 408, 413, 418, 422, 429, 500, 501, 502, 503, 504, 529]),
        st.sampled_from([SECRET, OTHER_SECRET]),
        st.text(max_size=40),
        st.text(max_size=40),
        st.sampled_from(
            [
                '{{"error":{{"message":{0},"code":{0},"type":{0},"param":{0}}}}}',
                '{{"error":{0}}}',
                '[{{"error":{{"message":{0},"status":{0}}}}}]',
                '{{"detail":[{{"loc":["body",{0}],"msg":{0},"input":{0}}}]}}',
                '{{"message":{0},"object":"error"}}',
                '{{"error":{{"message":"x","metadata":{{"raw":{0}}}}}}}',
                '{{"code":{0},"request_id":{0}}}',
                "<html><p>{0}</p>{0}",
                "{0}",
            ]
        ),
        st.booleans(),
        st.integers(0, 300),
    )
    def test_known_secrets(
        self, status: int, secret: str, before: str, after: str, shape: str, forwarded: bool, padding: int
    ) -> None:
        """A known secret is never told, in whatever shape, status, place or length of message it is quoted."""
        quoted = json.dumps(" ".join(["word"] * padding) + before + secret + after)
        failure = from_response(
            status, {"x-request-id": secret}, shape.format(quoted).encode("utf-8", "replace"), now=NOON
        )
        assert secret not in client_error(failure, forwarded=forwarded).message

    @given(st.integers(0, 60), st.integers(1, 60))
    def test_cut_secrets(self, before: int, length: int) -> None:
        """A message that is cut is never cut inside a secret, which would pass the scrubbing."""
        secret = "S" * length + "E"
        page = b"<html>" + b"a " * (70 + before // 2) + b"b" * (before % 2) + b" " + secret.encode() + b" tail" * 50
        failure = from_response(502, {}, page, now=NOON)
        error = to_client(failure, backend="b", model="m", forwarded=True, scrub=lambda text: text.replace(secret, "*"))
        assert "S" not in error.message

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
    def test_unknown_secrets(self, status: int) -> None:
        """What looks like a key or an internal address is hidden without anybody knowing it."""
        said = "key sk-abc123def456ghi789 at http://vllm-7:8000/v1 with Bearer tok-1234567890"
        message = client_error(response(status, {"error": {"message": said}})).message
        for part in ("sk-abc", "vllm-7", "tok-123"):
            assert part not in message

    def test_our_own_names(self) -> None:
        """A secret that found its way into a name is hidden there too."""
        failure = response(404, {"error": "x"})
        error = to_client(failure, backend="b", model=SECRET, forwarded=True, scrub=scrub)
        assert SECRET not in error.message
