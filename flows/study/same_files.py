"""Whether all cells of a study are of one measure, and were told the same; from what each cell's campaign noted.

Cells of two measures cannot be compared, and no flag makes them comparable: the study is refused. Reads only.
"""

from __future__ import annotations

from collections.abc import Sequence

from cognition.archive import Archive
from flows import measure, problem_source, registry
from flows.config import ConfigError
from flows.study.cells import Cell


def refuse_changed(archive: Archive, study: str, ordered: Sequence[Cell]) -> None:
    """Raises ConfigError if a cell has scores that were measured by other files than those of now."""
    settings = ordered[0].settings
    domain = registry.load(settings.problem, settings.options)
    now = problem_source.parts_of(settings.problem, domain).measure
    for cell in ordered:
        known = measure.known_of(archive, cell.campaign)
        if known is None:
            changed = measure.measure_changes(archive, cell.settings, domain)
        else:
            begun = archive.recorded_rounds(cell.campaign)
            changed = measure.differing(known.files.measure, now) if begun else ""
        if changed:
            raise ConfigError(
                f"study {study}: its cell {cell.campaign} was measured by other files of {settings.problem} "
                f"({changed}): cells of two measures cannot be compared. Put them back, or choose another name"
            )


def remarks(archive: Archive, ordered: Sequence[Cell]) -> tuple[str, ...]:
    """What the table has to say of cells that were told otherwise than the first one, or changed under way."""
    found = dict[str, str]()  # sentence -> the first cell that it holds for
    first: dict[str, str] | None = None
    for cell in ordered:
        known = measure.known_of(archive, cell.campaign)
        if known is None:
            continue
        first = first or known.files.told
        said = [*known.accepted, *known.told_otherwise]
        if not said and (changed := measure.differing(first, known.files.told)):
            said = [f"proposers were told otherwise than in the first cell: {changed}"]
        for sentence in said:
            found.setdefault(sentence, cell.campaign)
    return tuple(f"From cell {cell} on: {sentence}." for sentence, cell in found.items())
