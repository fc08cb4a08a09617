"""Adapter of the parse gate: parses and compiles a candidate and measures its nesting, without running it."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from pathlib import Path
from typing import Any


def measure(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """{"problem": why it does not parse, or None}.

    `request`: {"max_depth": levels of the syntax tree, "files": {name: text} to parse in place of the candidate's own
    text if that is a tree, else None}.
    """
    warnings.simplefilter("ignore")
    if request["files"] is None:
        return {"problem": _problem_of(Path(candidate_path).read_bytes(), request["max_depth"])}
    for name, text in request["files"].items():
        problem = _problem_of(text.encode("utf-8"), request["max_depth"])
        if problem is not None:
            return {"problem": f"{name}: {problem}"}
    return {"problem": None}


def _problem_of(content: bytes, max_depth: int) -> str | None:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if encoding != "utf-8":  # it would run as another text than the one that is checked
            return f"declares the encoding {encoding}, allowed is utf-8"
        source = content.decode("utf-8")
        tree = ast.parse(source, "candidate.py")
        compile(source, "candidate.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return f"{type(error).__name__}: {error}"
    depth = depth_of(tree)
    return f"nested {depth} levels deep, allowed are {max_depth}" if depth > max_depth else None


def depth_of(tree: ast.AST) -> int:
    """Levels of a syntax tree, counted without recursion.

    >>> depth_of(ast.parse("1 + 2"))
    4
    """
    depth, level = 0, [tree]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return depth
