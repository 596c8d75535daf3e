"""A request body as it arrives: counted, and unpacked if the client sent gzip.

Gzip is unpacked in pieces, since a few kilobytes may hold the work of a tenth of a second: `IncomingBody.feed` only
stores what arrived, `IncomingBody.unpack` does part of the work.
"""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import Final

from attrs import define, field

from claude_bridge.core.errors import InvalidRequest, RequestTooLarge

_GZIP: Final = 16 + zlib.MAX_WBITS

MEMBER_WORK_BYTES: Final = 1024
"""What one gzip member counts as, in bytes of output: an empty one takes the 3 us that a kilobyte takes."""

MAX_MEMBERS: Final = 10_000
"""Members of one body: tools that compress in blocks make one member of each 64 KiB, so the largest body has 512.
Without a bound, members that unpack to nothing could keep us busy for as long as they are sent."""

UNPACKER_BYTES: Final = 48 * 1024
"""Bytes that a gzip decoder holds: its window of 32 KiB and its tables."""


@define
class IncomingBody:
    """Takes the bytes of a body, and keeps at most ``limit`` decompressed bytes.

    The bytes that arrive have the same limit: otherwise gzip members that unpack to nothing could be sent for ever.

    :ivar content: what has been unpacked so far.
    """

    limit: int
    encoding: str = ""
    content: BytesIO = field(factory=BytesIO, init=False)
    _unpack: zlib._Decompress | None = field(default=None, init=False)
    _packed: bytes = field(default=b"", init=False)
    _decoder_full: bool = field(default=False, init=False)
    _members: int = field(default=0, init=False)
    _arrived: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)
    _inside_member: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """Choose the decoder; raise `InvalidRequest` for a coding that is not supported."""
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
        """The bytes that have been unpacked so far."""
        return self._size

    @property
    def has_packed_bytes(self) -> bool:
        """Whether there is something to unpack."""
        return self._decoder_full or bool(self._packed)

    @property
    def unpacker_bytes(self) -> int:
        """The bytes that are held for unpacking."""
        return UNPACKER_BYTES + len(self._packed) if self._unpack is not None else 0

    def take(self) -> bytes:
        """Return the content and keep only its size."""
        content = self.content.getvalue()
        self.drop()
        return content

    def drop(self) -> None:
        """Keep only the size."""
        self.content, self._unpack = BytesIO(), None
        self._packed, self._decoder_full = b"", False

    def check_length(self, length: int | None) -> None:
        """Raise `RequestTooLarge` for a length, declared or arrived, above the limit; nothing of the body is kept."""
        if length is not None and length > self.limit:
            self.drop()
            raise self._too_large()

    def feed(self, data: bytes) -> None:
        """Store more bytes; packed ones are not unpacked yet. Raise `RequestTooLarge`."""
        self._arrived += len(data)
        self.check_length(self._arrived)
        if self._unpack is None:
            self._keep(data)
        else:
            self._packed += data

    def unpack(self, max_bytes: int) -> int:
        """Unpack up to ``max_bytes`` bytes and return how much work that was, in bytes.

        Raise `RequestTooLarge`, or `InvalidRequest` for invalid gzip. What follows a member is taken for another one.
        """
        done = 0
        while self._unpack is not None and self.has_packed_bytes and done < max_bytes:
            room = min(max_bytes - done, self.limit + 1 - self._size)
            try:
                unpacked = self._unpack.decompress(self._packed, room)
            except zlib.error as error:
                raise InvalidRequest("the request body is not valid gzip") from error
            done += len(unpacked)
            self._packed = self._unpack.unconsumed_tail
            self._decoder_full = len(unpacked) == room  # the decoder may hold more, although it took all input
            self._inside_member = not self._unpack.eof
            if self._unpack.eof:
                self._next_member(self._unpack.unused_data)
                done += MEMBER_WORK_BYTES
            self._keep(unpacked)
        return done

    def end(self) -> None:
        """Raise `InvalidRequest` if the gzip data is incomplete."""
        if self._inside_member:
            raise InvalidRequest("the request body's gzip data is cut short")

    def _next_member(self, rest: bytes) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise InvalidRequest(f"the request body has more than {MAX_MEMBERS} gzip members")
        self._packed, self._decoder_full = rest, False
        self._unpack = zlib.decompressobj(_GZIP)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        self.check_length(self._size)
        self.content.write(data)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"the request is larger than the maximum of {self.limit} bytes (`max_body` in [limits])", should_retry=False
        )
