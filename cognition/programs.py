"""A program as a sequence of tokens: what its hash and its features are made of. Never executes or imports it.

Comments, blank lines, trailing white space, indentation width and spacing between tokens do not count. What Python's
tokenizer refuses is taken as raw text, line by line, so that a broken program has a hash too. Of a candidate of several
files (tree.py) the names count too, and every character of a file that is no Python.
"""

from __future__ import annotations

import hashlib
import io
import tokenize
from functools import lru_cache

from cognition import tree

_SKIPPED = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER})
#: Tokens whose text is only layout; their kind counts, their text does not.
_LAYOUT = {tokenize.INDENT: "<indent>", tokenize.DEDENT: "<dedent>", tokenize.NEWLINE: "<newline>"}


@lru_cache(maxsize=64)
def tokens(code: str) -> tuple[str, ...]:
    """The program's tokens without comments and layout.

    >>> tokens("x = 1  # one")
    ('x', '=', '1', '<newline>')
    """
    try:
        files = tree.read(code) if tree.is_tree(code) else None
    except tree.TreeError:
        files = None
    return _tokens(code) if files is None else tuple(token for each in files.items() for token in _of_file(*each))


def _of_file(path: str, content: str) -> tuple[str, ...]:
    """Its header says how many follow, so that no content can pose as another file."""
    found = _tokens(content) if path.endswith(".py") else tuple(content.split("\n"))
    return (f"=== {path} {len(found)}", *found)


def _tokens(code: str) -> tuple[str, ...]:
    try:
        found = tokenize.generate_tokens(io.StringIO(code).readline)
        return tuple(_LAYOUT.get(token.type, token.string) for token in found if token.type not in _SKIPPED)
    except (tokenize.TokenError, SyntaxError, ValueError):  # newer Pythons: ValueError for NUL and surrogates
        return tuple(line.rstrip() for line in code.splitlines() if line.strip())


@lru_cache(maxsize=256)
def code_hash(code: str) -> str:
    """A fingerprint that only changes when the program does.

    >>> code_hash("x=1\\n") == code_hash("x = 1   # why\\n\\n"), code_hash("x = 1") == code_hash("x = 2")
    (True, False)
    """
    return hashlib.sha256("\0".join(tokens(code)).encode("utf-8", "replace")).hexdigest()
