"""What an experienced person would write in an afternoon: markup, encoding, boilerplate, private data, repetitions."""

import html
import re

BLOCK = re.compile(r"<(script|style|iframe)\b.*?</\1>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
TAG = re.compile(
    r"</?(?:p|div|span|a|b|i|u|em|strong|li|ul|ol|td|tr|th|table|br|hr|img|h[1-6]|font|center|iframe)\b[^<>]*>",
    re.IGNORECASE,
)
CODE = re.compile(r"\bfunction \w*\(.*\{|\bvar \w+ ?= ?|document\.createElement|^\s*\.[\w-]+ ?\{")
INVISIBLE = re.compile("[\xad\u200b-\u200f\ufeff\x00-\x08\x0b\x0c\x0e-\x1f]")
BOILERPLATE = re.compile(
    r"\b(?:cookies?\b.*\b(?:site|website|experience|policy|accept|use)|accept (?:all )?cookies|privacy policy"
    r"|terms of use|all rights reserved|copyright ©|log ?in \||sign up today|subscribe to our|newsletter"
    r"|share (?:this|on)\b|leave a comment|^\d+ comments$|advertisement$|sponsored content|click here"
    r"|back to top|skip to (?:main )?content|main menu|powered by|sitemap|like this:|^tweet this|posted in"
    r"|related articles|best price|limited time|print this page|search this site|last updated|about us)",
    re.IGNORECASE,
)
MENU = re.compile(r"^[^.|>]{1,40}(?: [|>] [^.|>]{1,40}){2,}$")
EMAIL = re.compile(r"<?\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+>?")
PHONE = re.compile(r"(?:\+\d{1,3}[ -])?(?:\(\d{3}\) |\b\d{3}-)\d{3}-\d{4}\b")
CONTACT = re.compile(r"^\s*(?:contact|author|tel|e-?mail|phone|for questions)\b.{0,80}$", re.IGNORECASE)


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """The text without what no reader came for."""
    text = mended(html.unescape(TAG.sub("", BLOCK.sub("", text))))
    kept: list[str] = []
    seen: set[str] = set()
    for line in INVISIBLE.sub("", text).split("\n"):
        bare = " ".join(line.split())
        if len(bare) < 140 and (BOILERPLATE.search(bare) or MENU.match(bare) or CODE.search(bare)):
            continue
        if is_private(bare) or (len(bare) >= 30 and bare in seen):
            continue
        seen.add(bare)
        kept.append(PHONE.sub("", EMAIL.sub("", line)).rstrip())
    cleaned = "\n".join(kept).strip()
    return cleaned if len(cleaned.split()) >= 20 else None


def is_private(line: str) -> bool:
    """A line that is there for its address or number."""
    return bool(CONTACT.match(line) and (EMAIL.search(line) or PHONE.search(line)))


def mended(text: str) -> str:
    """Lines that were read in the wrong code page, read in the right one."""
    return "\n".join(mended_line(line) for line in text.split("\n"))


def mended_line(line: str) -> str:
    """The line itself where nothing is to be mended."""
    for codec in ("cp1252", "latin-1"):
        try:
            return line.encode(codec).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
    return line
