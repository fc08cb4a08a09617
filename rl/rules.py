"""Static rules for losses, on the syntax tree alone: early, clear messages. The sandbox and the dynamic checks hold.

They look for the two functions and their arguments, calls that nothing needs, and state that would outlive a call;
tasks/library_names.py, for what is reached or set of a library. A pattern that they miss is measured by the dynamic
checks or has no effect: in training the candidate's process holds nothing worth taking. A pattern that is fine must not
be refused: each rule is narrow.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tasks import library_names
from tasks.contract import Issue
from tasks.library_names import Allowed
from tasks.program_rules import root

#: What finds the trainer's graph and generator, keeps something between calls, or is of no use to a loss.
UNWANTED = frozenset({
    "autograd", "optim", "register_hook", "grad_fn", "manual_seed", "seed", "cache", "lru_cache", "cached_property",
    "Module",
})  # fmt: skip
ALLOWED = Allowed(
    libraries=frozenset({
        "__future__", "functools", "math", "torch", "torch.linalg", "torch.nn", "torch.nn.functional", "torch.special",
        "typing",
    }),
    noun="loss",
    unwanted=UNWANTED,
    own=frozenset(),
)  # fmt: skip
FORBIDDEN_CALLS = frozenset({"input", "dir", "type", "super"})
WANTED = {"advantages": 3, "policy_loss": 6}
IN_PLACE_OUTSIDE = frozenset({"append", "extend", "update", "add", "insert", "setdefault", "pop", "clear"})
CONSTANT_CALLS = frozenset({"partial", "float", "int", "tuple", "frozenset"})
REFERENCE = re.compile(r"^USES_REFERENCE\s*=\s*True\b", re.MULTILINE)


def issues(code: str) -> list[Issue]:
    """Everything that breaks a rule, in order of lines."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [Issue("syntax", f"the program does not parse: {error}", getattr(error, "lineno", None))]
    defined = _defined_names(tree)
    outside = defined | library_names.imported_names(tree)
    found = [*_functions(tree), *_state(tree), *library_names.issues(tree, ALLOWED)]
    for node in ast.walk(tree):
        found += [*_calls(node), *_patching(node, defined), *_in_place(node, outside), *_memory(node)]
    return sorted(found, key=lambda issue: issue.line or 0)


def uses_reference(code: str) -> bool:
    """Whether a line says `USES_REFERENCE = True`; by its text, since worker threads ask, which must not parse."""
    return REFERENCE.search(code) is not None


def _functions(tree: ast.Module) -> Iterator[Issue]:
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name, count in WANTED.items():
        if name not in defined:
            yield Issue("contract", f"expected a top-level function {name} of {count} arguments, found none")
        elif len(defined[name].args.args) != count or defined[name].args.vararg:
            yield Issue("contract", f"{name} takes {count} arguments", defined[name].lineno)


def _defined_names(tree: ast.Module) -> set[str]:
    """Names of everything that is defined at the top level."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)}
    return names


def _state(tree: ast.Module) -> Iterator[Issue]:
    """What a module would keep between calls: containers and tensors at the top level, mutable default arguments."""
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if value is not None and not _is_constant(value):
            message = f"`{ast.unparse(node)[:80]}` is state of the module: a loss keeps nothing between calls"
            yield Issue("state", message, node.lineno)
        if isinstance(node, ast.For | ast.While | ast.With | ast.Try | ast.ClassDef):
            yield Issue("state", "the top level holds imports, constants and functions only", node.lineno)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            for default in (*function.args.defaults, *function.args.kw_defaults):
                if default is not None and not _is_constant(default):
                    message = f"the default `{ast.unparse(default)[:80]}` is shared by calls"
                    yield Issue("state", message, default.lineno)


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant | ast.Name):
        return True
    if isinstance(node, ast.UnaryOp):
        return _is_constant(node.operand)
    if isinstance(node, ast.BinOp):
        return _is_constant(node.left) and _is_constant(node.right)
    if isinstance(node, ast.Tuple):
        return all(_is_constant(entry) for entry in node.elts)
    if isinstance(node, ast.Attribute):
        return ast.unparse(node).startswith("math.")
    if isinstance(node, ast.Call):
        name = ast.unparse(node.func)
        parts = (*node.args, *(keyword.value for keyword in node.keywords))
        return (name in CONSTANT_CALLS or name.startswith("math.")) and all(_is_constant(part) for part in parts)
    return isinstance(node, ast.Lambda)


def _memory(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Global | ast.Nonlocal):
        yield Issue("state", f"`{ast.unparse(node)}`: a loss keeps nothing between calls", node.lineno)


def _calls(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
        yield Issue("forbidden-call", f"`{node.func.id}` may not be called; a loss does not need it", node.lineno)


def _patching(node: ast.AST, defined: set[str]) -> Iterator[Issue]:
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load) and root(node) in defined:
        yield Issue("patching", f"`{ast.unparse(node)}` belongs to a module and stays as it is", node.lineno)


def _in_place(node: ast.AST, outside: set[str]) -> Iterator[Issue]:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    if node.func.attr in IN_PLACE_OUTSIDE and root(node) in outside:
        yield Issue("state", f"`{ast.unparse(node)[:80]}` changes what outlives the call", node.lineno)
