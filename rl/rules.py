"""Static rules for losses, on the syntax tree alone: early, clear messages. The sandbox and the dynamic checks hold.

They look for the two functions and their arguments, imports and calls that nothing needs, torch being patched, and
state that would outlive a call. A pattern that they miss is measured by the dynamic checks or has no effect: in
training the candidate's process holds nothing worth taking. A pattern that is fine must not be refused: each rule is
narrow.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tasks.contract import Issue
from tasks.program_rules import parts_read, root

ALLOWED_IMPORTS = frozenset({"__future__", "functools", "math", "torch", "typing"})
TORCH_PARTS = frozenset({"torch", "torch.Tensor", "torch.nn", "torch.nn.functional"})
FORBIDDEN_CALLS = frozenset({
    "eval", "exec", "compile", "open", "input", "breakpoint", "__import__", "setattr", "delattr", "globals", "locals",
    "vars", "getattr", "dir", "type", "super",
})  # fmt: skip
FORBIDDEN_PARTS = frozenset({
    "_C", "_dynamo", "_inductor", "distributed", "hub", "jit", "library", "load", "multiprocessing", "ops", "overrides",
    "save", "serialization", "utils", "set_default_dtype", "set_default_device", "backends", "autograd", "optim",
    "__class__", "__dict__", "__globals__", "__subclasses__", "__builtins__", "__code__", "__closure__", "from_file",
    "set_num_threads", "register_hook", "grad_fn", "manual_seed", "seed", "f_back", "f_locals", "f_globals", "tb_frame",
    "gi_frame", "cr_frame", "_getframe",
})  # fmt: skip
#: Modules that an allowed module has imported, and names that reach an attribute by a string, unseen by these rules.
HIDDEN_WAYS = frozenset({
    "sys", "os", "io", "builtins", "importlib", "inspect", "modules", "types", "gc", "threading", "subprocess",
    "ctypes", "attrgetter", "methodcaller", "format", "format_map", "Formatter", "get_type_hints", "ForwardRef",
    "update_wrapper", "wraps", "cache", "lru_cache", "cached_property", "singledispatch", "getattr", "setattr",
    "delattr", "eval", "exec", "globals", "locals", "vars",
})  # fmt: skip
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
    outside = _outside_names(tree)
    found = [*_functions(tree), *_state(tree)]
    for node in ast.walk(tree):
        found += [*_imports(node), *_calls(node), *_patching(node, outside), *_parts(node), *_memory(node)]
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


def _outside_names(tree: ast.Module) -> set[str]:
    """Names of modules and of what was imported from them, and of everything defined at the top level."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
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


def _imports(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module or '.'}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        top = name.partition(".")[0]
        if top not in ALLOWED_IMPORTS or (top == "torch" and name not in TORCH_PARTS):
            yield Issue("forbidden-import", f"`{name}` may not be imported; torch and math are there", node.lineno)


def _calls(node: ast.AST) -> Iterator[Issue]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
        yield Issue("forbidden-call", f"`{node.func.id}` may not be called; a loss does not need it", node.lineno)


def _patching(node: ast.AST, outside: set[str]) -> Iterator[Issue]:
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
        targets = node.targets if isinstance(node, ast.Assign | ast.Delete) else [node.target]
        for target in targets:
            if isinstance(target, ast.Attribute | ast.Subscript) and root(target) in outside:
                yield Issue("patching", f"`{ast.unparse(target)}` belongs to a module and stays as it is", node.lineno)
    elif _is_in_place(node) and root(node) in outside:
        yield Issue(
            "state", f"`{ast.unparse(node)[:80]}` changes what outlives the call", getattr(node, "lineno", None)
        )


def _is_in_place(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in IN_PLACE_OUTSIDE


def _parts(node: ast.AST) -> Iterator[Issue]:
    for name in parts_read(node):
        if name in FORBIDDEN_PARTS or name in HIDDEN_WAYS or name == "*":
            yield Issue("forbidden-attribute", f"`{name}` may not be used in a loss", getattr(node, "lineno", None))
