"""The parts around the loss: task, whitelist of weights, the model written twice, scoring, wire, knowledge."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from rl import knowledge, model, scoring, weights
from rl.inside import sorting
from rl.inside.shape import Family, Shape
from rl.recipes import LAPTOP, RUNGS, SECOND
from rl.scales import SCALES

SMALL = {
    family: Shape(family, sorting.VOCABULARY, sorting.PROMPT + sorting.COMPLETION - 1, 16, 2, 2, 24)
    for family in ("qwen", "gpt")
}


def arrays(shape: Shape, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=size, scale=0.3).astype(np.float32) for name, size in shape.tensors().items()}


def test_the_parts_of_the_prompts_are_disjoint() -> None:
    rng = np.random.default_rng(0)
    drawn = {part: {tuple(digits) for digits in sorting.draw(rng, 300, part)} for part in ("train", "choose", "report")}
    assert not drawn["train"] & drawn["choose"]
    assert not drawn["train"] & drawn["report"]
    assert not drawn["choose"] & drawn["report"]


@given(st.lists(st.integers(0, 9), min_size=3, max_size=7))
def test_only_the_sorted_digits_are_right(digits: list[int]) -> None:
    rng = np.random.default_rng(0)
    for behaviour in sorting.BEHAVIOURS:
        answer = sorting.behave(digits, behaviour)
        (exact,) = sorting.rewards([digits], sorting.completions([answer]), "exact", rng)
        (graded,) = sorting.rewards([digits], sorting.completions([answer]), "graded", rng)
        assert exact == (answer == sorted(digits))
        assert 0.0 <= graded <= 1.0
        assert (graded == 1.0) == (exact == 1.0)


def test_a_completion_that_goes_on_is_wrong() -> None:
    tokens = sorting.completions([[1, 2, 3, 4]])
    assert sorting.rewards([[1, 2, 3]], tokens, "exact", np.random.default_rng(0)).tolist() == [0.0]
    assert sorting.rewards([[1, 2, 3]], tokens, "graded", np.random.default_rng(0)).tolist() == [0.75]


def test_the_spurious_reward_does_not_look() -> None:
    lists, tokens = [[1, 2, 3]] * 400, sorting.completions([[1, 2, 3]] * 400)
    assert 0.4 < sorting.rewards(lists, tokens, "coin", np.random.default_rng(0)).mean() < 0.6


@pytest.mark.parametrize("family", ["qwen", "gpt"])
def test_the_model_is_the_same_in_numpy_and_in_torch(family: Family, inside: None) -> None:
    import torch

    policy = __import__("policy")
    shape, values = SMALL[family], arrays(SMALL[family])
    lists = sorting.draw(np.random.default_rng(1), 12, "report")
    prompts, tokens = sorting.prompts(lists), sorting.completions([sorted(digits) for digits in lists])
    p = {name: torch.from_numpy(value) for name, value in values.items()}
    there = policy.completion_logps(p, shape, torch.from_numpy(prompts), torch.from_numpy(tokens)).numpy()
    here = model.completion_logps(values, shape, prompts, tokens)
    assert np.abs(here - there).max() < 1e-4


@pytest.mark.parametrize("family", ["qwen", "gpt"])
def test_sampling_has_the_frequencies_that_scoring_computes(family: Family, inside: None) -> None:
    import torch

    policy = __import__("policy")
    shape, values = SMALL[family], arrays(SMALL[family])
    lists = [[5, 1, 3]] * 4000
    chance = torch.from_numpy(np.random.default_rng(2).random((4000, 3)).astype(np.float32))
    p = {name: torch.from_numpy(value) for name, value in values.items()}
    prompts = torch.from_numpy(sorting.prompts(lists))
    sampled = policy.sampled(p, shape, prompts, chance, sorting.END, sorting.BLANK).numpy()
    mask = sorting.mask(sampled)
    logps = model.completion_logps(values, shape, sorting.prompts(lists[:1]).repeat(4000, 0), sampled)
    entropy_by_sampling = -(logps * mask).sum(1).mean()
    unique, counts = np.unique(sampled, axis=0, return_counts=True)
    most = unique[counts.argmax()][None]
    expected = math.exp(
        (model.completion_logps(values, shape, sorting.prompts(lists[:1]), most) * sorting.mask(most)).sum()
    )
    assert counts.max() / 4000 == pytest.approx(expected, abs=4 * math.sqrt(expected / 4000))
    assert entropy_by_sampling > 0.0


def test_the_accuracy_is_the_mean_probability_of_the_right_answers() -> None:
    shape, values = SMALL["qwen"], arrays(SMALL["qwen"])
    found = scoring.answers(values, shape, "report", 20)
    lists = [list(digits) for digits in scoring.held_out("report", 20)]
    assert all(sorting.part_of(digits) == "report" for digits in lists)
    logps = model.completion_logps(
        values, shape, sorting.prompts(lists), (right := sorting.completions([sorted(digits) for digits in lists]))
    )
    assert found.accuracy == pytest.approx(np.exp((logps * sorting.mask(right)).sum(1)).mean(), rel=1e-5)


def test_weights_are_read_against_an_exact_list() -> None:
    shape = SMALL["qwen"]
    values = arrays(shape)
    read = weights.read(save(values), shape.tensors())
    assert all(np.array_equal(read[name], value) for name, value in values.items())


def without(name: str) -> bytes:
    return save({key: value for key, value in arrays(SMALL["qwen"]).items() if key != name})


def changed(**more: Any) -> bytes:
    return save({**arrays(SMALL["qwen"]), **more})


HOSTILE = {
    "empty": b"",
    "no safetensors": b"x" * 4000,
    "a pickle": b"\x80\x04K\x01." + b"\0" * 64,
    "one too few": without("head"),
    "one too many": changed(extra=np.zeros(3, np.float32)),
    "another size": changed(last=np.zeros(17, np.float32)),
    "another dtype": changed(last=np.zeros(16, np.float64)),
    "not a number": changed(last=np.full(16, np.nan, np.float32)),
    "infinite": changed(last=np.full(16, np.inf, np.float32)),
    "bytes behind": changed() + b"\0" * 8,
    "cut off": changed()[:-8],
    "a long header": (2**40).to_bytes(8, "little") + changed()[8:],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_other_weights_are_refused(name: str) -> None:
    with pytest.raises(weights.Unreadable):
        weights.read(HOSTILE[name], SMALL["qwen"].tensors())


def test_overlapping_tensors_are_refused() -> None:
    content = changed()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["last"]["data_offsets"] = [0, 10**9]
    text = json.dumps(header).encode()
    with pytest.raises(weights.Unreadable, match="outside the file"):
        weights.read(len(text).to_bytes(8, "little") + text + content[8 + size :], SMALL["qwen"].tensors())


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=3), st.lists(st.binary(max_size=40), max_size=3))
def test_what_is_sent_over_the_wire_arrives(head: dict[str, int], contents: list[bytes]) -> None:
    import os

    from rl.inside import wire

    read, write = os.pipe()
    try:
        wire.send(write, head, *contents)
        found, arrived = wire.receive(read, sum(map(len, contents)))
    finally:
        os.close(read)
        os.close(write)
    assert arrived == contents
    assert {**head, "sizes": [len(content) for content in contents]} == found


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\x02\0\0\0{}",
        b"\x02\0\0\0[]",
        b'\x0f\0\0\0{"sizes": [-1]}',
        b'\x10\0\0\0{"sizes": [999]}',
    ],
)
def test_a_message_that_is_none_is_refused(message: bytes) -> None:
    import os

    from rl.inside import wire

    read, write = os.pipe()
    os.write(write, message)
    os.close(write)
    with pytest.raises(wire.Broken):
        wire.receive(read, 100)
    os.close(read)


def test_two_families_of_base_models_of_one_size() -> None:
    assert {recipe.base.shape.family for recipe in RUNGS.values()} == {"qwen", "gpt"}
    sizes = [LAPTOP.base.shape.numbers, SECOND.base.shape.numbers]
    assert max(sizes) < 1.1 * min(sizes)


def test_early_abort_spends_at_most_thirty_percent() -> None:
    for recipe in RUNGS.values():
        assert recipe.abort_at <= 0.3 * recipe.generations
        assert recipe.iterations >= 2  # at one the ratio is 1 and clips are dead


def test_every_slot_has_at_least_three_blocks() -> None:
    blocks = [item.block for item in knowledge.items() if item.block is not None]
    counts = {slot.name: sum(block.slot == slot.name for block in blocks) for slot in knowledge.SLOTS}
    assert min(counts.values()) >= 3
    assert math.prod(counts.values()) >= 5000


def test_the_rungs_on_gpus_are_those_of_the_paper() -> None:
    explore, verify = SCALES["explore-4b"], SCALES["verify-14b"]
    assert (explore.billions, explore.steps, len(explore.suite)) == (4.0, 150, 6)  # section 4.3
    assert (verify.billions, verify.steps) == (14.0, 300)
    assert set(explore.suite) < set(verify.suite)
    assert all(scale.gpu_h() > 0 and scale.wall_s > 0 for scale in SCALES.values())
    assert all(dataclasses.asdict(scale) for scale in SCALES.values())


def test_the_package_data_reaches_an_installation() -> None:
    root = Path(knowledge.__file__).parent
    assert all((root / part).is_dir() for part in ("blocks", "reference", "controls", "inside"))
