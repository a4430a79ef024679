"""The board's three files, from the submissions alone: the same submissions, the same bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from clbench.board.attestation import FOLDER_NAME, LEVELS, digest_of, read_attestation
from clbench.board.consistency import copy_problem
from clbench.board.content import content, fresh_figure, majority_figures, seen_domains, titles
from clbench.board.csv_file import board_csv, in_orders
from clbench.board.divisions import DIVISIONS
from clbench.board.files import Entry, contradictions, find_submissions, read_submission
from clbench.board.lookalikes import name_problems
from clbench.board.standings import Row, Track, standings
from clbench.errors import UserError
from clbench.metrics import Interval
from clbench.metrics.format import percent, short_number, with_deviation, with_half
from clbench.plots.page import VEGA_LITE, script_json
from clbench.record.groups import shared
from clbench.runtime import events
from clbench.storage.writing import write_whole

README_NAME, CSV_NAME, PAGE_NAME = "README.md", "board.csv", "index.html"

_PAGE = Path(__file__).resolve().parent / "page"

_README = """\
# Leaderboard

A table for each track: stream, edition and strategy. Scores of two tracks are never compared. `index.html`, which
`clbench leaderboard build` writes beside this page, holds the same tables, sortable, with plots, forgetting curves and
a page for each submission; [board.csv](board.csv) holds every figure with its interval.

**How to read it.** Accuracies in %, means over seeds ± half of a 95% interval. *Lifetime* is the accuracy on the
seen domains, averaged over the whole life, and the order of the table; *balanced* is the same of mean recall. A
rank is the best and the worst that the tests allow: 2–4 is behind one that is significantly better (p < 0.05 over test
examples and seeds), ahead of all that are significantly worse, and with the rest not decided. *Majority class* is what
naming the commonest class gets. ◆ marks the Pareto front: no other, references without an encoder included, is as small
and better. ⚠ marks a submission whose records warn of something; the list
below the table says of what. ⚑ marks one for a look: something of it lies outside the range in which the others of its
kind lie, which refuses nothing. One seed is shown without a rank. *Encoder saw*: domains of the stream on which the
backbone, or what it was distilled from, was trained before; – where nobody says.{orders}

**How far it was checked.** {levels}

**Divisions.** {divisions}

**How to submit.** `clbench run` with several seeds, then `clbench submit` and `clbench leaderboard build`, then a pull
request with the new folder in `submissions/`, this page and `board.csv`. Changes by hand are lost.
"""


_FRESH_TOLD = (
    ". *Rerun* 1/3 is one of three seeds. *Fresh* in the tables is the lifetime accuracy of the submission's own "
    "model, made again, on examples drawn after it; ✗ marks a gap to the claimed one that neither seeds nor examples "
    "explain, and beside a level a run that, carried out again, was another than its record says."
)
_ORDERS_TOLD = (
    " *Over orders*: lifetime accuracy in the mean over so many orders of the stream's domains, that of its file "
    "included, ± the standard deviation over them; all other columns, and the ranks, are of the order of the file."
)


def build(submissions: Path, out: Path, attestations: Path | None = None) -> list[Path]:
    """Render the board of all submissions: ``README.md``, ``board.csv`` and ``index.html``, each whole or not at all.

    Args:
        submissions: a folder of submissions, or a submission's own.
        out: where the files go; made where missing.
        attestations: see :func:`read_all`.

    Raises:
        UserError: a submission cannot be read, or contradicts itself or another; or a file cannot be written. Nothing
            is left out silently.
    """
    return [
        write_whole(out / name, text, follow=False) for name, text in _texts(submissions, out, attestations).items()
    ]


def out_of_date(submissions: Path, out: Path, attestations: Path | None = None) -> list[Path]:
    """The files of ``out`` that :func:`build` would write otherwise; the page, which is large, need not be there.

    Raises:
        UserError: as :func:`build`.
    """
    texts = _texts(submissions, out, attestations)
    files = {out / name: text for name, text in texts.items() if name != PAGE_NAME or (out / name).is_file()}
    return [file for file, text in files.items() if not file.is_file() or file.read_bytes() != text.encode()]


def _texts(submissions: Path, out: Path, attestations: Path | None) -> dict[str, str]:
    """The board's files by name."""
    tracks = standings(read_all(submissions, attestations))
    return {README_NAME: readme(tracks, out), CSV_NAME: board_csv(tracks), PAGE_NAME: page(tracks)}


