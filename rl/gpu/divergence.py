"""How far a trained policy went from the model that it started from: the KL divergence, estimated on its own samples.

    python -m rl.gpu.divergence --run run            what rl.train_gpu left in run/weights

It answers prompts once each, by sampling at temperature 1: those that choose the learning rate (rl/gpu/data.py; with
one rate they were trained on). For each token of an answer, r - 1 - log r with r the base's probability over the
policy's is an unbiased estimate of that step's divergence and never below 0 (Schulman, "Approximating KL divergence",
2020, k3; the term in GRPO too). Their sum over an answer, in nats, is the estimate for whole answers, and the standard
error is over answers. Where the base gives almost nothing to what the policy says, a few answers decide. One model is
in memory at a time. Trusted; one process, one GPU or a CPU. Run on a CPU at toy size only so far.

Shapes: N answers, P prompt tokens, T answer tokens, L = P + T, V words.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rl.gpu import data, exported
from rl.gpu.plan import Plan, read
from rl.scales import CHOOSING
from rl.weights import Unreadable
from tasks.contract import MachineFault

BATCH = 8


def measured(plan: Plan, weights: Path, seed: int, device: str) -> dict[str, float]:
    """`kl_nats`, its standard error and the number of answers. Raises Unreadable, data.Unusable."""
    exported.check(weights, exported.expected(plan.model, plan.lora_rank))
    _, rows = data.parts(plan, plan.choosing or CHOOSING)
    tokenizer = _tokenizer(plan)
    prompts = [_text(prompt, tokenizer) for prompt in rows["prompt"]]
    torch.manual_seed(seed)
    policy = _model(plan, weights, device)
    sampled = [_sampled(policy, tokenizer, prompts[at : at + BATCH], plan) for at in range(0, len(prompts), BATCH)]
    now = _logps(policy, sampled)
    if plan.lora_rank:
        with policy.disable_adapter():
            then = _logps(policy, sampled)
    else:
        del policy
        gc.collect()
        then = _logps(_model(plan, None, device), sampled)
    gaps_N = torch.cat([estimated(now_NT, then_NT) for now_NT, then_NT in zip(now, then, strict=True)])
    error = float(gaps_N.std() / math.sqrt(len(gaps_N))) if len(gaps_N) > 1 else 0.0
    tokens = sum(float(is_answer_NL.sum()) for _, _, is_answer_NL in sampled)
    return {
        "kl_nats": float(gaps_N.mean()),
        "standard_error": error,
        "kl_nats_per_token": float(gaps_N.sum()) / tokens,
        "answers": float(len(gaps_N)),
    }


def _tokenizer(plan: Plan) -> Any:
    from transformers import AutoTokenizer

    made: Any = AutoTokenizer.from_pretrained(plan.model)
    made.padding_side = "left"
    if made.pad_token is None:
        made.pad_token = made.eos_token
    return made


def _text(prompt: Any, tokenizer: Any) -> str:
    """As TRL sends it: text as it is, messages through the model's template."""
    if isinstance(prompt, str):
        return prompt
    return str(tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True))


def _model(plan: Plan, weights: Path | None, device: str) -> Any:
    """The policy, or with None its base."""
    from transformers import AutoModelForCausalLM

    automatic: Any = AutoModelForCausalLM
    folder = plan.model if weights is None or plan.lora_rank else str(weights)
    made = automatic.from_pretrained(folder, dtype="float32" if device == "cpu" else "bfloat16")
    if weights is not None and plan.lora_rank:
        from peft import PeftModel

        made = PeftModel.from_pretrained(made, str(weights))
    return made.to(device).eval()


def _sampled(model: Any, tokenizer: Any, prompts: list[str], plan: Plan) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens of prompts and answers, where there are any, and where they are an answer's: each (N, L)."""
    given = tokenizer(prompts, return_tensors="pt", padding=True).to(model.device)
    with torch.no_grad():
        tokens_NL = model.generate(
            **{name: given[name] for name in ("input_ids", "attention_mask")}, do_sample=True, temperature=1.0, top_k=0,
            top_p=1.0, max_new_tokens=plan.longest, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
    start = given["input_ids"].shape[1]
    is_end_NT = tokens_NL[:, start:] == tokenizer.eos_token_id
    is_answer_NT = is_end_NT.cumsum(1) - is_end_NT.long() == 0  # up to the first end, which counts
    is_answer_NL = torch.cat([torch.zeros_like(given["attention_mask"]).bool(), is_answer_NT], 1)
    is_there_NL = torch.cat([given["attention_mask"].bool(), is_answer_NT], 1)
    return tokens_NL, is_there_NL, is_answer_NL


def estimated(now_NT: Tensor, then_NT: Tensor) -> Tensor:
    """By answer, (N,): from log-probabilities under the policy and under its base, both 0 where nothing counts."""
    ratio_NT = then_NT - now_NT
    return (ratio_NT.expm1() - ratio_NT).sum(1)


def _logps(model: Any, sampled: list[tuple[Tensor, Tensor, Tensor]]) -> list[Tensor]:
    """By batch, each token's log-probability, (N, L - 1), 0 for those that are no answer; in float64 on the CPU."""
    found = []
    for batch in sampled:
        tokens_NL, is_there_NL, is_answer_NL = (part.to(model.device) for part in batch)
        places_NL = (is_there_NL.long().cumsum(1) - 1).clamp(min=0)
        with torch.no_grad(), nullcontext() if model.device.type == "cpu" else torch.autocast("cuda", torch.bfloat16):
            logits_NLV = model(tokens_NL, attention_mask=is_there_NL.long(), position_ids=places_NL).logits
        logps_NLV = torch.log_softmax(logits_NLV[:, :-1].float(), dim=-1)
        logps_NL = logps_NLV.gather(2, tokens_NL[:, 1:, None]).squeeze(2)
        found.append((logps_NL.double() * is_answer_NL[:, 1:]).cpu())
    return found


def main() -> None:
    """Measure, or say in one line what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a folder of rl.train_gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a JSON file for the result")
    asked = parser.parse_args()
    if asked.device != "cpu" and not torch.cuda.is_available():
        sys.exit("divergence: no CUDA device was found: with --device cpu a small model answers slowly")
    try:
        found = measured(read(asked.run / "run.json"), asked.run / "weights", asked.seed, asked.device)
    except (MachineFault, Unreadable, data.Unusable, OSError, ValueError) as error:
        sys.exit(f"divergence: {(str(error).splitlines() or [type(error).__name__])[0]}")
    sys.stdout.write(
        f"{found['kl_nats']:.4f} +- {found['standard_error']:.4f} nats from the base, {found['answers']:.0f} answers\n"
    )
    if asked.out:
        asked.out.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
