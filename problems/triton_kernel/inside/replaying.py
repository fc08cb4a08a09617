"""Times plans on a GPU: compiled kernels, grids and arguments, without any Python of a candidate in the process.

Contestants take turns in random order, round by round. Before every call its inputs are drawn anew, outputs, scratch
and what lies between the tensors are filled with a NaN of known bits, and L2 is written over. Out come the times and,
of every call, some rows of every tensor, which are compared with float64 outside. Runs inside the sandbox; judges
nothing.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

import draws
import torch
from eager import eager

GUARD_BYTES = 512
ALIGNED_BYTES = 256
POISON = 255  # of every byte: a NaN in each of the types
WHOLE = {2: torch.int16, 4: torch.int32}
Call = Callable[[], Any]
Handed = tuple[dict[str, Any], dict[str, bytes]]


def compare(candidate_path: str, request: dict[str, Any]) -> Handed:
    """On the job's GPU."""
    from cuda_device import Cuda

    return compared(Cuda(), request)


def compared(device: Any, request: dict[str, Any]) -> Handed:
    """All cases, one after the other; none on a GPU that the kernels were not compiled for."""
    torch.set_num_threads(1)
    facts = device.facts()
    if facts["capability"] != request["capability"]:
        return {"device": facts, "cases": []}, {}
    programs = {name: _Program(device, each) for name, each in request["programs"].items()}
    cases, files = [], {}
    for number in range(len(request["cases"])):
        found = _Case(device, programs, request, number)
        cases.append(found.run())
        files[f"rows-{number}"] = b"".join(found.rows)
    for name, program in programs.items():
        files[f"checked-{name}"] = b"".join(
            _checked(device, program, len(cases) + number, call) for number, call in enumerate(request["checked"])
        )
    return {"device": facts, "cases": cases}, files


class _Program:
    """A contestant's kernels, loaded, and its plan for every case."""

    def __init__(self, device: Any, described: dict[str, Any]) -> None:
        self.plans, self.described = described["plans"], described["kernels"]
        binaries = [base64.b64decode(each) for each in described["binaries"]]
        self.kernels = [device.kernel(*each) for each in zip(self.described, binaries, strict=True)]

    def calls(self, device: Any, number: int, places: dict[str, torch.Tensor]) -> tuple[list[Call], list[torch.Tensor]]:
        """The launches of a case, ready to go, and their scratch. `places`: the bytes from each tensor's start on."""
        plan = self.plans[number]
        pieces = [aligned(device, size) for size in plan["scratch"]]
        return [self._call(device, launch, places, pieces) for launch in plan["launches"]], pieces

    def _call(
        self, device: Any, launch: dict[str, Any], places: dict[str, torch.Tensor], pieces: list[torch.Tensor]
    ) -> Call:
        values = []
        for kind, what, *offset in launch["arguments"]:
            if kind == "number":
                values.append(what)
            else:
                values.append((pieces[what] if kind == "scratch" else places[what])[offset[0] :])
        number = launch["kernel"]
        call: Call = device.call(self.kernels[number], self.described[number], launch["grid"], values)
        return call


def _checked(device: Any, program: _Program, number: int, call: dict[str, Any]) -> bytes:
    """The memory after one call that is not timed, made and judged outside."""
    content = base64.b64decode(call["memory"])
    memory = aligned(device, len(content))
    memory.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    size = getattr(torch, call["dtype"]).itemsize
    places = {name: memory[size * where["offset"] :] for name, where in call["tensors"].items()}
    calls, _ = program.calls(device, number, places)
    for each in calls:
        each()
    return memory.cpu().numpy().tobytes()


def aligned(device: Any, count: int) -> torch.Tensor:
    """So many bytes, poisoned."""
    space = torch.full((count + ALIGNED_BYTES,), POISON, dtype=torch.uint8, device=device.place)
    start = -space.data_ptr() % ALIGNED_BYTES
    return space[start : start + count]


