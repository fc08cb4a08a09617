"""A candidate that looks for what it was not given finds nothing, and its score does not move.

These programs would not pass the static rules; they go straight into training, as if they had.
"""

from __future__ import annotations

import pytest

from rl import base, exchange
from rl.recipes import TINY
from rl.reference import program
from tasks.contract import Failure, FailureKind, Sandbox

LOSS = "    ratio_NT = torch.exp(logps_NT - old_NT)\n"
SEARCH = """

def searched():
    import gc
    import os
    import sys

    found, frame = [], sys._getframe()
    while frame is not None:
        wanted = ("prompts_NP", "tokens_NT", "base_W", "flat_W", "lists", "run", "request", "rewards", "job")
        found += [f"local {name}" for name in frame.f_locals if name in wanted]
        frame = frame.f_back
    for item in gc.get_objects():
        if isinstance(item, torch.Tensor) and (item.numel() > 1000 or (item.dtype == torch.int64 and item.dim() == 2)):
            found.append(f"tensor {tuple(item.shape)}")
        if isinstance(item, dict) and {"rates", "base", "run"} <= {key for key in item if isinstance(key, str)}:
            found.append("request")
    for path in (f"/proc/{os.getppid()}/mem", f"/proc/{os.getppid()}/environ", "/proc/self/maps"):
        try:
            with open(path, "rb") as file:
                found.append(f"{path} {len(file.read(1))}")
        except OSError:
            pass
    found += [name for name in sys.modules if name in ("sorting", "policy", "training", "optimiser", "remote")]
    return found
"""


def fitted(code: str, sandbox: Sandbox) -> exchange.Fitted | Failure:
    return exchange.fit(code, TINY, base.weights(TINY.base), 1, False, sandbox)


def test_there_is_nothing_to_find_beside_the_candidate(torch_sandbox: Sandbox) -> None:
    if torch_sandbox.tier == "unsafe":
        pytest.skip("without a sandbox /proc is open")
    code = program("grpo").replace(LOSS, f"    raise ValueError(f'found {{searched()}}')\n{LOSS}") + SEARCH
    failure = fitted(code, torch_sandbox)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.CRASH
    assert failure.reason == "loss: ValueError: found []"


@pytest.mark.slow
def test_a_candidate_that_searches_trains_what_an_honest_one_trains(torch_sandbox: Sandbox) -> None:
    honest = fitted(program("grpo"), torch_sandbox)
    nosy = fitted(program("grpo").replace(LOSS, f"    searched()\n{LOSS}") + SEARCH, torch_sandbox)
    assert isinstance(honest, exchange.Fitted)
    assert isinstance(nosy, exchange.Fitted)
    assert {rate: curve.weights for rate, curve in honest.curves.items()} == {
        rate: curve.weights for rate, curve in nosy.curves.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("return (logps_NT * 1e38 * 1e38).sum()", "policy_loss gave"),
        ("return logps_NT.sum() * 0 + torch.tensor(float('nan'))", "policy_loss gave nan"),
        ("return (logps_NT.clamp(max=-5) - logps_NT).sqrt().sum()", "policy_loss gave nan"),
    ],
)
def test_what_is_not_finite_in_training_is_a_failure_with_its_reason(
    statement: str, reason: str, torch_sandbox: Sandbox
) -> None:
    failure = fitted(program("grpo").replace(LOSS, f"    {statement}\n{LOSS}"), torch_sandbox)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.INVALID
    assert reason in failure.reason


@pytest.mark.slow
def test_advantages_of_another_size_are_a_failure(torch_sandbox: Sandbox) -> None:
    code = program("grpo").replace("(rewards_GK.std(1, keepdim=True) + 1e-4)).flatten()", "1.0)[0]")
    failure = fitted(code, torch_sandbox)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.INVALID
    assert failure.reason.startswith("advantages: expected float32 of size (16,), got 16 bytes")


@pytest.mark.slow
def test_a_loss_that_allocates_without_bound_fails(torch_sandbox: Sandbox) -> None:
    code = program("grpo").replace(LOSS, f"    kept = [torch.ones(10**8) for _ in range(100)]\n{LOSS}")
    failure = fitted(code, torch_sandbox)
    assert isinstance(failure, Failure)
    assert failure.kind in (FailureKind.MEMORY, FailureKind.CRASH)
