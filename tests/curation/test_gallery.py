"""The gallery: rules are named for what they took, hostile documents stay text, and the page needs nothing else."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pytest
from typer.testing import CliRunner

from curation import knowledge, references
from curation.cleaning import Allowance, Fault, Source
from curation.corpus import noise
from curation.corpus.build import example
from curation.gallery.outcome import seen
from curation.gallery.page import About, Shown, page
from curation.gallery.sample import drawn
from curation.gallery.spans import Piece, changes, compared
from curation.gallery.trace import RULES, WHOLE, Stage, traced
from curation.strategy import read_steps
from flows.cli import app
from tasks.recombine.genome import Genome, catalogue, fresh_gene
from tasks.recombine.render import render
from tasks.sandbox import Pool

HOSTILE = (
    "</div></article><script>alert(1)</script><img src=x onerror=alert(2)> \"quoted\" 'x' & \u202egnp.exe \x1b[31m"
)
PROSE = "\n".join(
    f"Sentence {number} explains how the {noun} of a matrix is computed from its rows in a few careful steps."
    for number, noun in enumerate(("rank", "norm", "trace", "kernel", "image"))
)
ALLOWANCE = Allowance(2.0, 20.0, 512)


class Parsed(HTMLParser):
    """Every tag with its attributes, and the text between."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def program_of_blocks() -> str:
    """The first block of every slot, as recombine would write it."""
    template, rng = knowledge.template(), Random(0)
    blocks = catalogue(template, knowledge.items())
    names = {slot: next(iter(found)) for slot, found in blocks.slots.items()}
    genes = [(slot, fresh_gene(blocks.block(slot, name), rng, 1.0)) for slot, name in names.items()]
    return render(Genome(tuple(genes)), template, blocks)


def shown(name: str, original: str, *stages: Stage) -> Shown:
    cleaned = stages[-1].text if stages else original
    found = compared(original, stages)
    return Shown(name, "mathematics low", seen(original, cleaned), found, (len(original), len(cleaned or "")))


class TestSpans:
    def test_each_character_is_taken_by_one_rule(self) -> None:
        original = "<p>Home | About\nThe text stays &amp; is whole.\nContact: a@b.org"
        stages = [
            Stage("markup", "Home | About\nThe text stays & is whole.\nContact: a@b.org"),
            Stage("private", "Home | About\nThe text stays & is whole.\nContact: [email]"),
            Stage("boilerplate", "The text stays & is whole.\nContact: [email]"),
        ]
        found = compared(original, stages)
        taken = [(piece.text, piece.rule) for piece in found.left if piece.rule]
        menu = ("Home | About\n", "boilerplate")
        assert taken == [("<p>", "markup"), menu, ("amp;", "markup"), ("a@b.org", "private")]
        assert "".join(piece.text for piece in found.left) == original
        assert "".join(piece.text for piece in found.right) == stages[-1].text
        assert Piece("[email]", "private") in found.right
        assert found.removed == {"markup": 7, "boilerplate": 13, "private": 7}

    def test_changes_cover_both_texts(self) -> None:
        for old, new in [("", "a"), ("a b\nc", "a c\nd\ne"), ("x\ny\nz", ""), ("same", "same")]:
            spans = list(changes(old, new))
            assert "".join(old[a:b] for _, a, b, _, _ in spans) == old
            assert "".join(new[c:d] for _, _, _, c, d in spans) == new
            assert all(old[a:b] == new[c:d] for is_equal, a, b, c, d in spans if is_equal)

    def test_a_dropped_document_is_taken_by_the_rule_that_dropped_it(self) -> None:
        found = compared("nothing of worth", [Stage("worth", None)])
        assert (found.left, found.right) == ((Piece("nothing of worth", "worth"),), ())


class TestOutcome:
    @pytest.mark.parametrize(
        ("share", "name"), [(1.0, "unchanged"), (0.8, "changed"), (0.5, "over-deleted"), (0.0, "dropped")]
    )
    def test_by_what_is_left(self, share: float, name: str) -> None:
        sentence = "one sentence that nobody finds any fault with and which explains a matrix by its rank "
        words = (sentence * 4).split()
        cleaned = " ".join(words[: int(len(words) * share)]) or None
        assert seen(" ".join(words), cleaned).outcome == name

    def test_a_fault_says_why(self) -> None:
        assert seen("x", Fault("crash", "no")).remark == "crash: no"


