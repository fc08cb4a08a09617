"""SEARCH/REPLACE edits of a program: parse them, apply them, make them. Pure.

    <<<<<<< SEARCH
    lines of the program, as they are
    =======
    lines to put in their place
    >>>>>>> REPLACE

SEARCH is whole lines. It is looked for as written first; failing that, without regard to trailing white space and to
a uniform shift of the indentation, which the replacement then follows. It has to match in exactly one place. All
edits refer to the program as it was, so their order does not matter and they must not overlap. A line of the program
that looks like a mark cannot be edited this way.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from cognition.records import Failure, FailureKind

SEARCH, DIVIDER, REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
_MAX_QUOTED_LINES = 8


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines to find, and lines to put in their place."""

    search: tuple[str, ...]
    replace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Placed:
    """An edit at its place: lines `start` up to `end` become `lines`. `number` counts edits from 1."""

    number: int
    start: int
    end: int
    lines: tuple[str, ...]


class _Unusable(Exception):
    """Why the edits cannot be used; becomes a Failure at the edge of this module."""


def parse_edits(text: str) -> tuple[Edit, ...] | Failure:
    """The edits in a model's answer. Anything between the blocks is ignored."""
    try:
        return _parse(text)
    except _Unusable as error:
        return Failure(FailureKind.UNUSABLE, str(error))


def apply_edits(code: str, text: str) -> str | Failure:
    """The program after the edits in `text`, or a Failure (UNUSABLE) that says which edit is wrong and why."""
    try:
        lines = code.split("\n")
        placed = sorted(
            (_place(lines, edit, number) for number, edit in enumerate(_parse(text), start=1)),
            key=lambda p: (p.start, p.end),
        )
        result = "\n".join(_merged(lines, placed))
    except _Unusable as error:
        return Failure(FailureKind.UNUSABLE, str(error))
    if result == code:
        return Failure(FailureKind.UNUSABLE, "the edits change nothing: every REPLACE equals what it replaces")
    return result


def make_edits(before: str, after: str) -> str:
    """Edits that turn `before` into `after`, each with as much context as makes it unique.

    Raises ValueError if a line to be quoted looks like a mark.
    """
    old, new = before.split("\n"), after.split("\n")
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    hunks = [_Hunk(i, j, k, m) for tag, i, j, k, m in matcher.get_opcodes() if tag != "equal"]
    edits = [Edit(tuple(old[h.start : h.end]), tuple(new[h.new_start : h.new_end])) for h in _unique(old, hunks)]
    return "\n".join(_written(edit) for edit in edits)


def _parse(text: str) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    block: list[str] | None = None
    for line in text.replace("\r\n", "\n").split("\n"):
        mark = line.rstrip()
        if mark == SEARCH:
            if block is not None:
                raise _Unusable(f"edit {len(edits) + 1} has no line {REPLACE!r} before the next {SEARCH!r}")
            block = []
        elif mark == REPLACE and block is not None:
            edits.append(_edit(block, len(edits) + 1))
            block = None
        elif block is not None:
            block.append(line)
    if block is not None:
        raise _Unusable(f"edit {len(edits) + 1} is cut off: no closing line {REPLACE!r}")
    if not edits:
        raise _Unusable(f"expected edits in blocks of {SEARCH!r}, {DIVIDER!r}, {REPLACE!r}; found none")
    return tuple(edits)


def _edit(block: list[str], number: int) -> Edit:
    dividers = [index for index, line in enumerate(block) if line.rstrip() == DIVIDER]
    if len(dividers) != 1:
        raise _Unusable(f"edit {number} has {len(dividers)} lines {DIVIDER!r} between its marks, expected exactly one")
    return Edit(tuple(block[: dividers[0]]), tuple(block[dividers[0] + 1 :]))


def _place(lines: Sequence[str], edit: Edit, number: int) -> _Placed:
    if not any(line.strip() for line in edit.search):
        return _place_blank(lines, edit, number)
    exact = _starts(lines, edit.search)
    if len(exact) == 1:
        return _Placed(number, exact[0], exact[0] + len(edit.search), edit.replace)
    # Whatever matches exactly matches loosely too, so several exact matches are ambiguous here.
    loose = _starts(_normal(lines), _normal(edit.search)) or _shifted(lines, edit.search)
    if len(loose) > 1:
        raise _Unusable(_ambiguous(lines, edit, number, loose))
    if not loose:
        raise _Unusable(_missing(lines, edit, number))
    found = lines[loose[0] : loose[0] + len(edit.search)]
    return _Placed(number, loose[0], loose[0] + len(edit.search), _reindented(edit, found, number))


def _place_blank(lines: Sequence[str], edit: Edit, number: int) -> _Placed:
    if edit.search and _starts(lines, edit.search) == [0] and len(edit.search) == len(lines):
        return _Placed(number, 0, len(lines), edit.replace)  # the program itself is blank
    raise _Unusable(f"the SEARCH of edit {number} is empty: quote the lines next to which the new ones belong")


