"""Types, memory, verdicts and counts, without a sandbox and without triton."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from problems.triton_kernel import catalogue, dtypes, judge, scoring, traffic
from problems.triton_kernel.dtypes import KINDS
from problems.triton_kernel.judge import Call
from problems.triton_kernel.traffic import Launch
from tasks.contract import JSON, Failure, FailureKind

NORM, SOFTMAX = catalogue.operation("add_rms_norm"), catalogue.operation("softmax")


def calls(name: str = "add_rms_norm", seed: int = 3, code: str = "") -> tuple[Call, ...]:
    return judge.calls(catalogue.operation(name), seed, code, tiny=True)


def answered(call: Call, name: str = "add_rms_norm") -> bytes:
    """The memory after a right call: the reference, rounded."""
    operation, raw = catalogue.operation(name), call.before.raw.copy()
    inputs = {argument.name: call.before.values(argument.name) for argument in operation.inputs}
    for output, values in operation.reference(inputs, call.case.scalars).items():
        raw[call.before.place(output).cells()] = dtypes.rounded(values, call.case.kind)
    return raw.tobytes()


@given(st.floats(-(2.0**127), 2.0**127, width=32))
def test_bfloat16_is_rounded_to_the_nearest(value: float) -> None:
    kind = KINDS["bfloat16"]
    back = dtypes.exact(dtypes.rounded(np.array([value]), kind), kind)[0]
    assert abs(back - value) <= kind.unit * abs(value) + kind.smallest


@given(st.integers(0, 2**16 - 1))
def test_bfloat16_numbers_stay_what_they_are(bits: int) -> None:
    kind, raw = KINDS["bfloat16"], np.array([bits], dtype="<u2")
    value = dtypes.exact(raw, kind)
    if np.isfinite(value[0]):
        assert dtypes.rounded(value, kind)[0] == bits


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_poison_is_not_a_number_and_unit_is_half_a_step(kind: dtypes.Kind) -> None:
    assert np.isnan(dtypes.exact(dtypes.poison(kind), kind)).all()
    assert dtypes.exact(dtypes.rounded(np.array([1.0 + 2.2 * kind.unit]), kind), kind)[0] == 1.0 + 2.0 * kind.unit
    assert dtypes.exact(dtypes.rounded(np.array([1.0 + 0.9 * kind.unit]), kind), kind)[0] == 1.0


@pytest.mark.parametrize("name", sorted(catalogue.OPERATIONS))
def test_the_reference_rounded_has_no_fault(name: str) -> None:
    operation = catalogue.operation(name)
    for call in judge.calls(operation, 5, "program"):
        content = answered(call, name)
        assert judge.fault(operation, call, content) is None, scoring.described(call)
        assert judge.largest_error(operation, call, content) < 1.0


@pytest.mark.parametrize("name", sorted(catalogue.OPERATIONS))
def test_references_are_what_torch_computes(name: str) -> None:
    torch = pytest.importorskip("torch")
    for call in calls(name):
        inputs = {a.name: call.before.values(a.name) for a in catalogue.operation(name).inputs}
        tensors = {key: torch.from_numpy(values) for key, values in inputs.items()}
        if name == "softmax":
            expected = {"out": torch.softmax(tensors["x"], 1)}
        else:
            summed = tensors["x"] + tensors["residual"]
            out = torch.nn.functional.rms_norm(summed, summed.shape[1:], tensors["weight"], call.case.scalars["eps"])
            expected = {"summed": summed, "out": out}
        for output, values in catalogue.operation(name).reference(inputs, call.case.scalars).items():
            np.testing.assert_allclose(values, expected[output].numpy(), rtol=1e-11, atol=1e-300)


def test_nothing_computed_is_unwritten() -> None:
    call = calls()[0]
    assert judge.fault(NORM, call, call.before.raw.tobytes()) == "2000 of 2000 elements of out were not written"


def test_each_kind_of_damage_is_named() -> None:
    call = next(call for call in calls() if call.case.apart)
    right = np.frombuffer(answered(call), dtype=call.before.bits().dtype)
    damages = {
        "the input weight was changed": call.before.place("weight").offset,
        "1 elements outside of the tensors were written": call.before.place("out").offset - 1,
        "1 of": call.before.place("summed").offset,
    }
    for words, cell in damages.items():
        raw = right.copy()
        raw[cell] ^= 1 << 9
        assert words in str(judge.fault(NORM, call, raw.tobytes()))
    raw = right.copy()
    raw[call.before.place("x").offset + call.before.place("x").shape[1]] ^= 1  # between two rows
    assert judge.fault(NORM, call, raw.tobytes()) == "1 elements outside of the tensors were written"


def test_memory_of_another_size_is_refused() -> None:
    call = calls()[0]
    with pytest.raises(ValueError, match="bytes of memory, got 2"):
        judge.fault(NORM, call, b"ab")


def test_inputs_are_new_for_every_seed_and_program_and_the_same_for_both() -> None:
    first, same, seed, code = calls(), calls(), calls(seed=4), calls(code="x")
    contents = [[call.before.raw.tobytes() for call in each] for each in (first, same, seed, code)]
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]
    assert contents[0] != contents[3]
    assert [c.case for c in first if c.case.measured] == [c.case for c in seed if c.case.measured]


def test_cases_reach_every_type_and_odd_sizes() -> None:
    for operation in catalogue.OPERATIONS.values():
        found = [call.case for call in judge.calls(operation, 0, "")]
        assert {case.dtype for case in found} == set(KINDS)
        assert {case.dtype for case in found if case.measured} == set(KINDS)
        assert sum(size % 2 for case in found for size in case.sizes.values()) > 15
        assert len({case.name for case in found}) == len(found)
        assert any(case.apart for case in found)


def test_the_floor_is_every_tensor_once() -> None:
    case = next(call.case for call in judge.calls(NORM, 0, "") if call.case.name == "wide")
    assert NORM.read_bytes(case) == 2 * (2 * 32 * 1000 + 1000)
    assert NORM.written_bytes(case) == 2 * (2 * 32 * 1000)
    assert NORM.flops(case.sizes) == 5 * 32 * 1000


def test_idle_processors_and_a_launch_cost() -> None:
    even, alone = Launch(8, 8, 8, 512, 512, 16, 16, 4), Launch(8, 8, 8, 512, 512, 16, 16, 32)
    assert traffic.efficiency([even], 1024) == pytest.approx(1 / 1.02)
    assert traffic.efficiency([alone], 1024) == pytest.approx(1 / 8.02)
    assert traffic.moved_bytes([even, alone]) == 2048


def test_counts_below_the_floor_are_impossible() -> None:
    launch = Launch(8, 3, 1, 96, 32, 3, 1, 4)
    assert traffic.impossible([launch], 96, 32) is None
    assert "something else did their work" in str(traffic.impossible([launch], 97, 32))
    assert "something else did their work" in str(traffic.impossible([launch], 96, 33))
    assert traffic.impossible([], 1, 1) is not None


@pytest.mark.parametrize(
    "counted",
    [
        None,
        {},
        [3],
        [{}],
        [dict.fromkeys(traffic.NAMES, 0)],
        [dict.fromkeys(traffic.NAMES, 1.0)],
        [dict.fromkeys(traffic.NAMES, True)],
        [dict.fromkeys(traffic.NAMES, -1)],
        [dict.fromkeys(traffic.NAMES, 10**30)],
    ],
)
def test_counts_of_another_form_are_refused(counted: JSON) -> None:
    with pytest.raises(traffic.Unusable):
        traffic.read(counted)


def test_a_right_run_with_false_counts_is_cheating() -> None:
    some = calls()
    memory = [answered(call) for call in some]
    launches = [[Launch(8, 1, 1, 8, 8, 1, 1, 1)] for _ in some]
    refused = scoring.refusal(NORM, some, memory, {}, launches)
    assert isinstance(refused, Failure)
    assert refused.kind == FailureKind.CHEATING


def test_another_answer_the_second_time_is_invalid() -> None:
    some = calls("softmax")
    memory = [answered(call, "softmax") for call in some]
    large = [[Launch(8, 1, 1, 10**6, 10**6, 10**6, 10**6, 10**5)] for _ in some]
    assert scoring.refusal(SOFTMAX, some, memory, {some[0].case.name: memory[0]}, large) is None
    refused = scoring.refusal(SOFTMAX, some, memory, {some[0].case.name: memory[0][:-1]}, large)
    assert isinstance(refused, Failure)
    assert "another answer the second time" in refused.reason
