"""Puts a candidate's program, the primitives that it calls, and a layer around it into one file. Pure text; no torch.

The primitives (arch/inside/mixers) become one function, so that no name of the program's can replace one of theirs. The
program stays as it is but for its imports from `mixers`. What a model wrote (ids, motivation) is only ever a literal.
"""

from __future__ import annotations

import ast
import json
import pprint
import textwrap
from collections.abc import Mapping
from pathlib import Path

from cognition.records import JSON

HERE = Path(__file__).parent
MIXERS = HERE.parent / "inside" / "mixers"
SECTIONS = ("layers", "stepwise", "chunked", "backends", "memory")  # each needs only those before it
EXPORTS = (
    "decayed_attention", "delta_rule", "gated_delta_rule", "l2_norm", "linear_attention", "rms_norm", "rope",
    "short_conv", "split_heads", "use",
)  # fmt: skip
OURS = frozenset({"EvolvedLayer", "PROVENANCE", "use_kernels", "_layer", "_nn", "_torch", "_primitives", "_Namespace"})
HEADER = '''\
"""A linear-attention layer that was evolved, in one file: needs torch alone.

    from layer import EvolvedLayer
    layer = EvolvedLayer(hidden_size=1024, num_heads=8, layer_idx=0)   # called like the layers of fla
    hidden, _, cache = layer(hidden_states)

PROVENANCE says which candidate this is, what it was made from, and what it scored under which conditions. On another
scale or with other data nothing is known about it. test_layer.py beside this file tests it.
"""

# SPDX-License-Identifier: Apache-2.0
'''


class ExportError(ValueError):
    """The program cannot be exported; the message says why."""


def assembled(code: str, provenance: Mapping[str, JSON]) -> str:
    """The file's text. Raises ExportError, or SyntaxError where the program is none."""
    tree = ast.parse(code)
    taken = sorted(OURS & _names(tree))
    if taken:
        raise ExportError(f"the program uses the name {taken[0]}, which the exported file needs: rename it")
    future = "from __future__ import annotations\n\n" if _has_future(tree) else ""
    literal = pprint.pformat(json.loads(json.dumps(provenance)), width=110, sort_dicts=False)
    return (
        f"{HEADER}\n{future}PROVENANCE = {literal}\n\n\n{primitives()}\n\n"
        f"# The program, as it was judged; only its imports from `mixers` are bound to the above.\n\n"
        f"{rebound(code, tree)}\n\n{(HERE / 'layer.py').read_text()}"
    )


def selftest() -> str:
    """The test's text."""
    return (HERE / "selftest.py").read_text()


def _names(tree: ast.AST) -> set[str]:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    aliases = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
               for alias in node.names}  # fmt: skip
    return names | defined | aliases


def _has_future(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)


def rebound(code: str, tree: ast.Module) -> str:
    """The program with its imports from `mixers` as assignments.

    >>> text = "from mixers import rope as r, l2_norm"
    >>> rebound(text, ast.parse(text))
    'r = mixers.rope; l2_norm = mixers.l2_norm'
    """
    lines = [line.encode() for line in code.splitlines(keepends=True)]
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    raw = b"".join(lines)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in sorted(found, key=lambda each: (each.lineno, each.col_offset), reverse=True):
        text = _binding(node)
        if text is not None:
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            start = starts[node.lineno - 1] + node.col_offset
            end = starts[node.end_lineno - 1] + node.end_col_offset
            raw = raw[:start] + text.encode() + raw[end:]
    return raw.decode()


def _binding(node: ast.Import | ast.ImportFrom) -> str | None:
    """Assignments in place of an import from `mixers`; None for another import."""
    if isinstance(node, ast.ImportFrom):
        if node.module == "__future__":
            return "pass"
        if node.module != "mixers":
            return None
        names = [(alias.name, alias.asname or alias.name) for alias in node.names]
        if names[0][0] == "*":
            names = [(name, name) for name in EXPORTS]
        return "; ".join(f"{target} = mixers.{name}" for name, target in names)
    renamed = [alias for alias in node.names if alias.name == "mixers"]
    if not renamed:
        return None
    others = [ast.unparse(ast.Import([alias])) for alias in node.names if alias.name != "mixers"]
    ours = [f"{alias.asname} = mixers" for alias in renamed if alias.asname]
    return "; ".join([*others, *ours]) or "pass"


def primitives() -> str:
    """The modules of `mixers` as the body of one function that returns what a program may call."""
    bodies = [_section(name) for name in SECTIONS]
    names = "".join(f"{name}={name},\n" for name in EXPORTS)
    body = "\n\n".join([*bodies, f"return _Namespace(\n{textwrap.indent(names, '    ')})"])
    return (
        "from types import SimpleNamespace as _Namespace\n\n\n"
        'def _primitives():\n    """Linear-time memories and small layers that the program calls."""\n'
        f"{textwrap.indent(body, '    ')}\n\n\nmixers = _primitives()\n"
    )


def _section(name: str) -> str:
    """One module's text without its imports of the others, its state as the function's."""
    code = (MIXERS / f"{name}.py").read_text()
    tree = ast.parse(code)
    lines = code.splitlines()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__"):
            assert node.end_lineno is not None
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
    text = "\n".join(lines).strip("\n").replace("global _current", "nonlocal _current")
    if name == "backends":
        text += "\n\n\nbackends = _Namespace(current=current, call=call)"
    return text
