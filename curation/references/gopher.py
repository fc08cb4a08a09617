"""Heuristic filters of Gopher, by Datatrove's stock steps: whole documents by repetition and by word statistics."""

STEPS = [["GopherRepetitionFilter", {}], ["GopherQualityFilter", {}]]


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """What the stock steps left."""
    return text
