"""Pictures and PDFs are priced from their first bytes."""

from __future__ import annotations

import base64
import struct
import zlib
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.tokens import media


def encoded(content: bytes) -> str:
    """Write bytes as base64."""
    return base64.b64encode(content).decode()


def png(width: int, height: int) -> bytes:
    """Make a PNG's signature and first chunk."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0" * 40


def jpeg(width: int, height: int, *, metadata: int = 16, marker: int = 0xC0) -> bytes:
    """Make a JPEG up to its frame header, behind ``metadata`` bytes of EXIF in as many segments as they need."""
    segments = b""
    while metadata > 0:
        size = min(metadata, 65533)
        segments += b"\xff\xe1" + struct.pack(">H", size + 2) + b"\xc0" * size
        metadata -= size
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x22\0\2\x11\1\3\x11\1"
    return b"\xff\xd8" + segments + b"\xff\xff" + bytes([marker]) + struct.pack(">H", len(frame) + 2) + frame


def webp(kind: bytes, payload: bytes) -> bytes:
    """Make a WebP of one chunk."""
    chunk = kind + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


PICTURES = {
    "png": png(1920, 1080),
    "gif 87": b"GIF87a" + struct.pack("<HH", 1920, 1080) + b"\0" * 40,
    "gif 89": b"GIF89a" + struct.pack("<HH", 1920, 1080) + b"\0" * 40,
    "jpeg": jpeg(1920, 1080),
    "jpeg, progressive": jpeg(1920, 1080, marker=0xC2),
    "jpeg with 150 KB of metadata": jpeg(1920, 1080, metadata=150_000),
    "webp, lossy": webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", 1920 | 0x4000, 1080) + b"\0" * 20),
    "webp, lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", 1919 | 1079 << 14) + b"\0" * 20),
    "webp, extended": webp(
        b"VP8X", b"\x10\0\0\0" + (1919).to_bytes(3, "little") + (1079).to_bytes(3, "little") + b"\0" * 9
    ),
}


class DimensionsTests:
    """Width and height."""

    @pytest.mark.parametrize("name", PICTURES)
    def test_formats(self, name: str) -> None:
        """Every format that a client may send tells its size."""
        assert media.dimensions(encoded(PICTURES[name])) == (1920, 1080)

    @pytest.mark.parametrize("name", PICTURES)
    def test_wrapped_lines(self, name: str) -> None:
        """Base64 that is broken into lines is read all the same."""
        assert media.dimensions(base64.encodebytes(PICTURES[name]).decode()) == (1920, 1080)

    @pytest.mark.parametrize("name", PICTURES)
    def test_every_prefix(self, name: str) -> None:
        """A picture that is cut anywhere gives its true size or none."""
        whole = encoded(PICTURES[name])
        seen = {media.dimensions(whole[:end]) for end in range(min(len(whole), 200))}
        assert seen <= {None, (1920, 1080)}

    def test_not_a_picture(self) -> None:
        """What is no picture has no size."""
        for data in (
            "",
            "AAAA",
            "!!!!",
            "\u00e9\u00e9\u00e9\u00e9",
            encoded(b"%PDF-1.7"),
            encoded(b"RIFF\0\0\0\0WAVEfmt "),
        ):
            assert media.dimensions(data) is None

    def test_zero(self) -> None:
        """A picture that claims to have no width is not believed."""
        assert media.dimensions(encoded(png(0, 10))) is None

    def test_jpeg_without_frame(self) -> None:
        """A JPEG whose scan comes before its size, or whose segments lead nowhere, has no size."""
        assert media.dimensions(encoded(b"\xff\xd8\xff\xda\0\x08" + b"\0" * 40)) is None
        assert media.dimensions(encoded(b"\xff\xd8\xff\xe0\0\0" + b"\0" * 40)) is None
        assert media.dimensions(encoded(b"\xff\xd8\xff\xd0\xff\x01" + b"\xff" * 40)) is None

    @given(st.text())
    def test_any_text(self, data: str) -> None:
        """No text makes it fail."""
        media.dimensions(data)

    @given(st.sampled_from([b"\xff\xd8", b"RIFF\0\0\0\0WEBPVP8 ", b"RIFF\0\0\0\0WEBPVP8X", b"GIF89a"]), st.binary())
    def test_any_bytes(self, start: bytes, rest: bytes) -> None:
        """No bytes make it fail, and what it gives is a size."""
        size = media.dimensions(encoded(start + rest))
        assert size is None or min(size) > 0


class ImageTokensTests:
    """The price of a picture."""

    @pytest.mark.parametrize(
        ("size", "tokens"),
        [
            ((28, 28), 1),
            ((29, 28), 2),
            ((200, 200), 64),
            ((1000, 1000), 1296),
            ((1092, 1092), 1521),
            ((1568, 784), 1568),
            ((1568, 1568), 1568),
            ((3136, 1568), 1568),
            ((1920, 1080), 1568),
            ((20000, 28), 56),
            (None, 1600),
        ],
    )
    def test_rule(self, size: tuple[int, int] | None, tokens: int) -> None:
        """One token for each square of 28 pixels, after shrinking to the limits."""
        assert media.image_tokens(size) == tokens

    @given(st.integers(1, 10**9), st.integers(1, 10**9))
    def test_bounds(self, width: int, height: int) -> None:
        """No picture is free and none costs more than the most."""
        assert 1 <= media.image_tokens((width, height)) <= media.MAX_IMAGE_TOKENS


class HostileJpegTests:
    """JPEGs made of nothing but markers."""

    @pytest.mark.parametrize("piece", [b"\xff", b"\xff\x01", b"\xff\xe0\x00\x00", b"\xff\xe0\x00\x02"])
    def test_walk_is_bounded(self, piece: bytes) -> None:
        """As many of them as fit a request do not stop the bridge for seconds of processor time."""
        data = encoded(b"\xff\xd8" + piece * (300_000 // len(piece)))
        start = process_time()
        assert [media.dimensions(data) for _ in range(96)] == [None] * 96
        assert process_time() - start < 2


class PdfPagesTests:
    """The pages of a PDF."""

    def test_counted(self) -> None:
        """Page objects are counted, however they are spaced; the tree above them is not."""
        pdf = b"%PDF-1.4 /Type /Pages /Type /Page /Type/Page>> /Type  /Page\n /Type/PageLabel /Type/Pages"
        assert media.pdf_pages(encoded(pdf)) == 3

    def test_compressed(self) -> None:
        """A PDF whose page objects are compressed has one page, or what its head says."""
        assert media.pdf_pages(encoded(b"%PDF-1.5 stream ...")) == 1
        assert media.pdf_pages(encoded(b"%PDF-1.5\n1 0 obj\n<</Linearized 1/L 9/O 3/E 7/N 42/T 8/H [ 1 2]>>")) == 42

    def test_forged(self) -> None:
        """A page count that no document has is cut down."""
        assert media.pdf_pages(encoded(b"<</Linearized 1/N 999999>>")) == 1000

    def test_extrapolated(self) -> None:
        """Only the beginning of a huge file is read; the rest is taken to be like it."""
        page = b"/Type /Page" + b" " * 99_989
        assert 195 <= media.pdf_pages(encoded(page * 200)) <= 205

    def test_not_base64(self) -> None:
        """What cannot be decoded still costs a page."""
        assert media.pdf_pages("\u00e9") == 1

    @given(st.text())
    def test_any_text(self, data: str) -> None:
        """No text makes it fail."""
        assert media.pdf_pages(data) >= 1

    def test_linear(self) -> None:
        """A file made to be slow to search is not."""
        data = encoded((b"/Type" + b" " * 8) * 300_000 + b"/Linearized" * 1000)
        start = process_time()
        media.pdf_pages(data)
        assert process_time() - start < 5
