"""Documents, chunks, excerpts, BibTeX."""

from __future__ import annotations

import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cognition.ingest import bibtex, excerpts
from cognition.ingest.documents import Document, Part, chunks, sections, without_references
from cognition.ingest.quotes import missing, normalised

TEXT = st.text(st.sampled_from("abc. \n#"), max_size=400)


@given(text=TEXT, most=st.integers(20, 200))
def test_chunks_hold_every_word_within_their_size(text: str, most: int) -> None:
    cut = chunks(sections(text), most)
    assert all(0 < len(chunk.text) <= most for chunk in cut)
    assert "".join("".join(chunk.text for chunk in cut).split()) == "".join(text.split())


def test_what_has_not_changed_keeps_its_chunks() -> None:
    before = [Part(f"page {n}", f"Page {n} says something. " * 40) for n in range(6)]
    after = [*before[:5], replace(before[5], text="Another end. " * 40), Part("page 7", "More. " * 40)]
    old, new = ({chunk.digest for chunk in chunks(parts, 2_000)} for parts in (before, after))
    assert len(old) == 3
    assert len(old & new) == 2


def test_a_chunk_names_where_it_stands() -> None:
    parts = [Part("page 1", "a" * 50), Part("page 2", "b" * 30), Part("page 3", "c" * 90)]
    assert [chunk.place for chunk in chunks(parts, 100)] == ["page 1 to page 2", "page 3"]


def test_the_list_of_references_is_left_out_and_the_appendix_is_not() -> None:
    text = "References come up early.\n" + "A sentence. " * 50 + "\n# References\n[1] Somebody.\n# Appendix A\nMore."
    (part,) = without_references([Part("", text)])
    assert "Somebody" not in part.text
    assert part.text.endswith("# Appendix A\nMore.")
    assert part.text.startswith("References come up early.")


def test_excerpts_say_what_they_are_and_quote_themselves() -> None:
    paragraph = "Keep the gate above a tenth of its range in every head. Otherwise the state is forgotten. " * 3
    document = Document("a.md", "A title", sections(f"# Gates\n\n{paragraph}\n\nToo short.\n\n{paragraph * 9}"))
    made = [
        excerpts.as_item(str(n), "toy", "A title", place, text)
        for n, (place, text) in enumerate(excerpts.excerpts(document))
    ]
    assert len(made) > 2
    for item in made:
        assert item.insight.startswith("Plain excerpt, not summarised: ")
        assert (item.kind, item.triggers) == ("plain excerpt", ("Gates",))
        assert item.source == "A title; cut out without a model"
        assert missing(item.quote, normalised(document.text)) is None
        assert len(item.background) <= excerpts.EXCERPT_CHARS


BIB = r"""
@string{x = "y"} % a comment, with { a brace
@article{one, title={Deep {State} Space}, eprint={2312.00752}, archivePrefix={arXiv}, year=2023}
@misc{two, author = "A {"quoted"} name", url = {https://example.org/a\_b}}
@inproceedings{three, title = {Only a DOI}, doi = {https://doi.org/10.1000/182},
}
@book{four, title = {Nothing to fetch}}
@article{five, journal = {arXiv preprint arXiv:2405.21060}, year = {2024}}
@article{broken, title = {never closed
"""


def test_bibtex_says_where_a_text_can_be_read() -> None:
    found = {entry.key: bibtex.place(entry) for entry in bibtex.entries(BIB)}
    assert found == {
        "one": "arXiv:2312.00752",
        "two": "https://example.org/a_b",
        "three": "https://doi.org/10.1000/182",
        "four": None,
        "five": "arXiv:2405.21060",
        "broken": None,
    }


def test_a_hostile_bibtex_file_costs_no_more_than_its_length() -> None:
    started = time.process_time()
    assert len(list(bibtex.entries("@a{b,c={" * 20_000))) == 20_000
    assert not list(bibtex.entries("@a{" + " " * 100_000))
    assert time.process_time() - started < 5.0


def test_an_entry_that_is_not_closed_ends_where_the_next_begins() -> None:
    first, second = bibtex.entries("@a{x, title={never closed\n@a{y, eprint={2401.00001}}")
    assert (first.fields, second.fields) == ({"title": "never closed"}, {"eprint": "2401.00001"})


@given(text=st.text(st.sampled_from('@{}=,"\\ aeprintu1.\n'), max_size=200))
def test_any_text_can_be_read_as_bibtex(text: str) -> None:
    for entry in bibtex.entries(text):
        bibtex.place(entry)
