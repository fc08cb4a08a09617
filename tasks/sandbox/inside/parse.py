"""Adapter of the parse gate: parses and compiles a candidate and measures its nesting, without running it."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from pathlib import Path
from typing import Any


def measure(candidate_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """{"problem": why it does not parse, or None}. `request`: {"max_depth": levels of the syntax tree}."""
    warnings.simplefilter("ignore")
    try:
        content = Path(candidate_path).read_bytes()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if encoding != "utf-8":  # it would run as another text than the one that is checked
            return {"problem": f"declares the encoding {encoding}, allowed is utf-8"}
        source = content.decode("utf-8")
        tree = ast.parse(source, "candidate.py")
        compile(source, "candidate.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return {"problem": f"line {error.lineno}: {error.msg}"}
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return {"problem": f"{type(error).__name__}: {error}"}
    depth = depth_of(tree)
    if depth > request["max_depth"]:
        return {"problem": f"nested {depth} levels deep, allowed are {request['max_depth']}"}
    return {"problem": None}


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
