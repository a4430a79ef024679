"""What every YAML form shares: strict fields, names that are safe in paths, and a sentence for whatever is wrong."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from clbench.errors import UserError, alike, nearest, short
from clbench.schema.document import read_document

Location = tuple[int | str, ...]
# Of a file's problems, so many are told.
_TOLD = 8
# A name becomes a part of paths: three of them, with dots between, have to fit into 255 bytes.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"


def _named(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise ValueError(
            "a name should be 1 to 80 letters, digits, dots, dashes and underscores, with a letter or a digit first, "
            f"but is {shown(text)}"
        )
    return text


Name = Annotated[str, AfterValidator(_named), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]


def named_after(folder: Path) -> str:
    """A name for what lies in ``folder``: the folder's own, with a dash for what no name may have.

    >>> named_after(Path("models/My model (2)"))
    'My-model-2'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).lstrip("._-")[:80].rstrip("-") or "checkpoint"


class Frozen(BaseModel):
    """A frozen form. Unknown fields are errors: a misspelt field must never fall back to a default silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)


class _Word(str):
    """A word of YAML's own, which a sentence shows without quotes."""

    def __repr__(self) -> str:
        return str(self)


class Form(Frozen):
    """What a YAML file that people write holds."""

    @classmethod
    def flaw(cls) -> str | None:
        """What is wrong with the class itself, a sentence's end for its author; None where nothing is."""
        for name, field in cls.model_fields.items():
            if field.is_required() or field.default_factory is not None:
                continue
            kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
            try:
                TypeAdapter(kind).validate_python(field.default)
            except ValidationError as error:
                reason = error.errors()[0]["msg"]
                return f"class {cls.__name__}: the default of the field {name} is {shown(field.default)}: {reason}"
        return None

    @model_validator(mode="before")
    @classmethod
    def _keys_as_written(cls, content: Any) -> Any:
        # To pydantic the key true is the number 1, and no field is called by a number anyway.
        if not isinstance(content, Mapping):
            return content
        return {key if isinstance(key, str) else shown(key): value for key, value in content.items()}

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, content: Any) -> Any:
        # To Python true is 1, and pydantic takes it; to a user who writes it in place of a number it is a slip. Its
        # text is refused with all else that is wrong.
        slips = {
            name: _Word(shown(value))
            for name, value in (content.items() if isinstance(content, Mapping) else ())
            if isinstance(value, bool) and not cls._takes_bool(name)
        }
        return {**content, **slips} if slips else content

    @classmethod
    def _takes_bool(cls, name: Any) -> bool:
        field = next((field for key, field in cls.model_fields.items() if name in (key, field.alias)), None)
        kinds = [] if field is None else _branches(field.annotation)
        literal = any(typing.get_origin(kind) is Literal and bool in map(type, typing.get_args(kind)) for kind in kinds)
        numbers = any(kind in (int, float) or typing.get_origin(kind) is Literal for kind in kinds)
        return literal or bool in kinds or not numbers


F = TypeVar("F", bound=BaseModel)
Lines = Callable[[Sequence[int | str]], int | None]


def read_yaml(path: Path, form: type[F]) -> F:
    """Read ``path`` as ``form``.

    Raises:
        UserError: the file cannot be read, is no YAML mapping, or breaks the form; the sentence names file and field.
    """
    content, lines = read_mapping(path)
    return parse(content, form, str(path), lines)


def read_mapping(path: Path) -> tuple[dict[Any, Any], Lines]:
    """The YAML mapping in the file ``path``, and what tells the line of a field.

    Raises:
        UserError: the file cannot be read, or is no YAML mapping.
    """
    document = read_document(path)
    if not isinstance(document.content, dict):
        raise UserError(f"{path} should hold a YAML mapping of fields, but {_holds(document.content)}.")
    return document.content, document.line


def parse(content: Mapping[Any, Any], form: type[F], origin: str, lines: Lines | None = None) -> F:
    """Validate ``content`` as ``form``; ``origin`` (a file name) opens the sentence of a :class:`UserError`."""
    try:
        return form.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{origin}: {explain(error, form, lines)}") from error


