"""A request body as it arrives: counted, and unpacked where the client packed it."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Final

from attrs import define, field

from claude_bridge.core.errors import InvalidRequest, RequestTooLarge

_GZIP: Final = 16 + zlib.MAX_WBITS


@define
class IncomingBody:
    """Bytes in, at most ``limit`` decompressed bytes kept.

    What arrives is held against the same limit: gzip members that unpack to nothing could else be sent for ever.

    :ivar content: what has been unpacked so far.
    """

    limit: int
    encoding: str = ""
    content: BytesIO = field(factory=BytesIO, init=False)
    _unpack: zlib._Decompress | None = field(default=None, init=False)
    _arrived: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)
    _inside: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Choose the decoder; raises `InvalidRequest` for one that we do not have."""
        encoding = self.encoding.strip().lower()
        if encoding in {"gzip", "x-gzip"}:
            self._unpack = zlib.decompressobj(_GZIP)
        elif encoding not in {"", "identity"}:
            raise InvalidRequest(
                f"content-encoding {encoding[:20]!r} is not supported: send the body plain or as gzip",
                should_retry=False,
            )

    @property
    def size(self) -> int:
        """Count the bytes that have been unpacked so far."""
        return self._size

    def take(self) -> bytes:
        """Give what there is and keep nothing of it but its size."""
        content = self.content.getvalue()
        self.drop()
        return content

    def drop(self) -> None:
        """Keep nothing but the size."""
        self.content, self._unpack = BytesIO(), None

    def declared(self, length: int | None) -> None:
        """Check a length, declared or arrived; raises `RequestTooLarge`, and keeps nothing of such a body."""
        if length is not None and length > self.limit:
            self.drop()
            raise self._too_large()

    def feed(self, data: bytes) -> None:
        """Take more bytes; raises `RequestTooLarge`, or `InvalidRequest` for broken gzip."""
        self._arrived += len(data)
        self.declared(self._arrived)
        while self._unpack is not None and data:
            try:
                unpacked = self._unpack.decompress(data, self.limit + 1 - self._size)
            except zlib.error as error:
                raise InvalidRequest("the request body is not valid gzip") from error
            self._keep(unpacked)
            data = self._unpack.unconsumed_tail
            self._inside = not self._unpack.eof
            if self._unpack.eof:
                data = self._unpack.unused_data
                self._unpack = zlib.decompressobj(_GZIP)
        if self._unpack is None:
            self._keep(data)

    def end(self) -> None:
        """Check that the packing is complete; raises `InvalidRequest`."""
        if self._inside:
            raise InvalidRequest("the request body's gzip data is cut short")

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        self.declared(self._size)
        self.content.write(data)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"the request is larger than the maximum of {self.limit} bytes (`max_body` in [limits])", should_retry=False
        )
