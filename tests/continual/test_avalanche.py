"""Avalanche is imported whatever the home folder is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# What is asked of the home folder meanwhile by others, Hugging Face's libraries for one, has to be the user's.
IMPORT = """
import os
before = [os.environ.get(name) for name in ("HOME", "USERPROFILE")]
from clbench.continual import avalanche
from avalanche.benchmarks.datasets.dataset_utils import default_dataset_location
import huggingface_hub.constants as hub
assert [os.environ.get(name) for name in ("HOME", "USERPROFILE")] == before
print(avalanche.Naive.__name__, default_dataset_location("x"), hub.HF_HOME)
"""


def _a_file(place: Path) -> None:
    place.write_text("")


def _broken(place: Path) -> None:
    place.mkdir()
    (place / ".avalanche").write_text("")


@pytest.mark.parametrize(("make", "serves"), [(Path.mkdir, True), (_a_file, False), (_broken, False)])
def test_a_home_folder_that_cannot_hold_avalanches_file(
    make: Callable[[Path], None], serves: bool, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    make(home)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], env=environment | {"HOME": str(home)}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    name, data, hub = done.stdout.split()
    assert name == "Naive"
    assert data.startswith(f"{home}/") == serves
    assert hub == str(home / ".cache" / "huggingface")
    assert (home / ".avalanche" / "config.json").exists() == serves
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
