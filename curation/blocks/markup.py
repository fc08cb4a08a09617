"""Slot `markup`: tags, comments, scripts and entities. `markup(text) -> text`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import html, re


def known_tags(text: str, *, longest: Annotated[int, (60, 2000), "log"] = 400) -> str:
    """Cut out HTML's own tags and decode entities; other things in angle brackets stay.

    Type parameters, file names and key names in angle brackets are text in technical documents.
    """
    names = "p|div|span|a|b|i|u|s|em|strong|li|ul|ol|dl|dt|dd|td|tr|th|table|tbody|thead|br|hr|img|font|center|h[1-6]"
    names += "|small|sup|sub|code|pre|blockquote|section|article|nav|header|footer|aside|form|input|button|label"
    names += "|link|meta|iframe"
    text = re.sub(r"(?is)<!--.{0,5000}?-->|<(script|style)\b.{0,20000}?</\1\s*>", "", text)
    text = re.sub(rf"(?i)</?(?:{names})(?:\s[^<>]{{0,{longest}}})?\s*/?>", "", text)
    return html.unescape(text)


def whole_blocks(text: str, *, longest: Annotated[int, (60, 2000), "log"] = 400) -> str:
    """Cut out scripts, styles, frames, navigation and forms with their content, then every tag, then entities.

    Any name in angle brackets counts as a tag if it is in lower case.
    """
    text = re.sub(r"(?is)<!--.{0,5000}?-->", "", text)
    text = re.sub(r"(?is)<(script|style|iframe|noscript|nav|form|svg|button)\b.{0,20000}?</\1\s*>", "", text)
    text = re.sub(rf"</?[a-z][a-z0-9]*(?:\s[^<>]{{0,{longest}}})?\s*/?>", "", text)
    return html.unescape(text)


def entities_twice(text: str, *, rounds: Annotated[int, (1, 3)] = 2) -> str:
    """Decode entities again and again, then cut out tags: text that was escaped twice shows its tags late.

    One round too many turns an explained entity into a sign.
    """
    text = re.sub(r"(?is)<!--.{0,5000}?-->|<(script|style)\b.{0,20000}?</\1\s*>", "", text)
    for _ in range(rounds):
        text = re.sub(r"</?[a-z][a-z0-9]{0,10}(?:\s[^<>]{0,400})?\s*/?>", "", html.unescape(text))
    return text


def tags_and_brackets(text: str) -> str:
    """Cut out HTML, and the square-bracket markup of forums and wikis; decode entities.

    Numbers in square brackets are citations and stay.
    """
    text = re.sub(r"(?is)<!--.{0,5000}?-->|<(script|style|iframe)\b.{0,20000}?</\1\s*>", "", text)
    text = re.sub(r"</?[a-z][a-z0-9]{0,10}(?:\s[^<>]{0,400})?\s*/?>", "", text)
    text = re.sub(r"(?i)\[/?(?:b|i|u|s|url|img|quote|code|color|size|list|center)(?:=[^\]\n]{0,200})?\]", "", text)
    text = re.sub(r"\[\[(?:[^\[\]|\n]{0,120}\|)?([^\[\]|\n]{1,120})\]\]", r"\1", text)
    return html.unescape(text)
