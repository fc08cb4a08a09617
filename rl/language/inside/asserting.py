"""The sandbox's side of a data set's tests: they are run without the program, on the values that it has answered.

A test calls functions of the program. Here each of them is a stand-in that looks a call up among the answers that are
known by now; one that is not known is noted, and something stands in its place that agrees with everything, so that as
many calls as possible are found in one pass; an assertion ends a pass only if all was known before it. Only a pass in
which all was known says whether the tests hold. Nothing that a model wrote runs here.
"""

from __future__ import annotations

import ast
import builtins
import json
import random
from pathlib import Path
from typing import Any

from plain import NotPlain, decoded, encoded


class Pending(BaseException):
    """The pass cannot go on without an answer that is not known yet."""


class Unknown:
    """Stands for an answer that is not known yet: agrees with everything."""

    def _self(self, *others: Any) -> Unknown:
        return self

    def _yes(self, *others: Any) -> bool:
        return True

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = _self
    __floordiv__ = __mod__ = __neg__ = __abs__ = __round__ = __getitem__ = __call__ = _self
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __bool__ = _yes

    def __hash__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 0.0

    def __int__(self) -> int:
        return 0

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Any:
        return iter(())


class Lenient(ast.NodeTransformer):
    """`assert x` as `assert x or _asked()`: a number made of what is not known may be any."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        """Called by ast, under its name."""
        asked = ast.Call(ast.Name("_asked", ast.Load()), [], [])
        return ast.Assert(ast.BoolOp(ast.Or(), [node.test, asked]), node.msg)


class Calls:
    """What is known of the program, and what else the tests asked in this pass."""

    def __init__(self, known: list[list[Any]]) -> None:
        self.known = {json.dumps(call): answer for call, answer in known}
        self.asked: dict[str, Any] = {}

    def stand_in(self, name: str) -> Any:
        """A function of the program, as the tests call it."""

        def call(*arguments: Any, **named: Any) -> Any:
            try:
                wanted = [name, encoded(list(arguments)), encoded(named)]
            except NotPlain:
                if self.asked:  # it depends on an answer that is not known
                    raise Pending from None
                raise
            key = json.dumps(wanted)
            if key in self.known:
                return _as_answered(self.known[key])
            self.asked[key] = wanted
            return Unknown()

        call.__name__ = name
        return call


def _as_answered(answer: dict[str, Any]) -> Any:
    if "raised" in answer:
        kind: Any = getattr(builtins, answer["raised"], None)
        raised: Any = kind if isinstance(kind, type) and issubclass(kind, Exception) else RuntimeError
        raise raised("raised by the program")
    return decoded(answer["value"])


def judge(tests_path: str, request: dict[str, Any]) -> dict[str, Any]:
    """One pass over the tests: calls that are not known yet, and whether they hold as far as is known."""
    calls = Calls(request["known"])
    space: dict[str, Any] = {"__name__": "tests"}
    stand_ins = {name: calls.stand_in(name) for name in request["names"]}
    random.seed(0)
    why = ""
    try:
        exec(compile(request["prelude"], "prelude.py", "exec"), space)
        space |= stand_ins | {"_asked": lambda: bool(calls.asked)}
        tests = Lenient().visit(ast.parse(Path(tests_path).read_text(encoding="utf-8")))
        exec(compile(ast.fix_missing_locations(tests), "tests.py", "exec"), space)
        if request["check"]:
            space["check"](stand_ins[request["names"][0]])
    except Pending:
        why = "pending"
    except Exception as error:  # noqa: BLE001 - tests of a data set; a failed one raises AssertionError
        why = f"{type(error).__name__}: {error}"[:200]
    return {"asked": list(calls.asked.values()), "why": why}
