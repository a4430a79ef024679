"""``clbench explain``: where a run forgets, whether in its head or its representation, and which examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clbench.cli.device import with_device
from clbench.runtime.console import json_lines_option

if TYPE_CHECKING:
    from clbench.explain import Explanation
    from clbench.record import Record


@click.command("explain")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--seed", "seeds", metavar="SEEDS", help="Of these seeds alone: one, or several: 0-2, or 0,4,7-9.")
@click.option("--examples", type=click.IntRange(min=20), metavar="N",
              help="Look at no more than N test examples of a domain, and train probes on twice as many others "
              "[default: 500].")  # fmt: skip
@click.option("--data-dir", type=click.Path(path_type=Path),
              help="Where a real edition's examples lie, if not where the run found them.")  # fmt: skip
@click.option("--output", "folder", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Write explanation.html, .json, and heat maps, layers x experiences, as .png and .svg.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
@json_lines_option
def command(
    runs: tuple[Path, ...],
    seeds: str | None,
    examples: int | None,
    data_dir: Path | None,
    folder: Path | None,
    as_json: bool,
    quiet: bool,
    json_lines: bool,
) -> None:
    """Tell why a run forgets: drift, probes, weights and active units by layer, and the examples forgotten.

    RUN is the folder of a run, its record.json, or a folder of runs; runs that differ only in their seed are explained
    as one, in means. Layers need the models that `clbench run --keep-checkpoints` keeps; without them, the record alone
    tells what was forgotten and relearned, confusion and calibration.
    """
    from clbench.explain import Limits, explain
    from clbench.explain.report import as_json as described
    from clbench.explain.report import print_explanation
    from clbench.record import grouped
    from clbench.runtime.console import out, print_json, progress
    from clbench.runtime.device import choose
    from clbench.runtime.events import prefixed

    limits = Limits() if examples is None else Limits(examples, 2 * examples)
    chosen = _chosen(runs, seeds)
    with progress(quiet or as_json, json_lines=json_lines):
        device = choose()
        found = []
        for run, record in chosen:
            with prefixed(f"{run.name}: " if len(chosen) > 1 else ""):
                found.append(explain(run, record, data_dir=data_dir, limits=limits, device=device))
    groups = [[found[place] for place in group] for group in grouped([one.record for one in found])]
    files = [] if folder is None else _write(groups, folder)
    if as_json:
        print_json({"explained": [described(group) for group in groups], "written": [str(file) for file in files]})
        return
    console = out()
    for number, group in enumerate(groups):
        if number:
            console.rule()
        print_explanation(group, console, files if number + 1 == len(groups) else ())


def _chosen(runs: Sequence[Path], seeds: str | None) -> list[tuple[Path, Record]]:
    """The finished runs that are meant, each once."""
    from clbench.errors import UserError
    from clbench.record import read_record
    from clbench.runs.folders import finished_runs
    from clbench.schema.seeds import parse_seeds

    wanted = None if seeds is None else parse_seeds(seeds)
    files = finished_runs(runs)
    found = [(file.parent, read_record(file)) for file in files]
    found = [(run, record) for run, record in found if wanted is None or record.configuration.seed in wanted]
    if not found:
        what = "finished run" if wanted is None else f"finished run of seed {seeds}"
        raise UserError(f"{', '.join(map(str, runs))}: there is no {what} to explain.")
    return found


def _write(groups: Sequence[Sequence[Explanation]], folder: Path) -> list[Path]:
    """``explanation.html`` and ``explanation.json``, and the heat maps of each model."""
    import json

    from clbench.explain.report import as_json, grids, sentences, tables, title, warnings
    from clbench.plots import Section, explained_page, heat_map
    from clbench.storage.writing import write_whole

    files: list[Path] = []
    sections = []
    for number, group in enumerate(groups):
        name = "layers" if len(groups) == 1 else f"layers-{number + 1}"
        drawn = heat_map(shown, title(group), folder / name) if (shown := grids(group)) else ()
        files += drawn
        told = [*sentences(group), *warnings(group)]
        sections.append(Section(title(group), told, drawn[1] if drawn else None, tables(group)))
    text = json.dumps({"explained": [as_json(group) for group in groups]}, indent=1, allow_nan=False) + "\n"
    files.append(write_whole(folder / "explanation.json", text))
    return [*files, explained_page(sections, folder / "explanation.html")]


with_device(command)
