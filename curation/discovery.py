"""Issue discovery: samples of each category and quality are examined before round 1, and become cognition items.

By the rules of measure/issues.py, and by a model beside them where the campaign has a judge. Each item carries the
numbers of the documents that show the issue. What shows later, while strategies are judged, is measure/novel.py.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field, TypeAdapter

from cognition.records import Failure, Item
from curation.corpus.document import Noisy
from curation.measure.issues import counts
from tasks.contract import Asker, Question

SAMPLED, SHOWN, RARE = 60, 5, 0.05
EXAMINED = 6  # documents that a model is shown of each category and quality
TASK = (
    "These are documents of one kind from a web corpus, before cleaning. Which kinds of noise do they show that no "
    "reader came for, and what must a cleaning program take care not to delete?"
)
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


def items(documents: Sequence[Noisy]) -> list[Item]:
    """What the rules found, as cognition items."""
    return [item(finding) for finding in discover(documents)]


class ExaminedIssue(BaseModel):
    """One kind of issue that a model sees."""

    name: str = Field(description="One to three words")
    documents: list[int] = Field(description="The numbers of the documents that show it")
    advice: str = Field(description="One sentence: how a program could remove it without deleting text")


class Examination(BaseModel):
    """What a model answers about a sample."""

    issues: list[ExaminedIssue] = Field(description="At most 6, the most frequent first")


def by_model(documents: Sequence[Noisy], asker: Asker) -> list[Item]:
    """What the campaign's judge sees in a few documents of each category and quality. Unusable answers find nothing."""
    groups: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for index, document in enumerate(documents):
        if len(groups[document.category, document.quality]) < EXAMINED:
            groups[document.category, document.quality].append(index)
    order = sorted(groups)
    questions = [
        Question(TASK, tuple((f"document {index}", documents[index].text) for index in groups[group]), 3_000)
        for group in order
    ]
    found = []
    for group, answer in zip(order, asker.ask_all("judge", questions, Examination), strict=True):
        if not isinstance(answer, Failure):
            found += [_examined(issue, group, groups[group]) for issue in answer.issues[:6]]
    return [each for each in found if each is not None]


def _examined(issue: ExaminedIssue, group: tuple[str, str], sampled: Sequence[int]) -> Item | None:
    """None where it names no document that it was shown: without evidence there is no item."""
    name = " ".join(re.findall(r"[a-z]+", issue.name.lower())[:4])
    where = [index for index in dict.fromkeys(issue.documents) if index in sampled]
    if not name or not where:
        return None
    category, quality = group[0].replace("_", " "), group[1]
    return Item(
        id=f"curation-examined-{name.replace(' ', '-')}-{group[0]}-{quality}"[:120],
        domain="curation",
        insight=f"{len(where)} of {len(sampled)} examined {category} documents of {quality} quality show {name}.",
        triggers=(name, category, f"{quality} quality"),
        background="Seen in documents " + ", ".join(str(index) for index in where) + ".",
        guidance=" ".join(issue.advice.split())[:400],
        source="issue discovery by a model",
        kind="quality issue",
        provenance="data",
    )


def as_json(found: Sequence[Item]) -> bytes:
    """The items as they are stored for the cognition base."""
    return TypeAdapter(tuple[Item, ...]).dump_json(tuple(found))
