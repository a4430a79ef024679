"""What every YAML form shares: strict fields, and one sentence for whatever is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from clbench.errors import UserError, nearest


class Form(BaseModel):
    """A frozen form. Unknown fields are errors: a misspelt field must never fall back to a default silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


F = TypeVar("F", bound=BaseModel)


def read_yaml(path: Path, form: type[F]) -> F:
    """Read ``path`` as ``form``.

    Raises:
        UserError: the file cannot be read, is no YAML mapping, or breaks the form; the sentence names file and field.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{path} cannot be read: {reason}.") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise UserError(f"{path} is not valid YAML{where}: {getattr(error, 'problem', None) or error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} should hold a YAML mapping of fields, but holds {type(content).__name__}.")
    return parse(content, form, str(path))


def parse(content: dict[str, Any], form: type[F], origin: str) -> F:
    """Validate ``content`` as ``form``; ``origin`` (a file name) opens the sentence of a :class:`UserError`."""
    try:
        return form.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{origin}: {explain(error, form)}") from error


def explain(error: ValidationError, form: type[BaseModel]) -> str:
    """One sentence for the first thing wrong in a validation error: the field, and what would be right."""
    # A misspelt field is missing as well as unknown; its wrong name tells the user more.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    field = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        known = _fields_at(form, first["loc"][:-1])
        hint = nearest(str(first["loc"][-1]), known) if known else "remove it."
        return f"field '{field}' is not known; {hint}"
    if first["type"] == "missing":
        return f"field '{field}' is missing."
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ").rstrip(".")
    if first["type"] == "value_error":
        return f"field '{field}': {message}."
    return f"field '{field}' should be {message}, but is {first['input']!r}."


def _fields_at(form: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The names that are allowed at ``location`` inside ``form``; empty where the form does not tell."""
    current: Any = form
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = current.model_fields[str(part)].annotation
        candidates = [current, *getattr(current, "__args__", ())]
        nested = [c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)]
        tagged = [c for c in nested if part in _tags(c)]
        current = (tagged or nested or [current])[0]
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _tags(form: type[BaseModel]) -> set[str]:
    """The literal values of a form's discriminating fields, e.g. the name of a recipe's step."""
    return {
        value
        for field in form.model_fields.values()
        for value in getattr(field.annotation, "__args__", ())
        if isinstance(value, str)
    }
