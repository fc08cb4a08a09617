"""Which libraries a program may import, that it reaches them by their dotted names alone, and that it sets nothing of
theirs. Static; no torch. Each domain says what its programs may have; what a library's function returns is not known.

A library's namespace holds whatever it imported itself: `torch.glob`, `dataclasses.re.enum.bltns`. So a part of a
library that is a module may be read only if it is among `Allowed.libraries`, and a library may not be a value
(`t = torch`, `f(torch)`), since then its parts would be read from a name that nobody follows. `MODULES` are those that
torch and Python keep in these namespaces; tests/tasks/test_library_names.py compares them with what is installed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.contract import Issue
from tasks.program_rules import parts_read, root


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a domain's programs may use."""

    libraries: frozenset[str]
    noun: str  # what a program is: "mixer"
    offered: str = "torch and math"  # what a program is told that it may import
    unwanted: frozenset[str] = frozenset()  # names of parts, beside those that no domain allows
    own: frozenset[str] = frozenset({"self"})  # objects whose attributes may be set and private


#: Modules in the namespaces of libraries, whichever of them a domain allows, beside those of `UNWANTED`.
MODULES = frozenset({
    "abc", "accelerator", "amp", "anomaly_mode", "ao", "attention", "autograd", "chunked", "classes", "collections",
    "common_types", "compiler", "contextlib", "copy", "cpp", "cpu", "cuda", "dataclasses", "distributions", "export",
    "fft", "forward_ad", "func", "function", "functional", "functools", "futures", "fx", "glob", "grad", "grad_mode",
    "graph", "init", "intrinsic", "itertools", "keyword", "layers", "linalg", "masked", "math", "memory", "monitor",
    "mps", "mtia", "nested", "nn", "np", "operator", "optim", "package", "parallel", "parameter", "platform",
    "profiler", "profiler_legacy", "profiler_util", "qat", "quantizable", "quantization", "quantized", "quasirandom",
    "random", "re", "return_types", "signal", "sparse", "special", "stdlib_re", "stepwise", "storage", "testing",
    "textwrap", "torch", "torch_version", "trunk", "typing", "version", "warnings", "windows", "xpu",
})  # fmt: skip
FUNCTIONS = frozenset({"torch.autograd.grad", "torch.fft.fft"})  # of the same name as a module elsewhere
#: Under any name, too: `read = open` would be as good as a call.
FORBIDDEN_NAMES = frozenset({
    "eval", "exec", "compile", "open", "breakpoint", "setattr", "delattr", "globals", "locals", "vars", "getattr",
})  # fmt: skip
#: Parts of torch that read, write, compile or change what others use.
UNWANTED = frozenset({
    "distributed", "hub", "jit", "library", "load", "multiprocessing", "ops", "overrides",
    "save", "serialization", "utils", "set_default_dtype", "set_default_device", "backends",
    "from_file", "set_num_threads", "set_printoptions", "get_device_module", "set_default_tensor_type",
    "PyTorchFileReader", "PyTorchFileWriter", "import_ir_module", "import_ir_module_from_buffer",
})  # fmt: skip
#: Modules that an allowed module has imported, and names that reach an attribute by a string, unseen by these rules.
HIDDEN_WAYS = frozenset({
    "sys", "os", "io", "builtins", "importlib", "inspect", "modules", "types", "gc", "threading", "subprocess",
    "ctypes", "attrgetter", "methodcaller", "format", "format_map", "Formatter", "get_type_hints", "ForwardRef",
    "update_wrapper", "wraps", "make_dataclass", "getattr", "setattr", "delattr", "eval", "exec", "globals",
    "locals", "vars", "singledispatch", "singledispatchmethod", "linecache", "gi_frame", "cr_frame", "ag_frame",
    "f_back", "f_globals", "f_locals", "f_builtins", "tb_frame", "gi_code",
})  # fmt: skip
PLAIN = frozenset({"__name__", "__all__"})  # names of a module that hold texts
#: Of names with underscores, what a class needs; `self._name` is a program's own.
PRIVATE_ALLOWED = frozenset({"__init__", "__name__", "__call__", "__post_init__"})
OWN_PARTS = frozenset({"modules"})  # of a module of torch, its parts; of `sys`, everything
SETTABLE = frozenset({"data", "requires_grad", "grad"})  # of any tensor


def issues(tree: ast.Module, allowed: Allowed) -> list[Issue]:
    """Imports of anything else, parts that are other modules, libraries that are handed on, and what is set."""
    known = _names(tree, allowed)
    imported = imported_names(tree)
    bases = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found = list[Issue]()
    for node in ast.walk(tree):
        found += [*_imports(node, allowed), *_of_classes(node), *_disguises(node, allowed), *_forbidden(node, allowed)]
        found += [*_parts(node, allowed), *_patching(node, imported, allowed)]
        if isinstance(node, ast.Name | ast.Attribute) and (path := _path(node, known, allowed)):
            found += _read(node, path, allowed, is_base=id(node) in bases)
    return list(dict.fromkeys(found))


