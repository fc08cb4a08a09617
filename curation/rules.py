"""Static rules for strategies. They give early, clear messages; the boundary that holds is the sandbox.

Strategies are pure functions of one document, so they may import only modules that work on text and numbers. The
corpus is made from docstrings of this Python, hence the ban on whatever could read them back.
"""

from __future__ import annotations

import ast

from curation.inside.adapter import ALLOWED
from curation.strategy import StrategyError, read_steps
from tasks.contract import Issue

SIGNATURE = "clean(text, metadata)"
FORBIDDEN_CALLS = frozenset({
    "eval", "exec", "compile", "open", "input", "breakpoint", "__import__", "globals", "locals", "vars", "getattr",
    "setattr", "delattr", "help", "print",
})  # fmt: skip
#: Modules that an allowed module has imported, and could be reached through it.
FORBIDDEN_ATTRIBUTES = frozenset({
    "sys", "os", "io", "builtins", "bltns", "importlib", "inspect", "modules", "types", "gc", "pydoc", "threading",
})  # fmt: skip


#: Functions of allowed modules, and of text, that reach an attribute by a name in a string, unseen by these rules.
BY_STRING = frozenset({
    "attrgetter", "methodcaller", "format", "format_map", "Formatter", "get_type_hints", "ForwardRef", "update_wrapper",
    "wraps", "make_dataclass", "getattr", "setattr", "eval", "exec", "globals", "locals", "vars",
})  # fmt: skip


def issues(code: str) -> list[Issue]:
    """Everything that breaks a rule, in order of lines."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [Issue("syntax", f"the program does not parse: {error}", getattr(error, "lineno", None))]
    found = _signature(tree) + _steps(tree)
    for node in ast.walk(tree):
        found += _imports(node) + _names(node) + _state(node)
    return sorted(found, key=lambda issue: issue.line or 0)


def _signature(tree: ast.Module) -> list[Issue]:
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef) and node.name == "clean":
            arguments = node.args
            required = len(arguments.args) - len(arguments.defaults)
            named = [argument.arg for argument in arguments.args[:2]]
            if named == ["text", "metadata"] and required <= 2 and None not in arguments.kw_defaults:
                return []
            return [Issue("signature", f"expected {SIGNATURE}, found clean({ast.unparse(arguments)})", node.lineno)]
    return [Issue("signature", f"expected a top-level function {SIGNATURE}, found none")]


def _steps(tree: ast.Module) -> list[Issue]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if value is not None and any(isinstance(target, ast.Name) and target.id == "STEPS" for target in targets):
            try:
                read_steps(ast.literal_eval(value))
            except (StrategyError, ValueError, TypeError) as error:
                return [Issue("stock-steps", f"STEPS: {error}", node.lineno)]
    return []


def _imports(node: ast.AST) -> list[Issue]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module or "."]
    else:
        return []
    found = [
        issue for alias in node.names if isinstance(node, ast.ImportFrom) for issue in _attribute(alias.name, node)
    ]
    return found + [
        Issue("forbidden-import", f"`{name}` may not be imported; there are {', '.join(ALLOWED)}", node.lineno)
        for name in names
        if name not in ALLOWED and name != "__future__"
    ]


def _names(node: ast.AST) -> list[Issue]:
    if isinstance(node, ast.Name) and (node.id in FORBIDDEN_CALLS or node.id.startswith("__")):
        return [Issue("forbidden-name", f"`{node.id}` may not be used; cleaning a text does not need it", node.lineno)]
    if isinstance(node, ast.Attribute):
        return _attribute(node.attr, node)
    if isinstance(node, ast.MatchClass):  # `case object(sys=it)` reads an attribute too
        return [issue for name in node.kwd_attrs for issue in _attribute(name, node)]
    return []


def _attribute(name: str, node: ast.expr | ast.pattern | ast.stmt) -> list[Issue]:
    if name in BY_STRING:
        return [Issue("forbidden-name", f"`{name}` may not be used; an f-string or plain code does it", node.lineno)]
    if name.startswith("_") or name in FORBIDDEN_ATTRIBUTES or name == "*":
        message = f"the attribute `{name}` may not be used; cleaning a text does not need it"
        return [Issue("forbidden-name", message, node.lineno)]
    return []


def _state(node: ast.AST) -> list[Issue]:
    if isinstance(node, ast.Global | ast.Nonlocal):
        message = "`global` and `nonlocal` keep state between documents; clean() depends on its document alone"
        return [Issue("state", message, node.lineno)]
    return []