def read_all(submissions: Path, attestations: Path | None = None) -> list[Entry]:
    """Every submission, read, its records' figures computed again, and fit to be put into one board.

    Args:
        submissions: a folder of submissions, or a submission's own.
        attestations: the folder of what the board has checked; the one beside ``submissions`` unless given.

    Raises:
        UserError: one of them is not.
    """
    folders = find_submissions(submissions)
    if attestations is not None and not attestations.is_dir():
        raise UserError(
            f"--attestations {attestations} is not a folder; give the one that clbench verify --attest wrote."
        )
    entries = []
    labels: dict[object, tuple[object, Path]] = {}
    answers: dict[bytes, tuple[Path, int]] = {}
    seen: dict[str, Any] = {}
    for number, folder in enumerate(folders):
        entry = read_submission(folder)
        if wrong := next(contradictions(entry), None):
            raise UserError(wrong)
        first = entry.records[0]
        if found := next(name_problems(entry.submission, first), copy_problem(answers, entry.all_records, folder)):
            raise UserError(f"{folder}: {found}")
        told = [domain.gold.base64 for domain in first.data]
        gold, where = labels.setdefault(first.test_pairs, (told, folder))
        if gold != told:
            raise UserError(
                f"{folder}: its records' gold labels are others than in {where}, for the same test examples."
            )
        beside = attestations or folder.parent.parent / FOLDER_NAME
        attestation = read_attestation(beside, entry.submission.name, digest_of(folder))
        own, *others = (tuple(shared(one, seen) for one in lives) for lives in (entry.records, *entry.others))
        entries.append(replace(entry, records=own, others=tuple(others), attestation=attestation))
        events.advance("read submissions", number + 1, len(folders), "submissions")
    return entries


def readme(tracks: Sequence[Track], out: Path | None = None) -> str:
    """The Markdown page: a table for each track.

    Args:
        out: the folder that it will lie in, from which submissions are linked; by default the one around theirs.
    """
    head = [
        "rank", "model", "submission", "level", "division", "encoder saw", "seeds", "layers", "parameters", "lifetime",
        "lifetime balanced", "final", "forgetting", "out-domain", "fresh",
    ]  # fmt: skip
    shown = ("lifetime_accuracy", "lifetime_balanced_accuracy", "final_accuracy", "forgetting", "out_domain_accuracy")
    meanings = {
        "levels": "; ".join(f"*{name}*: {meaning}" for name, meaning in LEVELS.items()) + _FRESH_TOLD,
        "orders": _ORDERS_TOLD if any(map(in_orders, tracks)) else "",
        "divisions": "; ".join(f"*{name}*: {meaning}" for name, meaning in DIVISIONS.items()) + ".",
    }
    parts = ["\n".join(_wrapped(line.format(**meanings)) for line in _README.split("\n"))]
    for track, title in zip(tracks, titles(tracks), strict=True):
        floor = majority_figures(track)
        ordered = in_orders(track)
        rows = [["", "*majority class*", *[""] * 7, *(_plain(floor[name]) for name in shown), "", *[""] * ordered]]
        for row in track.rows:
            submission = row.entry.submission
            rows.append(
                [
                    f"{row.ranks}{' ◆' if row.front else ''}",
                    markdown_text(submission.model),
                    f"[{submission.name}]({_link(row.entry.folder, out)}){' ⚠' if row.warnings else ''}"
                    f"{' ⚑' if row.marks else ''}",
                    row.checked,
                    row.division,
                    _seen_before(row, track),
                    str(len(submission.seeds)),
                    str(row.cost.depth),
                    short_number(row.cost.parameters),
                    *(_figure(row.figures[name]) for name in shown),
                    _fresh(row),
                    *([_over_orders(row)] if ordered else []),
                ]
            )
        domains = ", ".join(
            f"{markdown_text(name)}{' (evaluation only)' if only else ''}"
            for name, only in zip(track.domains, track.evaluation_only, strict=True)
        )
        blocks = [
            f"## {markdown_text(title)}",
            f"Domains: {domains}.",
            _table([*head, *["over orders"] * ordered], rows),
        ]
        for what, sentences in (
            ("⚠ What the records warn of:", [row.warnings for row in track.rows]),
            ("⚑ Marked for a look, being outside the range of the others:", [row.marks for row in track.rows]),
        ):
            told = [
                f"- {row.entry.submission.name}: {markdown_text(' '.join(found))}"
                for row, found in zip(track.rows, sentences, strict=True)
                if found
            ]
            blocks += [what, "\n".join(told)] if told else []
        parts.append("\n\n".join(blocks) + "\n")
    return "\n".join(parts)


