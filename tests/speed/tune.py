"""Choose a strategy's setting on validation pairs: lifetime accuracy for each value of a grid.

    python tests/speed/tune.py --strategy ewc --setting lambda --values 1,10,100,1000,10000 [--seeds 0-1] [--json]

Every run is the usual one, but the validation pairs of each domain stand where its test pairs would: no test pair is
read, let alone predicted. Runs lie in ``runs/tune`` and are resumed by the same command.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import mean

from clbench.data.load import load
from clbench.runs.job import make_job
from clbench.runs.runner import parse_seeds, run_seed
from clbench.runtime.console import progress
from clbench.schema.spec import RunSpec
from clbench.schema.stream import read_stream

FIGURES = ("lifetime_accuracy", "lifetime_balanced_accuracy", "final_accuracy", "learning_accuracy", "forgetting")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategy", required=True)
    parser.add_argument("--setting", required=True, help="a name that --set takes")
    parser.add_argument("--values", required=True, help="with commas between them")
    parser.add_argument("--models", default="finetune-12l,pkd-skip-6l")
    parser.add_argument("--streams", default="nli-shift,paraphrase-shift")
    parser.add_argument("--edition", default="embedded")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=Path("runs/tune"))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()

    rows = []
    seeds, values = parse_seeds(asked.seeds), asked.values.split(",")
    streams, models = asked.streams.split(","), asked.models.split(",")
    with progress(asked.json) as bars:
        task = bars.add_task("lives", total=len(streams) * len(models) * len(values) * len(seeds), unit="lives")
        for stream in streams:
            loaded = load(read_stream(stream), asked.edition, data_dir=asked.data_dir)
            data = [replace(d, splits=d.splits | {"test": d.splits["validation"]}) for d in loaded]
            for model in models:
                for value in values:
                    spec = RunSpec(
                        model=model, stream=stream, edition=asked.edition, strategy=asked.strategy,
                        settings={asked.setting: value},
                    )  # fmt: skip
                    job = make_job(spec, data=data)
                    found = []
                    for seed in seeds:
                        found.append(run_seed(job, seed, job.folder(asked.out) / f"seed-{seed}").figures)
                        bars.advance(task)
                    means = {name: mean(figures[name] or 0.0 for figures in found) for name in FIGURES}
                    rows.append({"stream": stream, "model": model, asked.setting: value, **means})
    if asked.json:
        print(json.dumps(rows, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("stream", "model", asked.setting, *(name.replace("_", " ") for name in FIGURES))
    for row in rows:
        texts = [f"{100 * row[name]:.2f}" for name in FIGURES]
        table.add_row(row["stream"], row["model"], row[asked.setting], *texts)
    Console().print(table)


if __name__ == "__main__":
    main()
