"""The language of candidates: a small part of Python, in which a kernel and its launch can be written and little else.

Everything that is not named here is refused: names, attributes, statements. That matters more than elsewhere, since
what is counted is counted in the candidate's own process: a program in this language cannot reach the counters, torch's
operators, or anything of Python's machinery. There are no lists either: in the interpreter a kernel is a Python
function, and a list would carry values from program to program past the memory that is counted. Below all this there is
still the sandbox, and the output is judged outside.
"""

from __future__ import annotations

import ast
import builtins
import io
import tokenize
from collections.abc import Iterator, Mapping

from problems.triton_kernel import launch_rules
from tasks.contract import Issue

#: Attributes of modules, by the name that the module has in a candidate.
MODULES: Mapping[str, frozenset[str]] = {
    "torch": frozenset({
        "Tensor", "bfloat16", "empty", "empty_like", "empty_strided", "float16", "float32", "int32", "int64",
    }),
    "triton": frozenset({"cdiv", "next_power_of_2"}),  # jit is a decorator and nothing else: _is_kernel
    "math": frozenset({"ceil", "e", "exp", "floor", "gcd", "inf", "isqrt", "log", "log2", "pi", "sqrt"}),
    "tl": frozenset({
        "abs", "arange", "argmax", "argmin", "assume", "atomic_add", "atomic_max", "atomic_min", "bfloat16",
        "broadcast", "broadcast_to", "cast", "cdiv", "clamp", "constexpr", "cumsum", "debug_barrier", "div_rn",
        "dot", "exp", "exp2", "expand_dims", "float16", "float32", "floor", "fma", "full", "int1", "int32", "int64",
        "interleave", "join", "load", "log", "log2", "math", "max", "max_constancy", "max_contiguous", "maximum",
        "min", "minimum", "multiple_of", "num_programs", "permute", "program_id", "range", "ravel", "reshape",
        "rsqrt", "sigmoid", "softmax", "split", "sqrt", "sqrt_rn", "static_assert", "static_range", "store", "sum",
        "trans", "view", "where", "xor_sum", "zeros", "zeros_like",
    }),
}  # fmt: skip
#: Of tl outside of kernels. Others are kernels of Triton's own, and tell the interpreter from the compiler.
TL_IN_LAUNCH = frozenset({"bfloat16", "constexpr", "float16", "float32", "int1", "int32", "int64"})
ALLOCATIONS = frozenset({"empty", "empty_like", "empty_strided", "new_empty"})
#: Of tl.math.
MATH = frozenset({"abs", "ceil", "div_rn", "exp", "exp2", "floor", "fma", "log", "log2", "rsqrt", "sqrt", "sqrt_rn"})
#: Attributes of anything else: of tensors in a launch, and of blocks in a kernel.
IN_LAUNCH = frozenset({
    "device", "dim", "dtype", "element_size", "is_contiguous", "itemsize", "ndim", "new_empty", "numel", "shape",
    "size", "squeeze", "stride", "t", "transpose", "unsqueeze", "view",
})  # fmt: skip
IN_KERNEL = frozenset({
    "T", "abs", "broadcast_to", "cast", "dtype", "element_ty", "exp", "exp2", "expand_dims", "floor", "log", "log2",
    "max", "min", "numel", "permute", "reshape", "rsqrt", "shape", "sigmoid", "sqrt", "sum", "to", "trans", "type",
    "value", "view",
})  # fmt: skip
BUILTINS = frozenset({
    "Annotated", "AssertionError", "False", "None", "True", "TypeError", "ValueError", "abs", "bool", "divmod",
    "float", "int", "len", "max", "min", "partial", "pow", "range", "round", "sum", "tuple",
})  # fmt: skip
IMPORTS = frozenset({
    "from __future__ import annotations", "from functools import partial", "from triton import language as tl",
    "from typing import Annotated", "import math", "import torch", "import triton", "import triton.language as tl",
})  # fmt: skip
STATEMENTS = (
    ast.FunctionDef, ast.Return, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.For, ast.While, ast.If, ast.Expr,
    ast.Pass, ast.Break, ast.Continue, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom,
)  # fmt: skip
EXPRESSIONS = (
    ast.Attribute, ast.BinOp, ast.BoolOp, ast.Call, ast.Compare, ast.Constant, ast.IfExp, ast.Lambda, ast.Name,
    ast.Slice, ast.Starred, ast.Subscript, ast.Tuple, ast.UnaryOp,
)  # fmt: skip
LONGEST_NUMBER = 10**18  # written out; a program does not carry its answers with it
MOST_CONSTANTS = 2000


