"""The examples of examples/plugins as a user uses them: run, sweep, submit, verify and the board; not a line of clbench
is edited."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import clbench
from clbench.board import find_submissions, submit
from clbench.board.again import held_against
from clbench.board.edition import EditionFacts, facts_in
from clbench.board.render import build
from clbench.board.shipped import _plugin_problems
from clbench.board.verify import verify
from clbench.cli.main import main
from clbench.data.generators import generate
from clbench.errors import UserError
from clbench.record import Record, write_record
from clbench.record.groups import verified
from clbench.runs.again import Means, job_again
from clbench.runs.job import make_job
from clbench.runs.runner import run_again
from clbench.schema.registry import VARIABLE, add_plugins
from clbench.schema.spec import RunSpec
from clbench.schema.stream import read_stream
from clbench.testing import (
    CheckFailed,
    metric_checks,
    step_checks,
    steps,
    strategies,
    strategy_checks,
    task_type_checks,
)
from clbench.testing.metrics import CHECKS as METRIC_CHECKS
from clbench.testing.sources import CHECKS as SOURCE_CHECKS

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples" / "plugins"
FILES = {name: str(EXAMPLES / f"{name}.py") for name in ("prune_neurons", "dark_replay", "stability_plasticity")}
FILES["sqlite_pairs"] = str(EXAMPLES / "sqlite_pairs.py")
PLUGINS = [word for file in FILES.values() for word in ("--plugin", file)]
SETS = [word for name in ("finetune", "training") for word in ("--set", f"{name}.epochs=1")]


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test adds is gone after it."""
    monkeypatch.setenv(VARIABLE, "")


def version(name: str) -> str:
    return hashlib.sha256(Path(FILES[name]).read_bytes()).hexdigest()[:12]


def test_a_family_determines_the_model_and_the_record_names_it(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that was opened without the plug-in is opened anew with it, and once its file is another."""
    from transformers import ErnieConfig, ErnieModel

    mine = tmp_path / "ernie"
    told = json.loads((small_backbone / "config.json").read_text())
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config = ErnieConfig(**{name: told[name] for name in (*sizes, "max_position_embeddings")})
    ErnieModel(config).save_pretrained(mine)
    shutil.copyfile(small_backbone / "tokenizer.json", mine / "tokenizer.json")

    def opened() -> tuple[bool, str, tuple[Any, ...]]:
        job = make_job(RunSpec(model="finetune-12l", stream=str(small_stream), backbone=str(mine)))
        return job.backbone.shape.packed, job.plan(0).key, job.plugins

    packed, key, plugins = opened()
    assert (packed, plugins) == (True, ())
    keys = {key}
    for said in ("one", "another"):
        file = tmp_path / said / "my_family.py"
        file.parent.mkdir()
        file.write_text(
            f"from clbench.encoder.family import Family\n\nERNIE = Family('ERNIE', ('ernie',), flat=False)  # {said}\n"
        )
        monkeypatch.setenv(VARIABLE, "")
        add_plugins([str(file)])
        packed, key, plugins = opened()
        assert not packed, "what was seen without the plug-in is not taken for what it says"
        keys.add(key)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        assert [(one.kind, one.piece, one.version) for one in plugins] == [("encoder_family", "ernie", digest)]
    assert len(keys) == 3


def test_a_step_that_changes_what_a_strategy_follows_is_refused_in_a_sentence(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "late.yaml"
    content = yaml.safe_load((EXAMPLES / "prune-neurons.yaml").read_text(encoding="utf-8"))
    first = next(step for step in content["steps"] if step["step"] == "prune_neurons")
    content["steps"] = [step for step in content["steps"] if step is not first] + [first]
    recipe.write_text(yaml.safe_dump(content | {"name": "late"}), encoding="utf-8")
    add_plugins([FILES["prune_neurons"]])
    settings = {"training.epochs": 1, "finetune.epochs": 1}
    with pytest.raises(UserError, match=r"late\.yaml: prune_neurons changes the size of .* after the training"):
        clbench.run(
            recipe, small_stream, strategy="si", backbone=str(small_backbone), settings=settings, out=tmp_path / "run"
        )


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


@pytest.fixture(scope="module")
def lived(small_stream: Path, small_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with the example step, strategy and metric."""
    folder = tmp_path_factory.mktemp("plugins")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "")
        patch.setenv("CLBENCH_CACHE", str(folder / "cache"))
        main(
            ["run", "--model", str(EXAMPLES / "prune-neurons.yaml"), "--strategy", str(EXAMPLES / "dark-replay.yaml"),
             "--stream", str(small_stream), "--backbone", str(small_backbone), *PLUGINS, *SETS, "--quiet",
             "--out", str(folder / "run")]
        )  # fmt: skip
    return folder / "run"


