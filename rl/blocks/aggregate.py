"""Slot `aggregate`: how token losses become one number. `aggregate(losses_NT, mask_NT, ctx) -> scalar`."""

from typing import Annotated

from torch import Tensor


def mean_of_means(losses_NT: Tensor, mask_NT: Tensor, ctx: object) -> Tensor:
    """Within each completion, then over completions: GRPO's.

    Tokens of long completions count less, so long wrong answers are punished less.
    """
    return (losses_NT.sum(1) / mask_NT.sum(1).clamp(min=1.0)).mean()


def token_mean(losses_NT: Tensor, mask_NT: Tensor, ctx: object) -> Tensor:
    """Over all tokens of the batch alike: DAPO's.

    Long completions weigh as much as they are long.
    """
    return losses_NT.sum() / ctx.tokens


def constant_length(losses_NT: Tensor, mask_NT: Tensor, ctx: object) -> Tensor:
    """The sum over a constant length: Dr. GRPO's.

    No completion's length changes the weight of its tokens.
    """
    return losses_NT.sum() / (len(losses_NT) * ctx.longest)


def between(losses_NT: Tensor, mask_NT: Tensor, ctx: object, *, power: Annotated[float, (0.0, 1.0)] = 0.5) -> Tensor:
    """Each completion's sum over a power of its length: 1 is GRPO's mean, 0 the plain sum.

    A half weighs completions as if their tokens were independent.
    """
    length_N = mask_NT.sum(1).clamp(min=1.0)
    return (losses_NT.sum(1) / length_N**power).mean()