def explain(error: ValidationError, form: type[BaseModel], lines: Lines | None = None) -> str:
    """Everything wrong in a validation error, a sentence each: the field, and what would be right.

    Args:
        error: what pydantic found.
        form: the form that was broken.
        lines: tells the line of a field in its file, where there is one.
    """
    found: dict[Location, list[_Problem]] = {}
    for one in error.errors(include_url=False):
        problem = _problem(one, form)
        found.setdefault(problem.path, []).append(problem)
    told: list[str] = []
    around = {path[:end] for path in found for end in range(len(path))}
    resolved = {problem.meant for problems in found.values() for problem in problems if problem.meant}
    for path, problems in sorted(found.items(), key=lambda item: item[1][0].kind != "extra_forbidden"):
        # A misspelt field is missing as well as unknown; its wrong name tells the user more.
        if problems[0].kind == "missing" and path in resolved:
            continue
        # With a fault inside, a value is of some right kind, whatever a union's other branches say of it; and where it
        # is too short, that is because pydantic counts what is right.
        if path in around and all(problem.expected or problem.kind == "too_short" for problem in problems):
            continue
        sentence, line = _sentence(problems), lines(path) if lines and path else None
        told.append(sentence if line is None else f"{sentence.rstrip('.')} (line {line}).")
    rest = len(told) - _TOLD
    more = [f"And {rest} more {'problem' if rest == 1 else 'problems'}."] if rest > 0 else []
    return " ".join([told[0], *(sentence[0].upper() + sentence[1:] for sentence in told[1:_TOLD]), *more])


class _Problem(typing.NamedTuple):
    """One thing that pydantic found.

    Attributes:
        path: of the field, as the file has it.
        kind: pydantic's own name for it.
        expected: what should be there instead, where the value is of a wrong kind; else empty.
        text: the whole sentence about the field, where it is of the right kind, or not there, or not known.
        given: the value, as text.
        meant: the field that a misspelt one was meant for, if it can be told.
    """

    path: Location
    kind: str
    expected: str
    text: str
    given: str
    meant: Location | None = None


def _sentence(problems: list[_Problem]) -> str:
    """What is wrong with one field. Of a union's branches, those speak that the value's kind belongs to."""
    whole = [problem.text for problem in problems if problem.text]
    if whole:
        return whole[0]
    expected = list(dict.fromkeys(problem.expected for problem in problems))
    return f"{_field(problems[0].path)} should be {' or '.join(expected)}, but is {problems[0].given}."


def _field(path: Location) -> str:
    return f"field '{short('.'.join('null' if part is None else str(part) for part in path))}'" if path else "the file"


def _problem(error: Any, form: type[BaseModel]) -> _Problem:
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("extra_forbidden", "invalid_key"):
        *around, wrong = error["loc"]
        path, forms = _place(form, tuple(around))
        known = [name for one in forms for name in spelt(one)]
        close = alike(str(wrong), known)
        hint = nearest(str(wrong), known) if known else "remove it."
        meant = (*path, close[0]) if close else None
        path = (*path, wrong)
        return _Problem(path, kind, "", f"{_field(path)} is not known; {hint}", "", meant)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        path, forms = _place(form, error["loc"])
        tag = context["discriminator"].strip("'")
        tags = sorted({value for one in forms for value in _tags(one, tag)})
        field = _field((*path, tag))
        if kind == "union_tag_not_found":
            close = alike(tag, [str(key) for key in error["input"]], 0.7) if isinstance(error["input"], Mapping) else []
            written = f", unless '{close[0]}' stands for it" if close else ""
            return _Problem((*path, tag), kind, "", f"{field} is missing{written}; it should be {_or(tags)}.", "")
        close = alike(context["tag"], tags, 0.6)
        given = error["input"][tag]
        plugin = "one of a plug-in needs --plugin"
        mean = f"; did you mean {_or(close)}, or is it a plug-in's, which needs --plugin?" if close else f"; {plugin}."
        mean = mean if isinstance(given, str) else "."
        text = f"{field} should be {_or(tags)}, but is {shown(given)}{mean}"
        return _Problem((*path, tag), kind, "", text, "")
    path, _ = _place(form, error["loc"])
    given = shown(error["input"])
    if kind == "missing":
        return _Problem(path, kind, "", f"{_field(path)} is missing.", given)
    if kind == "value_error":
        message = error["msg"].removeprefix("Value error, ").rstrip(".")
        colon = "" if message.startswith("should") else ":"
        text = f"{_field(path)}{colon} {message}." if path else f"{message}."
        return _Problem(path, kind, "", text, given)
    if kind in ("too_short", "too_long"):
        least = kind == "too_short"
        count = context["min_length" if least else "max_length"]
        entries = "entry" if count == 1 else "entries"
        actual = context["actual_length"]
        bound = f"at {'least' if least else 'most'} {count} {entries}"
        text = f"{_field(path)} should have {bound}, but has {actual or 'none'}."
        return _Problem(path, kind, "", text, given)
    expected = _expected(kind, context, error, form)
    if kind in _WRONG_KINDS:
        if kind == "literal_error" and isinstance(error["input"], str):
            close = alike(error["input"], re.findall(r"'([^']*)'", context["expected"]), 0.7)
            given += f"; did you mean {_or(close)}" if close else ""
        if kind == "string_type" and isinstance(error["input"], bool | int | float):
            given += "; put it in quotes"
        return _Problem(path, kind, expected, "", given)
    return _Problem(path, kind, "", f"{_field(path)} should be {expected}, but is {given}.", given)


