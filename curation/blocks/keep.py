"""Slot `keep`: lines that must stay, whatever other rules say of them. `keep(line) -> bool`."""

from __future__ import annotations

from typing import Annotated

from curation.blocks.toolkit import function_share, re, word_count


def nothing(line: str) -> bool:
    """No line is protected.

    Right as long as the rules that delete lines are narrow; wide ones eat code, tables and references.
    """
    return False


def prose(line: str, *, words: Annotated[int, (4, 20)] = 9, share: Annotated[float, (0.05, 0.5)] = 0.25) -> bool:
    """Protect lines that read like sentences: enough words, enough of them function words.

    Advertisements are sentences too, so a low share protects them as well.
    """
    return word_count(line) >= words and function_share(line) >= share


def technical(line: str, *, indent: Annotated[int, (1, 8)] = 4, signs: Annotated[float, (0.05, 0.6)] = 0.2) -> bool:
    """Protect code, formulas, table rows, citations and dosages.

    Indented lines with operators, rows with columns, numbered references, and numbers with units.
    """
    body = line.strip()
    if not body:
        return False
    operators = len(re.findall(r"[=+*/^_(){}\[\]\\<>:]", body)) / len(body)
    is_code = (len(line) - len(line.lstrip()) >= indent or body.startswith((">>>", "..."))) and operators >= 0.02
    is_table = body.count("  ") >= 2 or re.match(r"^[-=+| ]{4,}$", body) is not None
    is_citation = re.match(r"^(\[\d+\]|\.\. \[\w+\])", body) is not None or re.search(r"\(\d{4}\)", body) is not None
    is_dose = re.search(r"\d\s?(mg|ml|mcg|kg|mmol|IU)\b", body) is not None
    return is_code or is_table or is_citation or is_dose or operators >= signs


def technical_and_prose(
    line: str,
    *,
    words: Annotated[int, (4, 20)] = 12,
    share: Annotated[float, (0.05, 0.5)] = 0.3,
    signs: Annotated[float, (0.05, 0.6)] = 0.15,
) -> bool:
    """Protect sentences, and lines full of the signs of code and formulas.

    The widest protection: it suits wide rules of deletion.
    """
    body = line.strip()
    operators = len(re.findall(r"[=+*/^_(){}\[\]\\]", body)) / max(1, len(body))
    is_reference = re.match(r"^(\[\d+\]|\.\. \[)", body) is not None
    return is_reference or operators >= signs or (word_count(line) >= words and function_share(line) >= share)
