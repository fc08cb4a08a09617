"""Slot `boilerplate`: lines that belong to the page and not to the text. `boilerplate(lines, keep) -> lines`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import Keep, bare, function_share, re, word_count


def common_phrases(lines: list[str], keep: Keep, *, longest: Annotated[int, (40, 300)] = 140) -> list[str]:
    """Delete short lines that hold a phrase of menus, consent banners, sharing buttons, advertisements or footers.

    Long lines with such words are text about them.
    """
    phrases = re.compile(
        r"(?i)\b(?:cookies?|privacy policy|terms of (?:use|service)|all rights reserved|log ?in|sign (?:in|up)"
        r"|subscribe|newsletter|share (?:this|on)|leave a comment|\d+ comments?$|advertisement|sponsored"
        r"|click here|back to top|skip to|main menu|powered by|sitemap|like this|tweet|posted in"
        r"|related (?:articles|posts)|best price|limited time|print this|search this|last updated|about us"
        r"|contact us|read more|follow us)\b|©"
    )
    kept = []
    for line in lines:
        body = bare(line)
        if keep(line) or len(body) > longest or not phrases.search(body):
            kept.append(line)
    return kept


def phrases_and_menus(
    lines: list[str], keep: Keep, *, longest: Annotated[int, (40, 300)] = 140, parts: Annotated[int, (2, 5)] = 3
) -> list[str]:
    """Delete lines with a phrase of the page around the text, rows of short parts between separators, and lines of code
    of the page.

    A row of separators is a menu if its parts are short; table rows need protection by the slot `keep`.
    """
    phrases = re.compile(
        r"(?i)\b(?:cookies?|privacy policy|terms of (?:use|service)|rights reserved|log ?in|sign (?:in|up)"
        r"|subscribe|newsletter|share (?:this|on)|comments?$|advertisement|sponsored|click here|to top|skip to"
        r"|main menu|powered by|sitemap|like this|tweet|posted (?:in|by|on)|related (?:articles|posts)"
        r"|best price|limited time|print this|search this|last updated|about us|contact us|read more|follow us"
        r"|sign up|free (?:download|trial))\b|©"
    )
    script = re.compile(r"\bfunction ?\w*\(.*\{|\bvar \w+ ?=|document\.\w+|window\.\w+|^\s*[.#][\w-]+ ?\{.*:")
    kept = []
    for line in lines:
        body = bare(line)
        pieces = re.split(r"\s[|>»›·•/]\s", body)
        is_menu = len(pieces) >= parts and max(map(len, pieces)) <= 40
        is_page = len(body) <= longest and (phrases.search(body) is not None or is_menu)
        if keep(line) or not (is_page or script.search(body)):
            kept.append(line)
    return kept


def scored(
    lines: list[str],
    keep: Keep,
    *,
    limit: Annotated[float, (0.5, 4.0)] = 2.0,
    edge: Annotated[int, (0, 12)] = 5,
    edge_weight: Annotated[float, (0.0, 2.0)] = 0.6,
    phrase_weight: Annotated[float, (0.5, 3.0)] = 1.5,
    shape_weight: Annotated[float, (0.0, 2.0)] = 0.5,
) -> list[str]:
    """Add up signs that a line belongs to the page: its words, its shape, its place near the document's ends.

    No sign decides alone, so a word such as "comment" in the middle of a text costs nothing.
    """
    strong = re.compile(
        r"(?i)\b(?:cookies?|consent|privacy|terms of|rights reserved|log ?in|sign (?:in|up)|subscri\w+"
        r"|newsletter|share|comments?|reply|advert\w*|sponsored|promo\w*|click|skip to|menu|powered by|sitemap"
        r"|tweet|retweet|facebook|twitter|linkedin|instagram|whatsapp|follow|posted|tagged|related|popular|buy"
        r"|cheap|price|order|free|off|download|offer|sale|print|e-?mail this|search|home|about us|contact|help"
        r"|faq|register|password|account|loading|javascript|copyright|updated|disclaimer|previous|next|top)\b"
        r"|©"
    )
    script = re.compile(
        r"\bfunction ?\w*\(.*\{|\bvar \w+ ?=|document\.\w+|window\.\w+|^\s*[.#@]?[\w-]+ ?\{.*:.*\}|https?://\S+\.js"
    )
    last = len(lines)
    kept = []
    for at, line in enumerate(lines):
        body = bare(line)
        if not body or keep(line):
            kept.append(line)
            continue
        score = phrase_weight * min(2, len(strong.findall(body))) / (1.0 + word_count(body) / 15.0)
        score += edge_weight * (at < edge or at >= last - edge)
        score += shape_weight * (len(re.findall(r"\s[|>»›·•/]\s", body)) >= 2) * 2.0
        score += shape_weight * (body[-1] not in ".:;,)" and word_count(body) <= 8)
        score += shape_weight * (body.endswith(("!", "...", "»")) and word_count(body) <= 25)
        score -= shape_weight * (function_share(body) > 0.3)
        score += 4.0 * (script.search(body) is not None)
        if score < limit:
            kept.append(line)
    return kept


def trimmed_edges(
    lines: list[str], keep: Keep, *, words: Annotated[int, (4, 14)] = 7, share: Annotated[float, (0.05, 0.4)] = 0.2
) -> list[str]:
    """Cut lines off both ends until one reads like a sentence or is protected.

    Menus and footers stand at the ends; titles do as well, and go with them.
    """

    def is_text(line: str) -> bool:
        return keep(line) or (word_count(line) >= words and function_share(line) >= share)

    places = [at for at, line in enumerate(lines) if is_text(line)]
    return lines[places[0] : places[-1] + 1] if places else []
