"""The leaderboard from its submissions alone: a page for GitHub, a CSV file, and one HTML file that loads nothing."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from clbench.board.files import Entry, find_submissions, read_submission
from clbench.board.standings import LEVEL, Row, Track, standings
from clbench.figures import HEADLINE, Interval, mean_interval
from clbench.plots.page import DASHES, ON_DARK, VEGA_LITE, plotting_library, script_json, script_sha256
from clbench.plots.picture import PALETTE
from clbench.writing import write_whole

FILES = ("README.md", "board.csv", "index.html")
# In a table for people, these of all figures.
SHOWN = (
    "lifetime_accuracy", "lifetime_balanced_accuracy", "anytime_lifetime_accuracy", "final_accuracy", "forgetting",
    "backward_transfer", "out_domain_accuracy",
)  # fmt: skip
_IN_MARKDOWN = (
    "lifetime_accuracy",
    "lifetime_balanced_accuracy",
    "final_accuracy",
    "forgetting",
    "out_domain_accuracy",
)
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_[]|~"} | {"@": "&#64;"})


def build(submissions: Path, out: Path, on_read: Callable[[int, int], None] | None = None) -> list[Track]:
    """Write ``README.md``, ``board.csv`` and ``index.html`` into ``out``; the same submissions give the same bytes.

    Args:
        submissions: the folder of submissions; it may be empty of them.
        out: made where missing.
        on_read: told how many submissions are read, of how many.

    Raises:
        UserError: a submission cannot be believed, see :func:`~clbench.board.files.read_submission`; nothing is
            written then, lest a board silently lack a row.
    """
    tracks = standings(read_all(submissions, on_read))
    texts = (markdown(tracks), table(tracks), page(tracks))
    for name, text in zip(FILES, texts, strict=True):
        write_whole(out / name, text)
    return tracks


def read_all(submissions: Path, on_read: Callable[[int, int], None] | None = None) -> list[Entry]:
    """Every submission of a folder, by name.

    Raises:
        UserError: the first that cannot be believed.
    """
    folders = find_submissions(submissions)
    entries = []
    for number, folder in enumerate(folders):
        entries.append(read_submission(folder))
        if on_read is not None:
            on_read(number + 1, len(folders))
    return entries


def points(interval: Interval | None) -> str:
    """A figure in percent with its half width.

    >>> points(Interval(0.8125, 0.80, 0.825, 3)), points(None)
    ('81.2 ± 1.3', '')
    """
    if interval is None:
        return ""
    half = interval.half_width
    return f"{100 * interval.mean:.1f}" + ("" if half is None else f" ± {100 * half:.1f}")


def rerun(entry: Entry) -> str:
    """The command that carries the submission's runs out again."""
    told = entry.records[0].configuration
    model, stream, strategy = entry.records[0].names
    seeds = ",".join(map(str, entry.submission.seeds))
    words = ["clbench", "run", "--model", model, "--stream", stream, "--edition", told.edition, "--strategy", strategy]
    words += ["--backbone", told.backbone.name, "--seeds", seeds]
    if told.eval_every is not None:
        words += ["--eval-every", str(told.eval_every)]
    return shlex.join(words)


def markdown(tracks: Sequence[Track]) -> str:
    """What GitHub shows of the board."""
    parts = [
        "# Leaderboard",
        "Compressed encoders over their whole life. In %; ± is the half width of the 95% interval over seeds. Ranks "
        f"are by lifetime accuracy, and shared where the difference is not significant at {LEVEL:.0%} (test pairs and "
        "seeds both taken for samples). Balanced accuracy stands beside accuracy because labels are unbalanced. "
        "[board.csv](board.csv) has every figure; [index.html](index.html), opened from a clone, sorts, filters, plots "
        "and compares. [How to submit](../docs/leaderboard.md).",
    ]
    for track in tracks:
        head = ["rank", "submission", "model", "layers", "parameters", *(HEADLINE[name].title for name in _IN_MARKDOWN)]
        lines = [f"| {' | '.join(head)} |", "|---:|---|---|---:|---:|" + "---:|" * len(_IN_MARKDOWN)]
        for row in track.rows:
            told = row.entry.submission
            name = f"[{_md(told.name)}](submissions/{told.name})"
            cells = [str(row.rank), name, _md(told.model), str(row.cost.depth), f"{row.cost.parameters:,}"]
            cells += [points(row.figures[figure]) for figure in _IN_MARKDOWN]
            lines.append(f"| {' | '.join(cells)} |")
        floors = ", ".join(f"{_md(d)} {100 * m:.1f}" for d, m in zip(track.domains, track.majority, strict=True))
        parts += [
            f"## {_md(track.stream)}, {_md(track.edition)} edition, {_md(track.strategy)}",
            "\n".join(lines),
            f"Majority class: {floors}.",
        ]
    if not tracks:
        parts.append("No submission yet.")
    return "\n\n".join(parts) + "\n"


