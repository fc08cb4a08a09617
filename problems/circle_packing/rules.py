"""Static rules for candidates. They give early, clear messages; the boundary that holds is the sandbox."""

from __future__ import annotations

import ast

from tasks.contract import Issue

ARGUMENTS = ("n", "width", "height", "seed", "cpu_s")
SIGNATURE = f"pack({', '.join(ARGUMENTS)})"
FORBIDDEN = frozenset({
    "asyncio", "builtins", "concurrent", "ctypes", "fcntl", "http", "importlib", "inspect", "io", "marshal",
    "mmap", "multiprocessing", "os", "pathlib", "pickle", "pty", "resource", "runpy", "shutil", "signal", "socket",
    "ssl", "subprocess", "sys", "tempfile", "threading", "urllib",
})  # fmt: skip
FORBIDDEN_CALLS = frozenset({"eval", "exec", "compile", "open", "input", "breakpoint", "__import__"})


def issues(code: str) -> list[Issue]:
    """Everything that breaks a rule, in order of lines."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [Issue("syntax", f"the program does not parse: {error}", getattr(error, "lineno", None))]
    found = _signature(tree)
    for node in ast.walk(tree):
        found += _imports(node) + _calls(node)
    return sorted(found, key=lambda issue: issue.line or 0)


def _signature(tree: ast.Module) -> list[Issue]:
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name == "pack":
            return [] if _accepts(node.args) else [_wrong_arguments(node)]
    return [Issue("signature", f"expected a top-level function {SIGNATURE}, found none")]


def _accepts(arguments: ast.arguments) -> bool:
    """Whether the five values can be passed by name and nothing else is required."""
    named = [argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)]
    optional = [a.arg for a in arguments.args[len(arguments.args) - len(arguments.defaults) :]]
    optional += [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    missing = [name for name in ARGUMENTS if name not in named and arguments.kwarg is None]
    extra = [name for name in named if name not in ARGUMENTS and name not in optional]
    return not missing and not extra and not arguments.posonlyargs


def _wrong_arguments(node: ast.FunctionDef) -> Issue:
    return Issue("signature", f"expected {SIGNATURE}, found pack({ast.unparse(node.args)})", node.lineno)


def _imports(node: ast.AST) -> list[Issue]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "."]
    else:
        return []
    return [
        Issue("forbidden-import", f"`{name}` may not be imported; numpy, scipy and plain Python are there", node.lineno)
        for name in names
        if name.partition(".")[0] in FORBIDDEN
    ]


def _calls(node: ast.AST) -> list[Issue]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
        return [Issue("forbidden-call", f"`{node.func.id}` may not be called; nothing needs it", node.lineno)]
    return []