# pydantic's kinds of a value that is of the wrong kind itself, and what is right in plain words.
_WRONG_KINDS = {
    "string_type": "a valid string",
    "int_type": "a valid integer",
    "int_parsing": "a valid integer",
    "int_from_float": "a valid integer",
    "int_parsing_size": "a valid integer",
    "float_type": "a valid number",
    "float_parsing": "a valid number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "none_required": "null",
    "literal_error": "",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "",
    "model_attributes_type": "",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
}


def _expected(kind: str, context: Mapping[str, Any], error: Any, form: type[BaseModel]) -> str:
    if kind in ("model_type", "model_attributes_type"):
        _, forms = _place(form, error["loc"])
        fields = [name for one in forms for name in spelt(one)]
        return f"a mapping with the fields {', '.join(fields)}" if 0 < len(fields) <= 12 else "a mapping"
    if kind == "string_pattern_mismatch":
        return f"like the pattern {context['pattern']}"
    message: str = error["msg"].removeprefix("Input should be ").rstrip(".")
    # What pydantic says of a text's length.
    message = message.replace("String should have", "a text of")
    return _WRONG_KINDS.get(kind) or message


def _or(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def shown(value: Any) -> str:
    """A value in a sentence: as Python writes it, but short, whatever it is; null, true and false as YAML does.

    >>> shown([1, "a", None])
    "[1, 'a', None]"
    >>> shown(None)
    'null'
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, dict | list | tuple) and not value:
        return _empty(value)
    try:
        return _REPR.repr(value)
    except ValueError:  # an integer that Python refuses to write out
        return "a number of thousands of digits"


_REPR = Repr()
_REPR.maxstring = _REPR.maxother = 80
_REPR.maxlong, _REPR.maxlevel, _REPR.maxdict, _REPR.maxlist, _REPR.maxtuple = 40, 2, 4, 6, 6


def _empty(value: Any) -> str:
    return "an empty mapping" if isinstance(value, dict) else "an empty list"


def _holds(content: Any) -> str:
    if content is None:
        return "is empty"
    return f"holds {'a list' if isinstance(content, list) else shown(content)}"


def _place(form: type[BaseModel], location: Location) -> tuple[Location, list[type[BaseModel]]]:
    """A field's path as the file has it, without the names that pydantic gives to a union's branches; and the forms
    that may stand there."""
    path: list[int | str] = []
    here: list[Any] = [form]
    for part in location:
        if part == "[key]":
            break
        forms = _forms(here)
        fields = [f.annotation for one in forms for name, f in one.model_fields.items() if part in (name, f.alias)]
        inside = [item for kind in here for item in _items(kind, part)]
        if fields:
            path.append(part)
            here = [kind for annotation in fields for kind in _branches(annotation)]
        elif inside:
            path.append(part)
            here = inside
        else:
            tagged = [one for one in forms if part == one.__name__ or part in _tags(one)]
            here = tagged or here
    return tuple(path), _forms(here)


def _forms(kinds: list[Any]) -> list[type[BaseModel]]:
    return [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _branches(annotation: Any) -> list[Any]:
    """The kinds of value that an annotation allows, unions and what goes with Annotated taken apart."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        kind, *more = typing.get_args(annotation)
        # A piece that is chosen by name, see clbench.schema.registry.
        chosen = [form for one in more for form in getattr(one, "forms", ())]
        return chosen or _branches(kind)
    if origin in (typing.Union, types.UnionType):
        return [kind for one in typing.get_args(annotation) for kind in _branches(one)]
    return [annotation]


def _items(kind: Any, part: int | str) -> list[Any]:
    """What may stand at ``part`` of a list or a mapping of the annotation ``kind``."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (tuple, list) and isinstance(part, int) and arguments:
        fixed = origin is tuple and Ellipsis not in arguments
        return _branches(arguments[min(part, len(arguments) - 1)] if fixed else arguments[0])
    if origin is dict and len(arguments) == 2:
        return _branches(arguments[1])
    return []


def spelt(form: type[BaseModel]) -> list[str]:
    """The fields as YAML spells them."""
    return [field.alias or name for name, field in form.model_fields.items()]


def _tags(form: type[BaseModel], only: str | None = None) -> set[str]:
    """The literal values of a form's discriminating fields, e.g. the name of a recipe's step."""
    return {
        value
        for name, field in form.model_fields.items()
        if only in (None, name) and typing.get_origin(field.annotation) is Literal
        for value in typing.get_args(field.annotation)
        if isinstance(value, str)
    }