@pytest.fixture
def facts(small_stream: Path) -> Callable[[str, str], EditionFacts]:
    """What the small stream really is, as ``clbench verify`` asks for a shipped one."""
    return cache(lambda stream, edition: facts_in(read_stream(small_stream), edition))


def test_none_is_above_80_lines() -> None:
    files = list(EXAMPLES.glob("*.py"))
    assert {file.stem for file in files} == {*FILES, "titled_text", "closest_layers", "csv_tracker"}
    assert all(len(file.read_text().splitlines()) <= 80 for file in files)


def test_a_record_names_them_with_their_versions(lived: Path) -> None:
    record = clbench.read_record(lived)
    assert [(one.kind, one.piece, one.package, one.version) for one in record.plugins] == [
        ("step", "prune_neurons", "prune_neurons.py", version("prune_neurons")),
        ("strategy", "dark_replay", "dark_replay.py", version("dark_replay")),
        ("metric", "stability_plasticity", "stability_plasticity.py", version("stability_plasticity")),
    ]
    assert record.inception[0].details == {"neurons": 32}
    assert record.configuration.strategy["alpha"] == 0.5
    # By hand: P of snli and hans when they were new, S of mnli and snli at the end.
    accuracy = record.accuracy_matrix()
    p = (accuracy.loc["snli", "snli"] + accuracy.loc["hans", "hans"]) / 2
    s = (accuracy.loc["hans", "mnli"] + accuracy.loc["hans", "snli"]) / 2
    assert record.figures["stability_plasticity"] == pytest.approx(2 * p * s / (p + s))


