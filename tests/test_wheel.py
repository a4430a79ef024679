"""The built wheel, alone in an empty folder: everything that a run needs has travelled with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheel's content and nothing else; its dependencies are those of this interpreter."""
    wheels, site = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, *map(str, wheels.glob("*.whl"))], check=True, capture_output=True)
    return site


def clbench(installed: Path, folder: Path, *arguments: str) -> str:
    # Without coverage, which would count the wheel's copy of every file as another file.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, str(installed / "bin" / "clbench"), *arguments],
        cwd=folder, env=environment | {"PYTHONPATH": str(installed)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_carries_every_yaml_file_and_the_weights(installed: Path) -> None:
    shipped = installed / "clbench" / "_shipped"
    for folder in ("benchmarks", "baselines"):
        ours = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert ours == {path.relative_to(shipped) for path in (shipped / folder).rglob("*") if path.is_file()}


def test_it_carries_the_pages(installed: Path) -> None:
    for folder in ("board/page", "plots/templates"):
        ours = {path.name for path in (ROOT / "clbench" / folder).iterdir()}
        assert ours
        assert ours == {path.name for path in (installed / "clbench" / folder).iterdir()}


def test_the_examples_of_pieces_of_ones_own(
    installed: Path, small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    place = tmp_path / "plugins"
    shutil.copytree(ROOT / "examples" / "plugins", place)
    names = ("prune_neurons.py", "dark_replay.py", "stability_plasticity.py", "sqlite_pairs.py")
    clbench(
        installed, place, "run", "--model", "./prune-neurons.yaml", "--strategy", "./dark-replay.yaml",
        "--stream", str(small_stream), "--backbone", str(small_backbone), "--quiet", "--quick", "--out", "run",
        *(word for name in names for word in ("--plugin", name)),
    )  # fmt: skip
    told = json.loads((place / "run" / "record.json").read_text())
    assert [one["package"] for one in told["plugins"]] == list(names[:3])
    assert 0 < told["figures"]["stability_plasticity"] < 1


def test_the_main_job_on_few_pairs_in_an_empty_folder(installed: Path, small_stream: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    stream = tmp_path / "work" / "small.yaml"
    # One batch an experience: the real backbone has twelve layers.
    few = small_stream.read_text().replace("train: 96, validation: 40, test: 60", "train: 32, validation: 16, test: 16")
    stream.write_text(few)
    clbench(
        installed, tmp_path / "work", "run", "--model", "pkd-skip-6l", "--stream", "./small.yaml", "--quiet", "--quick",
    )  # fmt: skip
    (found,) = (tmp_path / "work" / "runs").rglob("record.json")
    configuration = json.loads(found.read_text())["configuration"]
    assert [configuration[part]["name"] for part in ("model", "backbone")] == ["pkd-skip-6l", "clbench-tiny-12l"]
    assert "nli-shift" in clbench(installed, tmp_path / "work", "streams", "--json")
