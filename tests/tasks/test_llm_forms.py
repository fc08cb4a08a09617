"""Answers are asked for and read as JSON or as tags; what cannot be read comes back with a reason."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from cognition.records import Failure, FailureKind
from tasks.llm.forms import instructions, is_structured, read, request_format


class Idea(BaseModel):
    motivation: str = Field(description="why")
    code: str = Field(description="the program")
    sources: list[str] = Field(default=[], description="item ids")


class Verdict(BaseModel):
    approve: bool = Field(description="yes or no")
    points: float = Field(description="1 to 10")


IDEA = Idea(motivation="Because.", code="def run():\n    return 1", sources=["a", "b"])
TAGS = """Some words before.
<motivation>
Because.
</motivation>
<code>
def run():
    return 1
</code>
<sources>
- a
b
</sources>"""


@pytest.mark.parametrize(
    "text",
    [
        IDEA.model_dump_json(),
        f"```json\n{IDEA.model_dump_json()}\n```",
        f"<think>let me see: {{</think>\n{IDEA.model_dump_json()}",
        '{"motivation": "Because.", "code": "def run():\n    return 1", "sources": ["a", "b"], "more": 1}',
        TAGS,
        f"<think>\n<code>\nwrong\n</code>\n</think>{TAGS}",
    ],
)
def test_both_forms_give_the_same_answer(text: str) -> None:
    assert read(text, Idea) == IDEA


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("<think>never ends", "empty"),
        (IDEA.model_dump_json()[:40], "cut off or malformed"),
        ('{"motivation": "m"}', "code: Field required"),
        ("[" * 10_000, "no complete <motivation>"),
        ("{" * 10_000, "cut off or malformed"),
        ('{"a":' * 10_000, "cut off or malformed"),
        ("<motivation>\nm\n</motivation>\n<code>\ndef f(", "no complete <code>"),
        ('{"motivation": "m", "code": "x\\u0000"}', "NUL characters"),
        ('{"motivation": "m", "code": "c", "sources": ["\\ud800"]}', "half surrogate pairs"),
        ("I cannot help with that.", "no complete <motivation>"),
    ],
)
def test_unreadable_answers_are_unusable_with_the_reason(text: str, reason: str) -> None:
    failure = read(text, Idea)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.UNUSABLE
    assert reason in failure.reason


def test_a_tag_inside_the_code_does_not_end_it() -> None:
    text = "<motivation>\nthe <code> tag\n</motivation>\n<code>\nx = '</code>'\n</code>"
    assert read(text, Idea) == Idea(motivation="the <code> tag", code="x = '</code>'")


def test_tags_are_converted_to_numbers_and_truth_values() -> None:
    text = "<approve>\nfalse\n</approve>\n<points>\n7.5\n</points>"
    assert read(text, Verdict) == Verdict(approve=False, points=7.5)


@given(
    motivation=st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="<"), min_size=1),
    code=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1),
)
def test_json_answers_survive_whatever_is_in_them(motivation: str, code: str) -> None:
    idea = Idea(motivation=motivation, code=code)
    assert read(idea.model_dump_json(), Idea) == idea
    assert read(json.dumps(idea.model_dump()), Idea) == idea


@given(st.text(max_size=300))
def test_reading_never_raises(text: str) -> None:
    assert isinstance(read(text, Idea), Idea | Failure)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(IDEA.model_dump_json(), True), ('{"broken', True), ("", True), (TAGS, True), ("Certainly! Here you go.", False)],
)
def test_only_prose_shows_that_a_server_does_not_know_response_format(text: str, expected: bool) -> None:
    assert is_structured(text, Idea) is expected


def test_the_schema_is_strict() -> None:
    assert request_format(Idea)["json_schema"] == {
        "name": "Idea",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {
                "motivation": {"type": "string", "description": "why"},
                "code": {"type": "string", "description": "the program"},
                "sources": {"type": "array", "items": {"type": "string"}, "description": "item ids"},
            },
            "required": ["motivation", "code", "sources"],
            "additionalProperties": False,
        },
    }


def test_the_instructions_name_every_field() -> None:
    assert instructions(Idea, "tags") == (
        "Answer in exactly this form, each tag on a line of its own, with no Markdown around it:\n"
        "<motivation>\nwhy\n</motivation>\n<code>\nthe program\n</code>\n<sources>\nitem ids (one per line)\n</sources>"
    )
    assert instructions(Idea, "json_schema") == (
        "Answer with one JSON object and nothing else. Its fields:\n"
        '- "motivation": why\n- "code": the program\n- "sources": item ids'
    )
