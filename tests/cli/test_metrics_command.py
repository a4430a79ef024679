"""``clbench metrics``: every figure is there, a plug-in's too."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from commands import Command

from clbench.cli.main import main
from clbench.metrics.metric import metrics

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugins" / "stability_plasticity.py"


def test_every_figure_is_listed_with_its_formula(capsys: pytest.CaptureFixture[str]) -> None:
    main(["metrics", "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in shown] == list(metrics())
    by_name = {one["name"]: one for one in shown}
    assert "Chaudhry et al. 2018" in by_name["forgetting"]["formula"]
    assert by_name["forgetting"]["better"] == "lower"
    assert by_name["forgetting"]["plugin"] is None
    main(["metrics"])
    text = capsys.readouterr().out
    assert all(metric.title in text for metric in metrics().values())


def test_a_plug_in_says_where_it_comes_from(tmp_path: Path) -> None:
    # In a process of its own: what --plugin adds stays for the rest of a process.
    command = Command(["metrics", "--json", "--plugin", str(PLUGIN)], tmp_path, dict(os.environ))
    assert command.wait(60) == 0, command.err.read_text()
    (mine,) = (one for one in json.loads(command.out.read_text()) if one["plugin"])
    assert (mine["name"], mine["plugin"]) == ("stability_plasticity", "stability_plasticity.py")
