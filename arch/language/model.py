"""lm-eval's view of the sandboxed model. A leaf: importing it imports lm-eval.

Log-likelihoods and rolling ones; no text is generated. Sends each kind of request in as few jobs as the asker can.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows

from arch.language.asker import Answering, Question
from arch.language.tokens import Tokenizer
from tasks.contract import MachineFault

Encoded = tuple[tuple[str, str], list[int], list[int]]


class NoGeneration(NotImplementedError):
    """A task wants text to be generated."""


class SandboxedLM(TemplateLM):  # type: ignore[misc]  # lm-eval has no types
    """A language model whose hidden states come from the sandbox."""

    def __init__(self, asker: Answering, tokenizer: Tokenizer, longest: int) -> None:
        super().__init__()
        self.asker, self.text_tokenizer, self.longest = asker, tokenizer, longest

    @property
    def eot_token_id(self) -> int:
        """What stands before a text without a context."""
        return self.text_tokenizer.separator

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """The tokens; special ones are never added."""
        return self.text_tokenizer.encode(string)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """As lm-eval's, without a progress bar."""
        answers: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        return answers

    def _loglikelihood_tokens(self, requests: list[Encoded], **_: Any) -> list[tuple[float, bool]]:
        questions = [self._question(context, continuation) for _, context, continuation in requests]
        return [(reply.log_probability, reply.greedy) for reply in self.asker.replies(questions)]

    def _question(self, context: Sequence[int], continuation: Sequence[int]) -> Question:
        """A context that is too long loses its beginning; an answer is never cut, since that would make it likelier."""
        if len(continuation) > self.longest:
            raise MachineFault(f"an answer has {len(continuation)} tokens, more than the {self.longest} that are sent")
        return Question((*context, *continuation)[-(self.longest + 1) :], len(continuation))

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = True) -> list[float]:
        """The sum of ln p of whole texts, cut in windows without a common part."""
        questions, owners = [], []
        for number, request in enumerate(requests):
            for seen, predicted in self._windows(request.args[0]):
                questions.append(Question((*seen, predicted[-1]), len(predicted)))
                owners.append(number)
        totals: dict[int, float] = defaultdict(float)
        for owner, reply in zip(owners, self.asker.replies(questions), strict=True):
            totals[owner] += reply.log_probability
        return [totals[number] for number in range(len(requests))]

    def _windows(self, text: str) -> Any:
        """Pairs of what goes in and what is predicted, one shifted against the other by a token."""
        return get_rolling_token_windows(self.text_tokenizer.encode(text), self.eot_token_id, self.longest, 1)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = True) -> list[str]:
        """Raises NoGeneration."""
        raise NoGeneration("a task asks for generated text, and the sandboxed model hands out hidden states only")
