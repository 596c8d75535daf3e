"""Read raw event streams with whatever ``anthropic`` SDK this Python has installed.

Run by a Python of another environment, so it imports nothing of this project. Standard input: one JSON object a
line, ``{"raw": TEXT}``, the bytes of a stream as UTF-8 text. Standard output: one JSON object a line, in the same
order: ``{"message": FINAL}`` or ``{"failure": TEXT}``, and at last ``{"version": SDK}``.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import anthropic

try:
    import httpx2 as httpx
except ImportError:
    import httpx  # type: ignore[import-not-found, no-redef] # an older SDK brings the older one


class _Transcript(httpx.BaseTransport):
    """Answers every request with one stream."""

    raw = b""

    def handle_request(self, request: Any) -> Any:
        """Answer."""
        return httpx.Response(
            200,
            headers={"content-type": "text/event-stream; charset=utf-8"},
            stream=httpx.ByteStream(self.raw),
            request=request,
        )


def _read(client: anthropic.Anthropic) -> dict[str, Any]:
    """Let the SDK put one stream together, as an application would."""
    question: Any = [{"role": "user", "content": "hi"}]
    try:
        with client.messages.stream(model="m", max_tokens=5, messages=question) as stream:
            return {"message": stream.get_final_message().to_dict(mode="json")}
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is the result
        return {"failure": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Read all transcripts."""
    warnings.simplefilter("ignore")  # the SDK warns of serializing what a server added
    transport = _Transcript()
    client = anthropic.Anthropic(
        api_key="none", base_url="http://127.0.0.1", max_retries=0, http_client=httpx.Client(transport=transport)
    )
    for line in sys.stdin:
        transport.raw = json.loads(line)["raw"].encode()
        sys.stdout.write(json.dumps(_read(client)) + "\n")
    sys.stdout.write(json.dumps({"version": anthropic.__version__}) + "\n")


if __name__ == "__main__":
    main()
