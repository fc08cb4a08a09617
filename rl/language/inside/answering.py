"""The sandbox's side of a program that a model wrote: it is given arguments and answers with values. It judges nothing.

The tests, and what they expect, are never in this process (asserting.py is another job).
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

from plain import NotPlain, decoded, encoded

LONGEST_NAME = 100


def answers(program_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """What the program's functions answer to calls [name, arguments, named arguments], one by one."""
    module = types.ModuleType("program")
    sys.modules["program"] = module  # dataclasses look there
    source = Path(program_path).read_text(encoding="utf-8")
    exec(compile(source, "program.py", "exec"), vars(module))
    return {"answers": [_answer(module, *call) for call in request["calls"]]}


def _answer(module: Any, name: str, arguments: Any, named: Any) -> dict[str, Any]:
    try:
        value = getattr(module, name)(*decoded(arguments), **decoded(named))
        return {"value": encoded(value)}
    except NotPlain:  # no exception of the program's, so none that a test waits for
        return {"raised": "NotPlain"}
    except Exception as error:  # noqa: BLE001 - a model's program raises what it likes; the tests are told
        return {"raised": _known_name(type(error))[:LONGEST_NAME]}


def _known_name(kind: type[BaseException]) -> str:
    """Of an exception that the tests know: Python's own, or the one that the program's is derived from."""
    return next(base.__name__ for base in kind.__mro__ if base.__module__ == "builtins")