def test_a_record_made_without_the_metric_gets_its_figure_when_it_is_shown(
    lived: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = json.loads((lived / "record.json").read_text())
    content["figures"].pop("stability_plasticity")
    (tmp_path / "record.json").write_text(json.dumps(content))
    main(["show", str(tmp_path), "--json"])
    assert "stability_plasticity" not in capsys.readouterr().out
    main(["show", str(tmp_path), "--json", *PLUGINS])
    assert "stability_plasticity" in capsys.readouterr().out


def test_submit_verify_and_the_board_with_them_and_without(
    lived: Path, facts: Callable[[str, str], EditionFacts], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_plugins(list(FILES.values()))
    place = submit([lived], tmp_path / "submissions", name="mine", author="A. Person")
    assert find_submissions(tmp_path / "submissions") == [place]
    known = verify(place, facts)
    assert known.problems == ()
    settings = f"the settings of dark-replay-500: they are of the plug-in dark_replay.py {version('dark_replay')}."
    assert settings in known.unchecked
    assert not any("figure" in told for told in known.unchecked)
    build(tmp_path / "submissions", tmp_path / "with")
    monkeypatch.setenv(VARIABLE, "")
    unknown = verify(place, facts)
    assert unknown.problems == ()
    assert settings in unknown.unchecked
    missing = version("stability_plasticity")
    assert (
        f"the figure stability_plasticity is of the plug-in stability_plasticity.py {missing}, which is not installed."
    ) in unknown.unchecked
    assert any(
        told.startswith("the order of the experiences: ") and "dark_replay" in told for told in unknown.unchecked
    )
    assert unknown.figures == known.figures - 1
    build(tmp_path / "submissions", tmp_path / "without")
    for board, told in (("with", "harmonic mean of what is kept"), ("without", "not verified")):
        assert told in (tmp_path / board / "index.html").read_text()
        rows = list(csv.DictReader((tmp_path / board / "board.csv").open()))
        assert [row["strategy"] for row in rows] == ["dark-replay-500"]
    # Who claims another figure is found out by those who have the plug-in.
    record = clbench.read_record(lived)
    forged = record.model_copy(update={"figures": record.figures | {"stability_plasticity": 0.99}})
    file = tmp_path / "forged" / "record.json"
    file.parent.mkdir()
    file.write_text(forged.model_dump_json())
    assert not [told for told in verify(file, facts).problems if "stability" in told]
    add_plugins([FILES["stability_plasticity"]])
    assert any("figures.stability_plasticity' is 0.99" in told for told in verify(file, facts).problems)


def test_a_strategy_that_is_no_plugins_still_has_to_be_shipped(
    lived: Path, facts: Callable[[str, str], EditionFacts], tmp_path: Path
) -> None:
    record = clbench.read_record(lived)
    told = record.configuration.strategy | {"method": "naive"}
    for changed in (
        record.model_copy(update={"plugins": ()}),
        record.model_copy(
            update={"configuration": record.configuration.model_copy(update={"strategy": told})}
        ),
    ):  # fmt: skip
        file = tmp_path / "record.json"
        file.write_text(changed.model_dump_json())
        problems = verify(file, facts).problems
        assert any("field 'configuration.strategy.name' should be one of" in problem for problem in problems)


def test_on_a_shipped_stream_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strategy = str(EXAMPLES / "dark-replay.yaml")
    main(
        ["run", "--model", "majority", "--stream", "paraphrase-shift", "--strategy", strategy, *PLUGINS,
         "--set", "training.epochs=1", "--quiet", "--out", str(tmp_path / "run")]
    )  # fmt: skip
    board = tmp_path / "board" / "submissions"
    main(["submit", str(tmp_path / "run"), "--name", "mine", "--author", "me", "--to", str(board), *PLUGINS])
    assert exit_code(["verify", str(board), *PLUGINS]) == 0
    assert "the settings of dark-replay-500" in capsys.readouterr().out
    main(["leaderboard", "build", "--submissions", str(board), "--out", str(board.parent), *PLUGINS])
    assert "paraphrase-shift, embedded, dark-replay-500" in (board.parent / "README.md").read_text().replace(".", ", ")


def test_to_run_it_again_strategy_and_weights_have_to_be_named(lived: Path, small_stream: Path, tmp_path: Path) -> None:
    record = clbench.read_record(lived)
    own = {"model": str(EXAMPLES / "prune-neurons.yaml"), "strategy": str(EXAMPLES / "dark-replay.yaml")}
    for left_out, told in (
        ("strategy", "dark-replay-500 is not a shipped strategy"),
        ("model", "are in no place that the record names"),
    ):
        with pytest.raises(UserError, match=f"{told}.*--{left_out}"):
            job_again(record, Means(**(own | {left_out: None})), tmp_path)
    add_plugins(list(FILES.values()))
    given = record.model_copy(
        update={
            "configuration": record.configuration.model_copy(
                update={"stream": {"name": str(small_stream)}, "strategy": {"name": "x", "training": {}}}
            )
        }
    )
    again, _ = run_again(job_again(given, Means(**own), tmp_path), record.configuration.seed)
    assert again.names[0] == "prune-neurons-50"
    assert again.plugins == record.plugins
    # With another version of a plug-in it is another run, which says nothing of the record.
    older = tuple(one.model_copy(update={"version": "0"}) if one.kind == "step" else one for one in given.plugins)
    with pytest.raises(
        UserError, match=r"^its step prune_neurons is of the plug-in prune_neurons\.py 0, and here it is"
    ):
        job_again(given.model_copy(update={"plugins": older}), Means(**own), tmp_path)
    # A metric's other version is not held against the record either, but told.
    metric = next(one for one in record.plugins if one.kind == "metric")
    changed = record.model_copy(
        update={
            "plugins": tuple(
                one.model_copy(update={"version": "0"}) if one == metric else one for one in record.plugins
            ),
            "figures": record.figures | {metric.piece: 0.123},
        }
    )
    file = write_record(tmp_path / "changed", changed)
    assert clbench.read_record(file).unverified() == [metric.piece]
    assert clbench.read_record(file).all_figures()[metric.piece] == 0.123
    assert clbench.read_record(file).table().loc[metric.piece, "meaning"].startswith("unverified: ")
    assert metric.piece not in verified([record, changed])
    assert held_against(changed, record, None)[0] == []
    with pytest.raises(UserError, match=f"field 'figures.{metric.piece}' is 0.123, but the predictions"):
        clbench.read_record(write_record(tmp_path / "forged", changed.model_copy(update={"plugins": record.plugins})))


def test_a_sweep_hands_them_to_its_processes(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {
        "name": "mine", "recipes": [str(EXAMPLES / "prune-neurons.yaml")], "streams": [str(small_stream)],
        "strategies": [str(EXAMPLES / "dark-replay.yaml")], "seeds": [0], "backbone": str(small_backbone),
    }  # fmt: skip
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    arguments = ["sweep", str(tmp_path / "mine.yaml"), "--out", str(tmp_path / "runs"), "--workers", "1", "--json"]
    assert exit_code([*arguments, *PLUGINS]) == 0
    (file,) = (tmp_path / "runs").rglob("record.json")
    kinds = [one.kind for one in clbench.read_record(file).plugins]
    assert kinds == ["step", "strategy", "metric"]
    capsys.readouterr()


def test_the_sweep_that_is_shipped_with_them_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["sweep", str(EXAMPLES / "sweep.yaml")]) == 2
    assert "should be" in capsys.readouterr().err  # prune_neurons is not known
    from clbench.schema.sweep import read_sweep

    add_plugins(list(FILES.values()))
    assert read_sweep(EXAMPLES / "sweep.yaml").count == 4


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The example's domains beside a database that holds their tables."""
    for file in ("kitchen.yaml", "garden.yaml", "home-shift.yaml"):
        shutil.copy(EXAMPLES / file, tmp_path / file)
    base = sqlite3.connect(tmp_path / "pairs.db")
    for table, generator in (("kitchen", "mnli"), ("garden", "hans")):
        base.execute(f"create table {table} (question, answer, verdict, part)")
        for split, pairs in generate(generator, sizes={"train": 40, "validation": 20, "test": 30}).items():
            verdicts = (("no", "yes")[label] for label in pairs.labels.tolist())
            rows = [(*row, split) for row in zip(pairs.first, pairs.second, verdicts, strict=True)]
            base.executemany(f"insert into {table} values (?, ?, ?, ?)", rows)
    base.execute("insert into kitchen values ('Is it done?', 'Perhaps.', 'unsure', 'test')")
    base.commit()
    base.close()
    return tmp_path


def test_a_run_on_a_source_of_ones_own(home: Path, small_backbone: Path) -> None:
    main(
        ["run", "--model", "bow", "--stream", str(home / "home-shift.yaml"), "--backbone", str(small_backbone),
         "--plugin", FILES["sqlite_pairs"], "--quiet", "--out", str(home / "run")]
    )  # fmt: skip
    record: Record = clbench.read_record(home / "run")
    assert record.configuration.data_source == "sqlite"
    assert record.data[0].source == {
        "kind": "sqlite", "id": "pairs.db/kitchen", "dropped": 1, "test_pairs_met_before": 0
    }  # fmt: skip
    assert [(one.kind, one.piece) for one in record.plugins] == [("source", "sqlite")]
    # It is the same data as in the generator that filled the database.
    expected = generate("mnli", sizes={"train": 40, "validation": 20, "test": 30})["test"].digest()
    assert record.data[0].splits["test"].digest == expected
    verdict = verify(home / "run", cache(lambda *_: facts_in(read_stream(home / "home-shift.yaml"), "lite")))
    assert verdict.problems == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text.replace("pairs.db", "gone.db"), "gone.db does not exist"),
        (lambda text: text.replace("table: kitchen", "table: cellar"), "no such table: cellar"),
        (lambda text: text.replace("table: kitchen", "table: a;b"), "field 'source.table'"),
        (lambda text: text.replace("label: verdict", "label: grade"), "no such column: grade"),
    ],
)
def test_what_is_wrong_with_a_database_is_one_sentence(
    home: Path, capsys: pytest.CaptureFixture[str], change: Callable[[str], str], sentence: str
) -> None:
    (home / "kitchen.yaml").write_text(change((home / "kitchen.yaml").read_text()))
    code = exit_code(["streams", str(home / "home-shift.yaml"), "--edition", "lite", "--plugin", FILES["sqlite_pairs"]])
    assert code == 2
    assert sentence in capsys.readouterr().err.splitlines()[-1]


