"""The scripted researcher: what a prompt holds decides, by what was planted; faults come at their rates; it repeats."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from random import Random
from typing import Any

import pytest

from cognition.records import Candidate, Failure, Item, Provenance, Score
from flows.study.scripted import Ladder, Scripted, ScriptedResearcher
from flows.study.scripted.answers import answer, see
from flows.study.scripted.ladder import ladder_of, step_of
from problems.circle_packing.domain import CirclePacking
from tasks.llm import MemoryLedger, Model, ModelSettings
from tasks.proposal import Context, Proposal
from tasks.researcher import Form, OpenAIResearcher, ResearcherSettings, researcher_messages
from tests.flows.study.examples import LADDER
from tests.toy_domain import Toy, ToyOptions

BRIEF = Toy(ToyOptions()).brief()
SCRIPT = Scripted.model_validate(
    {"ladder": LADDER, "chances": {"base": 0.2, "knowledge": 0.3, "analysis": 0.0, "best_parent": 0.1}}
)


def with_faults(**more: float) -> Scripted:
    return SCRIPT.model_copy(update={"faults": SCRIPT.faults.model_copy(update=more)})


def ladder() -> Ladder:
    return ladder_of(SCRIPT, BRIEF)


def candidate(name: str, fitness: float, analysis: str, code: str = "x = 0.0\n") -> Candidate:
    provenance = Provenance("openai")
    return Candidate(
        name, 1, "c", 1, code, "", "An idea.", (), provenance, Score(fitness), {"closeness": fitness}, {}, analysis
    )


def context(
    index: int, *, items: bool = True, analysis: bool = True, best: bool = True, code: str = "x = 0.0\n"
) -> Context:
    return Context(
        round_id=f"study-a00-{index:04d}",
        seed=index,
        brief=BRIEF,
        parent=candidate("p", -1.0, "It was near." if analysis else "", code),
        references=(candidate("r", -2.0 if best else -0.5, "analysis: a trap"),),
        items=(Item("i-1", "toy", "three is a good number"),) if items else (),
        blocks=BRIEF.items,
        elites=(),
        recent=(),
    )


def prompt(wanted: Context) -> str:
    return researcher_messages(wanted, (), "program", 16_000)[-1].text


@pytest.mark.parametrize("items", [True, False])
@pytest.mark.parametrize("analysis", [True, False])
@pytest.mark.parametrize("best", [True, False])
def test_it_sees_what_the_real_prompt_holds(items: bool, analysis: bool, best: bool) -> None:
    seen = see(prompt(context(1, items=items, analysis=analysis, best=best)))
    assert (bool(seen.knowledge), seen.has_analysis, seen.is_best) == (items, analysis, best)
    assert seen.parent == "x = 0.0"


def test_good_answers_come_at_the_planted_chance() -> None:
    steps, n = ladder(), 600
    wanted = {
        0.6: [context(1), context(1, analysis=False)],
        0.3: [context(1, items=False)],
        0.5: [context(1, best=False)],
    }
    for chance, seen in [(chance, see(prompt(each))) for chance, all_of in wanted.items() for each in all_of]:
        good = sum(answer(SCRIPT, steps, seen, f"key-{k}").is_good for k in range(n))
        assert good / n == pytest.approx(chance, abs=0.06)


def test_a_good_answer_is_one_step_up_and_the_ladder_ends() -> None:
    steps = ladder()
    at_two = steps.program(2, Random(1))
    found = Counter(answer(SCRIPT, steps, see(prompt(context(k, code=at_two))), f"{k}").step for k in range(200))
    assert set(found) == {1, 2, 3}
    top = steps.program(steps.top, Random(1))
    assert {answer(SCRIPT, steps, see(prompt(context(k, code=top))), f"{k}").step for k in range(200)} == {4, 5}


def test_the_same_prompt_gets_the_same_program_and_another_seed_another() -> None:
    steps, seen = ladder(), see(prompt(context(1)))
    assert answer(SCRIPT, steps, seen, "k") == answer(SCRIPT, steps, seen, "k")
    other = SCRIPT.model_copy(update={"seed": 1})
    differ = [answer(SCRIPT, steps, seen, str(k)) != answer(other, steps, seen, str(k)) for k in range(20)]
    assert sum(differ) > 15


def test_its_programs_are_real_ones_that_pass_the_domains_rules() -> None:
    domain = CirclePacking()
    blocks = {"start": "uniform_points", "local": "sequential_lp", "perturb": "jitter_region", "schedule": "hopping"}
    weak = {**blocks, "local": {"block": "push_apart", "steps": 10}}
    made = ladder_of(Scripted.model_validate({"ladder": [weak, blocks]}), domain.brief())
    for step in (0, 1):
        program = made.program(step, Random(step))
        assert domain.check(program) == []
        assert step_of(program) == step


async def _proposed(server: ScriptedResearcher, wanted: Context, form: Form) -> Proposal | Failure:
    settings = ModelSettings(model="scripted", base_url=server.base_url, backoff_s=0.01, structured="json_schema")
    async with Model({"researcher": settings, "analyzer": settings}, MemoryLedger()) as model:
        return await OpenAIResearcher(model, ResearcherSettings(mode=form)).propose(wanted, ())


@pytest.mark.parametrize("form", ["program", "diff"])
def test_the_engines_own_client_takes_its_programs_and_edits(form: Form) -> None:
    with ScriptedResearcher(SCRIPT, ladder()) as server:
        first, again = (asyncio.run(_proposed(server, context(5), form)) for _ in range(2))
    assert isinstance(first, Proposal)
    assert isinstance(again, Proposal)
    assert step_of(first.code) is not None
    assert first.code == again.code
    assert first.provenance.sources == ("i-1",)
    assert "no model involved" in first.motivation


def _post(server: ScriptedResearcher, text: str) -> int:
    body = {"model": "scripted", "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request) as response:
            content: dict[str, Any] = json.loads(response.read())
            return 200 if not content["choices"][0]["message"]["content"].startswith("Certainly") else -1
    except urllib.error.HTTPError as error:
        return error.code


def test_faults_come_at_their_rates_and_the_same_ones_again() -> None:
    faulty = with_faults(http_429=0.2, http_500=0.1, not_json=0.15)
    runs = []
    for _ in range(2):
        with ScriptedResearcher(faulty, ladder()) as server:
            runs.append([_post(server, f"prompt {k % 250}") for k in range(500)])
            counted = dict(server.counts)
    assert runs[0] == runs[1]
    got = Counter(runs[0])
    assert (got[429], got[500], got[-1]) == (counted["http_429"], counted["http_500"], counted["not_json"])
    assert counted["requests"] == 500
    assert counted["answered"] == got[200] + got[-1]
    for status, rate in ((429, 0.2), (500, 0.1), (-1, 0.15)):
        assert got[status] / 500 == pytest.approx(rate, abs=0.06)


def test_slow_answers_are_slow_and_good() -> None:
    slow = with_faults(slow=0.9, slow_s=0.2)
    with ScriptedResearcher(slow, ladder()) as server:
        began = time.monotonic()
        assert [_post(server, f"{k}") for k in range(5)] == [200] * 5
        assert time.monotonic() - began >= 0.2 * server.counts["slow"] > 0