def issues(code: str, arguments: tuple[str, ...]) -> list[Issue]:
    """Everything that breaks a rule, in order of lines. `arguments` are those of `launch`."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [Issue("syntax", f"the program does not parse: {error}", getattr(error, "lineno", None))]
    found = [*_encoding(code), *_launch(tree, arguments), *_module(tree), *_size(tree), *_second_source(tree, code)]
    found += launch_rules.issues(tree, _kernels(tree))
    known = _bound_at_top(tree)
    for node in tree.body:
        found += _Walk(known).walk(node)
    return sorted(found, key=lambda issue: issue.line or 0)


def _encoding(code: str) -> Iterator[Issue]:
    """Python decodes a file as its first lines say: in another encoding, what is read here is not what would run."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(code.encode("utf-8", "replace")).readline)
    except SyntaxError:
        encoding = "unknown"
    if encoding not in ("utf-8", "utf-8-sig"):
        yield Issue("encoding", f"expected UTF-8 and no other encoding, found {encoding}", 1)


def _launch(tree: ast.Module, arguments: tuple[str, ...]) -> Iterator[Issue]:
    """The launch function with its arguments, and a kernel for it to launch."""
    wanted = f"launch({', '.join(arguments)})"
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    found = [node for node in functions if node.name == "launch" and not node.decorator_list]
    if not found:
        yield Issue("signature", f"expected a top-level function {wanted}, found none")
    elif tuple(a.arg for a in found[-1].args.args) != arguments or _has_more(found[-1].args):
        yield Issue("signature", f"expected {wanted}, found launch({ast.unparse(found[-1].args)})", found[-1].lineno)
    if not any(_is_kernel(node) for node in functions):
        yield Issue("no-triton", "expected a function under @triton.jit that does the work, found none")


def _has_more(arguments: ast.arguments) -> bool:
    return bool(arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg)


def _is_kernel(node: ast.FunctionDef) -> bool:
    return [ast.unparse(decorator) for decorator in node.decorator_list] == ["triton.jit"]


