"""Questions to an address before Claude Code is started."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.http_probe import (
    BridgeSeen,
    KeyNeeded,
    Unreachable,
    is_bridge,
    listed_models,
    look,
    published_here,
    published_models,
    wants_key,
)
from claude_bridge.client.offered_models import OfferedModel
from tests.client.servers import BRIDGE, BRIDGE_WITH_KEYS, LIST, Refusal, serving


class BridgeTests:
    """A bridge."""

    @pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/"])
    def test_bridge(self, end: str) -> None:
        """It is known by its own answer, however its address is written, and tells its models."""
        with serving(BRIDGE) as url:
            assert is_bridge(url + end)
            assert published_models(url + end, None) == (OfferedModel(name="glm", label="glm"),)

    def test_no_bridge(self) -> None:
        """Anything else is none."""
        wrong: tuple[Mapping[str, object], ...] = ({}, {"/": {}}, {"/": "claude-bridge"})
        for answers in wrong:
            with serving(answers) as url:
                assert not is_bridge(url)

    def test_foreign_name(self) -> None:
        """What a bridge says to a name that it does not know is passed on."""
        error = {"type": "permission_error", "message": "add it to allowed_hosts"}
        refusal = Refusal(403, {"type": "error", "request_id": "req_1", "error": error})
        with serving({"/": refusal}) as url, pytest.raises(ExpectedFailure, match="add it to allowed_hosts"):
            is_bridge(url)

    def test_key(self) -> None:
        """One that asks for a key tells its models to who has it; `published_here` finds it in the environment."""
        with serving(BRIDGE, key="sk-1") as url:
            with pytest.raises(KeyNeeded):
                published_models(url, None)
            assert published_here(url, {"ANTHROPIC_AUTH_TOKEN": "sk-ant-mine"}) == ()
            assert published_here(url, {}) == ()
            assert published_here(url, {"ANTHROPIC_AUTH_TOKEN": "sk-1"}) == published_models(url, "sk-1")

    def test_look(self) -> None:
        """One look shows whether a bridge is there, what it asks for, and what it has."""
        glm = (OfferedModel(name="glm", label="glm"),)
        with serving(BRIDGE) as url:
            assert look(url, "sk-1") == BridgeSeen(answers=True, models=glm)
        with serving(BRIDGE, key="sk-1") as url:
            assert look(url, None) == look(url, "sk-2") == BridgeSeen(answers=True, key_needed=True)
            assert look(url, "sk-1") == BridgeSeen(answers=True, key_needed=True, key_taken=True, models=glm)
        with serving({"/": {"service": "claude-bridge"}}) as url:
            assert look(url, None) == BridgeSeen(answers=True)
        with serving({}) as url:
            assert look(f"{url}/v1", None) == BridgeSeen(is_other=True, told=f"what answers at {url} is no bridge")
        seen = look("http://127.0.0.1:9", None)
        assert (seen.answers, seen.silent) == (False, True)
        assert seen.told.startswith("nothing answers at http://127.0.0.1:9: ")

    def test_no_refusal_to_find_out(self) -> None:
        """A bridge that says that it asks for a key is not asked without one: its log would have a refused client."""
        refused: list[str] = []
        with serving(BRIDGE_WITH_KEYS, "sk-1", refused) as url:
            with pytest.raises(KeyNeeded):
                published_models(url, None)
            assert look(url, None) == BridgeSeen(answers=True, key_needed=True)
            seen = look(url, "sk-1")
            assert (seen.key_needed, seen.key_taken, len(seen.models)) == (True, True, 1)
            assert refused == []
            assert not look(url, "sk-2").key_taken
            assert refused == ["/v1/models"]

    @pytest.mark.parametrize("url", ["http://127.0.0.1:9", "gpu:8000", "http://x:y", "ftp://x"])
    def test_nobody(self, url: str) -> None:
        """Where nothing answers, or no URL is, the address is in what is said."""
        with pytest.raises(Unreachable) as caught:
            is_bridge(url)
        assert url in str(caught.value)
        assert published_here(url, {}) == ()


class BackendTests:
    """A backend."""

    @pytest.mark.parametrize(
        ("path", "given"), [("/v1", ""), ("/v1", "/v1"), ("/v1", "/v1/chat/completions"), ("", "")]
    )
    def test_models(self, path: str, given: str) -> None:
        """Its models are found, also where /v1 was left out, and the base is what the configuration needs."""
        with serving({f"{path}/models": LIST, f"{path}/chat/completions": {}}) as url:
            found = listed_models(url + given, None)
            assert (found.url, found.models) == (url + path, ("a", "b"))

    def test_no_list(self) -> None:
        """One without a list has no models; the usual base is taken."""
        with serving({}) as url:
            found = listed_models(url, None)
            assert (found.url, found.models) == (f"{url}/v1", ())
            assert found.listing == f"GET {url}/v1/models answered 404"

    @pytest.mark.parametrize(
        ("kind", "path", "given", "other"),
        [
            ("openai", "/v1/messages", "", "anthropic --url {url}"),
            ("openai", "/anthropic/v1/messages", "/anthropic", "anthropic --url {url}/anthropic"),
            ("anthropic", "/v1/chat/completions", "", "openai --url {url}/v1"),
        ],
    )
    def test_another_kind(self, kind: str, path: str, given: str, other: str) -> None:
        """One with another API than that of the kind is told so, with the command that writes what it needs."""
        with serving({path: {}}) as url:
            with pytest.raises(ExpectedFailure) as caught:
                listed_models(url + given, None, kind)
            assert f"{url}{path} answers as " in str(caught.value)
            assert f"`claude-bridge init --kind {other.format(url=url)}`" in str(caught.value)

    def test_kind(self) -> None:
        """Each kind is asked at its own paths, and the base is one of its own notion."""
        with serving({"/v1/models": LIST, "/v1/messages": {}, "/v1/chat/completions": {}}) as url:
            found = listed_models(f"{url}/v1", None, "anthropic")
            assert (found.url, found.models, found.kind) == (url, ("a", "b"), "anthropic")
            assert listed_models(url, None).url == f"{url}/v1"

    def test_key(self) -> None:
        """One that wants a key is known, also by chat alone where the list is open to everybody."""
        answers = {"/v1/models": LIST, "/v1/chat/completions": {}}
        with serving(answers, key="sk-1") as url:
            with pytest.raises(KeyNeeded):
                listed_models(url, None)
            assert listed_models(url, "sk-1").models == ("a", "b")
            assert wants_key(url)
        with serving(answers) as url:
            assert not wants_key(url)
        assert not wants_key("http://127.0.0.1:9/v1")

    def test_http_where_https_is_asked(self) -> None:
        """A wrong scheme is told with the right one."""
        with serving({}) as url:
            place = url.removeprefix("http://")
            with pytest.raises(Unreachable) as caught:
                listed_models(f"https://{place}/v1", None)
        assert str(caught.value) == f"{place} speaks http, not https: write http://{place}"

    def test_untrusted_certificate(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A certificate that is not trusted is told without the words of the library alone."""
        error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
        error.verify_message = "self-signed certificate"

        def refuse(*_arguments: object, **_options: object) -> None:
            raise error

        monkeypatch.setattr("http.client.HTTPSConnection.request", refuse)
        told = r"the certificate of box is not trusted on this machine \(self-signed certificate\); .* `ca_file`"
        with pytest.raises(Unreachable, match=told):
            listed_models("https://box/v1", None)

    def test_wrong_url(self) -> None:
        """What no backend can have as its URL is said before anybody is asked."""
        with pytest.raises(ExpectedFailure, match=r"--url must not contain a user name"):
            listed_models("http://me:secret@box/v1", None)
