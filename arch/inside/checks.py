"""Dynamic checks on a mixer, run inside the sandbox: they measure and decide nothing.

Each check gives numbers; arch/verdicts.py, outside, holds them against limits. The candidate shares this process, so
every number is a claim. What it cannot fake is checked again outside: answers to prefixes that are sent alone, in a
process of their own (arch/audit.py).

Causality is measured in float64 with randomised parameters, in train and eval mode: the gradient of early outputs with
respect to late inputs, and the change of early outputs when late inputs are replaced. Between them they see gated leaks
that are zero at the start, detached leaks, and leaks of one mode or one length only.

Shapes: B batch, T time, D d_model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

Make = Callable[[], nn.Module]
Numbers = dict[str, Any]
ODD_LENGTHS = (1, 7, 31, 65, 130)
COST_LENGTHS = (512, 1024)
PIECES = (1, 4, 12)  # how `recurrent` is fed: its state must be all that it carries


@dataclass(frozen=True, slots=True)
class Setting:
    """What the checks run with."""

    d_model: int
    lengths: tuple[int, ...]  # for causality; the training length among them
    seed: int
    randomise: bool = True  # False: the parameters are trained ones


def run(make: Make, setting: Setting, names: tuple[str, ...]) -> dict[str, Numbers]:
    """The named checks' numbers; {"error": ...} where the candidate raised."""
    return {name: _caught(CHECKS[name], make, setting) for name in names}


def _caught(check: Callable[[Make, Setting], Numbers], make: Make, setting: Setting) -> Numbers:
    try:
        numbers = check(make, setting)
    except Exception as error:  # noqa: BLE001 - the candidate's code raises what it likes; this is the process's edge
        return {"error": f"{type(error).__name__}: {error}"[:300]}
    if not _all_finite(numbers):
        return {"error": "the output is not finite"}
    return numbers


