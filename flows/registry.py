"""Which class is which problem. Domains are named by dotted string, so that listing them imports none of them.

A problem of your own needs no edit here: a folder with a problem.py (`nightshift new`), an entry point of the group
`nightshift.domains`, or `module:Class` given as the problem's name, works as well.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from cognition.records import JSON, MachineFault
from tasks.contract import Domain

BUILT_IN: Mapping[str, str] = {
    "autocorrelation": "problems.autocorrelation.problem:Autocorrelation",
    "circle_packing": "problems.circle_packing.domain:CirclePacking",
    "arch": "arch.domain:Arch",
    "curation": "curation.domain:Curation",
    "drug_target": "problems.drug_target.domain:DrugTarget",
    "heilbronn_triangle": "problems.heilbronn_triangle.problem:HeilbronnTriangle",
    "max_min_distance": "problems.max_min_distance.problem:MaxMinDistance",
    "minimum_overlap": "problems.minimum_overlap.problem:MinimumOverlap",
    "rl": "rl.domain:Rl",
    "triton_kernel": "problems.triton_kernel.domain:TritonKernel",
}


class UnknownProblem(ValueError):
    """No problem of that name, or its options do not fit; the message lists what there is."""


def known() -> dict[str, str]:
    """Every problem that can be named, with its dotted class."""
    installed = {point.name: point.value for point in entry_points(group="nightshift.domains")}
    return {**installed, **BUILT_IN}


#: What makes a folder a problem.
FILE = "problem.py"


def resolved(name: str) -> str:
    """The name under which every process finds the problem: a folder's whole path; other names as they are."""
    folder = Path(name)
    return str(folder.resolve()) if name not in known() and (folder / FILE).is_file() else name


def load(name: str, options: Mapping[str, JSON]) -> Domain:
    """The problem of that name with its options validated. Raises UnknownProblem."""
    domain_class = _class_of(name)
    try:
        checked = domain_class.Options.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        allowed = ", ".join(sorted(domain_class.Options.model_fields))
        raise UnknownProblem(f"problem {name}: option {place}: {first['msg']} (options: {allowed})") from None
    try:
        return cast(Domain, domain_class(checked))
    except MachineFault as error:  # a problem's own files are incomplete
        raise UnknownProblem(f"problem {name}: {error}") from None


def _class_of(name: str) -> Any:
    if name not in known() and (Path(name) / FILE).is_file():
        return _class_in(Path(name).resolve())
    dotted = known().get(name, name if ":" in name else "")
    if not dotted:
        close = difflib.get_close_matches(name, known(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UnknownProblem(f"no problem is called {name!r}{hint} (known: {', '.join(sorted(known()))})")
    module, _, attribute = dotted.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownProblem(f"problem {name}: cannot load {dotted}: {error}") from error
    if not isinstance(found, type) or not hasattr(found, "Options"):
        raise UnknownProblem(
            f"problem {name}: {dotted} is not a domain: a class with its `Options` (tasks/contract.py)"
        )
    return found


def _class_in(folder: Path) -> Any:
    """The one domain that a folder's problem.py defines. Its neighbours can be imported from it relatively."""
    file = folder / FILE
    module_name = f"problem_{folder.name}_{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    if module_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(module_name, file, submodule_search_locations=[str(folder)])
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[module_name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # the edge to somebody's module: whatever it raises, it cannot be used
            del sys.modules[module_name]
            raise UnknownProblem(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    kinds = [kind for kind in vars(sys.modules[module_name]).values() if isinstance(kind, type)]
    found = [kind for kind in kinds if kind.__module__ == module_name and hasattr(kind, "Options")]
    if len(found) != 1:
        names = ", ".join(kind.__name__ for kind in found) or "none"
        raise UnknownProblem(f"{file} has to define one class with `Options`, e.g. a FolderProblem (found: {names})")
    return found[0]