def _link(folder: Path, out: Path | None) -> str:
    """The way to a submission, fit to stand between a link's parentheses."""
    return quote(Path(os.path.relpath(folder, out or folder.parent.parent)).as_posix())


def _over_orders(row: Row) -> str:
    found = row.lifetime_over_orders
    return "–" if found is None else with_deviation(found)


def _seen_before(row: Row, track: Track) -> str:
    """The track's domains on whose examples the encoder was trained before."""
    seen = seen_domains(row, track)
    return "–" if seen is None else markdown_text(", ".join(seen)) or "none"


def markdown_text(text: str) -> str:
    """A stranger's text, one line of a Markdown table's cell, showing as what it is.

    Letters, digits, spaces, commas, single dashes and dots within words stay; everything else that Markdown or HTML may
    give a meaning is written as a character reference, which by CommonMark never has a structural one.

    >>> markdown_text("a|b <i> v1.0 www.host")
    'a&#124;b &#60;i&#62; v1.0 www&#46;host'
    """
    kept = []
    for place, c in enumerate(text):
        within = c == "." and text[place - 1 : place].isalnum() and text[place + 1 : place + 2].isalnum()
        # GitHub makes a link of what begins like an address.
        dot = within and not text[:place].casefold().endswith("www")
        if c.isalnum() or c in " ," or dot or (c == "-" and place > 0):
            kept.append(c)
        elif not c.isprintable():
            kept.append(" " if c.isspace() else "\ufffd")
        else:
            kept.append(f"&#{ord(c)};")
    return "".join(kept).strip()


def page(tracks: Sequence[Track]) -> str:
    """The page as one file of HTML that fetches nothing.

    Only the script whose hash its content security policy names is run: ``board.js``, and through it the plotting
    library, which lies in the page as text until the first chart is drawn.
    """
    import vl_convert
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style, script, licence = (
        (_PAGE / name).read_text(encoding="utf-8") for name in ("board.css", "board.js", "vega.txt")
    )
    environment = Environment(loader=FileSystemLoader(_PAGE), autoescape=True, undefined=StrictUndefined)
    library = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    for text, name in ((style, "</style"), (script, "</script"), (library, "</script"), (library, "<!--")):
        if name in text:
            raise AssertionError(f"{name} would end the element that it stands in")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("index.html").render(
        style=Markup(style),
        script=Markup(script),
        script_hash=digest,
        library=Markup(library),
        library_licence=licence,
        content=Markup(script_json(content(tracks))),
        count=sum(len(track.rows) for track in tracks),
        levels=list(LEVELS.items()),
    )


def _wrapped(line: str) -> str:
    """A line of text, in lines of at most 120 characters."""
    return "\n".join(textwrap.wrap(line, 120, break_long_words=False, break_on_hyphens=False)) if line else line


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first six columns are text, numbers stand to the right."""
    lines = [head, ["---"] * 6 + ["---:"] * (len(head) - 6), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(score: float | None) -> str:
    return "–" if score is None else percent(score)


def _fresh(row: Row) -> str:
    """Lifetime accuracy on fresh examples; marked where it lies farther from the claimed one than chance explains."""
    found = fresh_figure(row)
    return "–" if found is None else f"{percent(found[0])}{'' if found[1] else ' ✗'}"


def _figure(interval: Interval | None) -> str:
    return "–" if interval is None else with_half(interval)