class TestTrace:
    def test_a_strategy_of_blocks_is_followed_rule_by_rule(self, warm_sandbox: Pool) -> None:
        code = program_of_blocks()
        sources = [Source(example(PROSE, noise.DEVELOPMENT, seed).text) for seed in range(12)]
        found = traced(code, (), sources, warm_sandbox, ALLOWANCE)
        used = [tuple(stage.rule for stage in way.stages) for way in found]
        assert set(used) <= {RULES, RULES[:-1]}  # `worth` speaks only where it refuses
        for way in found:
            assert (way.stages[-1].text or None) == way.cleaned
            piece = compared(way.original, way.stages)
            assert "".join(part.text for part in piece.left) == way.original

    def test_another_strategy_is_one_rule_and_stock_steps_come_first(self, warm_sandbox: Pool) -> None:
        steps = read_steps([["PIIFormatter", {}]])
        code = references.code("html_only")
        [way] = traced(code, steps, [Source("<p>Mail a.b@mail-host.net</p>")], warm_sandbox, ALLOWANCE)
        assert way.stages == (
            Stage("PIIFormatter", "<p>Mail email@example.com</p>"),
            Stage(WHOLE, "Mail email@example.com"),
        )

    def test_what_a_strategy_shows_has_to_lead_to_its_result(self, warm_sandbox: Pool) -> None:
        code = "def markup(text):\n    return 'a lie'\ndef clean(text, metadata):\n    markup(text)\n    return text\n"
        [way] = traced(code, (), [Source("the truth")], warm_sandbox, ALLOWANCE)
        assert way.stages == (Stage(WHOLE, "the truth"),)

    def test_a_failure_is_of_its_document_alone(self, warm_sandbox: Pool) -> None:
        code = "def clean(text, metadata):\n    if text == 'bad': raise ValueError('no')\n    return text\n"
        good, bad = traced(code, (), [Source("good"), Source("bad")], warm_sandbox, ALLOWANCE)
        assert good.cleaned == "good"
        assert isinstance(bad.cleaned, Fault)


class TestPage:
    @pytest.fixture
    def content(self) -> str:
        stages = [Stage(HOSTILE, "kept " + HOSTILE)]
        one = shown(HOSTILE, "gone <b>kept " + HOSTILE, *stages)
        return page(About(HOSTILE, "abc", HOSTILE, HOSTILE, f"# {HOSTILE}"), [one, shown("plain", "nothing odd")])

    def test_hostile_documents_stay_text(self, content: str) -> None:
        parsed = Parsed(content)
        names = [tag for tag, _ in parsed.tags]
        assert (names.count("script"), names.count("img"), names.count("article")) == (1, 0, 2)
        assert not [key for _, attributes in parsed.tags for key in attributes if key.startswith("on")]
        assert any("onerror=alert(2)" in text for text in parsed.texts)
        assert "\u202e" not in content
        assert "\x1b" not in content

    def test_the_page_allows_its_own_script_and_loads_nothing(self, content: str) -> None:
        parsed = Parsed(content)
        [policy] = [a["content"] for tag, a in parsed.tags if tag == "meta" and "http-equiv" in a]
        assert policy is not None
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "unsafe" not in policy
        assert not [a for _, a in parsed.tags if "src" in a or "href" in a or "style" in a]
        assert not re.search(r"url\(|@import|fetch\(|https?:", content.replace(HOSTILE, ""))

    def test_half_a_surrogate_can_be_written(self) -> None:
        content = page(About("s", "h", "i", "r", "c"), [shown("n", "a\ud800b")])
        assert content.encode("utf-8")


def test_the_sample_is_drawn_from_all_of_the_first_documents() -> None:
    chosen, seen_of = drawn(range(1000), 50, Random(0))
    assert (len(chosen), seen_of, chosen == sorted(chosen)) == (50, 1000, True)
    assert max(chosen) > 800


def test_the_command_writes_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSHIFT_HOME", str(tmp_path / "home"))
    program = Path(references.__file__).parent / "sensible.py"
    (tmp_path / "in.jsonl").write_text(json.dumps({"id": "x", "text": f"<p>{HOSTILE}"}) + "\nbroken\n")
    asked = ["curate", "gallery", "--strategy", str(program), "--in", str(tmp_path / "in.jsonl")]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "sub" / "page.html"), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["outcomes"] == {"dropped": 1}
    assert "1 could not be read" in (tmp_path / "sub" / "page.html").read_text()