def _kernels(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Those of the top level, by name."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {name: node for name, node in functions.items() if _is_kernel(node)}


def _module(tree: ast.Module) -> Iterator[Issue]:
    """Top level: imports, functions, constants. Nothing there can change later, so nothing can be remembered."""
    for inner in (inner for node in tree.body for inner in ast.walk(node) if inner is not node):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            yield Issue("forbidden-import", "imports stand at the top level and nowhere else", inner.lineno)
    for name in sorted(name for name in _bound_at_top(tree) if name in dir(builtins) or name.startswith("__")):
        yield Issue("name", f"`{name}` has a meaning already: above its definition it would be Python's own")
    yield from _defined_again(tree)
    for position, node in enumerate(tree.body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            if ast.unparse(node) not in IMPORTS:
                allowed = "torch, triton, triton.language as tl, math"
                yield Issue(
                    "forbidden-import", f"`{ast.unparse(node)}` may not be imported; {allowed} may", node.lineno
                )
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            if node.value is None or not _is_constant(node.value):
                yield Issue(
                    "top-level", "at the top level only numbers, text, tuples, tl.constexpr and partial", node.lineno
                )
        elif not isinstance(node, ast.FunctionDef) and not (position == 0 and _is_text(node)):
            yield Issue("top-level", "expected imports, functions and constants at the top level", node.lineno)


def _defined_again(tree: ast.Module) -> Iterator[Issue]:
    """A kernel that another function takes the name of could be launched under a third one, past launch_rules.py."""
    known = set[str]()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            if node.name in known:
                yield Issue("name", f"`{node.name}` is defined twice", node.lineno)
            known.add(node.name)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_constant(node: ast.expr) -> bool:
    """Immutable: no list, and no call but of partial and tl.constexpr."""
    if isinstance(node, ast.Call):
        parts = [*node.args, *(keyword.value for keyword in node.keywords)]
        return ast.unparse(node.func) in ("partial", "tl.constexpr") and all(_is_constant(part) for part in parts)
    if isinstance(node, ast.Tuple):
        return all(_is_constant(part) for part in node.elts)
    if isinstance(node, ast.UnaryOp | ast.BinOp):
        return all(_is_constant(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
    return isinstance(node, ast.Constant | ast.Name | ast.Attribute)


def _second_source(tree: ast.Module, code: str) -> Iterator[Issue]:
    """Triton's interpreter takes a kernel to begin at the last of its lines that begins with `def `: also in a text."""
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                if lines[number - 1].strip().startswith("def ") != (number == node.lineno):
                    message = "one line of a kernel begins with `def `: its first; no other may, not even of a text"
                    yield Issue("kernel", message, number)


def _size(tree: ast.Module) -> Iterator[Issue]:
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    if len(constants) > MOST_CONSTANTS:
        yield Issue("size", f"{len(constants)} constants; a kernel needs no table of more than {MOST_CONSTANTS}")
    for node in constants:
        if isinstance(node.value, int) and abs(node.value) > LONGEST_NUMBER:
            yield Issue("size", "a whole number of more than 18 digits", node.lineno)


def _bound_at_top(tree: ast.Module) -> frozenset[str]:
    """Names that the top level defines."""
    names = set(MODULES)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= _stored(node)
    return frozenset(names)


def _stored(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)}


def _own_names(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    """What a function binds itself. What an inner one binds would be looked up outside, and mean another thing."""
    names = {argument.arg for argument in _arguments(function)}
    left = list[ast.AST](function.body) if isinstance(function, ast.FunctionDef) else []
    while left:
        node = left.pop()
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif not isinstance(node, ast.Lambda):
            names |= {node.id} if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else set()
            left += ast.iter_child_nodes(node)
    return names


def _arguments(function: ast.FunctionDef | ast.Lambda) -> list[ast.arg]:
    return [node for node in ast.iter_child_nodes(function.args) if isinstance(node, ast.arg)]


def _devices(call: ast.Call) -> set[ast.AST]:
    """What an allocation is given. Elsewhere it would tell a launch that is recorded from one that is run."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ALLOCATIONS:
        return set()
    return {keyword.value for keyword in call.keywords if keyword.arg == "device"}


class _Walk:
    """One top-level statement, with the names that are known where it stands."""

    def __init__(self, known: frozenset[str]) -> None:
        self.known, self.in_kernel, self.found = known, False, list[Issue]()
        self.depth = 0  # in so many functions
        self.fitting = set[ast.AST]()  # devices and texts where they belong

    def walk(self, node: ast.AST) -> list[Issue]:
        """Its issues."""
        if isinstance(node, ast.FunctionDef):
            self._function(node)
        elif isinstance(node, ast.Lambda):
            self._inner(node)
        else:
            self._one(node)
            for child in ast.iter_child_nodes(node):
                self.walk(child)
        return self.found

    def _issue(self, rule: str, message: str, node: ast.AST) -> None:
        self.found.append(Issue(rule, message, getattr(node, "lineno", None)))

    def _function(self, node: ast.FunctionDef) -> None:
        if node.decorator_list and not _is_kernel(node):
            self._issue("decorator", "expected @triton.jit, without arguments, or no decorator", node)
        if self.depth and node.decorator_list:
            self._issue("decorator", "kernels stand at the top level", node)
        if any(not isinstance(d, ast.Constant) for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None):
            self._issue("default", "a default is a number or text: what changes could be remembered", node)
        outside, self.in_kernel = self.in_kernel, _is_kernel(node) or self.in_kernel
        self._inner(node)
        self.in_kernel = outside

    def _inner(self, node: ast.FunctionDef | ast.Lambda) -> None:
        """Defaults and annotations stand outside, where the function's own names mean nothing yet."""
        own, body = _own_names(node), node.body if isinstance(node, ast.FunctionDef) else [node.body]
        if taken := sorted(name for name in own if name in MODULES or name in BUILTINS or name.startswith("__")):
            self._issue("name", f"`{taken[0]}` has a meaning already", node)
        returns = [node.returns] if isinstance(node, ast.FunctionDef) and node.returns else []
        for child in (node.args, *returns, *getattr(node, "type_params", ())):
            self.walk(child)
        outside, self.known = self.known, self.known | own
        self.depth += 1
        for child in body:
            self.walk(child)
        self.depth -= 1
        self.known = outside

    def _one(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt) and not isinstance(node, STATEMENTS):
            self._issue("statement", f"`{type(node).__name__.lower()}` is not part of the language of candidates", node)
        elif isinstance(node, ast.expr) and not isinstance(node, EXPRESSIONS):
            self._issue("expression", f"{type(node).__name__} is not part of the language of candidates", node)
        elif isinstance(node, ast.Name):
            self._name(node)
        elif isinstance(node, ast.Attribute):
            self._attribute(node)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            self._issue("assignment", "entries are not assigned: kernels store with tl.store", node)
        elif isinstance(node, ast.keyword) and node.arg is None:
            self._issue("expression", "arguments are written out, not unpacked from a dictionary", node.value)
        elif isinstance(node, ast.Call):
            self.fitting |= _devices(node)
        elif isinstance(node, ast.Expr):
            self.fitting.add(node.value)  # a docstring
        elif isinstance(node, ast.Constant) and node not in self.fitting:
            self._text(node)

    def _text(self, node: ast.Constant) -> None:
        if isinstance(node.value, bytes) or (isinstance(node.value, str) and "%" in node.value):
            self._issue("expression", "a text with `%` would show what a program is run by", node)

    def _name(self, node: ast.Name) -> None:
        if node.id not in self.known and node.id not in BUILTINS:
            self._issue("name", f"`{node.id}` is not defined, or not allowed here", node)
        elif not isinstance(node.ctx, ast.Load) and (node.id in MODULES or node.id in BUILTINS):
            self._issue("name", f"`{node.id}` has a meaning already", node)
        elif self.in_kernel and node.id in ("torch", "triton", "math"):
            self._issue("kernel", f"`{node.id}` may not be used in a kernel; `tl` may", node)

    def _attribute(self, node: ast.Attribute) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._issue("assignment", f"`{ast.unparse(node)}` is not assigned: nothing is patched", node)
            return
        base = ast.unparse(node.value)
        if node.attr == "device" and node not in self.fitting:
            self._issue("attribute", "a device is handed on as `device=x.device` to an allocation, and not kept", node)
        if base == "tl" and not self.in_kernel:
            allowed = TL_IN_LAUNCH
        elif base in MODULES:
            allowed = MODULES[base]
        elif base == "tl.math":
            allowed = MATH
        else:
            allowed = IN_KERNEL if self.in_kernel else IN_LAUNCH
        if node.attr not in allowed:
            rule = "torch-operator" if base == "torch" else "attribute"
            self._issue(rule, f"`{base[:60]}.{node.attr}` is not part of the language of candidates", node)
