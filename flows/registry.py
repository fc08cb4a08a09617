"""Which class is which problem. Domains are named by dotted string, so that listing them imports none of them.

A problem of your own needs no edit here: an entry point of the group `nightshift.domains`, or `module:Class` given as
the problem's name, works as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, cast

from pydantic import ValidationError

from cognition.records import JSON
from tasks.contract import Domain

BUILT_IN: Mapping[str, str] = {
    "circle_packing": "problems.circle_packing.domain:CirclePacking",
    "arch": "arch.domain:Arch",
}


class UnknownProblem(ValueError):
    """No problem of that name, or its options do not fit; the message lists what there is."""


def known() -> dict[str, str]:
    """Every problem that can be named, with its dotted class."""
    installed = {point.name: point.value for point in entry_points(group="nightshift.domains")}
    return {**installed, **BUILT_IN}


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
    return cast(Domain, domain_class(checked))


def _class_of(name: str) -> Any:
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
