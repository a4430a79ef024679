"""What a submission claims, held against its own predictions, the edition's examples, and what clbench ships."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clbench.board.again import Carried, Rerunning, carried_out
from clbench.board.attestation import FreshDraw, Rerun
from clbench.board.consistency import (
    copy_problem,
    inception_problems,
    life_problems,
    random_problems,
    reference_problems,
    seed_problems,
)
from clbench.board.edition import EditionFacts
from clbench.board.files import Entry, contradictions, read_submission
from clbench.board.forms import SUBMISSION_NAME, Mean
from clbench.board.lookalikes import name_problems
from clbench.board.rules import (
    QUANTILE,
    configuration_problems,
    data_problems,
    foreign_strategy,
    same,
    warning_problems,
)
from clbench.board.shipped import piece_problems
from clbench.board.size import checkpoint_problems, cost_problems
from clbench.errors import UserError
from clbench.metrics import METRICS
from clbench.record.files import RECORD_NAME, read_record
from clbench.record.forms import Record
from clbench.record.groups import summary


@dataclass(frozen=True)
class Verdict:
    """What was found in one submission, or one run.

    Attributes:
        path: it.
        problems: a sentence each, naming file and field; empty where all holds.
        unchecked: a sentence for each check that could not be made.
        figures: how many figures were computed again.
        reruns: the runs that were carried out again and left the same.
        fresh: what the model, made again, is worth on test examples that were drawn for this; None where none were.
        refuted: of the problems, those of runs that were carried out again, without the path.
    """

    path: Path
    problems: tuple[str, ...]
    unchecked: tuple[str, ...] = ()
    figures: int = 0
    reruns: tuple[Rerun, ...] = ()
    fresh: FreshDraw | None = None
    refuted: tuple[str, ...] = ()


def verify(
    path: Path,
    facts: Callable[[str, str], EditionFacts],
    *,
    checkpoint: Path | None = None,
    rerunning: Rerunning | None = None,
    answers: dict[bytes, tuple[Path, int]] | None = None,
) -> Verdict:
    """Check a submission's folder, or a record on its way to become one.

    Args:
        path: the folder of a submission or of a run, or a record's file.
        facts: from a stream's and an edition's name to what they are.
        checkpoint: a folder with the compressed model's safetensors; its header has to agree with the claimed cost.
        rerunning: which runs are carried out again, and how; their records have to be the same, times apart.
        answers: what others were found to answer, see :func:`clbench.board.consistency.copy_problem`; None to compare
            with nobody.

    Returns:
        All problems that could be found. A file that cannot be read is one.
    """
    unchecked: list[str] = []
    try:
        entry, records, files = _read(path)
    except UserError as error:
        return Verdict(path, (str(error),))
    problems = [] if entry is None else [*contradictions(entry), *_claims(entry)]
    configuration = records[0].configuration
    try:
        known: EditionFacts | None = facts(records[0].names[1], configuration.edition)
    except UserError as error:
        problems.append(f"{files[0]}: field 'configuration.stream' or 'edition': {error}")
        known = None
    for file, record in zip(files, records, strict=True):
        found = [*_figures(record), *cost_problems(record, known, unchecked)]
        found += [*inception_problems(record), *reference_problems(record), *piece_problems(record, unchecked)]
        found += random_problems(record)
        found += name_problems(None if entry is None else entry.submission, record)
        unchecked += [_unknown_figure(record, name) for name in record.unverified()]
        if (whose := foreign_strategy(record)) is not None:
            unchecked.append(
                f"the settings of {record.names[2]}: they are of the plug-in {whose.package} {whose.version}."
            )
        if known is not None:
            ordered = known.in_order(record.order)
            found += [
                *configuration_problems(record, known.stream),
                *data_problems(record, ordered),
                *warning_problems(record, ordered),
                *life_problems(record, unchecked),
            ]
        problems += [f"{file}: {told}" for told in found]
        if checkpoint is not None:
            problems += [f"{file}: {told}" for told in checkpoint_problems(record, checkpoint)]
    problems += [f"{path}: {told}" for told in seed_problems(records)]
    # What is refused anyway is nothing that another could be a copy of.
    if answers is not None and not problems and (told := copy_problem(answers, records, path)) is not None:
        problems.append(f"{path}: {told}")
    done = Carried()
    if rerunning is not None and not problems:
        others = () if entry is None else entry.others
        done = carried_out(path if entry else files[0], entry.records if entry else records, rerunning, others)
        problems += done.problems
        unchecked += done.unchecked
    count = sum(len(set(record.figures) - set(record.unverified())) for record in records)
    count += len(entry.submission.figures) if entry else 0
    return Verdict(path, tuple(problems), tuple(dict.fromkeys(unchecked)), count, done.reruns, done.fresh, done.refuted)


def _read(path: Path) -> tuple[Entry | None, tuple[Record, ...], list[Path]]:
    """The submission, if it is one; the records; their files."""
    if path.is_dir() and ((path / SUBMISSION_NAME).exists() or not (path / RECORD_NAME).exists()):
        entry = read_submission(path)
        return entry, entry.all_records, [path / name for name in entry.submission.records]
    return None, (read_record(path),), [path]


def _shown(mean: Mean | None) -> str:
    return "null" if mean is None else f"{mean.mean!r} ({mean.low!r} to {mean.high!r})"


def _same_mean(one: Mean | None, other: Mean | None) -> bool:
    if one is None or other is None:
        return one is other
    ends = ((one.low, other.low), (one.high, other.high))
    return same(one.mean, other.mean) and all(same(a, b, QUANTILE) for a, b in ends)


def _claims(entry: Entry) -> Iterator[str]:
    """The figures of ``submission.json`` over its seeds, from its records."""
    means = summary(entry.records)
    for key, claimed in entry.submission.figures.items():
        interval = means.get(key)
        again = None if interval is None else Mean.of(interval)
        if not _same_mean(claimed, again):
            file = entry.folder / SUBMISSION_NAME
            yield f"{file}: field 'figures.{key}' is {_shown(claimed)}, but the records give {_shown(again)}."


def _figures(record: Record) -> Iterator[str]:
    """Every figure to the last digit, from the predictions."""
    unverified = set(record.unverified())
    for name, again in record.figures_again().items():
        if name in record.figures and name not in unverified and not same(record.figures[name], again):
            yield f"field 'figures.{name}' is {record.figures[name]!r}, but the predictions give {again!r}."


def _unknown_figure(record: Record, name: str) -> str:
    """Why a figure could not be computed again."""
    whose = next((p for p in record.plugins if p.kind == "metric" and p.piece == name), None)
    here = METRICS.origin(name)
    instead = "which is not installed" if here is None else f"and here it is of {here.name} {here.version}"
    told = f"the plug-in {whose.package} {whose.version}, {instead}" if whose else "no metric known here"
    return f"the figure {name} is of {told}."
