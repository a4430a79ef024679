"""What a paper that shows a run should cite, as BibTeX: clbench, recipe, strategy, backbone, data sets.

Citations stand as text where a piece is declared, ``AUTHORS YEAR, TITLE, VENUE, arXiv:ID, section``; several are
divided by ``;``. What cannot be read so, but names a paper of arXiv, becomes an entry with its text as a note.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clbench import __version__
from clbench.errors import UserError
from clbench.record.forms import Record
from clbench.schema.domain import Domain
from clbench.schema.form import read_yaml
from clbench.schema.shipped import find

# Where the next work begins.
_NEXT = re.compile(r"; |, (?=as gathered by )")
# What may stand before its authors.
_LED_IN = re.compile(r"^(?:[a-z][a-z ,]*? (?:by|in|for) )?(?=[A-Z])")
_WORK = re.compile(r"^(?P<authors>[A-Z].*?) (?P<year>(?:19|20)\d\d)\b,? ?(?P<rest>.*)$", re.DOTALL)
_ARXIV = re.compile(r"\barXiv[: ](?P<id>\d{4}\.\d{4,5})")
# A journal or conference: capitals, perhaps a volume, no small words but these.
_VENUE = re.compile(r"^(?:[A-Z][\w-]*|of|and|in|on|the)(?: (?:[A-Z][\w-]*|of|and|in|on|the|\d+(?:\(\d+\))?))*$")
_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """Something to cite.

    Attributes:
        authors: as BibTeX wants them, ``Sun and others``; empty where the text names none.
        year, title, venue, arxiv: empty where the text does not say.
        note: the text that it was read from.
    """

    authors: str
    year: str
    title: str
    venue: str
    arxiv: str
    note: str

    @property
    def key(self) -> str:
        """Author, year and the title's first word, as people call an entry."""
        words = [self.authors.split(" and ")[0].split()[-1:] or ["anon"], [self.year], self.title.split()[:1]]
        plain = unicodedata.normalize("NFKD", "".join(word for part in words for word in part).lower())
        return re.sub(r"[^a-z0-9]", "", plain) or "work"


def works(citation: str) -> list[Work]:
    """The works that a citation names, each once, in order.

    >>> [(w.key, w.venue, w.arxiv) for w in works("Sun et al. 2019, Patient KD, EMNLP, arXiv:1908.09355, eq. 8")]
    [('sun2019patient', 'EMNLP', '1908.09355')]
    >>> works("none stated")
    []
    """
    found = []
    for part in _NEXT.split(citation):
        text = part.strip()
        told = _WORK.match(_LED_IN.sub("", text))
        if told is not None and "(" not in told["authors"]:
            found.append(_work(told["authors"], told["year"], told["rest"], text))
        elif named := _ARXIV.search(text):
            found.append(Work("", "", "", "", named["id"], text))
    return list(dict.fromkeys(found))


def _work(authors: str, year: str, rest: str, note: str) -> Work:
    arxiv = _ARXIV.search(rest)
    before = rest[: arxiv.start()] if arxiv else rest
    parts = [part for one in before.split(", ") if (part := one.strip(" ,("))]
    venue = parts.pop() if len(parts) > 1 and _VENUE.match(parts[-1]) else ""
    people = re.sub(r",? et al\.?$", " and others", authors)
    people = re.sub(r",? and (?!others)", " and ", people).replace(", ", " and ")
    return Work(people, year, ", ".join(parts), venue, arxiv["id"] if arxiv else "", note)


def bibtex(records: Sequence[Record]) -> str:
    """Entries for all that some runs stand on, each once, with a comment for what it is cited.

    Args:
        records: one or more.
    """
    lines = [
        "% clbench cite: what these runs stand on, as far as the files of clbench name it; complete them.",
        "@software{clbench,",
        "  title = {clbench: lifelong evaluation of compressed encoders},",
        "  author = {{The clbench founders}},",
        f"  version = {{{__version__}}},",
        "}",
    ]
    reasons: dict[Work, list[str]] = {}
    for record in records:
        for why, citation in _citations(record):
            for work in works(citation):
                same = next((one for one in reasons if one.arxiv and one.arxiv == work.arxiv), work)
                told = reasons.setdefault(same, [])
                if why not in told:
                    told.append(why)
    keys: dict[str, int] = {}
    for work, whys in reasons.items():
        keys[work.key] = keys.get(work.key, 0) + 1
        key = work.key + ("" if keys[work.key] == 1 else chr(ord("a") + keys[work.key] - 1))
        lines += ["", f"% {', '.join(whys)}", *_entry(work, key)]
    return "\n".join(lines) + "\n"


def _entry(work: Work, key: str) -> Iterator[str]:
    fields = {"title": work.title, "author": work.authors, "year": work.year, "booktitle": work.venue}
    if work.arxiv:
        fields |= {"eprint": work.arxiv, "archiveprefix": "arXiv"}
    if not work.title:
        fields["note"] = work.note
    yield f"@{'inproceedings' if work.venue else 'misc'}{{{key},"
    for name, value in fields.items():
        if value:
            # Capitals of a name such as BERT stay.
            told = f"{{{escaped(value)}}}" if name == "title" else escaped(value)
            yield f"  {name} = {{{told}}},"
    yield "}"


def escaped(text: str) -> str:
    """Text as LaTeX prints it."""
    return "".join(_SPECIAL.get(one, one) for one in text)


def _citations(record: Record) -> Iterator[tuple[str, str]]:
    """What a record names, with what it is cited for."""
    told = record.configuration
    yield from _of_recipe(told.model)
    yield f"strategy {record.names[2]}", str(told.strategy.get("citation") or "")
    yield f"backbone {told.backbone.name}", str((told.backbone.source or {}).get("citation") or "")
    for domain in record.data:
        try:
            citation = read_yaml(find("domain", domain.name), Domain).citation
        except UserError:
            continue  # a user's own, whose file is not here
        generated = dict(domain.source).get("kind") == "generator"
        yield f"{'examples made after' if generated else 'data'} {domain.name}", citation


def _of_recipe(recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield f"recipe {recipe.get('name', '?')}", str(recipe.get("citation") or "")
    for step in recipe.get("steps") or []:
        if isinstance(step, dict) and isinstance(step.get("teacher"), dict):
            yield from _of_recipe(step["teacher"])
