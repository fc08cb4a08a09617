"""Keep only long lines that end like a sentence: very clean, and most of a technical text is gone."""


def clean(text: str, metadata: dict[str, object]) -> str | None:
    """Lines of at least 60 characters with a full stop at their end and no unusual sign in them."""
    kept = [line for line in text.split("\n") if len(line) >= 60 and line.rstrip().endswith(".") and line.isascii()]
    return "\n".join(line for line in kept if not set("<>{}[]|=@&") & set(line)) or None
