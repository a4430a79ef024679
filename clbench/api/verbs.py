"""Compress, run, sweep, compare, submit: each verb of the command line as a function of plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError
from clbench.runtime.events import log
from clbench.runtime.notebook import with_bars

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from clbench.board.standings import Track
    from clbench.comparison import Comparison
    from clbench.record import Record
    from clbench.runs.compressed import Written
    from clbench.sweeps.summary import Summary


@with_bars
def compare(*runs: str | Path | Record, balanced: bool = False, check: bool = True) -> Comparison:
    """Compare models: figures side by side, and a paired test of every two.

    Runs that differ only in their seed are one model. All must have been tested on the same examples after the same
    experiences.

    Args:
        runs: records, runs' folders, folders of runs, submissions' folders, or folders of submissions.
        balanced: curves and tests of balanced accuracy (mean recall) instead.
        check: compute every stored figure again.

    Raises:
        UserError: whatever a user can mend, in one sentence.
    """
    from clbench.comparison import compare as tested
    from clbench.comparison import read_models
    from clbench.record import Record

    if any(isinstance(one, list | tuple) for one in runs):
        raise UserError("compare() takes its runs one by one; of a list, give compare(*runs).")
    given = [one if isinstance(one, Record) else Path(one) for one in runs]
    return tested(read_models(given, check=check), balanced=balanced)


@with_bars
def compress(
    model: str | Path,
    domain: str,
    out: str | Path,
    *,
    stream: str | Path | None = None,
    edition: str | None = None,
    settings: Mapping[str, Any] | None = None,
    quick: bool = False,
    data_dir: str | Path | None = None,
    backbone: str | Path | None = None,
    seed: int = 0,
) -> Written:
    """Make a recipe's model on one domain and write it as a Hugging Face folder.

    Args:
        model: a recipe's name, or its YAML file.
        domain: that it is made on, by its name, or its YAML file.
        out: the folder; it appears whole or not at all.
        stream: that has the domain; any that is shipped unless given.
        edition, settings, quick, data_dir, backbone, seed: as :func:`clbench.run` has them.

    Raises:
        UserError: whatever a user can mend, in one sentence.
    """
    from clbench.runs.compressed import DomainPairs, write_compressed

    pairs = DomainPairs(
        domain, None if stream is None else str(stream), edition, None if data_dir is None else Path(data_dir)
    )
    return write_compressed(model, pairs, Path(out), settings=settings, quick=quick, backbone=backbone, seed=seed)


@with_bars
def sweep(
    file: str | Path,
    *,
    out: str | Path = "runs",
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    seeds: int | str | Sequence[int] | None = None,
    edition: str | None = None,
    data_dir: str | Path | None = None,
    backbone: str | Path | None = None,
    orders: int | str | Sequence[int | str] | None = None,
    budget: Mapping[str, float] | None = None,
    stop_after: float | None = None,
) -> Summary:
    """Many runs from one file: recipes x streams x strategies x orders x seeds. Called again, it resumes.

    Args:
        file: a sweep's name, or its YAML file.
        out: the folder of all runs; finished ones are reused.
        workers: processes [default: one a core, or one a GPU].
        executor: ``local``, ``ray``, or a plug-in's.
        address: of the executor's machines.
        seeds: instead of the file's: ``0-2``, ``0,4,7-9``, or a list.
        edition, data_dir, backbone: of every run, instead of the file's; as :func:`clbench.run` has them.
        orders: of each stream, instead of the file's: ``all``, ``0-2``, ``0,reversed``, or a list.
        budget: of every strategy, instead of the file's, such as ``{"compute": 1}``.
        stop_after: minutes after which no further run is begun.

    Raises:
        UserError: whatever a user can mend, in one sentence; a run that fails is told in what is returned.
    """
    from clbench.schema.budget import Budget
    from clbench.schema.executor import EXECUTORS
    from clbench.schema.form import parse
    from clbench.schema.sweep import Overrides, read_sweep
    from clbench.schema.tracker import grouped_as
    from clbench.sweeps.scheduler import carry_out
    from clbench.sweeps.summary import summarise

    overrides = Overrides(
        _listed(seeds), _listed(orders), edition, None if backbone is None else str(backbone),
        None if data_dir is None else Path(data_dir), parse(dict(budget or {}), Budget, "budget"),
    )  # fmt: skip
    asked = read_sweep(str(file), overrides)
    seconds = None if stop_after is None else 60 * stop_after
    with grouped_as(asked.form.name, "sweep"), EXECUTORS.get(executor).of(workers, address, asked.count) as pool:
        plan, state = carry_out(pool, asked, Path(out), stop_after=seconds)
    for note in state.notes:
        log.warning("%s", note)
    return summarise(plan, dict(state.failed))


def _listed(asked: int | str | Sequence[int | str] | None) -> str | None:
    """As the command line takes it, with commas between."""
    if asked is None or isinstance(asked, str):
        return asked
    return ",".join(map(str, asked)) if isinstance(asked, Iterable) else str(asked)


@dataclass(frozen=True)
class Submitted:
    """A submission's folder, ready for a pull request.

    Attributes:
        folder: it.
        records: of its seeds, and orders.
    """

    folder: Path
    records: tuple[Record, ...]

    def table(self) -> pd.DataFrame:
        """A row for each record: its seed, and its figures."""
        import pandas as pd

        rows = [{"seed": one.configuration.seed, **one.all_figures()} for one in self.records]
        return pd.DataFrame(rows).set_index("seed")

    def plot(self) -> Figure:
        """The forgetting curve over its seeds, in the order of the stream's file."""
        from clbench.plots import forgetting_figure

        first = self.records[0].order
        return forgetting_figure([one for one in self.records if one.order == first])

    def _repr_html_(self) -> str:
        from clbench.plots import html_tables

        return html_tables(
            f"Submission {self.folder.name}", [("", self.table().T)], [f"Check it: verify({self.folder})"]
        )


