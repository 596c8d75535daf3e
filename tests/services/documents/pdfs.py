"""PDFs made by hand, good ones and bad ones."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from io import BytesIO

from pypdf import PdfWriter

FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def text_stream(text: str) -> bytes:
    """Make the content of a page that shows a line of text."""
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    return stream(f"BT /F1 12 Tf 72 720 Td ({escaped}) Tj ET".encode("latin-1"))


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """Make a stream object."""
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (entries, len(content), content)


def packed(content: bytes) -> bytes:
    """Make a compressed stream object."""
    return stream(zlib.compress(content, 9), b"/Filter/FlateDecode")


def bomb(gigabytes: int) -> bytes:
    """Make a stream that unpacks to so many GB of NUL bytes, white space in a PDF, without ever holding that."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    size = gigabytes << 30
    checksum = size % 65521 << 16 | 1  # adler32 of that many zeros
    whole = b"".join([b"\x78\xda", megabyte * (gigabytes << 10), packer.flush(), checksum.to_bytes(4, "big")])
    return stream(whole, b"/Filter/FlateDecode")


def written(objects: Sequence[bytes]) -> bytes:
    """Write numbered objects, of which the first is the catalogue, with their table."""
    parts, offsets, position = [b"%PDF-1.7\n"], [], 9
    for number, body in enumerate(objects, start=1):
        offsets.append(position)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, body))
        position += len(parts[-1])
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    parts.append(b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table))
    parts.append(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, position))
    return b"".join(parts)


def of_streams(streams: Iterable[bytes]) -> bytes:
    """Write a PDF with one page for each content stream; an empty one is a page without content."""
    bodies: list[bytes] = []
    kids: list[bytes] = []
    for content in streams:
        number = 4 + len(bodies)
        shows = b"/Contents %d 0 R" % (number + 1) if content else b""
        page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>>>%s>>" % shows
        bodies += [page, content] if content else [page]
        kids.append(b"%d 0 R" % number)
    pages = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    return written([b"<</Type/Catalog/Pages 2 0 R>>", pages, FONT, *bodies])


def pdf(*texts: str) -> bytes:
    """Write a PDF with one line of text on each page; "" is an empty page."""
    return of_streams(text_stream(text) if text else b"" for text in texts)


def cyclic() -> bytes:
    """Write a PDF whose page tree contains itself."""
    return written(
        [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>", b"<</Type/Pages/Kids[2 0 R]>>"]
    )


def locked(document: bytes, *, password: str) -> bytes:
    """Encrypt a PDF; with an empty password anybody can open it."""
    writer = PdfWriter(clone_from=BytesIO(document))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    output = BytesIO()
    writer.write(output)
    return output.getvalue()


def base64(document: bytes) -> str:
    """Encode as in a request."""
    return b64encode(document).decode()


def decoded(data: bytes) -> str:
    """Decode what `base64` gave."""
    return b64decode(data).decode()