def imported_names(tree: ast.Module) -> frozenset[str]:
    """Names that stand for modules or for what was imported from them."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return frozenset((alias.asname or alias.name).partition(".")[0] for node in imports for alias in node.names)


def _imports(node: ast.AST, allowed: Allowed) -> Iterator[Issue]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module if node.module and not node.level else "."
        paths = [f"{base}.{alias.name}" for alias in node.names]
        names = [path if _is_module(path, allowed) else base for path in paths]
    else:
        return
    for name in names:
        if name not in allowed.libraries:
            message = f"`{name}` may not be imported; {allowed.offered} are there"
            yield Issue("forbidden-import", message, node.lineno)


def _of_classes(node: ast.AST) -> Iterator[Issue]:
    """Imports among the statements of a class, which make a library an attribute."""
    statements = list(node.body) if isinstance(node, ast.ClassDef) else []
    for each in statements:  # it grows
        if isinstance(each, ast.Import | ast.ImportFrom):
            yield Issue("forbidden-import", "imports stand at the top or in functions, not in a class", each.lineno)
        elif not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            statements += [inner for inner in ast.walk(each) if isinstance(inner, ast.Import | ast.ImportFrom)]


def _disguises(node: ast.AST, allowed: Allowed) -> Iterator[Issue]:
    """What is no object of the program's own, under the name of one."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            if (alias.asname or alias.name) in allowed.own:
                yield Issue("forbidden-import", f"`{alias.name}` may not be called `{alias.asname}`", node.lineno)
    elif isinstance(node, ast.Name) and node.id in allowed.own and not isinstance(node.ctx, ast.Load):
        yield Issue("patching", f"`{node.id}` is an argument of methods and is not set", node.lineno)
    elif isinstance(node, ast.MatchAs | ast.MatchStar) and node.name in allowed.own:
        yield Issue("patching", f"`{node.name}` is an argument of methods and is not set", node.lineno)


def _forbidden(node: ast.AST, allowed: Allowed) -> Iterator[Issue]:
    if isinstance(node, ast.Name) and (node.id in FORBIDDEN_NAMES or (_is_dunder(node.id) and node.id not in PLAIN)):
        message = f"`{node.id}` may not be used; a {allowed.noun} does not need it"
        yield Issue("forbidden-call", message, node.lineno)


def _parts(node: ast.AST, allowed: Allowed) -> Iterator[Issue]:
    owned = isinstance(node, ast.Attribute) and _is_own(node.value, allowed)
    for name in parts_read(node):
        private = name.startswith("_") and name not in PRIVATE_ALLOWED and (_is_dunder(name) or not owned)
        unwanted = (UNWANTED | HIDDEN_WAYS | allowed.unwanted) - (OWN_PARTS if owned else set())
        if private or name in unwanted or name == "*":
            yield _not_used(name, allowed, getattr(node, "lineno", None))


def _patching(node: ast.AST, imported: frozenset[str], allowed: Allowed) -> Iterator[Issue]:
    """Whatever is set or deleted, in any kind of statement: of a library nothing, of other objects no attribute."""
    if not isinstance(node, ast.Attribute | ast.Subscript) or isinstance(node.ctx, ast.Load):
        return
    if root(node) in imported:
        yield Issue("patching", f"`{ast.unparse(node)}` belongs to a library and stays as it is", node.lineno)
    elif isinstance(node, ast.Attribute) and node.attr not in SETTABLE and not _is_own(node.value, allowed):
        ends = " of self only" if "self" in allowed.own else ""
        attributes = "attributes" if allowed.own else "no attributes"
        message = f"`{ast.unparse(node)}` is set: a {allowed.noun} sets {attributes}{ends}"
        yield Issue("patching", message, node.lineno)


def _names(tree: ast.Module, allowed: Allowed) -> dict[str, str]:
    """Which library each name stands for."""
    found = dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops = {alias.name.partition(".")[0] for alias in node.names if not alias.asname}
            found |= {top: top for top in tops}
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            paths = {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name: path for name, path in paths.items() if path in allowed.libraries}
    return found


def _path(node: ast.AST, known: dict[str, str], allowed: Allowed) -> str:
    """The dotted name from a library on, if that is what the node is; "" else."""
    if isinstance(node, ast.Name):
        return known.get(node.id, "")
    if isinstance(node, ast.Attribute) and (before := _path(node.value, known, allowed)):
        return f"{before}.{node.attr}" if before in allowed.libraries else ""
    return ""


def _read(node: ast.Name | ast.Attribute, path: str, allowed: Allowed, *, is_base: bool) -> Iterator[Issue]:
    if path in allowed.libraries and not is_base:
        message = f"`{ast.unparse(node)}` is used as a value: a library is reached by its name alone"
        yield Issue("forbidden-attribute", message, node.lineno)
    elif _is_module(path, allowed):
        yield _not_used(path, allowed, node.lineno)


def _not_used(name: str, allowed: Allowed, line: int | None) -> Issue:
    return Issue("forbidden-attribute", f"`{name}` may not be used in a {allowed.noun}", line)


def _is_module(path: str, allowed: Allowed) -> bool:
    """Whether that part of a library is a module of its own that programs may not read."""
    part = path.rpartition(".")[2]
    return (part in MODULES or part in allowed.libraries) and path not in allowed.libraries and path not in FUNCTIONS


def _is_own(node: ast.AST, allowed: Allowed) -> bool:
    return isinstance(node, ast.Name) and node.id in allowed.own


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
