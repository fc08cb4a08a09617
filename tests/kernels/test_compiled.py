"""The kernels compile for Hopper and fit, on a machine without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize(
    ("key_dim", "dtype"), [(64, "bf16"), (128, "bf16"), (256, "bf16"), (128, "fp16"), (64, "fp32")]
)
def test_kernels_compile_and_fit(
    key_dim: int, gated: bool, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evo_kernels import compiled

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    reports = compiled.compile_all(compiled.Case(key_dim, key_dim, gated, dtype))

    assert [r.kernel for r in reports] == ["intra_kernel", "chain_kernel", "reverse_kernel", "gradient_kernel"]
    assert all(r.shared_bytes <= compiled.LARGEST_SHARED_BYTES for r in reports)
    if dtype != "fp32":
        assert all(r.tensor_core_products > 0 for r in reports)
    if dtype == "bf16" and key_dim <= 128:
        assert [r.spilled_bytes for r in reports[:3]] == [0, 0, 0]
        assert all(r.asynchronous_copies > 0 for r in reports[1:3])  # the chains load ahead
