"""What a sweep saves: one recipe over three strategies by a sweep, and by three separate runs, side by side.

    python tests/speed/sweep.py
    python tests/speed/sweep.py --model finetune-3l --pairs 200 --epochs 1 --rounds 1

Both ways start from empty caches, the runs from one each, as three people would who know nothing of each other. The
ways take turns; printed are their seconds, and the ratio of their sums. The runs have all cores that torch takes by
itself; ``--threads 1`` gives them one. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from clbench.schema.stream import read_stream


def shell(program: list[str], cache: Path, threads: int | None) -> None:
    environment = os.environ | {"CLBENCH_CACHE": str(cache)}
    environment.pop("OMP_NUM_THREADS", None)
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    subprocess.run([sys.executable, "-m", "clbench.cli.main", *program], check=True, env=environment,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip


def smaller(stream: str, pairs: int | None, folder: Path) -> str:
    """The stream with so many training examples a domain, and as much less of the other parts."""
    opened = read_stream(stream)
    if pairs is None:
        return stream
    form = opened.form.model_dump(mode="json")
    whole = form["editions"]["embedded"]
    share = pairs / whole["train"]
    parts = {split: max(20, round(whole[split] * share)) for split in ("train", "validation", "test")}
    form["editions"] = {"embedded": whole | parts}
    path = folder / "smaller.yaml"
    path.write_text(yaml.safe_dump(form, sort_keys=False), encoding="utf-8")
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="pkd-skip-6l")
    parser.add_argument("--stream", default="nli-shift")
    parser.add_argument("--strategies", default="naive,replay,ewc")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--pairs", type=int, help="training examples a domain [default: the embedded edition's]")
    parser.add_argument("--epochs", type=int, help="of an experience [default: the strategy's]")
    parser.add_argument("--threads", type=int, help="of a separate run [default: torch's]")
    parser.add_argument("--workers", type=int, help="of the sweep [default: one a core]")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    strategies = asked.strategies.split(",")
    settings = {} if asked.epochs is None else {"training.epochs": asked.epochs}
    seconds: dict[str, list[float]] = {"sweep": [], "separate runs": []}
    for number in range(asked.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stream = smaller(asked.stream, asked.pairs, folder)
            sweep = {
                "name": "speed", "recipes": [asked.model], "streams": [stream], "strategies": strategies,
                "seeds": asked.seeds, "settings": dict.fromkeys(strategies, settings),
            }  # fmt: skip
            (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep), encoding="utf-8")
            for way in sorted(seconds, reverse=bool(number % 2)):
                began = time.perf_counter()
                if way == "sweep":
                    more = ["--workers", str(asked.workers)] if asked.workers else []
                    program = ["sweep", str(folder / "sweep.yaml"), "--out", str(folder / "swept"), "--quiet", *more]
                    shell(program, folder / "cache", None)
                else:
                    for strategy in strategies:
                        program = ["run", "--model", asked.model, "--stream", stream, "--strategy", strategy]
                        program += ["--seeds", asked.seeds, "--out", str(folder / "single" / strategy), "--quiet"]
                        program += [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]
                        shell(program, folder / f"cache-{strategy}", asked.threads)
                seconds[way].append(time.perf_counter() - began)
                print(f"round {number + 1}, {way}: {seconds[way][-1]:.1f} s", flush=True)
    ratio = sum(seconds["sweep"]) / sum(seconds["separate runs"])
    print(f"\n{asked.model} on {asked.stream}, {', '.join(strategies)}, seeds {asked.seeds}")
    print(f"the sweep takes {ratio:.2f} of the time of {len(strategies)} separate runs")


if __name__ == "__main__":
    main()
