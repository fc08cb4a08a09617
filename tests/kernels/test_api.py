"""What the public functions refuse, in a process whose kernels are compiled; and what importing them costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import evo_kernels
import pytest
import torch
from evo_kernels import api

KERNELS = Path(__file__).parents[2] / "kernels"


def arguments(**changed: Any) -> dict[str, Any]:
    """A correct call for the gated rule, on the CPU."""
    rows = (1, 8, 2)
    correct = {
        "q": torch.zeros(*rows, 16),
        "k": torch.zeros(*rows, 16),
        "v": torch.zeros(*rows, 16),
        "g": torch.zeros(*rows),
        "beta": torch.zeros(*rows),
    }
    return {**correct, **changed}


def test_the_import_loads_neither_torch_nor_triton() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(KERNELS)!r}); import evo_kernels, evo_kernels.choices, evo_kernels.floor;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'triton')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fused_delta_rule'"):
        evo_kernels.fused_delta_rule  # noqa: B018


def test_a_cpu_is_told_where_to_go() -> None:
    with pytest.raises(ValueError, match=r"on a CPU call evo_kernels\.reference\.chunked"):
        evo_kernels.chunk_gated_delta_rule(**arguments())


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"k": torch.zeros(1, 8, 2, 32)}, "expected q and k"),
        ({"v": torch.zeros(1, 9, 2, 16)}, "expected q and k"),
        ({"v": torch.zeros(1, 8, 3, 16)}, "multiple of the 2"),
        ({"beta": torch.zeros(1, 2, 8)}, "expected beta"),
        ({"g": torch.zeros(1, 8, 2, 16)}, "expected g"),
        ({"k": torch.zeros(1, 8, 2, 16, dtype=torch.float16)}, "one dtype"),
        ({"v": torch.zeros(1, 8, 2, 48)}, "head dimensions must be of"),
        ({"chunk_size": 48}, "chunk_size must be of"),
        ({"keep_every": 0}, "keep_every at least 1"),
        ({"initial_state": torch.zeros(1, 2, 16, 8)}, "expected initial_state"),
        ({"cu_seqlens": torch.tensor([0, 5, 3, 8])}, "must rise from 0 to the 8 tokens"),
        ({"cu_seqlens": torch.tensor([0, 5])}, "must rise from 0 to the 8 tokens"),
    ],
)
def test_wrong_arguments_are_named(changed: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "interpreted", lambda: True)  # so that it is not the CPU that is refused
    with pytest.raises(ValueError, match=message):
        evo_kernels.chunk_gated_delta_rule(**arguments(**changed))


def test_packed_sequences_want_a_batch_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "interpreted", lambda: True)
    two = {name: x.expand(2, *x.shape[1:]) for name, x in arguments().items()}
    with pytest.raises(ValueError, match="batch of 1, got 2"):
        evo_kernels.chunk_gated_delta_rule(**two, cu_seqlens=torch.tensor([0, 16]))


def test_what_does_not_exist_here_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="head_first"):
        evo_kernels.chunk_gated_delta_rule(**arguments(head_first=True))
