"""The distance from the base, estimated on a policy's own answers, at toy size."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from rl import train_gpu
from rl.gpu import data, plan, toy
from rl.gpu.chosen import GpuOptions
from rl.gpu.plan import Plan
from rl.weights import Unreadable

GRPO = Path(__file__).parents[2] / "rl" / "reference" / "grpo.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("toy")
    toy.made(made)
    return made


def planned(folder: Path, **more: Any) -> Plan:
    model, problems = toy.made(folder)
    options = GpuOptions(model=str(model), data=str(problems), vllm="off")
    made = plan.planned(train_gpu.TOY, options, GRPO, folder, 1, seed=3, on_a_cpu=True)
    return dataclasses.replace(made, **more)


def moved(folder: Path, by: float) -> Path:
    """The toy's weights as a run would leave them, its head moved by so much."""
    import torch
    from transformers import AutoModelForCausalLM

    model, _ = toy.made(folder)
    automatic: Any = AutoModelForCausalLM
    policy = automatic.from_pretrained(str(model), dtype="float32")
    with torch.no_grad():
        policy.model.embed_tokens.weight[5:9] += by
    place = folder / f"moved-{by:g}"
    policy.save_pretrained(place)
    return place


def test_a_policy_that_has_not_moved_is_at_no_distance(folder: Path) -> None:
    from rl.gpu import divergence

    found = divergence.measured(planned(folder, choosing=8), moved(folder, 0.0), 1, "cpu")
    assert found == {"kl_nats": 0.0, "standard_error": 0.0, "kl_nats_per_token": 0.0, "answers": 8.0}


def test_the_estimate_is_the_divergence(folder: Path) -> None:
    """With answers of one token it can be computed: the sum over all words, prompt by prompt."""
    import torch

    from rl.gpu import divergence

    made, weights = planned(folder, choosing=11, longest=1), moved(folder, 0.6)
    found = [divergence.measured(made, weights, seed, "cpu") for seed in range(12)]
    _, rows = data.parts(made, 11)
    tokenizer = divergence._tokenizer(made)
    policy, base = (divergence._model(made, place, "cpu") for place in (weights, None))
    exact = []
    for prompt in rows["prompt"]:
        ids = torch.tensor([tokenizer(prompt)["input_ids"]])
        with torch.no_grad():
            now, then = (torch.log_softmax(each(ids).logits[0, -1], -1) for each in (policy, base))
        exact.append(float((now.exp() * (now - then)).sum()))
    mean = sum(each["kl_nats"] for each in found) / len(found)
    error = sum(each["standard_error"] for each in found) / len(found) / len(found) ** 0.5
    assert sum(exact) / len(exact) > 0.01
    assert mean == pytest.approx(sum(exact) / len(exact), abs=4 * error)
    assert found[0]["kl_nats_per_token"] == pytest.approx(found[0]["kl_nats"])


def test_more_movement_is_more_distance(folder: Path) -> None:
    from rl.gpu import divergence

    made = planned(folder, choosing=11)
    near, far = (divergence.measured(made, moved(folder, by), 1, "cpu")["kl_nats"] for by in (0.05, 1.0))
    assert 0.0 <= near < far


def test_weights_of_another_model_are_refused(folder: Path, tmp_path: Path) -> None:
    from rl.gpu import divergence

    with pytest.raises(Unreadable, match="tensors are missing"):
        divergence.measured(planned(folder), tmp_path, 1, "cpu")


def test_prompts_that_choose_are_not_trained_on_and_always_the_same(folder: Path) -> None:
    made = planned(folder, seed=3)
    train, choosing = data.parts(made, 8)
    assert len(choosing) == len(set(choosing["prompt"])) == 8
    assert not set(choosing["prompt"]) & set(train["prompt"])
    assert set(choosing["prompt"]) | set(train["prompt"]) == set(data.prompts(made)["prompt"])
    assert data.parts(planned(folder, seed=4), 8)[1].to_list() == choosing.to_list()
    assert len(data.parts(made, 0)[1]) == 0
    few = len(data.parts(made, 1000)[1])
    assert few == len(set(data.prompts(made)["prompt"])) // 4
    (folder / "few.jsonl").write_text('{"prompt": "1+1=", "answer": "2"}\n' * 20)
    with pytest.raises(data.Unusable, match="has 1 prompts: at least 8 are needed to keep some apart"):
        data.parts(planned(folder, data=str(folder / "few.jsonl")), 8)
