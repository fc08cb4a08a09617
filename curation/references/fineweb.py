"""Heuristic filters of FineWeb, by Datatrove's stock steps: Gopher's, C4's without its line rule, and its own."""

STEPS = [
    ["GopherRepetitionFilter", {}],
    ["GopherQualityFilter", {}],
    ["C4QualityFilter", {"filter_no_terminal_punct": False}],
    ["FineWebQualityFilter", {}],
]


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """What the stock steps left."""
    return text