def _made(make: Make, setting: Setting, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A mixer with parameters away from their start, so that no path is closed by a zero."""
    torch.manual_seed(setting.seed)
    mixer = make().to(dtype)
    if setting.randomise:
        with torch.no_grad():
            for parameter in mixer.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    return mixer


def _input(setting: Setting, batch: int, length: int, dtype: torch.dtype = torch.float64, salt: int = 0) -> Tensor:
    made = torch.Generator().manual_seed(setting.seed * 1000 + length + 7 * salt)
    return torch.randn(batch, length, setting.d_model, generator=made, dtype=torch.float64).to(dtype)


def _called(mixer: nn.Module, x_BTD: Tensor, seed: int) -> Tensor:
    """The output with torch's random numbers fixed, so that a second call differs by its input only."""
    torch.manual_seed(seed)
    y: Tensor = mixer(x_BTD)
    return y


def _modes(mixer: nn.Module) -> Iterator[str]:
    for mode in ("train", "eval"):
        mixer.train(mode == "train")
        yield mode


def parameters(make: Make, setting: Setting) -> Numbers:
    """How many are trained, and how many numbers are stored with them, buffers included."""
    mixer = make()
    trained = sum(p.numel() for p in mixer.parameters() if p.requires_grad)
    return {"count": trained, "stored": sum(value.numel() for value in mixer.state_dict().values())}


def causality(make: Make, setting: Setting) -> Numbers:
    """The worst leak over lengths and modes, by gradient and by replacing the later inputs."""
    worst: Numbers = {"gradient": 0.0, "change": 0.0, "length": 0, "cut": 0, "mode": ""}
    mixer = _made(make, setting)
    for length in setting.lengths:
        for mode in _modes(mixer):
            cut = max(1, (2 * length) // 3)
            leak = {"gradient": _gradient(mixer, setting, length, cut), "change": _change(mixer, setting, length, cut)}
            if max(leak.values()) >= max(worst["gradient"], worst["change"]) or not _all_finite(leak):
                worst = {**leak, "length": length, "cut": cut, "mode": mode}
            if not _all_finite(leak):
                return {"error": f"not finite at length {length} in {mode} mode, float64"}
    return worst


def _all_finite(leak: Numbers) -> bool:
    return all(math.isfinite(value) for value in leak.values() if isinstance(value, float))


def _gradient(mixer: nn.Module, setting: Setting, length: int, cut: int) -> float:
    """The largest |d y[:, :cut] / d x[:, cut:]|, for random weights on y."""
    x_BTD = _input(setting, 1, length).requires_grad_()
    early = _called(mixer, x_BTD, setting.seed)[:, :cut]
    if not early.requires_grad:
        return 0.0
    (slope,) = torch.autograd.grad((early * torch.randn_like(early)).sum(), x_BTD, allow_unused=True)
    return 0.0 if slope is None else float(slope[:, cut:].abs().max())


def _change(mixer: nn.Module, setting: Setting, length: int, cut: int) -> float:
    """How far y[:, :cut] moves when x[:, cut:] is replaced."""
    x_BTD = _input(setting, 1, length)
    other = torch.cat([x_BTD[:, :cut], 3.0 * _input(setting, 1, length, salt=1)[:, cut:]], dim=1)
    with torch.no_grad():
        first, second = (_called(mixer, x, setting.seed)[:, :cut] for x in (x_BTD, other))
    return float((first - second).abs().max())


def prefix(make: Make, setting: Setting) -> Numbers:
    """How far the output of a prefix alone is from the same places of the whole."""
    mixer = _made(make, setting)
    mixer.eval()
    worst, at = 0.0, 0
    length = setting.lengths[0]
    x_BTD = _input(setting, 1, length)
    with torch.no_grad():
        whole = mixer(x_BTD)
        for cut in (1, length // 3, length - 1):
            gap = float((mixer(x_BTD[:, :cut]) - whole[:, :cut]).abs().max())
            worst, at = max((worst, at), (gap, cut))
    return {"difference": worst, "cut": at, "length": length}


def batch(make: Make, setting: Setting) -> Numbers:
    """How far an entry's output moves when the other entries are replaced, in the worse mode."""
    mixer = _made(make, setting)
    worst: Numbers = {"change": 0.0, "mode": ""}
    x_BTD = _input(setting, 3, setting.lengths[0])
    other = torch.cat([x_BTD[:1], 3.0 * _input(setting, 3, setting.lengths[0], salt=2)[1:]])
    for mode in _modes(mixer):
        with torch.no_grad():
            moved = float((_called(mixer, x_BTD, 1)[:1] - _called(mixer, other, 1)[:1]).abs().max())
        if moved >= worst["change"]:
            worst = {"change": moved, "mode": mode}
    return worst


def shapes(make: Make, setting: Setting) -> Numbers:
    """Which lengths and batch sizes fail, or change shape or dtype; in float64, float32 and bfloat16."""
    wrong = []
    for dtype, size, lengths in (
        (torch.float64, 2, ODD_LENGTHS),
        (torch.float32, 3, (33,)),
        (torch.bfloat16, 1, (33,)),
    ):
        mixer = _made(make, setting, dtype)
        for length in lengths:
            problem = _shape_problem(mixer, _input(setting, size, length, dtype))
            if problem:
                wrong.append(f"x ({size}, {length}, {setting.d_model}) {_short(dtype)}: {problem}")
    return {"wrong": wrong[:4], "count": len(wrong)}


def _shape_problem(mixer: nn.Module, x_BTD: Tensor) -> str:
    try:
        with torch.no_grad():
            y = mixer(x_BTD)
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"[:160]
    if not isinstance(y, Tensor) or y.shape != x_BTD.shape:
        return f"expected a tensor of the same shape, got {tuple(getattr(y, 'shape', ()))}"
    return "" if y.dtype == x_BTD.dtype else f"the output is {_short(y.dtype)}"


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def gradients(make: Make, setting: Setting) -> Numbers:
    """Parameters without a gradient or with one that is not finite, and the size of the output; float32, as made."""
    torch.manual_seed(setting.seed)
    mixer = make()
    mixer.train()
    x_BTD = _input(setting, 2, setting.lengths[0], torch.float32)
    y = mixer(x_BTD)
    missing, bad = [], []
    if y.requires_grad:
        y.square().mean().backward()
    for name, parameter in mixer.named_parameters():
        if parameter.grad is None:
            missing.append(name)
        elif not bool(parameter.grad.isfinite().all()):
            bad.append(name)
    return {"missing": missing[:6], "bad": bad[:6], "output_is_finite": bool(y.isfinite().all())}


def growth(make: Make, setting: Setting) -> Numbers:
    """The output's root mean square on a long input of unit size, float32; None if it is not finite."""
    torch.manual_seed(setting.seed)
    mixer = make()
    mixer.eval()
    length = COST_LENGTHS[1]
    with torch.no_grad():
        size = float(mixer(_input(setting, 1, length, torch.float32)).square().mean().sqrt())
    return {"rms": size if math.isfinite(size) else None, "length": length}


def recurrent(make: Make, setting: Setting) -> Numbers:
    """`forward` against `recurrent` fed in pieces: only the numbers of the returned state carry over.

    Each piece goes to a mixer of its own, of a module that was imported anew. The last one ends where the longest
    sequence of the causality check does, so that a state cannot begin to grow when nobody looks. In float32 as well,
    since models are trained and asked in that, and a mixer can tell.
    """
    exact, single = (_followed(make, setting, dtype) for dtype in (torch.float64, torch.float32))
    largest = {name: max(exact[name], single[name]) for name in ("state_numbers", "state_growth", "state_forms")}
    return exact | largest | {"difference_float32": single["difference"]}


def _followed(make: Make, setting: Setting, dtype: torch.dtype) -> Numbers:
    mixer = _made(make, setting, dtype).eval()
    x_BTD = _input(setting, 1, max(setting.lengths), dtype)
    state, outputs, sizes, forms = None, [], [], set()
    with torch.no_grad():
        whole = mixer(x_BTD)
        for piece in torch.split(x_BTD, [*PIECES, x_BTD.shape[1] - sum(PIECES)], dim=1):
            fresh: Any = _made(make, setting, dtype).eval()
            y, left = fresh.recurrent(piece, state)
            state, form = _handed_on(left)
            outputs.append(y)
            sizes.append(_count(state))
            forms.add(form)
    return {
        "difference": float((torch.cat(outputs, 1) - whole).abs().max() / whole.abs().max().clamp_min(1e-9)),
        "state_numbers": sizes[-1],
        "state_growth": sizes[-1] - sizes[0],
        "state_forms": len(forms),
        "length": x_BTD.shape[1],
    }


def _handed_on(state: Any) -> tuple[Any, str]:
    """The state made anew of its numbers, so that nothing hangs on it, and its form. Raises TypeError.

    A view is cut off from what it is a view of; types, keys and lengths are the form, and would be hidden numbers if
    they were not the same each time.
    """
    if type(state) in (Tensor, nn.Parameter):
        return state.detach().clone(), f"{_short(state.dtype)}{list(state.shape)}"
    if state is None or type(state) in (bool, float) or (type(state) is int and abs(state) < 2**63):
        return state, type(state).__name__
    if type(state) in (tuple, list):
        parts = [_handed_on(part) for part in state]
        return type(state)(part for part, _ in parts), f"({', '.join(form for _, form in parts)})"
    if type(state) is dict and all(type(key) is str for key in state):
        entries = {key: _handed_on(part) for key, part in state.items()}
        forms = [(key, form) for key, (_, form) in entries.items()]
        return {key: part for key, (part, _) in entries.items()}, str(forms)
    raise TypeError(f"a state is tensors in tuples or dicts, not {type(state).__name__}")


def _count(state: Any) -> int:
    """How many real numbers a state has."""
    leaves = [torch.as_tensor(leaf) for leaf in tree_leaves(state) if leaf is not None]
    return sum(leaf.numel() * (2 if leaf.is_complex() else 1) for leaf in leaves)


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not annotate it
    """Counts FLOPs of products, operations, the largest result, and the numbers read and written by all of them.

    FLOPs by torch's own formulas, and for triangular systems, which those leave out, n^2 per column.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: there is nothing compiled here, and torch would import torch._dynamo, a second of CPU time."""
        return False

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # as above
        self.flops, self.operations, self.largest, self.traffic = 0, 0, 0, 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        results = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if getattr(func, "is_view", False) or not results:
            return out
        packet = func._overloadpacket
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        elif packet is torch.ops.aten.linalg_solve_triangular:
            self.flops += args[0].shape[-1] * results[0]
        self.operations += 1
        self.largest = max([self.largest, *results])
        self.traffic += sum(results) + sum(leaf.numel() for leaf in tree_leaves(args) if isinstance(leaf, Tensor))
        return out


def cost(make: Make, setting: Setting) -> Numbers:
    """FLOPs per token, and how FLOPs, the largest tensor and all traffic grow from T to 2T (1: linear)."""
    torch.manual_seed(setting.seed)
    mixer = make()
    mixer.eval()
    flops, largest, traffic, operations = [], [], [], 0
    for length in COST_LENGTHS:
        x_BTD = _input(setting, 1, length, torch.float32)
        with torch.no_grad(), _Meter() as meter:
            mixer(x_BTD)
        flops.append(meter.flops)
        largest.append(meter.largest)
        traffic.append(meter.traffic)
        operations = meter.operations
    return {
        "flops_per_token": flops[1] / COST_LENGTHS[1],
        "flop_exponent": _exponent(flops),
        "tensor_exponent": _exponent(largest),
        "traffic_exponent": _exponent(traffic),
        "operations_per_token": operations / COST_LENGTHS[1],
        "length": COST_LENGTHS[0],
    }


def _exponent(counts: list[int]) -> float:
    return math.log2(max(1, counts[1]) / max(1, counts[0]))


CHECKS: dict[str, Callable[[Make, Setting], Numbers]] = {
    "parameters": parameters,
    "shapes": shapes,
    "causality": causality,
    "prefix": prefix,
    "batch": batch,
    "gradients": gradients,
    "growth": growth,
    "recurrent": recurrent,
    "cost": cost,
}
