"""Choose a strategy's settings on validation examples: lifetime accuracy for each point of a grid.

    python tests/speed/tune.py --strategy ewc --setting lambda --values 1,10,100,1000,10000 [--seeds 0-1] [--json]
    python tests/speed/tune.py --grid tests/speed/strategies-grid.yaml [--strategy derpp,mas] [--seeds 0-1] [--json]

A grid's file names for each strategy its settings and their values; all their combinations are tried. Every run is the
usual one, but the validation examples of each domain stand where its test examples would: no test example is read or
predicted. Chosen is what has the highest lifetime accuracy in the mean over models, streams and seeds. Runs lie in
``runs/tune`` and are resumed by the same command.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from clbench.data.load import load
from clbench.runs.job import make_job
from clbench.runs.runner import run_seed
from clbench.runtime.console import progress
from clbench.runtime.device import usual_workers
from clbench.runtime.pool import finished, workers
from clbench.schema.seeds import parse_seeds
from clbench.schema.spec import RunSpec
from clbench.schema.stream import read_stream

FIGURES = ("lifetime_accuracy", "lifetime_balanced_accuracy", "final_accuracy", "learning_accuracy", "forgetting")


def points(asked: argparse.Namespace) -> list[tuple[str, dict[str, Any]]]:
    """Each strategy with the settings to be tried."""
    if asked.grid is None:
        if not (asked.strategy and asked.setting and asked.values):
            raise SystemExit("give --grid, or --strategy, --setting and --values")
        return [(asked.strategy, {asked.setting: value}) for value in asked.values.split(",")]
    return list(combinations(asked.grid, asked.strategy.split(",") if asked.strategy else None))


def combinations(grid: Path, only: list[str] | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those of a grid's file, of some strategies or of all."""
    import yaml

    for strategy, settings in yaml.safe_load(grid.read_text(encoding="utf-8")).items():
        if only is None or strategy in only:
            for values in itertools.product(*settings.values()):
                yield strategy, dict(zip(settings, values, strict=True))


def chosen(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each strategy the settings with the highest lifetime accuracy, in the mean over models and streams."""
    means: dict[str, dict[str, float]] = {}
    for row in rows:
        means.setdefault(row["strategy"], {}).setdefault(json.dumps(row["settings"]), 0.0)
        means[row["strategy"]][json.dumps(row["settings"])] += row["lifetime_accuracy"]
    return {strategy: json.loads(max(found, key=lambda key: found[key])) for strategy, found in means.items()}


def live(
    asked: argparse.Namespace, stream: str, model: str, strategy: str, settings: dict[str, Any], seed: int
) -> dict[str, Any]:
    """The figures of one life in which validation examples stand where test examples would."""
    loaded = load(read_stream(stream), asked.edition, data_dir=asked.data_dir)
    data = [replace(d, splits=d.splits | {"test": d.splits["validation"]}) for d in loaded]
    spec = RunSpec(model=model, stream=stream, edition=asked.edition, strategy=strategy, settings=settings)
    job = make_job(spec, data=data)
    return dict(run_seed(job, seed, job.folder(asked.out) / f"seed-{seed}").figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", type=Path, help="a file of grids")
    parser.add_argument("--strategy", help="one, or of a grid's several with commas between them")
    parser.add_argument("--setting", help="a name that --set takes")
    parser.add_argument("--values", help="with commas between them")
    parser.add_argument("--models", default="finetune-12l,pkd-skip-6l")
    parser.add_argument("--streams", default="nli-shift,paraphrase-shift")
    parser.add_argument("--edition", default="embedded")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=Path("runs/tune"))
    parser.add_argument("--workers", type=int, help="processes of one thread each; one a core")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    tried, seeds = points(asked), parse_seeds(asked.seeds)
    names = list(itertools.product(asked.streams.split(","), asked.models.split(","), tried))
    jobs = {}
    with progress(asked.json), workers(asked.workers or usual_workers()) as pool:
        # All points of a stream and a model share its inception: one makes it before the others need it.
        places = dict.fromkeys((stream, model, seed) for stream, model, _ in names for seed in seeds)
        begun = [pool.submit(live, asked, stream, model, "naive", {}, seed) for stream, model, seed in places]
        list(finished(begun, "naive lives", "lives"))
        for (stream, model, (strategy, settings)), seed in itertools.product(names, seeds):
            key = (stream, model, strategy, json.dumps(settings), seed)
            jobs[key] = pool.submit(live, asked, stream, model, strategy, settings, seed)
        list(finished(list(jobs.values()), "lives", "lives"))
    rows = []
    for stream, model, (strategy, settings) in names:
        found = [jobs[stream, model, strategy, json.dumps(settings), seed].result() for seed in seeds]
        means = {name: mean(figures[name] for figures in found) for name in FIGURES}
        rows.append({"stream": stream, "model": model, "strategy": strategy, "settings": settings, **means})
    if asked.json:
        print(json.dumps({"rows": rows, "chosen": chosen(rows)}, indent=1))
        return
    show(rows)


def show(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    def told(settings: dict[str, Any]) -> str:
        return ", ".join(f"{name}={value}" for name, value in settings.items())

    table = Table("stream", "model", "strategy", "settings", *(name.replace("_", " ") for name in FIGURES))
    for row in rows:
        texts = [f"{100 * row[name]:.2f}" for name in FIGURES]
        table.add_row(row["stream"], row["model"], row["strategy"], told(row["settings"]), *texts)
    console = Console()
    console.print(table)
    for strategy, settings in chosen(rows).items():
        console.print(f"{strategy}: {told(settings)}")


if __name__ == "__main__":
    main()