def test_another_version_of_the_code_is_another_run(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints: list[tuple[str, str]] = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("prune_neurons", "dark_replay"):
            (folder / f"{name}.py").write_text(Path(FILES[name]).read_text() + f"# {number}\n")
        monkeypatch.setenv(VARIABLE, os.pathsep.join(str(file) for file in folder.glob("*.py")))
        spec = RunSpec(
            model=EXAMPLES / "prune-neurons.yaml", stream=small_stream, strategy=EXAMPLES / "dark-replay.yaml",
            backbone=small_backbone,
        )  # fmt: skip
        job = make_job(spec)
        prints.append((job.fingerprint(0), job.plan(0).key))
    assert prints[0][0] != prints[1][0]
    assert prints[0][1] != prints[1][1]


@cache
def batteries() -> dict[str, list[Any]]:
    add_plugins(list(FILES.values()))
    return {
        "prune_neurons": step_checks("prune_neurons", EXAMPLES / "prune-neurons.yaml"),
        "dark_replay": strategy_checks(EXAMPLES / "dark-replay.yaml"),
        "stability_plasticity": metric_checks("stability_plasticity"),
    }


@pytest.mark.parametrize(
    ("piece", "check"),
    [
        (piece, check.__name__)
        for piece, checks in (
            ("prune_neurons", steps.CHECKS), ("dark_replay", strategies.CHECKS),
            ("stability_plasticity", METRIC_CHECKS),
        )
        for check in checks
    ],
)  # fmt: skip
def test_they_pass_the_batteries(piece: str, check: str) -> None:
    add_plugins(list(FILES.values()))
    next(one for one in batteries()[piece] if one.name == check)()


def test_the_batteries_from_a_shell(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from clbench.testing.__main__ import command

    def told(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            command([*words, *PLUGINS])
        return int(stop.value.code or 0), capsys.readouterr().out

    code, said = told(str(home / "kitchen.yaml"))
    assert (code, said.count("ok     sqlite: ")) == (0, len(SOURCE_CHECKS)), said
    code, said = told()
    assert (code, said.count("ok     stability_plasticity: ")) == (0, len(METRIC_CHECKS))
    assert said.endswith(f"{len(METRIC_CHECKS)} of {len(METRIC_CHECKS)} checks passed.\n")
    from clbench.testing import battery, metrics

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "CHECKS", (metrics.says_what_it_is, lambda metric: battery.expect(False, "no")))
        code, said = told()
    assert code == 1
    assert "FAILED stability_plasticity: <lambda>: no" in said
    assert issubclass(CheckFailed, AssertionError)


def test_a_task_type_of_ones_own_runs_and_stands_in_the_record(tmp_path: Path, small_backbone: Path) -> None:
    """A title and a body from CSV files, read as an example; the record has the type, its baseline and the plug-in."""
    file = EXAMPLES / "titled_text.py"
    add_plugins([str(file)])
    for check in task_type_checks("titled"):
        check()
    labels = "{dull: plain, fine: good}"
    stream = tmp_path / "s.yaml"
    stream.write_text(
        "name: s\nlabel_space: [plain, good]\ndomains: [news]\neditions:\n"
        f"  real: {{source: real, max_length: 32, backbone: {small_backbone}}}\n"
    )
    (tmp_path / "news.yaml").write_text(
        f"name: news\nfolder:\n  columns: {{title: t, body: b, label: y}}\n  labels: {labels}\n"
    )
    (tmp_path / "data" / "news").mkdir(parents=True)
    for part, count in (("train", 40), ("validation", 10), ("test", 20)):
        with (tmp_path / "data" / "news" / f"{part}.csv").open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["t", "b", "y"])
            for number in range(count):
                word = "fine" if number % 2 else "dull"
                writer.writerow([f"a {word} day in house {number}", f"{part} {number} went on", word])
    record = clbench.run("majority", str(stream), data_dir=tmp_path / "data", out=tmp_path / "run")
    (domain,) = record.data
    assert domain.task_type == "titled"
    assert domain.word_overlap is None
    assert domain.baselines["title_alone"].accuracy == 1.0
    assert [(one.kind, one.piece, one.package) for one in record.plugins] == [("task_type", "titled", "titled_text.py")]


def test_a_layer_map_of_ones_own_chooses_and_stands_in_the_record(
    tmp_path: Path, small_backbone: Path, small_stream: Path, facts: Callable[[str, str], EditionFacts]
) -> None:
    file = EXAMPLES / "closest_layers.py"
    add_plugins([str(file)])
    record = clbench.run(
        EXAMPLES / "pkd-closest.yaml", small_stream, backbone=str(small_backbone), out=tmp_path / "run",
        settings={"distill.epochs": 1, "finetune.epochs": 1, "prune_layers.depth": "N/2"},
    )  # fmt: skip
    told = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    plugin = ("layer_map", "closest", "closest_layers.py", told)
    assert [(one.kind, one.piece, one.package, one.version) for one in record.plugins] == [plugin]
    details = record.inception[-1].details
    assert details["layer_map"] == {"rule": "closest", "pairs": 200, "plugin": f"closest_layers.py {told}"}
    assert record.configuration.model["steps"][-1]["layer_map"] == {"rule": "closest", "pairs": 200}
    (choice,) = details["choices"]
    assert choice["layers"] == [1 + int(row.index(max(row))) for row in choice["cosines"]]
    assert record.measured.choosing_seconds is not None
    place = submit([tmp_path / "run"], tmp_path / "submissions", name="mine", author="A. Person")
    assert verify(place, facts).problems == ()
    forged = record.model_copy(update={"plugins": (record.plugins[0].model_copy(update={"piece": "similar"}),)})
    (problem,) = _plugin_problems(forged)
    assert problem == "field 'plugins.0.piece' should be a layer_map that the run has, but is similar."


def test_the_battery_of_a_layer_map_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    from clbench.testing.__main__ import command

    with pytest.raises(SystemExit) as left:
        command(["--plugin", str(EXAMPLES / "closest_layers.py")])
    said = capsys.readouterr().out
    assert left.value.code == 0, said
    assert "ok     closest: goes_on_where_it_was_killed" in said


def test_a_layer_map_whose_settings_have_no_default_is_checked_in_a_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from clbench.testing.__main__ import command

    (tmp_path / "needing.py").write_text(
        "from typing import Literal\n\nfrom pydantic import Field\n\nfrom clbench.schema.layer_map import LayerMap\n\n"
        "class Needing(LayerMap):\n    rule: Literal['needing']\n    layer: int = Field(ge=1)\n\n"
        "    def fixed(self, student, teacher):\n        return [min(self.layer, teacher)] * student\n"
    )
    with pytest.raises(UserError, match="layer map 'needing': layer has no default; give layer_map_checks"):
        command(["--plugin", str(tmp_path / "needing.py")], standalone_mode=False)
    recipe = (EXAMPLES / "pkd-closest.yaml").read_text(encoding="utf-8")
    assert recipe.count("layer_map: {rule: closest, pairs: 200}") == 1
    (tmp_path / "r.yaml").write_text(
        recipe.replace("layer_map: {rule: closest, pairs: 200}", "layer_map: {rule: needing, layer: 2}")
    )
    with pytest.raises(SystemExit) as left:
        command([str(tmp_path / "r.yaml"), "--plugin", str(tmp_path / "needing.py")])
    said = capsys.readouterr().out
    assert left.value.code == 0, said
    assert "ok     needing: settings_read_back" in said
    assert "distill" not in said


def test_columns_that_no_task_type_has_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.yaml").write_text("name: d\nfolder:\n  columns: {title: t, label: y}\n  labels: {0: a, 1: b}\n")
    stream = tmp_path / "s.yaml"
    stream.write_text(
        "name: s\nlabel_space: [a, b]\ndomains: [d]\n"
        "editions: {real: {source: real, max_length: 32, backbone: clbench-tiny-12l}}\n"
    )
    with pytest.raises(UserError, match=r"field 'folder\.columns': columns should name .* but name title, label"):
        read_stream(str(stream))


def test_a_battery_that_would_look_at_something_else_says_so(
    tmp_path: Path, small_backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from clbench.testing.__main__ import command

    (tmp_path / "mine.py").write_text(
        "from clbench.encoder.family import Family\n\nMINE = Family('mine', ('ernie',))\n", encoding="utf-8"
    )
    asked = CliRunner().invoke(command, [str(small_backbone), "--plugin", str(tmp_path / "mine.py")])
    assert "its model_type is bert, which none of the plug-in's families reads (ernie)" in str(asked.exception)
    columns = {"first": "a", "second": "b", "label": "y"}
    told = {"name": "files", "folder": {"columns": columns, "labels": {0: "no", 1: "yes"}}}
    (tmp_path / "files.yaml").write_text(yaml.safe_dump(told))
    asked = CliRunner().invoke(command, [str(tmp_path / "files.yaml")])
    assert "the source folder reads a folder of files, so that it is checked from Python" in str(asked.exception)
