"""How an answer is asked for and read: as JSON by schema, or as plain-text tags for servers that know no schema. Pure.

An answer type is a pydantic model of str, list[str], numbers, booleans and lists of such models, one level deep; each
field's description tells the model what to put there. Reading depends on the stored text alone, so a replayed answer
gives the same result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from cognition.records import Failure, FailureKind
from tasks.llm.settings import plain

T = TypeVar("T", bound=BaseModel)
Form = Literal["json_schema", "tags"]

_THINKING = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)  # local reasoning models leave it in the content
_FENCED = re.compile(r"\A\s*```[\w+-]*[ \t]*\n(.*?)\n?[ \t]*```\s*\Z", re.DOTALL)


def unfence(text: str) -> str:
    """A text without the one Markdown fence around it, if there is one.

    >>> unfence("```python\\nx = 1\\n```")
    'x = 1'
    """
    match = _FENCED.match(text)
    return match.group(1) if match else text


def request_format(answer_type: type[BaseModel]) -> dict[str, Any]:
    """The `response_format` of a chat request."""
    return {
        "type": "json_schema",
        "json_schema": {"name": answer_type.__name__, "strict": True, "schema": _strict_schema(answer_type)},
    }


def _strict_schema(answer_type: type[BaseModel]) -> dict[str, Any]:
    """A schema with every property required and none added, as OpenAI's strict mode wants it."""
    whole = answer_type.model_json_schema()
    inner = {name: _strict_object(schema) for name, schema in whole.get("$defs", {}).items()}
    return _strict_object(whole) | ({"$defs": inner} if inner else {})


def _strict_object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = {
        name: {key: value for key, value in details.items() if key not in {"default", "title"}}
        for name, details in schema["properties"].items()
    }
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def instructions(answer_type: type[BaseModel], form: Form) -> str:
    """The last paragraph of a prompt: what the answer has to look like."""
    if form == "json_schema":
        lines = [
            f'- "{name}": {field.description}{_inside(field.annotation)}'
            for name, field in answer_type.model_fields.items()
        ]
        return "Answer with one JSON object and nothing else. Its fields:\n" + "\n".join(lines)
    blocks = [
        f"<{name}>\n{field.description}{_per_line(field.annotation)}{_inside(field.annotation)}\n</{name}>"
        for name, field in answer_type.model_fields.items()
    ]
    return "Answer in exactly this form, each tag on a line of its own, with no Markdown around it:\n" + "\n".join(
        blocks
    )


def is_structured(text: str, answer_type: type[BaseModel]) -> bool:
    """False if a server that was asked for JSON answered with prose: it does not know response_format."""
    body = _body(text)
    return not body or body.startswith("{") or not isinstance(_read_tags(body, answer_type), Failure)


def read(text: str, answer_type: type[T]) -> T | Failure:
    """The answer, whichever form it came in, or why it cannot be used."""
    body = _body(text)
    if not body:
        return _unusable("the answer was empty")
    return _read_json(body, answer_type) if body.startswith("{") else _read_tags(body, answer_type)


def _body(text: str) -> str:
    return unfence(_THINKING.sub("", text, count=1)).strip()


def _read_json(body: str, answer_type: type[T]) -> T | Failure:
    try:
        # strict=False: models put raw line breaks into JSON strings.
        content = json.loads(body, strict=False)
    except (json.JSONDecodeError, RecursionError) as error:
        return _unusable(f"the JSON of the answer is cut off or malformed ({error})")
    return _validate(content, answer_type)


def _read_tags(body: str, answer_type: type[T]) -> T | Failure:
    content: dict[str, object] = {}
    for name, field in answer_type.model_fields.items():
        match = re.search(rf"^[ \t]*<{name}>(.*)</{name}>", body, re.DOTALL | re.MULTILINE)
        if match:
            inside = match.group(1).strip("\r\n").rstrip()
            content[name] = _listed(inside, field.annotation) if _is_list(field.annotation) else inside
        elif field.is_required():
            return _unusable(f"the answer has no complete <{name}>...</{name}>: it is missing or cut off")
    return _validate(content, answer_type)


def _validate(content: object, answer_type: type[T]) -> T | Failure:
    try:
        answer = answer_type.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors()[:5])
        return _unusable(f"the answer does not have the form asked for: {faults}")
    # Escapes in JSON can smuggle in what no file or database takes; found here it is not our machine's fault.
    if any(plain(text) != text for text in _texts(answer.model_dump())):
        return _unusable("the answer contains NUL characters or half surrogate pairs")
    return answer


def _lines(text: str) -> list[str]:
    return [line.strip().removeprefix("- ").strip() for line in text.splitlines() if line.strip()]


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is list


def _item_type(annotation: object) -> type[BaseModel] | None:
    """The model that a list holds, if it holds models."""
    inner = get_args(annotation)[0] if _is_list(annotation) else None
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def _per_line(annotation: object) -> str:
    if _item_type(annotation) is not None:
        return " (one JSON object per line)"
    return " (one per line)" if _is_list(annotation) else ""


def _inside(annotation: object) -> str:
    """The fields of the objects in a list of objects."""
    item_type = _item_type(annotation)
    if item_type is None:
        return ""
    fields = "; ".join(f'"{name}": {field.description}' for name, field in item_type.model_fields.items())
    return f". Each is an object with {fields}"


def _listed(inside: str, annotation: object) -> list[Any]:
    """A list's lines; for a list of objects the objects, or the lines if they are none: validation says so then."""
    if _item_type(annotation) is None:
        return _lines(inside)
    try:
        whole = json.loads(inside, strict=False)
        return whole if isinstance(whole, list) else [whole]
    except (json.JSONDecodeError, RecursionError):
        pass
    try:
        return [json.loads(line, strict=False) for line in _lines(inside)]
    except (json.JSONDecodeError, RecursionError):
        return _lines(inside)


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from _texts(value)


def _unusable(reason: str) -> Failure:
    return Failure(FailureKind.UNUSABLE, reason[:500])
