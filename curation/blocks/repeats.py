"""Slot `repeats`: what stands in the document twice. `repeats(lines, keep) -> lines`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import Counter, Keep, bare, re


def exact_lines(lines: list[str], keep: Keep, *, shortest: Annotated[int, (1, 80)] = 25) -> list[str]:
    """Keep the first of equal lines, if they have some length; shorter ones stay.

    Closing brackets, list markers and table rules repeat by nature.
    """
    seen: set[str] = set()
    kept = []
    for line in lines:
        body = bare(line)
        if len(body) >= shortest and body in seen:
            continue
        seen.add(body)
        kept.append(line)
    return kept


def neighbours_and_blocks(
    lines: list[str], keep: Keep, *, shortest: Annotated[int, (1, 80)] = 20, run: Annotated[int, (2, 6)] = 2
) -> list[str]:
    """Delete a line that equals one of the two before it, and runs of lines that stood there before.

    A single short line that comes back far away stays: it may be a heading or a line of code.
    """
    bodies = [bare(line) for line in lines]
    first: dict[tuple[str, ...], int] = {}
    doomed: set[int] = set()
    for at in range(len(lines)):
        if bodies[at] and bodies[at] in bodies[max(0, at - 2) : at]:
            doomed.add(at)
        window = tuple(bodies[at : at + run])
        if len(window) == run and sum(map(len, window)) >= shortest and first.setdefault(window, at) != at:
            doomed.update(range(at, at + run))
    return [line for at, line in enumerate(lines) if at not in doomed]


def folded_lines(
    lines: list[str], keep: Keep, *, shortest: Annotated[int, (5, 80)] = 25, most: Annotated[int, (1, 3)] = 1
) -> list[str]:
    """Keep the first of lines that are equal but for case, punctuation and numbers.

    Numbers differ between the rows of a table, so lines with many digits are compared as they are.
    """
    seen: Counter[str] = Counter()
    kept = []
    for line in lines:
        body = bare(line)
        digits = sum(sign.isdigit() for sign in body)
        key = body if digits > 0.1 * max(1, len(body)) else re.sub(r"[\W\d_]+", " ", body.lower()).strip()
        if len(body) >= shortest:
            seen[key] += 1
            if seen[key] > most:
                continue
        kept.append(line)
    return kept
