"""A corpus of real documents: some of a source, with known clean and known noisy passages put among their lines.

Nobody knows how a real document should look, so F1 is measured on these passages alone (measure/spiked.py): real
technical English that should stay, and lines of the development families that should go. Judges and n-grams see whole
documents. What was read is cached in the state folder; nothing of a source is committed.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from random import Random

from cognition.records import MachineFault
from curation.corpus import noise
from curation.corpus.build import HELD_OUT, Chosen, Corpus, cached, with_fingerprint
from curation.corpus.document import Noisy, Spike
from curation.corpus.real_text import passages
from curation.scale.sources import Sampled, SourceSettings, sample

FORM = 1  # raised whenever the code here changes what comes out
FEWEST, SCANNED = 20, 40  # documents that a corpus needs; how many are read for each that is wanted
LONGEST_CHARS = 20_000  # longer documents are passed over: 500 of them are cleaned in every round
SPIKED_SHARE = 0.6  # of the documents get a clean passage, and as many a noisy one
SHORTEST_WORDS = 30
NOISE = noise.MENUS + noise.COOKIES + noise.SHARING + noise.SELLING + noise.FOOTERS


@lru_cache(maxsize=4)
def corpus(source: SourceSettings, documents: int, seed: int, chosen: Chosen) -> Corpus:
    """The corpus of a source. Raises MachineFault where it has too few documents."""
    parts: list[object] = [FORM, "source", source.model_dump(), documents, seed, chosen.key, _stamp(source)]
    return cached(f"source-{documents}-{seed}", parts, lambda: _built(source, documents, seed, chosen))


def _stamp(source: SourceSettings) -> list[list[str | int]]:
    """Names, sizes and times of local files: other contents are another corpus."""
    root = Path(source.root)
    if not root.is_dir():
        return []
    found = sorted(path for path in root.glob(source.pattern) if path.is_file())
    return [[path.relative_to(root).as_posix(), path.stat().st_size, path.stat().st_mtime_ns] for path in found]


def _built(source: SourceSettings, documents: int, seed: int, chosen: Chosen) -> Corpus:
    read = _read(source, documents * SCANNED)
    fit = [each for each in read if _is_chosen(each, chosen) and len(each.text) <= LONGEST_CHARS]
    if len(fit) < FEWEST:
        raise MachineFault(
            f"{source.root} ({source.pattern}): {len(fit)} of {len(read)} documents fit the category and quality that "
            f"were asked for, and at least {FEWEST} are needed"
        )
    rng = Random(f"source/{seed}")
    taken = fit if len(fit) <= documents else rng.sample(fit, documents)
    known = [passage.text for passage in passages(seed)]
    clean = [text for text in map(_paragraph, known[HELD_OUT:]) if text]
    noisy, spikes = [], []
    for number, each in enumerate(taken):
        text, put = spiked(each.text, number, clean, rng)
        noisy.append(Noisy(text, "", each.category or "unknown", each.quality or "unknown"))
        spikes += put
    return with_fingerprint(tuple(noisy), tuple(known[:HELD_OUT]), tuple(spikes))


def _read(source: SourceSettings, most: int) -> list[Sampled]:
    try:
        return sample(source, most)
    except (OSError, ImportError, ValueError, RuntimeError) as error:  # no such folder, no network, no access
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise MachineFault(f"cannot read {source.root} ({source.pattern}): {first[:300]}") from error


def _is_chosen(each: Sampled, chosen: Chosen) -> bool:
    return chosen.category in (None, each.category) and chosen.quality in (None, each.quality)


def spiked(text: str, number: int, clean: list[str], rng: Random) -> tuple[str, list[Spike]]:
    """The text with a clean passage, noisy lines, both or none at random places between its lines."""
    lines, spikes = text.split("\n"), list[Spike]()
    if rng.random() < SPIKED_SHARE:
        passage = rng.choice(clean)
        place = rng.randint(0, len(lines))
        lines[place:place] = ["", *passage.split("\n"), ""]
        spikes.append(Spike(number, passage, True))
    if rng.random() < SPIKED_SHARE:
        for wording in rng.sample(NOISE, rng.randint(1, 3)):
            line = wording.replace("{topic}", rng.choice(noise.TOPICS))
            # Never inside the clean passage: a rule that deletes runs of lines would be blamed for both.
            places = [at for at in range(len(lines) + 1) if not _is_inside(lines, at, spikes)]
            lines.insert(rng.choice(places), line)
            spikes.append(Spike(number, line, False))
    return "\n".join(lines), spikes


def _is_inside(lines: list[str], at: int, spikes: list[Spike]) -> bool:
    own = {line for spike in spikes if spike.is_clean for line in spike.text.split("\n")}
    return 0 < at < len(lines) and lines[at - 1] in own and lines[at] in own


def _paragraph(text: str) -> str:
    """The first paragraph of some length that is running text; "" if there is none."""
    for paragraph in text.split("\n\n"):
        if len(paragraph.split()) >= SHORTEST_WORDS and not paragraph.startswith((" ", ">>>")):
            return paragraph
    return ""