def table(tracks: Sequence[Track]) -> str:
    """Every figure of every submission as CSV; shares, not percent."""
    head = ["track", "rank", "submission", "model", "author", "link", "licence", "seeds", "front", "layers"]
    head += ["parameters", "parameters_without_embeddings", "flops_per_pair", "flops_length", "disk_bytes"]
    head += ["latency_ms", "throughput"]
    head += [f"{name}{end}" for name in HEADLINE for end in ("", "_low", "_high")]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    for track in tracks:
        for row in track.rows:
            told, cost = row.entry.submission, row.cost
            texts = [track.name, row.rank, told.name, told.model, told.author, told.link or "", told.licence]
            cells: list[Any] = [_no_formula(cell) if isinstance(cell, str) else cell for cell in texts]
            cells += [" ".join(map(str, told.seeds)), int(row.front), cost.depth, cost.parameters]
            cells += [cost.parameters_without_embeddings, cost.flops_per_pair, cost.flops_length, cost.disk_bytes]
            cells += ["" if value is None else repr(value) for value in (row.latency_ms, row.throughput)]
            for name in HEADLINE:
                found = row.figures[name]
                ends = (None, None, None) if found is None else (found.mean, found.low, found.high)
                cells += ["" if end is None else repr(end) for end in ends]
            writer.writerow(cells)
    return file.getvalue()


def page(tracks: Sequence[Track]) -> str:
    """The board as one HTML file: no network, no server, no script but its own."""
    from jinja2 import Environment, PackageLoader

    templates = Environment(loader=PackageLoader("clbench.board", "page"), autoescape=True)
    program, style = (_source(templates, name) for name in ("board.js", "board.css"))
    library = plotting_library()
    return templates.get_template("index.html").render(
        policy=" ".join(f"'sha256-{script_sha256(script)}'" for script in (library, program)),
        style=style,
        library=library,
        program=program,
        data=script_json(content(tracks)),
        light=PALETTE,
        dark=ON_DARK,
        tracks=tracks,
        submissions=sum(len(track.rows) for track in tracks),
    )


def _source(templates: Any, name: str) -> str:
    return str(templates.loader.get_source(templates, name)[0])


@dataclass
class _Shared:
    """Values that many rows have, each once."""

    values: list[Any]

    def place(self, value: Any) -> int:
        """Where ``value`` stands."""
        if value not in self.values:
            self.values.append(value)
        return self.values.index(value)


def content(tracks: Sequence[Track]) -> dict[str, Any]:
    """What the page shows, as plain JSON values; shares as integers of 1/10,000, so that 500 submissions stay small."""
    shared = _Shared([])
    described = [
        {
            "name": track.name,
            "stream": track.stream,
            "edition": track.edition,
            "strategy": track.strategy,
            "domains": track.domains,
            "only": track.evaluation_only,
            "experiences": track.experiences,
            "majority": [_whole(track.majority), _whole(track.majority_balanced)],
            "rows": [_row(row, shared) for row in track.rows],
        }
        for track in tracks
    ]
    return {
        "figures": [
            {"key": key, "title": f.title, "better": f.better, "meaning": f.meaning} for key, f in HEADLINE.items()
        ],
        "shown": SHOWN,
        "tracks": described,
        "shared": shared.values,
        "light": PALETTE,
        "dark": ON_DARK,
        "dashes": DASHES,
        "vegaLite": VEGA_LITE,
    }


def _row(row: Row, shared: _Shared) -> dict[str, Any]:
    told, first, cost = row.entry.submission, row.entry.records[0], row.cost
    final = first.history.final
    met = first.history.met[final]
    scores = [np.stack([getattr(r.history, kind)[r.history.final] for r in row.entry.records])
              for kind in ("accuracy", "balanced")]  # fmt: skip
    backbone = first.configuration.backbone
    return {
        "name": told.name,
        "author": told.author,
        "link": told.link,
        "licence": shared.place(told.licence),
        "model": told.model,
        "recipe": shared.place([_text(first.configuration.model.get(key)) for key in ("title", "citation")]),
        "backbone": shared.place([backbone.name, backbone.digest[:12]]),
        "machine": shared.place(
            [first.measured.hardware.cpu[:100], first.measured.hardware.threads, first.clbench,
             ", ".join(f"{name} {version}"[:60] for name, version in sorted(first.measured.versions.items())[:12])]
        ),
        "seeds": told.seeds,
        "rerun": rerun(row.entry),
        "rank": row.rank,
        "front": int(row.front),
        "cost": [cost.depth, cost.parameters, cost.parameters_without_embeddings, cost.flops_per_pair,
                 cost.flops_length, cost.disk_bytes],
        "latency": None if row.latency_ms is None else float(f"{row.latency_ms:.4g}"),
        "throughput": None if row.throughput is None else float(f"{row.throughput:.4g}"),
        "figures": [None if (found := row.figures[key]) is None else _ends(found) for key in HEADLINE],
        # One number after the other: experience by experience, domain by domain.
        "matrix": [_whole(part.mean(axis=0).ravel()) for part in scores],
        "met": "".join("01"[int(known)] for known in met.ravel()),
        # Half widths of the mean over the domains met, for the curves' bands.
        "half": [_halves(np.where(met, part, 0.0).sum(axis=2) / met.sum(axis=1)) for part in scores],
    }  # fmt: skip


def _text(value: Any) -> str:
    return value[:300] if isinstance(value, str) else ""


def _whole(values: Any) -> list[int]:
    return [round(10_000 * float(value)) for value in values]


def _ends(found: Interval) -> list[int]:
    """Mean, and low and high where there are any."""
    return _whole([found.mean] if found.low is None or found.high is None else [found.mean, found.low, found.high])


def _halves(by_seed: np.ndarray) -> list[int] | None:
    """(S, T) to T half widths; None with one seed."""
    if len(by_seed) == 1:
        return None
    return _whole([mean_interval(column.tolist()).half_width or 0.0 for column in by_seed.T])


def _md(text: str) -> str:
    """A stranger's text as text of a Markdown table."""
    return escape(text, quote=False).translate(_MARKDOWN)


def _no_formula(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
