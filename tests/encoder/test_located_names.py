"""What a backbone's name means: the hub alone, a path from the file in which it stands, or a file that lies near."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml

from clbench.cli.backbones import command as backbones_command
from clbench.encoder.backbone import open_backbone, opened_elsewhere, starting_backbone, starting_name
from clbench.encoder.located import check_edition, locate
from clbench.errors import UserError
from clbench.schema.changes import quick_stream
from clbench.schema.recipe import read_recipe
from clbench.schema.shipped import find
from clbench.schema.strategy import read_strategy
from clbench.schema.stream import read_stream
from clbench.schema.sweep import Overrides, read_sweep
from clbench.sweeps.plan import make_plan

STEPS = "steps: [{step: finetune, training: {epochs: 1, batch_size: 8}}]\n"
STREAM = """
name: home
label_space: [not_entailment, entailment]
domains: [mnli, snli]
editions:
  embedded: {source: generated, train: 40, validation: 20, test: 20, max_length: 32, backbone: tinyb}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def files(here: Path, small_backbone: Path) -> Path:
    """A recipe, a stream and a sweep in ``sub``, each from the encoder in ``sub/tinyb``."""
    (here / "sub").mkdir()
    (here / "sub" / "mine.yaml").write_text("name: mine\nbackbone: tinyb\n" + STEPS)
    (here / "sub" / "home.yaml").write_text(STREAM)
    sweep = {"name": "grid", "recipes": ["finetune-6l"], "streams": ["home.yaml"], "strategies": ["naive"],
             "seeds": "0", "backbone": "tinyb"}  # fmt: skip
    (here / "sub" / "grid.yaml").write_text(yaml.safe_dump(sweep))
    shutil.copytree(small_backbone, here / "sub" / "tinyb")
    return here / "sub"


@pytest.mark.parametrize(("name", "revision"), [("some/tiny", None), ("some/tiny@v1", "v1")])
def test_what_is_named_by_hub_is_no_folder(name: str, revision: str | None, here: Path, small_backbone: Path) -> None:
    for folder in (name, f"hub:{name}"):
        shutil.copytree(small_backbone, folder)
    for given in (f"hub:{name}", read_recipe(f"hub:{name}").backbone):
        place = locate(str(given))
        assert (place.name, place.folder, place.hub, place.revision) == (name, None, "some/tiny", revision)
    assert locate(name).folder == Path(name)


def test_a_model_of_the_hub_is_recorded_and_named_again_as_ever(here: Path, small_backbone: Path) -> None:
    recipe = read_recipe("hub:some/tiny@v1")
    assert (recipe.form.name, recipe.describe()["backbone"]) == ("tiny", "some/tiny@v1")
    # A sweep's worker is given the name of the backbone that was opened.
    assert starting_name(recipe, "some/tiny@v1", "x") == "hub:some/tiny@v1"
    with pytest.raises(UserError, match="contradicts --model tiny"):
        starting_name(recipe, "some/other", "x")
    opened = open_backbone(small_backbone)
    with opened_elsewhere({"some/tiny@v1": opened}):
        assert starting_backbone(recipe, None, "x") is opened
    # What a link of that name leads to is nothing to it.
    os.makedirs("some")
    os.symlink(small_backbone, "some/tiny")
    assert read_recipe("hub:some/tiny").form.name == "tiny"


@pytest.mark.parametrize("name", ["hub:", "hub:x", "hub:./x", "hub:a/b/c", "hub:a/b@"])
def test_hub_without_owner_and_name_is_refused(name: str, here: Path, small_backbone: Path) -> None:
    shutil.copytree(small_backbone, "x")
    right = "should be hub:OWNER/NAME or hub:OWNER/NAME@REVISION"
    with pytest.raises(UserError, match=f"^model {re.escape(name)} {right}"):
        read_recipe(name)
    with pytest.raises(UserError, match=f"^backbone {re.escape(name)} {right}"):
        locate(name)
    Path("student.yaml").write_text(
        f"name: student\nsteps: [{{step: distill, teacher: '{name}', alpha: 0.5, temperature: 2, "
        "training: {epochs: 1, batch_size: 8}}]\n"
    )
    with pytest.raises(UserError, match=rf"^student\.yaml: field 'steps\.0\.teacher': model {re.escape(name)} {right}"):
        read_recipe("student.yaml")


def test_a_path_is_from_the_file_in_which_it_stands(files: Path) -> None:
    there = os.path.join("sub", "tinyb")
    assert read_recipe("sub/mine.yaml").backbone == there
    stream = read_stream("sub/home.yaml")
    assert stream.edition("embedded").backbone == there
    assert check_edition(stream, "embedded") is not None
    # --quick copies the edition, which is not looked for twice.
    small, name = quick_stream(stream, "embedded")
    assert small.edition(name).backbone == there
    (run,) = make_plan(read_sweep("sub/grid.yaml"), files / "runs").runs
    assert run.spec.backbone == there
    given = Overrides(backbone=str(files / "tinyb"))
    (run,) = make_plan(read_sweep("sub/grid.yaml", given), files / "runs").runs
    assert run.spec.backbone == str(files / "tinyb")


def test_a_path_from_the_working_directory_alone_is_refused(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "tinyb").rename("tinyb")
    looked = re.escape(str(files / "tinyb"))
    with pytest.raises(UserError, match=rf"^sub/mine\.yaml: field 'backbone': backbone {looked} is not a folder"):
        starting_backbone(read_recipe("sub/mine.yaml"), None, "x")
    stream = read_stream("sub/home.yaml")
    field = r"sub/home\.yaml: field 'editions\.embedded\.backbone'"
    with pytest.raises(UserError, match=rf"^{field}: backbone {looked} is not a folder"):
        check_edition(stream, "embedded")
    with pytest.raises(UserError, match=rf"^sub/grid\.yaml: field 'backbone': backbone {looked} is not a folder"):
        make_plan(read_sweep("sub/grid.yaml"), files / "runs")
    # From the folder of the files it is where they say, once it is back.
    Path("tinyb").rename(files / "tinyb")
    monkeypatch.chdir(files)
    for name in ("home.yaml", files / "home.yaml"):
        assert read_stream(name).edition("embedded").backbone == "tinyb"


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("backbone", locate), ("backbone", partial(find, "backbone")), ("model", read_recipe), ("stream", read_stream),
        ("strategy", read_strategy), ("sweep", read_sweep), ("domain", partial(find, "domain")),
    ],
)  # fmt: skip
def test_a_file_of_that_name_is_offered(kind: str, read: Callable[[str], object], here: Path) -> None:
    (here / "small.yaml").write_text("name: small\n")
    with pytest.raises(UserError, match=rf"^no {kind} is called 'small'; did you mean the file \./small\.yaml\?$"):
        read("small")


def test_where_a_backbone_of_ones_own_is_from(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    (files / "own.yaml").write_text("name: own\nlearning_rate: 1.0e-4\nfolder: tinyb\n")
    shown = CliRunner(env={"COLUMNS": "150"}).invoke(backbones_command, ["./sub/own.yaml"])
    assert shown.exit_code == 0
    assert "folder: sub/tinyb" in shown.output
    assert "packaged" not in shown.output
    shown = CliRunner(env={"COLUMNS": "150"}).invoke(backbones_command, ["clbench-tiny-12l"])
    assert "packaged" in shown.output
