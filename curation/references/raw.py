"""Keep every document as it is."""


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """The text itself."""
    return text
