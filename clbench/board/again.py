"""Runs of a submission carried out again: held against its records, and judged on examples drawn for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from clbench import __version__
from clbench.board.attestation import FreshDraw, Rerun, TestedGap, Where, digest_of
from clbench.board.divisions import OPEN, division
from clbench.board.fresh import (
    ERROR_RATE,
    Draw,
    Gap,
    draw,
    draw_place,
    fresh_shares,
    other_seeds_gap,
    same_model_gap,
    shares_of,
)
from clbench.board.rules import first_difference, of_an_example, same
from clbench.errors import UserError
from clbench.metrics.format import percent
from clbench.record.forms import Record
from clbench.record.groups import computed_in
from clbench.record.parts import Hardware
from clbench.record.provenance import hardware

# What another CPU's rounding does to a run: see docs/leaderboard.md for what was measured.
MOST_DIFFER, MOST_APART = 0.10, 0.02
# The same of what two runs' probabilities differ by in the mean.
MOST_UNLIKE = 0.05
_RUNS, _MORE_RUNS = "the runs themselves", "further runs"
_REAL = "fresh examples, of which a real edition has none."
_EQUAL = (
    "it should be all of them with the same CPU, card (with --deterministic) and versions, and with others at most "
    f"{MOST_DIFFER:.0%} may differ, with lifetime accuracies at most {100 * MOST_APART:g} points apart."
)


@dataclass(frozen=True)
class Lived:
    """A run carried out again.

    Attributes:
        record: what it left.
        labels: of the fresh test examples, for each domain int (M,); empty where none were drawn.
        said: for the end of each experience, for each domain the classes that the model named for them.
    """

    record: Record
    labels: Mapping[str, np.ndarray] = field(default_factory=dict)
    said: Sequence[Mapping[str, np.ndarray]] = ()


class Live(Protocol):
    """Carries a record's run out again."""

    def __call__(self, record: Record, seed: int, pairs: int | None) -> Lived:
        """The run with ``seed``, the record's own or another, and judged on the fresh examples of seed ``pairs``.

        Raises:
            UserError: its weights or its examples cannot be had.
        """


@dataclass(frozen=True)
class Rerunning:
    """Which runs of a submission are carried out again.

    Attributes:
        live: how.
        commit: of clbench's repository, for the attestation.
        every_seed: all of them; otherwise one, which the digest and the text choose.
        text: what fresh test examples are drawn by; None for none.
        others: runs with seeds that are not the submission's; None for one in the open division, whose own
            were chosen.
        must: whether weights that cannot be had are a problem, or only told.
    """

    live: Live
    commit: str | None = None
    every_seed: bool = False
    text: str | None = None
    others: int | None = None
    must: bool = True


@dataclass(frozen=True)
class Carried:
    """What came of it, see :class:`clbench.board.verify.Verdict`."""

    problems: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    reruns: tuple[Rerun, ...] = ()
    fresh: FreshDraw | None = None
    refuted: tuple[str, ...] = ()


def carried_out(
    path: Path, records: Sequence[Record], how: Rerunning, others: Sequence[Sequence[Record]] = ()
) -> Carried:
    """Carry out again what is to be, and hold it against the records.

    Args:
        path: the folder of a submission or of a run, or a record's file.
        records: its seeds.
        how: see :class:`Rerunning`.
        others: its seeds in each further order; one of all these records is drawn beside the seed, and judged on no
            fresh examples.
    """
    by_seed = {record.configuration.seed: record for record in records}
    digest = digest_of(path)
    text, real = how.text, records[0].configuration.data_source != "generated"
    strangers = how.others if how.others is not None else int(division(records) == OPEN)
    drawn = draw(text or "", digest, list(by_seed), strangers if text is not None else 0)
    chosen = list(records) if how.every_seed else [by_seed[drawn.chosen]]
    further = [record for lives in others for record in lives]
    if further:
        chosen += further if how.every_seed else [further[draw_place(text or "", digest, len(further))]]
    unchecked = (_REAL,) if real and text is not None else ()
    problems: list[str] = []
    held: list[Rerun] = []
    fresh: FreshDraw | None = None
    failed: UserError | None = None
    try:
        for record in chosen:
            seed = record.configuration.seed
            asked = text is not None and record is by_seed[drawn.chosen] and not real
            lived = how.live(record, seed, drawn.pairs if asked else None)
            told, found = held_against(record, lived.record, how.commit)
            problems += [f"seed {seed}{record.other_order}: {sentence}" for sentence in told]
            held += [] if told else [found]
            if lived.said and not problems:
                fresh = _judged(records, lived, drawn, how)
    except UserError as error:
        failed = error
    refuted, some = tuple(problems), bool(problems or held)
    # What was seen of some runs stands, whatever became of the others.
    if failed is not None and how.must:
        problems.append(f"{'not all of its runs were' if some else 'it was not'} run again: {failed}")
    elif failed is not None:
        unchecked = (f"{_MORE_RUNS if some else _RUNS}: {failed}", *unchecked)
    return Carried(tuple(f"{path}: {told}" for told in problems), unchecked, tuple(held), fresh, refuted)


