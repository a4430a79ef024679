"""Names that are no shipped one's and look like it, and names that do not show: a board is read by eye."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

from clbench.board.forms import Submission
from clbench.record.forms import Record
from clbench.schema.shipped import names

# Who hands in the submissions that come with clbench.
_FOUNDER = "clbench"
# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), which fonts leave out.
_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
# Letters and symbols that are drawn as nothing: Braille without a dot, and musical notation's empty head.
_BLANK = (0x2800, 0x1D159)
# Unicode UTS 39, section 5.4: more marks on one letter reach into the lines beside it.
_MOST_MARKS = 4


def name_problems(submission: Submission | None, record: Record) -> Iterator[str]:
    """That names, author and licence can be seen, and that none is taken for one that clbench ships.

    Args:
        submission: the one that the record is part of; None for a record alone.
        record: its names are those of recipe, stream, strategy and encoder.

    Returns:
        A sentence for each that is wrong.
    """
    told = record.configuration
    for kind, content in (("model", told.model), ("stream", told.stream), ("strategy", told.strategy)):
        name = content.get("name")
        if isinstance(name, str) and 0 < len(name) <= 300:
            yield from _named(f"configuration.{kind}.name", name, kind)
        else:
            yield f"field 'configuration.{kind}.name' should be a text of 1 to 300 characters."
    yield from _named("configuration.backbone.name", told.backbone.name, "backbone")
    if submission is None:
        return
    for field, text in (("author", submission.author), ("licence", submission.licence)):
        yield from _unseen(field, text)
    yield from _like("author", submission.author, [_FOUNDER])
    # A submission is named after its recipe, or as its author likes; before the first dot it may be a shipped one's.
    first = submission.name.partition(".")[0]
    yield from _like("name", first, _shipped("model"))
    if first in _shipped("model") and first != submission.model:
        yield f"field 'name' begins with {first}, a recipe that clbench ships, but its model is {submission.model}."


@cache
def _shipped(kind: str) -> tuple[str, ...]:
    return tuple(names(kind))


def _named(field: str, name: str, kind: str) -> Iterator[str]:
    yield from _unseen(field, name)
    yield from _like(field, name, _shipped(kind))


def _like(field: str, name: str, shipped: Sequence[str]) -> Iterator[str]:
    if (meant := mistaken(name, shipped)) is not None:
        yield f"field '{field}' is {ascii(name)[1:-1]}, which looks like {meant} and is not; choose another name."


def _unseen(field: str, text: str) -> Iterator[str]:
    if (what := unseen(text)) is not None:
        yield f"field '{field}' is {ascii(text)[1:-1][:300]}, which {what}; write it with characters that show."


def unseen(text: str) -> str | None:
    """What of a text nobody can see, as the end of a sentence; None where all of it shows.

    >>> unseen("A. Person"), unseen("clbench\\u3164")
    (None, 'holds U+3164, which does not show')
    """
    for character in text:
        code = ord(character)
        category = unicodedata.category(character)
        if code in _BLANK or category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or _ignorable(code):
            return f"holds U+{code:04X}, which does not show"
        if category == "Zs" and character != " ":
            return f"holds U+{code:04X}, a space that is none"
    if text != text.strip(" ") or "  " in text:
        return "has spaces that do not show"
    categories = [unicodedata.category(character)[0] for character in text]
    if not any(category in "LNPS" for category in categories):
        return "holds nothing but marks and spaces"
    if categories[0] == "M":
        return "begins with a mark that belongs to a letter before it"
    if re.search(f"M{{{_MOST_MARKS + 1}}}", "".join(categories)):
        return f"has more than {_MOST_MARKS} marks on one letter"
    return None


def _ignorable(code: int) -> bool:
    return any(first <= code <= last for first, last in _IGNORABLE)


def mistaken(name: str, shipped: Sequence[str]) -> str | None:
    """The shipped name that a name looks like without being it; None where it looks like none, or is one.

    >>> mistaken("kd-6I", ["kd-6l"]), mistaken("kd-6l", ["kd-6l"]), mistaken("my-bert-2", ["kd-6l"])
    ('kd-6l', None, None)
    """
    if name in shipped:
        return None
    looks = _looks(name)
    return next((one for one in shipped if looks & _looks(one)), None)


@cache
def _looks(name: str) -> frozenset[str]:
    """What a name looks like: its skeleton, its letters' case seen and not seen; what joins words is one dash."""
    found = set()
    for text in (name, name.casefold(), name.upper()):
        bare = skeleton(text).casefold()
        found.add(re.sub(r"[\s._\-~]+", "-", skeleton(bare)).strip("-"))
    return frozenset(found - {""})


def skeleton(text: str) -> str:
    """Texts of the same skeleton look alike: Unicode UTS 39, section 4, of compatible forms and without marks.

    >>> skeleton("kd-\\u0431l") == skeleton("kd-6l"), skeleton("m") == skeleton("rn")
    (True, True)
    """
    prototypes = _prototypes()
    drawn = unicodedata.normalize("NFD", "".join(c for c in text if not _ignorable(ord(c))))
    # What the table has not is looked up in its compatible form: a ligature or a letter in a circle.
    for form in ("NFD", "NFKD"):
        drawn = "".join(prototypes.get(c, unicodedata.normalize(form, c)) for c in drawn)
    # Of letters that look like another two, confusables.txt has m and rn alone.
    drawn = "".join(prototypes.get(c, c) for c in drawn).replace("vv", "w")
    return "".join(c for c in unicodedata.normalize("NFKD", drawn) if unicodedata.category(c)[0] not in "MC")


@cache
def _prototypes() -> dict[str, str]:
    """Every character of Unicode's confusables.txt with the text that it is drawn like.

    The package names each pair in both directions. A prototype is a text of several characters, or the one character
    that all others of its kind are paired with.
    """
    from confusable_homoglyphs.confusables import confusables_data

    marks = dict.fromkeys((0x200E, 0x200F))
    pairs: dict[str, set[str]] = {}
    for one, others in confusables_data.items():
        for other in others:
            pairs.setdefault(one.translate(marks), set()).add(other["c"].translate(marks))
    found: dict[str, str] = {}
    for one, others in pairs.items():
        if len(one) > 1:
            continue
        several = [other for other in others if len(other) > 1]
        centre = max([one, *others], key=lambda text: (len(pairs.get(text, ())), text.isascii(), -ord(text[0])))
        found[one] = several[0] if several else centre
    return found
