"""Static rules for models: early, clear messages. The boundary that holds is the sandbox.

They look for the class and its methods; tasks/library_names.py, for what is reached or set of a library. The trainer is
the same for every model, so nothing of torch is replaced.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tasks import library_names
from tasks.contract import Issue
from tasks.library_names import Allowed

ALLOWED = Allowed(
    libraries=frozenset({
        "__future__", "collections", "collections.abc", "dataclasses", "functools", "itertools", "math", "torch",
        "torch.autograd", "torch.fft", "torch.linalg", "torch.nn", "torch.nn.functional", "torch.nn.init",
        "torch.special", "typing",
    }),
    noun="model",
    own=frozenset({"self", "ctx"}),  # `ctx` is that of an autograd function
)  # fmt: skip
ARGUMENTS = {"__init__": 3, "forward": 4}
SIGNATURES = "__init__(self, atom_features, residues) and forward(self, atoms_BNF, bonds_BNN, residues_BL)"


def issues(code: str) -> list[Issue]:
    """Everything that breaks a rule, in order of lines."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [Issue("syntax", f"the program does not parse: {error}", getattr(error, "lineno", None))]
    found = [*_class(tree), *library_names.issues(tree, ALLOWED)]
    for node in ast.walk(tree):
        found += _calls(node)
    return sorted(found, key=lambda issue: issue.line or 0)


def _class(tree: ast.Module) -> Iterator[Issue]:
    for node in reversed(tree.body):
        if isinstance(node, ast.ClassDef) and node.name == "Model":
            yield from _methods(node)
            return
    yield Issue("contract", "expected a top-level class Model(nn.Module), found none")


def _methods(node: ast.ClassDef) -> Iterator[Issue]:
    methods = {entry.name: entry for entry in node.body if isinstance(entry, ast.FunctionDef)}
    for name, count in ARGUMENTS.items():
        method = methods.get(name)
        if method is None or (not method.args.vararg and len(method.args.args) < count):
            yield Issue("contract", f"expected {SIGNATURES} in class Model", (method or node).lineno)


def _calls(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "input":
        yield Issue("forbidden-call", "`input` may not be called; a model does not need it", node.lineno)
