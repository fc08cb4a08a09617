"""Static rules for models: early, clear messages. The boundary that holds is the sandbox."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tasks.contract import Issue
from tasks.program_rules import parts_read

ALLOWED = frozenset({"__future__", "collections", "dataclasses", "functools", "itertools", "math", "torch", "typing"})
TORCH_PARTS = frozenset({"torch", "torch.nn", "torch.nn.functional", "torch.nn.init"})
FORBIDDEN_CALLS = frozenset({
    "eval", "exec", "compile", "open", "input", "breakpoint", "__import__", "setattr", "delattr", "globals", "vars",
    "getattr",
})  # fmt: skip
FORBIDDEN_PARTS = frozenset({
    "_C", "_dynamo", "_inductor", "distributed", "hub", "jit", "library", "load", "multiprocessing", "ops", "overrides",
    "save", "serialization", "utils", "backends", "set_default_dtype", "set_default_device", "set_num_threads", "sys",
    "os", "modules", "from_file", "__class__", "__dict__", "__globals__", "__subclasses__", "__builtins__",
})  # fmt: skip
ARGUMENTS = {"__init__": 3, "forward": 4}
SIGNATURES = "__init__(self, atom_features, residues) and forward(self, atoms_BNF, bonds_BNN, residues_BL)"


def issues(code: str) -> list[Issue]:
    """Everything that breaks a rule, in order of lines."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [Issue("syntax", f"the program does not parse: {error}", getattr(error, "lineno", None))]
    found = list(_class(tree))
    modules = _imported(tree)
    for node in ast.walk(tree):
        found += [*_imports(node), *_calls(node), *_parts(node), *_patches(node, modules)]
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


def _imports(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "."]
    else:
        return
    for name in names:
        top = name.partition(".")[0]
        if top not in ALLOWED or (top == "torch" and name not in TORCH_PARTS):
            yield Issue("forbidden-import", f"`{name}` may not be imported; torch and math are there", node.lineno)


def _calls(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
        yield Issue("forbidden-call", f"`{node.func.id}` may not be called; a model does not need it", node.lineno)


def _parts(node: ast.AST) -> Iterator[Issue]:
    for name in parts_read(node):
        if name in FORBIDDEN_PARTS or name == "*":
            line = getattr(node, "lineno", None)
            yield Issue("forbidden-attribute", f"`{name}` may not be used in a model", line)


def _imported(tree: ast.Module) -> frozenset[str]:
    """Names that stand for somebody else's modules and classes."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return frozenset((alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names)


def _patches(node: ast.AST, modules: frozenset[str]) -> Iterator[Issue]:
    """The trainer is the same for every model, so nothing of torch is replaced."""
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        root = ast.unparse(node).partition(".")[0]
        if root in modules:
            yield Issue("patch", f"`{ast.unparse(node)}` may not be assigned: the trainer is fixed", node.lineno)
