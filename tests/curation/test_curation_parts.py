"""Strategy, rules, referee, measures, corpus, discovery: the pure parts, without a sandbox."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from pydantic import TypeAdapter

from cognition.records import Failure, FailureKind, Item, MachineFault, Measurements, Score
from curation import knowledge, references, rules
from curation.cleaning import Fault
from curation.corpus import hidden, noise
from curation.corpus.build import Corpus, build, example
from curation.corpus.document import Noisy, Recipe
from curation.discovery import as_json, discover, items
from curation.domain import Curation
from curation.evaluation import evaluate
from curation.measure import ngram, tokens
from curation.measure.issues import counts, repeated_share, without_issues
from curation.measure.judge import Judgement, RuleJudge, judge_pairs
from curation.referee import offence, refuse
from curation.strategy import STOCK, StrategyError, read_steps, strategy_hash

TEXT = "\n".join(
    f"Sentence {number} explains how the {noun} of a matrix is computed from its {other} in a few careful steps."
    for number, (noun, other) in enumerate([("rank", "rows"), ("norm", "columns"), ("trace", "diagonal")])
)

UNIQUE = "Numerical stability depends upon careful pivoting whenever large entries dominate smaller neighbours nearby."


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return build("development", 40, 0, noise.DEVELOPMENT)


class TestStrategy:
    def test_steps_are_read_with_their_thresholds(self) -> None:
        steps = read_steps([["FineWebQualityFilter", {"short_line_thr": 0.5}], ["PIIFormatter", {"remove_ips": False}]])
        assert [(step.name, dict(step.thresholds)) for step in steps] == [
            ("FineWebQualityFilter", {"short_line_thr": 0.5}),
            ("PIIFormatter", {"remove_ips": False}),
        ]

    @pytest.mark.parametrize(
        "claimed",
        [
            "C4QualityFilter",
            [["LanguageFilter", {}]],
            [["C4QualityFilter"]],
            [["C4QualityFilter", {"exclusion_writer": 1}]],
            [["C4QualityFilter", {"min_num_sentences": True}]],
            [["C4QualityFilter", {"min_num_sentences": 2.5}]],
            [["GopherQualityFilter", {"max_symbol_word_ratio": float("nan")}]],
            [["PIIFormatter", {}]] * 7,
        ],
    )
    def test_anything_else_is_refused(self, claimed: object) -> None:
        with pytest.raises(StrategyError):
            read_steps(claimed)

    def test_every_stock_step_can_be_made_with_its_thresholds(self) -> None:
        pytest.importorskip("datatrove")
        from curation import pipeline

        made = pipeline.stock(read_steps([[name, {}] for name in list(STOCK)[:6]]))
        made += pipeline.stock(read_steps([[name, {}] for name in list(STOCK)[6:]]))
        for step, name in zip(made, STOCK, strict=True):
            assert type(step).__name__ == name
            assert set(STOCK[name].thresholds) <= set(inspect.signature(type(step)).parameters)

    def test_the_hash_knows_code_and_settings(self) -> None:
        assert len({strategy_hash("a"), strategy_hash("b"), strategy_hash("a", 1), strategy_hash("a", 2)}) == 4


class TestRules:
    @pytest.mark.parametrize("name", [*references.NAMES, *references.HEURISTIC_FILTERS])
    def test_references_are_legal(self, name: str) -> None:
        assert rules.issues(references.code(name)) == []

    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            ("import os", "forbidden-import"),
            ("from pydoc_data import topics", "forbidden-import"),
            ("x = __builtins__", "forbidden-name"),
            ("x = re.enum.sys", "forbidden-name"),
            ("x = ''.__class__", "forbidden-name"),
            ("x = open('f')", "forbidden-name"),
            ("STEPS = [make()]", "stock-steps"),
        ],
    )
    def test_ways_out_are_named(self, line: str, rule: str) -> None:
        issues = rules.issues(f"{line}\ndef clean(text, metadata):\n    return text\n")
        assert [issue.rule for issue in issues] == [rule]


class TestReferee:
    def test_deleting_and_repairing_is_cleaning(self) -> None:
        noisy = f"<b>Sen</b>tence zero\n{TEXT.replace('careful', 'care&shy;ful')}\nBuy now â\x80\x99 cheap"
        assert offence(noisy, TEXT) == ""
        assert offence(TEXT, TEXT.split("\n")[0] + " [email]") == ""

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            (TEXT + " Zebras graze quietly beneath enormous baobab trees.", "invents text"),
            (f"{TEXT}\n{TEXT}\n{UNIQUE}", "grows documents"),
            ("\n".join(reversed(TEXT.split("\n"))) + " ".join(reversed(UNIQUE.split())), "reorders text"),
        ],
    )
    def test_what_cleaning_does_not_do_is_named(self, text: str, name: str) -> None:
        assert offence(f"{TEXT}\n{UNIQUE}", text) == name

    def test_two_odd_documents_of_500_are_borne_and_three_are_not(self) -> None:
        originals = [TEXT] * 500
        bad = TEXT + "\n" + TEXT
        assert refuse(originals, [bad] * 2 + [TEXT] * 498) is None
        refused = refuse(originals, [bad] * 3 + [TEXT] * 497)
        assert refused is not None
        assert "grows documents" in refused.reason

    def test_faults_of_documents_are_the_strategys_failure(self) -> None:
        refused = refuse([TEXT, TEXT], [TEXT, Fault("cpu_time", "too long")])
        assert refused == Failure(
            FailureKind.CPU_TIME, "clean() loops or is far too slow on 1 documents, first on 1: too long"
        )


class TestTokens:
    def test_f1_counts_what_is_right(self) -> None:
        kept = tokens.kept(["a b x", None], ["a b c d", "e"])
        assert (kept.right_D.tolist(), kept.kept_D.tolist(), kept.true_D.tolist()) == ([2, 0], [3, 0], [4, 1])
        assert kept.f1 == pytest.approx(2 * 2 / (3 + 5))

    def test_white_space_quotes_and_placeholders_do_not_count(self) -> None:
        kept = tokens.kept(["It’s  a\n\n test [email]"], ["It's a test"])
        assert kept.f1 == 1.0

    def test_a_difference_is_paired(self) -> None:
        rng = Random(0)
        truths = [" ".join(rng.choices("abcdefgh", k=rng.randint(5, 50))) for _ in range(80)]
        outputs = [truth + " z" * rng.randint(0, 40) for truth in truths]
        better = [text.removesuffix(" z") for text in outputs]
        one, other = tokens.kept(better, truths), tokens.kept(outputs, truths)
        gain = tokens.difference(one, other)
        assert gain.low > 0
        assert gain.standard_error < 0.3 * tokens.estimate(other).standard_error


class TestBits:
    HELD_OUT = (TEXT.replace("matrix", "tensor"),)

    def test_white_space_changes_nothing(self) -> None:
        spread = TEXT.replace(" ", "   ").replace("\n", "\n\n\n")
        plain = ngram.bits_per_byte([TEXT], 10_000, self.HELD_OUT)
        assert ngram.bits_per_byte([spread], 10_000, self.HELD_OUT) == plain

    def test_noise_costs_and_deletion_costs(self) -> None:
        clean = ngram.bits_per_byte([TEXT], 10_000, self.HELD_OUT)[0]
        noisy = ngram.bits_per_byte([TEXT.replace("matrix", "<b>qq</b> zz")], 10_000, self.HELD_OUT)[0]
        less = ngram.bits_per_byte([TEXT[:80]], 10_000, self.HELD_OUT)[0]
        assert clean < noisy < less < ngram.bits_per_byte([], 10_000, self.HELD_OUT)[0]

    def test_probabilities_sum_to_one(self) -> None:
        data = ngram._bytes(TEXT)
        context = data[40 : 40 + ngram.ORDER - 1]
        import numpy as np

        tests = np.concatenate([np.r_[context, np.uint8(byte)] for byte in range(256)])
        chances = ngram._probabilities(data, tests)[ngram.ORDER - 1 :: ngram.ORDER]
        assert float(chances.sum()) == pytest.approx(1.0)


class TestJudge:
    def test_it_sees_noise_and_loss(self) -> None:
        noisy = f"<p>{TEXT}</p>\nWe use cookies. Accept cookies\nmail me at jane@example.org"
        judge = RuleJudge()
        best, untouched, ruined = (judge.judge(noisy, text).score for text in (TEXT, noisy, TEXT[:40]))
        assert best > untouched > ruined
        assert best == pytest.approx(10.0, abs=0.6)

    def test_controls_are_mixed_in_blindly_and_the_seed_fixes_the_order(self) -> None:
        seen: list[tuple[str, str]] = []

        class Recorder:
            label = "recorder"

            def judge_all(self, pairs: Sequence[tuple[str, str]]) -> list[Judgement | None]:
                seen.extend(pairs)
                return RuleJudge().judge_all(pairs)

        originals = [f"{TEXT} Number {index}." for index in range(80)]
        verdict = judge_pairs(originals, [text[:-3] for text in originals], Recorder(), 3)
        kinds = [
            "i" if original == cleaned else "o" if len(cleaned) < len(original) / 2 else "s"
            for original, cleaned in seen
        ]
        assert sorted(kinds) == ["i"] * 5 + ["o"] * 5 + ["s"] * 50
        assert kinds != sorted(kinds)
        assert verdict == judge_pairs(originals, [text[:-3] for text in originals], RuleJudge(), 3)
        assert verdict.is_calibrated

    def test_issues_are_found_and_cut_out(self) -> None:
        text = "A line that is long enough to count twice.\n" * 2 + "see <b>this</b> &amp; that\x0c"
        assert {name: n for name, n in counts(text).items() if n} == {"markup": 3, "encoding": 1, "repetition": 1}
        assert without_issues(text).count("A line") == 1
        assert repeated_share(text) > 0.3


class TestCorpus:
    def test_it_is_the_same_every_time(self, corpus: Corpus) -> None:
        assert build("development", 40, 0, noise.DEVELOPMENT) == corpus

    def test_development_test_and_held_out_texts_share_no_passage(self, corpus: Corpus) -> None:
        other = build("test", 60, 0, hidden.HIDDEN)
        truths = [{document.truth for document in each.documents if document.truth} for each in (corpus, other)]
        assert truths[0] & truths[1] == set()
        assert set(corpus.held_out) & (truths[0] | truths[1]) == set()
        assert set(noise.FAMILIES) & set(hidden.FAMILIES) == set()

    @pytest.mark.parametrize("recipe", [noise.DEVELOPMENT, hidden.HIDDEN], ids=["development", "hidden"])
    def test_every_family_shows_and_leaves_the_truth_alone(self, recipe: Recipe) -> None:
        for name in recipe.families:
            only = replace(recipe, families={name: recipe.families[name]}, junk_share=0.0)
            text = TEXT.replace("matrix", "matrix's")
            noisy = [example(text, only, seed) for seed in range(20)]
            assert {document.truth for document in noisy} == {text}, name
            assert any(document.text != text for document in noisy), name

    def test_junk_has_no_truth(self) -> None:
        junk = example(TEXT, replace(noise.DEVELOPMENT, junk_share=1.0), 1)
        assert (junk.truth, junk.families) == ("", ("junk",))

    def test_what_was_planted_is_in_the_text(self, corpus: Corpus) -> None:
        for document in corpus.documents:
            assert [value for value in document.private if value not in document.text] == []


class TestEvaluation:
    def test_the_truth_is_perfect_and_raw_gains_nothing(self, corpus: Corpus) -> None:
        truth = evaluate(corpus, [document.truth or None for document in corpus.documents], 0).metrics
        raw = evaluate(corpus, [document.text for document in corpus.documents], 0).metrics
        assert (truth["f1"], truth["private_left"]) == (1.0, 0.0)
        assert (raw["f1_gain_over_raw"], raw["bits_saved_over_raw"], raw["judge_gain_over_raw"]) == (0.0, 0.0, 0.0)
        assert raw["private_left"] == 1.0
        assert truth["f1_gain_over_raw"] > 0 < truth["bits_saved_over_raw"]
        assert truth["judge"] > raw["judge"]

    def test_the_breakdown_shows_no_truth(self, corpus: Corpus) -> None:
        report = evaluate(corpus, [document.text for document in corpus.documents], 0)
        shown = json.dumps(report.breakdown)
        assert report.breakdown["judge"] == "rule judge, no model"
        noisy_starts = [d for d in corpus.documents if d.truth and not d.text.startswith(d.truth[:60])]
        assert noisy_starts
        assert [
            d.truth for d in noisy_starts if json.dumps(d.truth[:60])[1:-1] in shown and d.truth[:60] not in d.text
        ] == []


class TestDomain:
    def test_other_corpora_are_our_fault_and_no_score(self) -> None:
        made = [Measurements({"f1": 0.5, "f1_se": 0.1}, {"corpus": name}) for name in ("a", "b")]
        with pytest.raises(MachineFault, match="different corpora"):
            Curation().score([made[0]], [made[1]])
        assert Curation().score([made[0]], [made[0]]) == Score(0.5, 0.1, 1)

    def test_discovered_issues_are_items_with_evidence(self, corpus: Corpus) -> None:
        found = TypeAdapter(tuple[Item, ...]).validate_json(as_json(items(corpus.documents)))
        assert len({item.id for item in found}) == len(found) > 5
        assert {item.domain for item in found} == {"curation"}
        assert all("Seen in documents" in item.background and item.guidance for item in found)

    def test_discovery_looks_at_texts_only(self) -> None:
        same = [Noisy("<p>x</p>", truth, "c", "low") for truth in ("a", "b")]
        assert discover(same[:1]) == discover(same[1:])

    def test_knowledge_names_its_sources(self) -> None:
        assert [item.id for item in knowledge.items() if not item.source or (item.provenance == "experience"
                and item.block is None)] == []  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "from dataclasses import sys",
        "from dataclasses import sys as plain",
        "from enum import bltns",
        "from enum import *",
        "import dataclasses, operator\nit = operator.attrgetter('sys.modules')(dataclasses)",
        "from operator import attrgetter as of",
        "import dataclasses\nit = '{0.sys.modules[ast].__doc__}'.format(dataclasses)",
        "import string\nit = string.Formatter()",
        "import typing\nit = typing.get_type_hints",
        "import dataclasses\nmatch dataclasses:\n    case object(sys=it):\n        pass",
        "import enum\nit = enum.bltns.getattr",
        "import functools\nit = functools.update_wrapper",
    ],
)
def test_no_way_round_reaches_a_module_that_holds_the_truths_texts(body: str) -> None:
    assert rules.issues(f"{body}\ndef clean(text, metadata):\n    return text\n") != []


def test_plain_code_is_not_refused() -> None:
    code = "import functools, operator\nfrom collections import Counter\nfrom __future__ import annotations\n"
    code += "def clean(text, metadata):\n    return f'{text}' + format(0.5, '.2f') + str(operator.add(1, 2))\n"
    assert rules.issues(code) == []