def _starts(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    width = len(wanted)
    return [i for i in range(len(lines) - width + 1) if lines[i] == wanted[0] and [*lines[i : i + width]] == [*wanted]]


def _normal(lines: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in lines]


def _shifted(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the lines stand with another indentation, the same shift for all of them."""
    stripped, target = [line.strip() for line in lines], _dedented(wanted)
    candidates = _starts(stripped, [line.strip() for line in wanted])
    return [i for i in candidates if _dedented(lines[i : i + len(wanted)]) == target]


def _dedented(lines: Sequence[str]) -> list[str]:
    margin = len(_margin(lines))
    return [line[margin:].rstrip() if line.strip() else "" for line in lines]


def _margin(lines: Sequence[str]) -> str:
    """The indentation that all lines with content share."""
    indents = [line[: len(line) - len(line.lstrip())] for line in lines if line.strip()]
    shortest = min(indents, key=len, default="")
    while not all(indent.startswith(shortest) for indent in indents):
        shortest = shortest[:-1]
    return shortest


def _reindented(edit: Edit, found: Sequence[str], number: int) -> tuple[str, ...]:
    """The replacement, moved as far as the match lies from where SEARCH had it."""
    had, has = _margin(edit.search), _margin(found)
    if had == has:
        return edit.replace
    return tuple(_moved(line, had, has, number) if line.strip() else line for line in edit.replace)


def _moved(line: str, had: str, has: str, number: int) -> str:
    if line.startswith(had):
        return has + line[len(had) :]
    if has.startswith(had):  # the line is indented less than SEARCH, and the program more
        return has[len(had) :] + line
    raise _Unusable(
        f"edit {number} matches only with another indentation, and its REPLACE is indented less than its SEARCH: "
        "quote the lines with the indentation that they have in the program"
    )


def _merged(lines: Sequence[str], placed: Sequence[_Placed]) -> list[str]:
    merged: list[str] = []
    position = 0
    for number, piece in enumerate(placed):
        if piece.start < position:
            first, second = sorted((placed[number - 1].number, piece.number))
            raise _Unusable(f"edits {first} and {second} overlap: join them into one")
        merged += [*lines[position : piece.start], *piece.lines]
        position = piece.end
    return [*merged, *lines[position:]]


def _ambiguous(lines: Sequence[str], edit: Edit, number: int, starts: Sequence[int]) -> str:
    where = ", ".join(str(start + 1) for start in starts[:5]) + (", ..." if len(starts) > 5 else "")
    return (
        f"the SEARCH of edit {number} matches {len(starts)} places (lines {where}), expected one: add lines before or "
        f"after it until it is unique. It was:\n{_quoted(edit.search, None)}"
    )


def _missing(lines: Sequence[str], edit: Edit, number: int) -> str:
    start = _nearest(lines, edit.search)
    near = _quoted(lines[start : start + len(edit.search)], start + 1)
    return (
        f"the SEARCH of edit {number} is not in the program. It was:\n{_quoted(edit.search, None)}\n"
        f"The nearest lines of the program are:\n{near}"
    )


def _nearest(lines: Sequence[str], wanted: Sequence[str]) -> int:
    """The start of the window that shares the most lines with `wanted`, or holds the line most like one of its."""
    stripped, targets = [line.strip() for line in lines], [line.strip() for line in wanted]
    scores = [
        sum(a == b != "" for a, b in zip(stripped[i : i + len(targets)], targets, strict=False))
        for i in range(len(lines))
    ]
    if any(scores):
        return scores.index(max(scores))
    longest = max(targets, key=len)
    likest = difflib.get_close_matches(longest, stripped, n=1, cutoff=0.0)
    return max(0, stripped.index(likest[0]) - targets.index(longest)) if likest else 0


def _quoted(lines: Sequence[str], first_number: int | None) -> str:
    shown = [
        f"{'' if first_number is None else f'{first_number + offset}: '}{line[:160]}"
        for offset, line in enumerate(lines[:_MAX_QUOTED_LINES])
    ]
    return "\n".join([*shown, "..."] if len(lines) > _MAX_QUOTED_LINES else shown)


@dataclass(frozen=True, slots=True)
class _Hunk:
    """A change: lines [start, end) of the old program become lines [new_start, new_end) of the new one."""

    start: int
    end: int
    new_start: int
    new_end: int

    def widened(self, start: int, end: int) -> _Hunk:
        """With the equal lines around it that lie in [start, end)."""
        return _Hunk(start, end, self.new_start - (self.start - start), self.new_end + (end - self.end))

    def joined(self, other: _Hunk) -> _Hunk:
        """With a later one and all between them."""
        return _Hunk(self.start, other.end, self.new_start, other.new_end)


def _unique(old: Sequence[str], hunks: Sequence[_Hunk]) -> list[_Hunk]:
    """The hunks, widened until each quotes lines that stand in one place only, and joined where they then meet."""
    done: list[_Hunk] = []
    for hunk in hunks:
        start, end = _lone_range(old, hunk.start, hunk.end)
        while done and start <= done[-1].end:
            hunk = done.pop().joined(hunk)
            start, end = _lone_range(old, hunk.start, hunk.end)
        done.append(hunk.widened(start, end))
    return done


def _lone_range(old: Sequence[str], start: int, end: int) -> tuple[int, int]:
    while (start, end) != (0, len(old)) and not _stands_alone(old, old[start:end]):
        start, end = max(0, start - 1), min(len(old), end + 1)
    return start, end


def _stands_alone(old: Sequence[str], wanted: Sequence[str]) -> bool:
    return any(line.strip() for line in wanted) and len(_starts(old, wanted)) == 1


def _written(edit: Edit) -> str:
    quoted = [*edit.search, *edit.replace]
    if any(line.rstrip() in {SEARCH, DIVIDER, REPLACE} for line in quoted):
        raise ValueError("a line that looks like an edit's mark cannot be part of an edit: send the whole program")
    return "\n".join([SEARCH, *edit.search, DIVIDER, *edit.replace, REPLACE])
