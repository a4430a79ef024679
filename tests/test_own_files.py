"""docs/own-files.md: its table is the forms', and its example does what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from clbench.cli.main import main
from clbench.compression.steps.load import Load
from clbench.data.sources.folder import Folder
from clbench.data.sources.hub import Hub
from clbench.runs.job import make_job
from clbench.schema.backbone import BackboneForm
from clbench.schema.domain import Domain
from clbench.schema.recipe import Recipe, read_recipe
from clbench.schema.source import Source
from clbench.schema.spec import spec_of
from clbench.schema.step import STEPS
from clbench.schema.strategy import STRATEGIES, Strategy
from clbench.schema.stream import Edition, Stream
from clbench.schema.sweep import Sweep
from clbench.schema.training import Training

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "own-files.md").read_text(encoding="utf-8")
# load is what --model FOLDER stands for; nobody writes it.
OF_STEPS = {f"step `{name}`": form for name, form in STEPS.all().items() if form is not Load}
ROWS: dict[str, type[BaseModel]] = {
    "recipe": Recipe,
    **OF_STEPS,
    "`training`": Training,
    "stream": Stream,
    "an edition of it": Edition,
    "domain": Domain,
    "its `folder`": Folder,
    "its `hub`": Hub,
    "its `source`": Source,
    "strategy": Strategy,
    "backbone": BackboneForm,
    "sweep": Sweep,
}


def told() -> dict[str, tuple[str, str]]:
    """Row by row, what is required and what is optional."""
    table = [line for line in TEXT.partition("\n## ")[0].splitlines() if line[:2] == "| "]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {name: (required, optional) for name, required, optional in rows[1:]}


def fields(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_every_form_is_in_the_table() -> None:
    # A step of one's own is one file: `clbench schema recipe` tells of it, and a row here may follow.
    assert set(ROWS) - set(OF_STEPS) <= set(told()) <= set(ROWS)


@pytest.mark.parametrize("row", told())
def test_fields_are_required_or_optional_as_the_table_says(row: str) -> None:
    required, optional = told()[row]
    always, _, choice = required.partition(", and ")
    known = {field.alias or name: field.is_required() for name, field in ROWS[row].model_fields.items()}
    if row in ("its `folder`", "its `hub`"):
        del known["kind"]  # the block's name is its kind
    assert {name for name, needed in known.items() if needed} == set(fields(always))
    assert sorted([*fields(required), *fields(optional)]) == sorted(known)
    assert bool(choice) == bool(fields(choice) or row in ("strategy", "its `source`"))


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's files as they stand in the text, and examples for them."""
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"```yaml\n# ([\w-]+\.yaml).*\n((?:.*\n)*?)```", TEXT):
        Path(name).write_text(text, encoding="utf-8")
    Path("garden.yaml").write_text(Path("kitchen.yaml").read_text().replace("name: kitchen", "name: garden"))
    for name in ("kitchen", "garden"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for part, pairs in (("train", 12), ("validation", 6), ("test", 6)):
            rows = [f"what is {part} {i}?,{name} {i},{('yes', 'no', 'unsure')[i % 3]}\n" for i in range(pairs)]
            (tmp_path / "data" / name / f"{part}.csv").write_text("question,answer,verdict\n" + "".join(rows))
    return tmp_path


def test_the_example_does_what_it_says(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = [line.split()[1:] for line in re.findall(r"```sh\n((?:.*\n)*?)```", TEXT)[0].splitlines()]
    models, streams, run = commands
    main([*models, "--json"])
    model = json.loads(capsys.readouterr().out)
    assert (model["name"], model["depth"], model["teacher"]) == ("my-recipe", 4, "my-teacher")
    main([*streams, "--json"])
    stream = json.loads(capsys.readouterr().out)
    assert [domain["splits"]["train"]["pairs"] for domain in stream["domains"]] == [8, 8]
    assert (stream["edition"], stream["backbone_positions"]) == ("real", 512)
    assert run == ["run", *("--model", "./my-recipe.yaml", "--stream", "./home.yaml", "--data-dir", "data")]
    job = make_job(spec_of("./my-recipe.yaml", "./home.yaml", {"data_dir": "data"}))
    assert job.recipe == read_recipe("my-recipe.yaml")
    assert job.recipe.teachers[1].form.name == "my-teacher"


def test_single_sentences_of_five_classes_in_a_folder_of_csv_files(
    example: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    domain = (example / "library.yaml").read_text()
    assert len(domain.splitlines()) <= 15
    (example / "museum.yaml").write_text(domain.replace("name: library", "name: museum"))
    named = ["crime", "travel", "poetry", "history", "science"]
    for name in ("library", "museum"):
        (example / "shelves" / name).mkdir(parents=True)
        for part, count in (("train", 30), ("validation", 10), ("test", 10)):
            lines = [f'"{name}, {part} ""{i}""\r\nand more",{named[i % 5]}\r\n' for i in range(count)]
            (example / "shelves" / name / f"{part}.csv").write_text(
                "\ufeffblurb,shelf\r\n" + "".join(lines) + "who knows,-\r\n", newline=""
            )
    shown, checked = [line.split()[1:] for line in re.findall(r"```sh\n((?:.*\n)*?)```", TEXT)[1].splitlines()]
    assert shown == ["streams", "./shelves.yaml", "--edition", "real", "--data-dir", "shelves"]
    main([*shown, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["label_space"] == named
    assert [content["word_overlap"] for content in told["domains"]] == [None, None]
    main(shown)
    assert "5: 0.20 to 0.20 20/20 –" in " ".join(capsys.readouterr().out.split())
    for content in told["domains"]:
        assert content["splits"]["train"]["labels"] == dict.fromkeys(named, 6)
        assert content["source"]["dropped"] == 3
    assert {warning["kind"] for warning in told["warnings"]} == {"no_gold"}
    main(checked)
    assert "rows without a class were dropped; not in the label map: -" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("form", "known"),
    [
        ("recipe", Recipe), ("stream", Stream), ("domain", Domain), ("backbone", BackboneForm), ("sweep", Sweep),
    ],
)  # fmt: skip
def test_forms_are_printed(form: str, known: type[BaseModel], capsys: pytest.CaptureFixture[str]) -> None:
    main(["schema", form])
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    needed = {field.alias or name for name, field in known.model_fields.items() if field.is_required()}
    assert set(printed["required"]) == needed
    main(["schema", "--help"])
    assert form in re.findall(r"\w+", capsys.readouterr().out)


def test_the_form_of_a_strategy_is_one_of_the_methods(capsys: pytest.CaptureFixture[str]) -> None:
    main(["schema", "strategy"])
    printed = json.loads(capsys.readouterr().out)
    assert set(printed["discriminator"]["mapping"]) == set(STRATEGIES.all())
    assert "lambda" in printed["$defs"]["Ewc"]["properties"]
