"""HTML or PDF on standard input, JSON on standard output: a script for a process of its own (apart.py starts it).

    python reader.py html|pdf MAX_PAGES CPU_S MEMORY_MB < file

The answer is {"title", "parts": [[place, text], ...]} or {"refused": reason}. The only file that imports pypdf and
trafilatura; it imports nothing of this project, so that the process holds nothing else. It limits its own CPU time and
memory before it reads: the parsers meet whatever the network sent. It fetches nothing.
"""

from __future__ import annotations

import io
import json
import logging
import resource
import sys
from typing import Any

#: Fewer characters of text than this on an average page are a scan, or a slide show of pictures.
LEAST_CHARS_PER_PAGE = 100
#: Fewer on a whole page are a frame around what scripts would load.
LEAST_CHARS_OF_PAGE = 200
EXTRA = "reading HTML and PDF needs the extra `ingest`: pip install 'nightshift[ingest]'"


def limit(cpu_s: int, memory_mb: int) -> None:
    """Limit this process; nothing can raise the limits again."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_html(content: bytes) -> dict[str, Any]:
    """Title and main text as Markdown, which keeps the headings."""
    try:
        import trafilatura
    except ImportError as error:
        return {"refused": f"{EXTRA} ({error})"}
    text = trafilatura.extract(content, output_format="markdown", include_comments=False, include_links=False) or ""
    if len(text) < LEAST_CHARS_OF_PAGE:
        behind = b"<script" in content.lower()
        why = "its text is loaded by scripts, which are not run" if behind else "there is next to no text on it"
        return {"refused": f"the page holds {len(text)} characters of text: {why}. Save it as PDF or Markdown instead"}
    found = trafilatura.extract_metadata(content)
    return {"title": (found.title if found else None) or "", "parts": [["", text]]}


def read_pdf(content: bytes, max_pages: int) -> dict[str, Any]:
    """Title and text, page by page."""
    try:
        import pypdf
        from pypdf.errors import PyPdfError
    except ImportError as error:
        return {"refused": f"{EXTRA} ({error})"}
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            return {"refused": "the PDF is encrypted: save it without a password"}
        count = len(reader.pages)
        if count > max_pages:
            return {"refused": f"the PDF has {count} pages; {max_pages} are read at most (--max-pages)"}
        texts = [page.extract_text() for page in reader.pages]
        title = (reader.metadata.title if reader.metadata else None) or ""
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError) as error:
        # A broken file breaks the parser in many ways; none of them is ours.
        return {"refused": f"the PDF cannot be read ({type(error).__name__}: {str(error)[:200]})"}
    chars = sum(len(text.strip()) for text in texts)
    if not count or chars < LEAST_CHARS_PER_PAGE * count:
        why = "it seems to be a scan. Run text recognition over it first, e.g. ocrmypdf"
        return {"refused": f"the PDF has {count} pages and {chars} characters of text: {why}"}
    return {"title": str(title), "parts": [[f"page {n}", text] for n, text in enumerate(texts, start=1)]}


def main() -> None:
    """Read, answer."""
    kind, max_pages, cpu_s, memory_mb = sys.argv[1], *map(int, sys.argv[2:5])
    limit(cpu_s, memory_mb)
    content = sys.stdin.buffer.read()
    try:
        answer = read_html(content) if kind == "html" else read_pdf(content, max_pages)
    except (MemoryError, RecursionError) as error:
        answer = {"refused": f"it takes more than {memory_mb} MB, or is nested too deeply ({type(error).__name__})"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
