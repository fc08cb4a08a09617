"""Issue discovery: samples of each category and quality are examined before round 1, and become cognition items.

Offline, by the rules of measure/issues.py; each item carries the numbers of the documents that show the issue. A model
that examines samples is not built yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from cognition.records import Item
from curation.corpus.document import Noisy
from curation.measure.issues import counts

SAMPLED, SHOWN, RARE = 60, 5, 0.05
ADVICE = {
    "markup": "Cut out HTML's own tags and decode entities; leave other text in angle brackets alone.",
    "script": "Delete lines of page code as a whole; code of the text itself is indented or stands between prose.",
    "boilerplate": "Delete short lines with phrases of menus, banners and footers; long ones are text.",
    "encoding": "Read spoiled lines again as UTF-8, and keep a line as it is where that fails.",
    "invisible": "Remove soft hyphens, zero-width and control characters before any rule looks at words.",
    "private data": "Drop short contact lines; cut addresses and numbers out of the others.",
    "repetition": "Keep the first of equal lines, and spare short ones, which repeat for good reason.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue in one category and quality: the share of its sampled documents that show it, and some of them."""

    issue: str
    category: str
    quality: str
    share: float
    documents: tuple[int, ...]


def discover(documents: Sequence[Noisy]) -> list[Finding]:
    """What the first SAMPLED documents of each category and quality show. Only their texts are looked at."""
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, document in enumerate(documents):
        if len(groups[document.category, document.quality]) < SAMPLED:
            groups[document.category, document.quality].append(index)
    found = []
    for (category, quality), sampled in sorted(groups.items()):
        shows: defaultdict[str, list[int]] = defaultdict(list)
        for index in sampled:
            for name, count in counts(documents[index].text).items():
                if count:
                    shows[name].append(index)
        for name, where in sorted(shows.items()):
            if len(where) >= RARE * len(sampled):
                found.append(Finding(name, category, quality, len(where) / len(sampled), tuple(where[:SHOWN])))
    return found


def item(finding: Finding) -> Item:
    """A finding as a cognition item."""
    words = finding.category.replace("_", " ")
    slug = f"{finding.issue.replace(' ', '-')}-{finding.category}-{finding.quality}"
    return Item(
        id=f"curation-issue-{slug}",
        domain="curation",
        insight=f"{finding.share:.0%} of sampled {words} documents of {finding.quality} quality show {finding.issue}.",
        triggers=(finding.issue, words, f"{finding.quality} quality"),
        background="Seen in documents " + ", ".join(str(index) for index in finding.documents) + ".",
        guidance=ADVICE[finding.issue],
        source="issue discovery by rules, no model",
        kind="quality issue",
        provenance="data",
    )


def as_json(findings: Sequence[Finding]) -> bytes:
    """The items as they are stored for the cognition base."""
    return TypeAdapter(tuple[Item, ...]).dump_json(tuple(item(finding) for finding in findings))