def submit(
    *runs: str | Path,
    name: str,
    author: str,
    link: str | None = None,
    licence: str | None = None,
    measurements: Sequence[str | Path] = (),
    to: str | Path = "leaderboard/submissions",
) -> Submitted:
    """Pack the records of a run, one a seed, into ``to/name``, a folder to be handed in by a pull request.

    Args:
        runs: folders of a run, its record.json, or folders of runs that differ in seed or order alone.
        name: of the submission: lower-case letters, digits, single dots and dashes.
        author: its author.
        link: a page about the model: http or https.
        licence: of the model; the backbone's unless given.
        measurements: files that ``clbench measure --json`` wrote of the model on devices.
        to: the folder of all submissions.

    Raises:
        UserError: whatever a user can mend, in one sentence.
    """
    from clbench.board import read_submission
    from clbench.board import submit as pack
    from clbench.runs.folders import finished_runs

    files = finished_runs([Path(run) for run in runs], whole=True)
    folder = pack(
        files, Path(to), name=name, author=author, link=link, licence=licence,
        measurements=[Path(one) for one in measurements], shipped=True,
    )  # fmt: skip
    return Submitted(folder, tuple(read_submission(folder, check=False).all_records))


@dataclass(frozen=True)
class Board:
    """The leaderboard.

    Attributes:
        tracks: a table each, by its title (STREAM.EDITION.STRATEGY).
    """

    tracks: Mapping[str, Track]

    def table(self, track: str | None = None) -> pd.DataFrame:
        """A row for each submission of a track, or of all: rank, level of trust, seeds, cost, lifetime accuracy on
        fresh examples where they were drawn, and the figures' means; those of no metric here as ``unverified_NAME``.

        Raises:
            UserError: no such track.
        """
        import pandas as pd

        from clbench.board.content import figure_column

        rows = [
            {
                "track": title, "submission": row.entry.submission.name, "rank": row.ranks, "level": row.checked,
                "division": row.division, "seeds": len(row.entry.submission.seeds), "depth": row.cost.depth,
                "parameters": row.cost.parameters, "flops_per_pair": row.cost.flops_per_pair,
                "fresh_lifetime_accuracy": None if row.fresh is None else row.fresh.same_model.fresh,
                **{figure_column(name): one and one.mean for name, one in row.figures.items()},
            }
            for title, found in self._chosen(track).items()
            for row in found.rows
        ]  # fmt: skip
        frame = pd.DataFrame(rows).set_index(["track", "submission"])
        return frame.astype(dict.fromkeys(frame.columns[frame.columns.get_loc("fresh_lifetime_accuracy") :], float))

    def plot(self, track: str | None = None) -> Figure:
        """Lifetime accuracy against parameters, the Pareto front joined: a panel for each track, or for one."""
        import numpy as np

        from clbench.plots import Panel, pareto_figure

        chosen = self._chosen(track)
        most = max(row.cost.parameters for found in chosen.values() for row in found.rows)
        panels = []
        for title, found in chosen.items():
            rows = dict(zip(_shown_names(found), found.rows, strict=True))
            scores = {name: np.array([_lifetime(one) for one in row.entry.records]) for name, row in rows.items()}
            panels.append(Panel(title, scores, {name: row.cost.parameters / most for name, row in rows.items()}))
        axis = f"parameters, in % of {most:,}"
        return pareto_figure([[panel] for panel in panels], axis, "Lifetime accuracy against size")

    def _chosen(self, track: str | None) -> Mapping[str, Track]:
        from clbench.errors import UserError, nearest

        if track is None:
            return self.tracks
        if track not in self.tracks:
            raise UserError(f"no track is called '{track}'; {nearest(track, list(self.tracks))}")
        return {track: self.tracks[track]}

    def _repr_html_(self) -> str:
        from clbench.board.terminal import track_table
        from clbench.plots import html_tables

        return html_tables("Leaderboard", [(title, track_table(found)) for title, found in self.tracks.items()])


def _shown_names(track: Track) -> list[str]:
    """What each submission is called in its track's plot: without its end where that is what the track says."""
    whole = [row.entry.submission.name for row in track.rows]
    short = [name.removesuffix(f".{track.stream}.{track.strategy}") for name in whole]
    # Of two that would be called the same, neither may stand for the other.
    return short if len(set(short)) == len(short) else whole


def _lifetime(record: Record) -> float:
    return float(record.all_figures()["lifetime_accuracy"] or 0.0)


@with_bars
def leaderboard(submissions: str | Path = "leaderboard/submissions", attestations: str | Path | None = None) -> Board:
    """The board of all submissions, each figure computed again from its predictions.

    Args:
        submissions: their folder.
        attestations: how far they were checked; the folder beside them unless given.

    Raises:
        UserError: a submission cannot be read, or contradicts itself or another.
    """
    from clbench.board.content import titles
    from clbench.board.render import read_all
    from clbench.board.standings import standings

    tracks = standings(read_all(Path(submissions), None if attestations is None else Path(attestations)))
    return Board(dict(zip(titles(tracks), tracks, strict=True)))