def _judged(records: Sequence[Record], lived: Lived, drawn: Draw, how: Rerunning) -> FreshDraw:
    """The gaps between what is claimed and what fresh examples say."""
    record = next(one for one in records if one.configuration.seed == drawn.chosen)
    gap = same_model_gap(shares_of(record), fresh_shares(lived.record, lived.labels, lived.said))
    others = None
    if drawn.others and len(records) > 1:
        runs = [how.live(record, seed, drawn.pairs) for seed in drawn.others]
        found = [fresh_shares(run.record, run.labels, run.said) for run in runs]
        claimed = _stacked([shares_of(one) for one in records])
        others = _told(other_seeds_gap(claimed, _stacked(found)), drawn.others)
    return FreshDraw(
        text=str(how.text), where=_where(lived.record, how.commit), error_rate=ERROR_RATE,
        same_model=_told(gap, (drawn.chosen,)), other_seeds=others,
    )  # fmt: skip


def _stacked(models: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    return [np.concatenate(parts) for parts in zip(*models, strict=True)]


def _told(gap: Gap, seeds: Sequence[int]) -> TestedGap:
    return TestedGap(
        seeds=tuple(seeds), claimed=gap.claimed, fresh=gap.fresh, standard_error=gap.standard_error, p=gap.p
    )


def _where(record: Record, commit: str | None) -> Where:
    told = record.measured
    return Where(date=told.started, clbench=record.clbench, commit=commit, machine=machine(told.hardware))


def here(commit: str | None) -> Where:
    """This moment, and this machine."""
    return Where(
        date=datetime.now(UTC).isoformat(timespec="seconds"), clbench=__version__,
        commit=commit, machine=machine(hardware()),
    )  # fmt: skip


def machine(told: Hardware) -> str:
    """A machine in a line."""
    parts = [told.cpu, *told.size]
    parts += [part for part in (told.card, told.precision) if part is not None]
    return ", ".join(parts)[:300]


def held_against(record: Record, other: Record, commit: str | None) -> tuple[list[str], Rerun]:
    """The record against that of the same run carried out here: what is wrong, and how far apart the two are."""
    pairs = [
        ((where, name), record.points[where].predictions[name].array(), point.predictions[name].array())
        for where, point in enumerate(other.points[: len(record.points)])
        for name in record.domains
        if name in point.predictions
    ]
    differ = sum(int((told != found).sum()) for _, told, found in pairs if len(told) == len(found))
    numbers = Rerun(
        seed=other.configuration.seed, order=other.order if other.configuration.file_order else (),
        where=_where(other, commit),
        predictions=sum(len(told) for _, told, _ in pairs) or 1, differ=differ,
        claimed=_lifetime(record), found=_lifetime(other), unlike=_distance(_likely(record, other)),
    )  # fmt: skip
    one, two = _comparable(record, other), _comparable(other, record)
    apart = _apart(record, other)
    if one == two:
        return _unlike(record, other, bool(apart)), numbers
    note = f" (run with another {', '.join(apart)})" if apart else ""
    framed = _frame(one), _frame(two)
    if framed[0] != framed[1]:
        told = first_difference(framed[1], framed[0])[:400]
        return [f"the same run carried out here leaves another record: {told}{note}"], numbers
    if apart and _rounding_explains(numbers):
        return [*_unlike(record, other, True), *_random_apart(record, other)], numbers
    if not differ:
        told = first_difference(two, one)[:400]
        return [f"the same run carried out here leaves another record: {told}{note}"], numbers
    where, name = next(where for where, told, found in pairs if not np.array_equal(told, found))
    return [
        f"field 'points.{where}.predictions.{name}' differs from those of the same run carried out here, {differ:,} of "
        f"{numbers.predictions:,} predictions in all, lifetime accuracy {percent(numbers.claimed)} % and "
        f"{percent(numbers.found)} %{note}; {_EQUAL}"
    ], numbers


def _likely(record: Record, other: Record) -> dict[str, np.ndarray]:
    """How far apart each probability is in two records, float (N, W), by field; nothing where one of them has none."""
    found = {}
    for where, (one, two) in enumerate(zip(record.points, other.points, strict=False)):
        for name in one.probabilities.keys() & two.probabilities.keys():
            mine, its = (point.probabilities[name].array().astype(float) for point in (one, two))
            if mine.shape == its.shape:
                found[f"points.{where}.probabilities.{name}"] = np.abs(mine - its)
    return found


def _distance(likely: Mapping[str, np.ndarray]) -> float | None:
    """The mean over all probabilities; None where there are none."""
    return float(np.mean(np.concatenate([part.ravel() for part in likely.values()]))) if likely else None


def _unlike(record: Record, other: Record, apart: bool) -> list[str]:
    """Where probabilities are not those of the run carried out here: equal, or near ones on another machine."""
    likely = _likely(record, other)
    mean, most = _distance(likely) or 0.0, MOST_UNLIKE if apart else 0.0
    if mean <= most:
        return []
    field = max(likely, key=lambda name: float(likely[name].max(initial=0.0)))
    return [
        f"field '{field}' differs from those of the same run carried out here by up to {likely[field].max():.4f}, and "
        f"all probabilities by {mean:.4f} in the mean; with the same CPU, card and versions they should be equal, "
        f"and with others at most {MOST_UNLIKE:g} apart in the mean."
    ]


def _rounding_explains(found: Rerun) -> bool:
    """Whether another CPU's rounding may have done it, see ``MOST_DIFFER``."""
    return found.differ <= MOST_DIFFER * found.predictions and abs(found.claimed - found.found) <= MOST_APART


def _random_apart(record: Record, other: Record) -> Iterator[str]:
    """Where random weights are said to reach what they do not reach here, by more than rounding or one example."""
    for number, (told, found) in enumerate(zip(record.data, other.data, strict=True)):
        if told.random is None or found.random is None:
            continue
        one, two = told.random, found.random
        most = [max(MOST_APART, share) for share in of_an_example(told.gold.array())]
        if not (
            same(one.accuracy, two.accuracy, most[0]) and same(one.balanced_accuracy, two.balanced_accuracy, most[1])
        ):
            yield (
                f"field 'data.{number}.random' of {told.name} is {percent(one.accuracy)} % and "
                f"{percent(one.balanced_accuracy)} % (balanced), but {percent(two.accuracy)} % and "
                f"{percent(two.balanced_accuracy)} % of the same run carried out here; with another CPU they should be "
                f"at most {100 * MOST_APART:g} points apart."
            )


def _lifetime(record: Record) -> float:
    return float(record.all_figures()["lifetime_accuracy"] or 0.0)


def _comparable(record: Record, other: Record) -> dict[str, Any]:
    """What two records of one run have in common, of whichever versions of clbench and on whichever machine."""
    content = record.without_times()
    content.pop("measured")
    # Its hash holds the versions of the packages, which are told apart.
    content["configuration"].pop("fingerprint")
    # These follow from what else is compared, and a version of clbench may tell what another did not.
    for name in ("schema_version", "clbench", "warnings", "plugins"):
        content.pop(name, None)
    # What one of them lacks the probabilities for, the other may have.
    common = {name for name, value in record.figures.items() if None not in (value, other.figures.get(name))}
    # Another version of a plug-in's metric is another figure.
    common -= {one.piece for one in {*record.plugins} ^ {*other.plugins} if one.kind == "metric"}
    content["figures"] = {name: value for name, value in content["figures"].items() if name in common}
    # Where real examples were read, the hub or a folder on somebody's machine; what they are, the digests say.
    if content["configuration"]["data_source"] != "generated":
        content["configuration"].pop("data_source")
        for domain in content["data"]:
            domain.pop("source")
    # Where the weights were found; what they are, the digest says.
    content["configuration"]["backbone"] = content["configuration"]["backbone"]["digest"]
    content["configuration"]["model"].pop("backbone", None)
    for domain in content["data"]:
        domain.pop("places", None)
    # These are numbers that rounding moves, and zlib may write the same ones in other bytes: see _unlike.
    told = all(point.held_bytes is not None for one in (record, other) for point in one.points if point.final)
    for point in content["points"]:
        point.pop("probabilities", None)
        if not told:
            point.pop("held_bytes", None)
    return content


def _frame(content: dict[str, Any]) -> dict[str, Any]:
    """It without what the model answered, and what follows from that; and without baselines, which may name
    another class on another machine (verify holds those that are fitted against the examples, with a tolerance; of
    random weights see _random_apart)."""
    return {
        **{name: value for name, value in content.items() if name not in ("figures", "inception", "points")},
        "data": [
            {name: value for name, value in domain.items() if name not in ("random", "word_overlap", "baselines")}
            for domain in content["data"]
        ],
        "inception": [{name: step[name] for name in ("name", "epochs")} for step in content["inception"]],
        "points": [
            {name: value for name, value in point.items() if name not in ("predictions", "validation")}
            for point in content["points"]
        ],
    }


def _apart(record: Record, other: Record) -> list[str]:
    """What of packages and machine was another, so that rounding may be."""
    told, found = record.measured, other.measured
    apart = [name for name in told.versions if told.versions.get(name) != found.versions.get(name)]
    apart += ["CPU"] if told.hardware.cpu != found.hardware.cpu else []
    apart += ["device"] if (told.hardware.device or "cpu") != (found.hardware.device or "cpu") else []
    apart += ["card"] if told.hardware.card != found.hardware.card else []
    apart += ["precision"] if computed_in(record) != computed_in(other) else []
    apart += ["number of examples at once"] if told.hardware.micro_batch != found.hardware.micro_batch else []
    # On a GPU that is not held to the same bits, two runs may differ in the last ones: see docs/devices.md.
    free = any(one.hardware.device not in (None, "cpu") and not one.hardware.deterministic for one in (told, found))
    return apart or (["order of additions on a GPU"] if free else [])
