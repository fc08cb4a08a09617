"""The gallery as one HTML file: no other file, no network, nothing of a document but its text.

Documents are hostile: every text is escaped, signs that cannot be seen are spelled out, and the page's own policy
allows one script and one style sheet by their hashes, so that nothing else could run even if an escape were missing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from curation.gallery.assets import SCRIPT, STYLE
from curation.gallery.outcome import OUTCOMES, Seen
from curation.gallery.spans import Compared, Piece

COLOURS = 10
#: Control, format and private signs: direction marks, zero-width signs, soft hyphens, and what a terminal would obey.
ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One document on the page."""

    name: str
    labels: str
    seen: Seen
    compared: Compared
    chars: tuple[int, int]  # before and after


@dataclass(frozen=True, slots=True)
class About:
    """What the page says of itself."""

    strategy: str
    strategy_hash: str
    source: str
    remarks: str
    code: str


def page(about: About, documents: Sequence[Shown]) -> str:
    """The whole file."""
    rules = list(dict.fromkeys(piece.rule for one in documents for piece in _pieces(one) if piece.rule))
    colours = {rule: f"r{number % COLOURS}" for number, rule in enumerate(rules)}
    names = "\n".join([about.strategy_hash, about.source, *(one.name for one in documents)])
    identity = hashlib.sha256(names.encode("utf-8", "replace")).hexdigest()[:12]
    articles = "\n".join(_article(number, one, colours) for number, one in enumerate(documents))
    policy = f"default-src 'none'; script-src '{_hash(SCRIPT)}'; style-src '{_hash(STYLE)}'; base-uri 'none'"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}; form-action 'none'">
<title>{escaped(about.strategy)}: what it does</title><style>{STYLE}</style></head>
<body data-page="{identity}" data-strategy="{escaped(about.strategy_hash)}">
{_top(about, documents, colours)}
<main>{articles}
<p id="empty" class="none" hidden>No document is like that.</p>
<details><summary>The strategy's program</summary><pre>{text(about.code)}</pre></details>
</main><script>{SCRIPT}</script></body></html>
"""


def escaped(value: str) -> str:
    """For attributes and short texts: invisible signs become a middle dot.

    >>> escaped('<a href="x">')
    '&lt;a href=&quot;x&quot;&gt;'
    """
    return html.escape(ODD.sub("\u00b7", _storable(value)), quote=True)


def text(value: str) -> str:
    """For the texts of documents: escaped, with invisible signs by their numbers.

    >>> text("a\\u202eb<i>")
    'a<span class="odd" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>b&lt;i&gt;'
    """
    value = _storable(value).replace("\r\n", "\n")
    done, start = [], 0
    for match in ODD.finditer(value):
        done += [html.escape(value[start : match.start()]), _spelled(match[0])]
        start = match.end()
    return "".join([*done, html.escape(value[start:])])


def _storable(value: str) -> str:
    return value.encode("utf-8", "replace").decode("utf-8")  # half a surrogate cannot be written


def _spelled(sign: str) -> str:
    name = unicodedata.name(sign, "control character")
    return f'<span class="odd" title="{html.escape(name)}">U+{ord(sign):04X}</span>'


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


def _pieces(one: Shown) -> Iterator[Piece]:
    yield from one.compared.left
    yield from one.compared.right


def _top(about: About, documents: Sequence[Shown], colours: dict[str, str]) -> str:
    counts = Counter(one.seen.outcome for one in documents)
    buttons = [f'<button data-filter="all">all<b>{len(documents)}</b></button>']
    buttons += [
        f'<button data-filter="{name}">{name}<b>{counts[name]}</b></button>' for name in OUTCOMES if counts[name]
    ]
    removed: Counter[str] = Counter()
    for one in documents:
        removed.update(one.compared.removed)
    legend = "".join(
        f'<span><i class="{colours[r]}">{escaped(r)}</i> {removed[r]:,} characters</span>' for r in colours
    )
    return f"""<header class="top"><h1>{escaped(about.strategy)}</h1>
<span class="about">{escaped(about.source)} &middot; {escaped(about.remarks)}</span>
<div class="bar">{"".join(buttons)}<span class="gap"></span>
<button id="open" data-filter="open">undecided<b></b></button>
<button id="approved" data-filter="approved">approved<b></b></button>
<button id="rejected" data-filter="rejected">rejected<b></b></button>
<button id="export">export JSON</button></div>
<div class="legend"><span>removed by:</span>{legend}<span class="gap"></span>
<span class="hint">keys: j next, k back, a approve, r reject</span></div></header>"""


def _article(number: int, one: Shown, colours: dict[str, str]) -> str:
    outcome = one.seen.outcome
    chips = "".join(
        f'<span><i class="{colours[rule]}">{escaped(rule)}</i> &minus;{count:,}</span>'
        for rule, count in one.compared.removed.items()
    )
    remark = f'<span class="remark">{escaped(one.seen.remark)}</span>' if one.seen.remark else ""
    before, after = one.chars
    right = "".join(_marked(piece, "ins", colours) for piece in one.compared.right)
    if not right or outcome == "failed":
        right = f'<span class="none">{"no text: the strategy failed" if outcome == "failed" else "dropped"}</span>'
    return f"""<article data-number="{number}" data-name="{escaped(one.name)}" data-outcome="{outcome}">
<div class="head"><span class="badge {outcome}">{outcome}</span><span class="name">{escaped(one.name)}</span>
<span class="labels">{escaped(one.labels)}</span><span class="size">{before:,} &rarr; {after:,} characters</span>{
        remark
    }
<span class="gap"></span><span class="verdict"><button class="approve">approve</button>
<button class="reject">reject</button></span></div>
{f'<div class="chips">{chips}</div>' if chips else ""}
<div class="sides"><div class="side"><h2>original</h2><div class="text" dir="ltr">{
        "".join(_marked(piece, "del", colours) for piece in one.compared.left)
    }</div></div>
<div class="side"><h2>cleaned</h2><div class="text" dir="ltr">{right}</div></div></div></article>"""


def _marked(piece: Piece, tag: str, colours: dict[str, str]) -> str:
    if piece.rule is None:
        return text(piece.text)
    verb = "removed" if tag == "del" else "written"
    return f'<{tag} class="{colours[piece.rule]}" title="{verb} by {escaped(piece.rule)}">{text(piece.text)}</{tag}>'
