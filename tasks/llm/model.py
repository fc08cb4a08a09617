"""`Model.ask`: one question of one role, answered from the ledger or by the server, and read into a typed answer.

The order is fixed: look into the ledger, reserve the budget, ask, store the raw answer, settle, and only then read
it. So whatever happens after an answer has arrived, it is never paid for again, and reading it again gives the same.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel

from cognition.records import Failure, FailureKind, MachineFault, ModelCall
from tasks.llm import forms
from tasks.llm.budget import Budget, Spent
from tasks.llm.ledger import Ledger, prompt_hash, prompt_text
from tasks.llm.rate import Rates
from tasks.llm.server import ModelMisconfigured, Rejected, Reply, Servers
from tasks.llm.settings import Message, ModelSettings, Role, approximate_tokens, plain

T = TypeVar("T", bound=BaseModel)
PRICED = ("prompt", "completion")


class NoRecordedAnswer(MachineFault):
    """A replay asks what the recorded run did not ask. A model is never asked in its place."""

    may_pass = False

    def __init__(self, round_id: str, role: str, attempt: int, prompt_hash: str) -> None:
        """What was asked for."""
        super().__init__(round_id, role, attempt, prompt_hash)
        self.round_id, self.role, self.attempt, self.prompt_hash = round_id, role, attempt, prompt_hash

    def __str__(self) -> str:
        return (
            f"No recorded answer for {self.role} of {self.round_id}, attempt {self.attempt}: the "
            "prompt differs from the recorded run, or that run never got there. Run without replay to ask a model"
        )


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A usable answer, and the call it came from."""

    value: T
    call: ModelCall


@dataclass(slots=True)
class _Abilities:
    """What one model on one server was found to do. Mutable: learned from its refusals."""

    json_schema: bool = True
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


@dataclass(frozen=True, slots=True)
class _Question:
    """One request before it is sent."""

    round_id: str
    role: Role
    attempt: int
    form: forms.Form
    settings: ModelSettings
    messages: tuple[Message, ...]
    answer_type: type[BaseModel]

    @property
    def prompt(self) -> str:
        return prompt_text(self.messages)

    @property
    def hash(self) -> str:
        return prompt_hash(self.settings, self.form, self.prompt)