class _Case:
    """One case: its memory, the contestants' launches in it, what was seen."""

    def __init__(self, device: Any, programs: dict[str, _Program], request: dict[str, Any], number: int) -> None:
        self.device, self.request, self.number = device, request, number
        self.case = request["cases"][number]
        self.dtype = getattr(torch, self.case["dtype"])
        self.memory, self.tensors, self.guards = self._laid_out()
        self.scratch: list[torch.Tensor] = []
        places = {name: tensor.view(-1).view(torch.uint8) for name, tensor in self.tensors.items()}
        self.calls: dict[str, list[Call]] = {}
        for name, program in programs.items():
            self.calls[name], pieces = program.calls(device, number, places)
            self.scratch += pieces
        self.calls["eager"] = [self._eager()]
        self.rows: list[bytes] = []

    def _laid_out(self) -> tuple[torch.Tensor, dict[str, torch.Tensor], list[tuple[int, int]]]:
        """One piece of memory; guards lie before, between and behind the tensors."""
        at, size, places, guards = 0, self.dtype.itemsize, {}, []
        for argument in self.case["arguments"]:
            guards.append((at, at + GUARD_BYTES))
            at += GUARD_BYTES
            places[argument["name"]] = at, argument["shape"]
            end = at + size * torch.Size(argument["shape"]).numel()
            at = end + -end % ALIGNED_BYTES
            guards.append((end, at))
        guards.append((at, at + GUARD_BYTES))
        memory = aligned(self.device, at + GUARD_BYTES)
        tensors = {
            name: memory[first : first + size * torch.Size(shape).numel()].view(self.dtype).view(shape)
            for name, (first, shape) in places.items()
        }
        return memory, tensors, guards

    def _eager(self) -> Call:
        launch = eager(self.request["operation"])
        return lambda: launch(**self.tensors, **self.case["scalars"])

    def run(self) -> dict[str, Any]:
        """Times and faults of every contestant; `rows` fills meanwhile, round by round, in the order of names."""
        turns, names = random.Random(f"{self.request['seed']}/{self.number}"), sorted(self.calls)
        times: dict[str, list[list[float]]] = {name: [] for name in names}
        faults = {name: {"unwritten": 0, "changed": 0, "outside": 0} for name in names}
        for round_number in range(-self.request["warm_up"], self.request["rounds"]):
            kept = {}
            for name in turns.sample(names, len(names)):
                took, kept[name] = self._one(name, names.index(name), round_number, faults[name])
                if round_number >= 0:
                    times[name].append(list(took))
            if round_number >= 0:
                self.rows += [kept[name] for name in names]
        return {"times": times, "faults": faults}

    def _one(
        self, name: str, contestant: int, round_number: int, faults: dict[str, int]
    ) -> tuple[tuple[float, float], bytes]:
        before = self._prepared(contestant, round_number)
        took = self.device.timed(self.calls[name])
        for each, tensor in self.tensors.items():
            if each in before:
                faults["changed"] += int((self._whole(tensor) != self._whole(before[each])).sum())
            else:
                faults["unwritten"] += int((self._whole(tensor) == -1).sum())
        faults["outside"] += sum(int((self.memory[a:b] != POISON).sum()) for a, b in self.guards)
        return took, self._gathered(contestant, round_number)

    def _prepared(self, contestant: int, round_number: int) -> dict[str, torch.Tensor]:
        """Poison everywhere, and inputs that no call before had; of these a copy."""
        self.memory.fill_(POISON)
        for piece in self.scratch:
            piece.fill_(POISON)
        drawn = {}
        for number, argument in enumerate(self.case["arguments"]):
            if argument["role"] == "input":
                tensor = self.tensors[argument["name"]]
                key = draws.key(self.request["seed"], self.number, round_number, contestant, number)
                matrix = tensor.view(-1, tensor.shape[-1])
                matrix.copy_(draws.values(key, *self._grid(*matrix.shape), matrix.shape[1]))
                drawn[argument["name"]] = tensor.clone()
        return drawn

    def _grid(self, rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
        place = self.device.place
        return torch.arange(rows, device=place)[:, None], torch.arange(columns, device=place)[None, :]

    def _whole(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.view(WHOLE[tensor.element_size()])

    def _gathered(self, contestant: int, round_number: int) -> bytes:
        """Of every matrix the rows that are looked at, of every vector all of it, as bytes."""
        parts = []
        for argument in self.case["arguments"]:
            tensor = self.tensors[argument["name"]]
            if tensor.dim() == 2:
                key = draws.key(self.request["seed"], self.number, round_number, contestant, draws.ROWS)
                chosen = draws.rows(key, self.case["rows"], tensor.shape[0])
                tensor = tensor[torch.tensor(chosen, device=tensor.device)]
            parts.append(tensor.contiguous().view(-1).view(torch.uint8).cpu().numpy().tobytes())
        return b"".join(parts)
