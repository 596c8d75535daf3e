"""A request body as it arrives: counted, and unpacked where the client packed it.

A packed body is unpacked by pieces, since a few kilobytes may hold the work of a tenth of a second:
`IncomingBody.feed` only takes what came, `IncomingBody.unpack` does some of the work.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Final

from attrs import define, field

from claude_bridge.core.errors import InvalidRequest, RequestTooLarge

_GZIP: Final = 16 + zlib.MAX_WBITS

MEMBER_WORK: Final = 1024
"""What one gzip member is worth in bytes of output: an empty one takes the 3 us that a kilobyte takes."""

MAX_MEMBERS: Final = 10_000
"""Members of one body: tools that pack by blocks make one of each 64 KiB, so that the largest body has 512. Without a
bound members that unpack to nothing would be work for as long as they are sent."""

UNPACKER: Final = 48 * 1024
"""Bytes that a decoder of gzip holds: its window of 32 KiB and its tables."""


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
    _packed: bytes = field(default=b"", init=False)
    _full: bool = field(default=False, init=False)
    _members: int = field(default=0, init=False)
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

    @property
    def behind(self) -> bool:
        """Whether there is something to unpack."""
        return self._full or bool(self._packed)

    @property
    def beside(self) -> int:
        """Count the bytes that are held for unpacking."""
        return UNPACKER + len(self._packed) if self._unpack is not None else 0

    def take(self) -> bytes:
        """Return what there is and keep nothing of it but its size."""
        content = self.content.getvalue()
        self.drop()
        return content

    def drop(self) -> None:
        """Keep nothing but the size."""
        self.content, self._unpack = BytesIO(), None
        self._packed, self._full = b"", False

    def declared(self, length: int | None) -> None:
        """Check a length, declared or arrived; raises `RequestTooLarge`, and keeps nothing of such a body."""
        if length is not None and length > self.limit:
            self.drop()
            raise self._too_large()

    def feed(self, data: bytes) -> None:
        """Take more bytes, packed ones without a look inside; raises `RequestTooLarge`."""
        self._arrived += len(data)
        self.declared(self._arrived)
        if self._unpack is None:
            self._keep(data)
        else:
            self._packed += data

    def unpack(self, most: int) -> int:
        """Unpack up to ``most`` bytes and return how much work that was, in bytes.

        Raises `RequestTooLarge`, or `InvalidRequest` for what is no gzip. What comes after a member is another one.
        """
        done = 0
        while self._unpack is not None and self.behind and done < most:
            room = min(most - done, self.limit + 1 - self._size)
            try:
                unpacked = self._unpack.decompress(self._packed, room)
            except zlib.error as error:
                raise InvalidRequest("the request body is not valid gzip") from error
            done += len(unpacked)
            self._packed = self._unpack.unconsumed_tail
            self._full = len(unpacked) == room  # there may be more inside the decoder, though it has taken everything
            self._inside = not self._unpack.eof
            if self._unpack.eof:
                self._next_member(self._unpack.unused_data)
                done += MEMBER_WORK
            self._keep(unpacked)
        return done

    def end(self) -> None:
        """Check that the packing is complete; raises `InvalidRequest`."""
        if self._inside:
            raise InvalidRequest("the request body's gzip data is cut short")

    def _next_member(self, rest: bytes) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise InvalidRequest(f"the request body has more than {MAX_MEMBERS} gzip members")
        self._packed, self._full = rest, False
        self._unpack = zlib.decompressobj(_GZIP)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        self.declared(self._size)
        self.content.write(data)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"the request is larger than the maximum of {self.limit} bytes (`max_body` in [limits])", should_retry=False
        )
