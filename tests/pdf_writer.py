"""PDF files for tests, written by hand: pages of text in Helvetica, or pages with a picture and no text."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

_PICTURE = b"q 400 0 0 400 100 200 cm /Im1 Do Q"


def pdf(pages: Sequence[Sequence[str]], title: str = "") -> bytes:
    """One page per list of lines; a page without lines is a picture, as a scanner makes it."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    pixels = zlib.compress(bytes(range(256)))
    kind = b"/Type /XObject /Subtype /Image /Width 16 /Height 16 /ColorSpace /DeviceGray /BitsPerComponent 8"
    objects.append(_stream(kind + b" /Filter /FlateDecode", pixels))
    objects.append(b"<< /Title (" + _escaped(title) + b") >>")
    kids = []
    for lines in pages:
        content = _text(lines) if lines else _PICTURE
        objects.append(_stream(b"/Filter /FlateDecode", zlib.compress(content)))
        resources = b"<< /Font << /F1 3 0 R >> /XObject << /Im1 4 0 R >> >>"
        page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources %b /Contents %d 0 R >>"
        objects.append(page % (resources, len(objects)))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%b] >>" % (len(kids), b" ".join(kids))
    return _file(objects)


def _text(lines: Sequence[str]) -> bytes:
    shown = b"".join(b"(%b) Tj T*\n" % _escaped(line) for line in lines)
    return b"BT /F1 10 Tf 12 TL 50 750 Td\n" + shown + b"ET"


def _escaped(text: str) -> bytes:
    return text.encode("latin-1").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _stream(entries: bytes, content: bytes) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(content), content)


def _file(objects: Sequence[bytes]) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        len(out),
    )
    return out + head + table + trailer
