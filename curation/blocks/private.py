"""Slot `private`: addresses and numbers of persons. `private(lines) -> lines`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import bare, re


def cut_out(lines: list[str]) -> list[str]:
    """Cut e-mail addresses and telephone numbers out of their lines.

    The rest of a contact line stays behind.
    """
    email = re.compile(r"<?\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{2,20}){1,3}>?")
    phone = re.compile(r"(?:\+\d{1,3}[ -])?(?:\(\d{3}\) ?|\b\d{3}[-.])\d{3}[-. ]\d{4}\b")
    return [phone.sub("", email.sub("", line)) if re.search(r"@|\d{3}", line) else line for line in lines]


def cut_or_drop(lines: list[str], *, longest: Annotated[int, (20, 160)] = 90) -> list[str]:
    """Drop short lines that are there for an address or a number; cut it out of the others.

    What is left of a contact line once the address is gone says nothing to a reader.
    """
    found = re.compile(
        r"<?\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{2,20}){1,3}>?|(?:\+\d{1,3}[ -])?(?:\(\d{3}\) ?"
        r"|\b\d{3}[-.])\d{3}[-. ]\d{4}\b"
    )
    opening = re.compile(
        r"(?i)^\W*(?:contact|authors?|tel|e-?mail|mail|phone|call|fax|write to|for questions|by|from|support)\b"
    )
    kept = []
    for line in lines:
        if not re.search(r"@|\d{3}", line) or not found.search(line):
            kept.append(line)
        elif not (len(bare(line)) <= longest and opening.match(line)):
            kept.append(found.sub("", line))
    return kept


def widest(lines: list[str], *, longest: Annotated[int, (20, 160)] = 90) -> list[str]:
    """Also public network addresses, spelt-out e-mail addresses, telephone numbers of other countries, card numbers.

    The wider the patterns, the more version numbers and data they eat.
    """
    found = re.compile(
        r"<?\b[\w.+-]{1,64}\s?(?:@|\(at\)|\[at\])\s?[\w-]{1,64}(?:\s?(?:\.|\(dot\)|\[dot\])\s?[A-Za-z]{2,20}){1,3}>?"
        r"|(?:\+\d{1,3}[ -.]?)(?:\(?\d{1,4}\)?[ -.]?){2,5}\d{2,4}\b"
        r"|(?:\(\d{3}\) ?|\b\d{3}[-.])\d{3}[-. ]\d{4}\b|\b(?:\d{4}[ -]){3}\d{4}\b|\b(?:\d{1,3}\.){3}\d{1,3}\b"
    )
    opening = re.compile(
        r"(?i)^\W*(?:contact|authors?|tel|e-?mail|mail|phone|mobile|call|fax|write to|reach|for questions|by"
        r"|from|support|address|skype|user|ip|sent)\b"
    )
    kept = []
    for line in lines:
        if not re.search(r"@|\bat\b|\d", line) or not found.search(line):
            kept.append(line)
        elif not (len(bare(line)) <= longest and opening.match(line)):
            kept.append(found.sub("", line))
    return kept