class Model:
    """The models of a campaign. One instance serves many rounds at once; close it with `aclose` or `async with`."""

    def __init__(
        self,
        settings: Mapping[Role, ModelSettings],
        ledger: Ledger,
        budget: Budget | None = None,
        *,
        replay_only: bool = False,
        jitter: random.Random | None = None,
        rates: Rates | None = None,
    ) -> None:
        """`replay_only`: answer from the ledger alone (a cassette). `jitter` varies waits; no result depends on it.

        `rates` is shared by all models of a process. Raises ValueError for a budget in dollars without prices.
        """
        self._settings = dict(settings)
        self._ledger = ledger
        self._budget = budget
        self._replay_only = replay_only
        self._servers = Servers(jitter or random.Random(), rates)
        self._abilities: dict[tuple[str, str], _Abilities] = {}
        if budget is not None and budget.limits.dollars is not None:
            require_prices(self._settings)

    async def __aenter__(self) -> Self:
        """The model itself."""
        return self

    async def __aexit__(self, *exception: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self._servers.aclose()

    def settings_of(self, role: Role) -> ModelSettings:
        """The settings of a role. Raises ModelMisconfigured if no model serves it."""
        if role not in self._settings:
            raise ModelMisconfigured(f"No model is set for the role {role}: add one to the campaign's [models]")
        return self._settings[role]

    async def ask(
        self, role: Role, round_id: str, attempt: int, messages: Sequence[Message], answer_type: type[T]
    ) -> Answer[T] | Failure:
        """Ask once per (round, role, attempt, prompt); a Failure is always UNUSABLE.

        Raises ModelServerDown, ModelMisconfigured and BudgetExhausted.
        """
        settings = self.settings_of(role)
        questions = [
            _Question(round_id, role, attempt, form, settings, _with_form(messages, answer_type, form), answer_type)
            for form in _forms(settings)
        ]
        call = self._stored(questions) or await self._asked(questions)
        return _read(call, settings, answer_type)

    def _stored(self, questions: Sequence[_Question]) -> ModelCall | None:
        """The answer that an earlier run of the step settled on. All forms are tried: abilities are not remembered."""
        for question in questions:
            call = self._ledger.find_call(question.round_id, question.role, question.attempt, question.hash)
            if call and _settles(question, questions, call):
                return call
        return None

    async def _asked(self, questions: Sequence[_Question]) -> ModelCall:
        rejected: Rejected | None = None
        for question in questions:
            abilities = self._abilities_of(question.settings)
            is_last = question is questions[-1]
            if not is_last and (not abilities.json_schema or self._was_unstructured(question)):
                continue
            result = await self._pay(question, abilities)
            if isinstance(result, Rejected):
                rejected = result
                continue
            if is_last and rejected:
                abilities.json_schema = False  # the same question without response_format went through
            if _settles(question, questions, result):
                return result
            abilities.json_schema = False
        raise _rejection(questions[-1].settings, rejected)

    def _was_unstructured(self, question: _Question) -> bool:
        # `_stored` settled on nothing, so whatever is stored under an earlier form was prose.
        call = self._ledger.find_call(question.round_id, question.role, question.attempt, question.hash)
        return call is not None

    async def _pay(self, question: _Question, abilities: _Abilities) -> ModelCall | Rejected:
        if self._replay_only:
            raise NoRecordedAnswer(question.round_id, question.role, question.attempt, question.hash)
        worst_case = _worst_case(question)
        hold = await self._budget.hold(worst_case) if self._budget else None
        used, in_ledger_usd = Spent(), 0.0
        try:
            reply = await self._send(question, abilities)
            if isinstance(reply, Rejected):
                return reply
            # No await from here to the ledger: a cancelled step must not lose an answer.
            call = _call(question, reply)
            used, in_ledger_usd = _used(call, worst_case), call.price_usd or 0.0
            self._ledger.save_call(call)
            return call
        finally:
            if self._budget and hold is not None:
                self._budget.settle(hold, used, in_ledger_usd)

    async def _send(self, question: _Question, abilities: _Abilities) -> Reply | Rejected:
        reply = await self._servers.chat(question.settings, _request(question, abilities.limit_name))
        if isinstance(reply, Rejected) and "max_completion_tokens" in reply.reason:
            # OpenAI's reasoning models refuse the limit's old name; other servers do not know the new one.
            abilities.limit_name = "max_completion_tokens"
            reply = await self._servers.chat(question.settings, _request(question, abilities.limit_name))
        return reply

    def _abilities_of(self, settings: ModelSettings) -> _Abilities:
        return self._abilities.setdefault((settings.base_url, settings.model), _Abilities())


def _forms(settings: ModelSettings) -> tuple[forms.Form, ...]:
    return ("json_schema", "tags") if settings.structured == "auto" else (settings.structured,)


def _with_form(messages: Sequence[Message], answer_type: type[BaseModel], form: forms.Form) -> tuple[Message, ...]:
    *earlier, last = (Message(message.speaker, plain(message.text)) for message in messages)
    return (*earlier, Message(last.speaker, f"{last.text.rstrip()}\n\n{forms.instructions(answer_type, form)}"))


def _settles(question: _Question, questions: Sequence[_Question], call: ModelCall) -> bool:
    """False if the answer shows that the server ignores response_format while there is another form to ask in."""
    return question is questions[-1] or forms.is_structured(call.answer, question.answer_type)


def _request(question: _Question, limit_name: str) -> dict[str, Any]:
    settings = question.settings
    request: dict[str, Any] = {
        "model": settings.model,
        "messages": [{"role": m.speaker, "content": m.text} for m in question.messages],
        limit_name: settings.max_tokens,
    }
    if settings.temperature is not None:
        request["temperature"] = settings.temperature
    if question.form == "json_schema":
        request["response_format"] = forms.request_format(question.answer_type)
    return request


def _worst_case(question: _Question) -> Spent:
    prompt_tokens, settings = approximate_tokens(question.prompt), question.settings
    dollars = settings.price_usd(prompt_tokens, settings.max_tokens)
    return Spent(dollars or 0.0, prompt_tokens + settings.max_tokens, 1)


def _used(call: ModelCall, worst_case: Spent) -> Spent:
    # A price that is not known although a price list is (no usage came): count the worst case, not nothing.
    dollars = worst_case.dollars if call.price_usd is None else call.price_usd
    return Spent(dollars, call.prompt_tokens + call.completion_tokens, 1)


def _call(question: _Question, reply: Reply) -> ModelCall:
    counted = reply.prompt_tokens is not None and reply.completion_tokens is not None
    prompt_tokens = reply.prompt_tokens if reply.prompt_tokens is not None else approximate_tokens(question.prompt)
    answer_tokens = reply.completion_tokens if reply.completion_tokens is not None else approximate_tokens(reply.text)
    return ModelCall(
        round_id=question.round_id,
        role=question.role,
        attempt=question.attempt,
        prompt_hash=question.hash,
        model=question.settings.model,
        prompt=question.prompt,
        answer=plain(reply.text),  # as it will come back from the ledger, so that a replay reads the same
        prompt_tokens=prompt_tokens,
        completion_tokens=answer_tokens,
        price_usd=question.settings.price_usd(prompt_tokens, answer_tokens) if counted else None,
        latency_s=reply.latency_s,
    )


def _read(call: ModelCall, settings: ModelSettings, answer_type: type[T]) -> Answer[T] | Failure:
    value = forms.read(call.answer, answer_type)
    if not isinstance(value, Failure):
        return Answer(value, call)
    if call.completion_tokens >= settings.max_tokens:
        advice = f"the answer was cut off at {settings.max_tokens} tokens (max_tokens); answer more briefly"
        return Failure(FailureKind.UNUSABLE, f"{advice}; {value.reason}")
    return value


def _rejection(settings: ModelSettings, rejected: Rejected | None) -> ModelMisconfigured:
    said = f"HTTP {rejected.status}: {rejected.reason}" if rejected else "no form of the question is left to try"
    return ModelMisconfigured(
        f"The model server at {settings.base_url} does not take the request for model {settings.model}: {said}. "
        "Check the model's name, base_url, max_tokens, temperature and structured against what the server offers"
    )


def require_prices(settings: Mapping[Role, ModelSettings]) -> None:
    """Raises ValueError, naming the keys to set, unless the price of every model is known."""
    unpriced = {role: model.model for role, model in settings.items() if model.price is None}
    if unpriced:
        keys = " and ".join(f"models.{role}.price_{part}_usd_per_mtok" for role in unpriced for part in PRICED)
        names = ", ".join(sorted(set(unpriced.values())))
        raise ValueError(
            f"a budget in dollars needs the prices of every model; missing for {names}: "
            f"set {keys} (0 for a server of your own)"
        )
