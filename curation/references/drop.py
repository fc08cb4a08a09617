"""Drop every document: the lower end of every measure."""


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """Nothing."""
    return None
