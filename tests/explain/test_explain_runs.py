"""Runs explained: with their models and without, in every scenario, and one whose weights were changed by hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

import clbench
from clbench.cli.explain import command
from clbench.cli.run import command as run_command
from clbench.encoder.quantize import evaluated
from clbench.errors import UserError
from clbench.explain import Explanation, Limits, explain
from clbench.explain.inside import Inside
from clbench.explain.material import model_in, open_examples
from clbench.explain.probes import probe
from clbench.explain.report import as_json, grids, tables, warnings
from clbench.explain.sentences import losses, replay_cost, sentences
from clbench.explain.states import look
from clbench.explain.weights import Place
from clbench.metrics.format import fixed, with_unit
from clbench.plots.heat import digits
from clbench.record import Record, read_record
from clbench.runs.snapshots import after_folders, held_on_disk, read_spec
from clbench.runtime.device import CPU

FEW = Limits(40, 60)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(autouse=True)
def _shared_inceptions(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(shared / "cache"))
    monkeypatch.setenv("CLBENCH_STREAMS", "")


def lived(stream: Path | str, backbone: Path, out: Path, model: str = "finetune-12l", **more: Any) -> Record:
    given: dict[str, Any] = {"keep_models": "checkpoints", "settings": {"training.epochs": 1}} | more
    return clbench.run(model, stream, backbone=str(backbone), out=out, **given)


@pytest.fixture
def run(shared: Path, small_stream: Path, small_backbone: Path) -> Path:
    """A run with naive whose models are kept; made once."""
    if not (shared / "run").exists():
        lived(small_stream, small_backbone, shared / "run")
    return shared / "run"


def folders(run: Path) -> list[Path]:
    return list(after_folders(run, read_record(run).configuration.fingerprint).values())


def looked_into(run: Path) -> Explanation:
    return explain(run, read_record(run), limits=FEW)


def test_what_the_models_show(run: Path, small_stream: Path) -> None:
    assert [folder.name for folder in folders(run)] == ["after-0-mnli", "after-1-snli", "after-2-hans"]
    assert not (run / "models" / "end").exists()
    spec = read_spec(run)
    assert spec is not None
    assert spec.stream == str(small_stream)
    found = looked_into(run)
    inside = found.inside
    assert inside is not None
    assert inside.agreement == 1  # what the models say is what the record says
    assert inside.drift.shape == (2, 4, 4)
    assert inside.probes.shape == (3, 4, 4)
    assert (inside.drift >= 0).all()
    assert (inside.drift > 0).any()
    # A probe for each domain that has been met, rte never.
    assert (~np.isnan(inside.probes[:, :, 0])).tolist() == [
        [True, False, False, False], [True, True, False, False], [True, True, True, False],
    ]  # fmt: skip
    assert inside.overlap[:, [0, 1, 2, 3], [0, 1, 2, 3]].min() == 1
    np.testing.assert_array_equal(inside.overlap, inside.overlap.transpose(0, 2, 1, 3))
    # The loss of own accuracy is that of the record on the examples looked at; those of mnli are 40 of 60.
    frame = found.record.predictions()
    frame = frame[frame.final & (frame.domain == "mnli")]
    right = (frame.gold == frame.predicted).to_numpy().reshape(3, 60)
    assert inside.own["mnli"].shape == (3, 40)
    whole = explain(run, found.record, limits=Limits(60, 20)).inside
    assert whole is not None
    np.testing.assert_array_equal(whole.own["mnli"], right)
    lost = losses([whole])
    expected = np.mean([whole.own[n][t].mean() - whole.own[n][2].mean() for t, n in ((0, "mnli"), (1, "snli"))])
    assert lost.own.mean == pytest.approx(expected)
    assert lost.head.mean == pytest.approx(lost.own.mean - lost.probe.mean)
    assert lost.apart.mean == 0  # all classes are told apart on every domain
    three = sentences([found])
    assert [sentence.split(":")[0] for sentence in three] == ["Where", "Head or representation", "Replay"]
    assert found.seconds > 0
    # Of mnli and snli, the earlier domains, 40 of 60 each: the tables beneath count all.
    assert "of accuracy on earlier domains (counted on 80 of their 120 test examples), a probe" in three[1]
    assert "counted on" not in " ".join(sentences([replace(found, inside=whole)]))


def test_the_layer_whose_weights_were_changed_by_hand_is_named(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    before, *later = (folder / "model.safetensors" for folder in folders(tmp_path / "run"))
    weights = load_file(before)
    name = "bert.encoder.layer.2.output.dense.weight"
    draw = torch.Generator().manual_seed(0)
    weights[name] = weights[name] + 0.5 * torch.randn(weights[name].shape, generator=draw)
    for file in later:
        save_file(weights, file, metadata={"format": "pt"})
    found = looked_into(tmp_path / "run")
    inside = found.inside
    assert inside is not None
    assert np.abs(inside.drift[0, :, :2]).max() < 1e-5  # nothing before the third layer
    assert inside.drift[0, 0, 2] > 0.02
    assert np.abs(inside.drift[1]).max() < 1e-5  # and nothing in the last experience
    # Later layers pass the drift on, or enlarge it; of themselves they add none.
    own = inside.arising[0, 0]
    assert own[2] == pytest.approx(inside.drift[0, 0, 2], abs=0.05)
    assert np.abs(own[[0, 1, 3]]).max() < 1e-5
    assert np.isnan(inside.arising[0, 1:]).all()  # of mnli alone, which had been met
    moved = [place for place, distance in inside.moved[0].items() if distance > 0]
    assert set(moved) == {Place(3, "feed-forward out"), Place(3, "all")}
    told = sentences([found])[0]
    assert "by itself layer 3 adds most " in told
    assert "weights have moved most in layer 3 " in told
    assert "of all matrices in layer 3's feed-forward out" in told
    # They no longer say what the record says, and that is told.
    assert inside.agreement < 0.99
    assert "they are not those of the run" in warnings([found])[0]


def test_a_run_without_models_tells_what_its_record_bears(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    record = lived(small_stream, small_backbone, tmp_path / "run", keep_models="end")
    found = looked_into(tmp_path / "run")
    assert found.inside is None
    assert "clbench run --keep-checkpoints --fresh keeps them" in " ".join(sentences([found]))
    frame = record.predictions()
    frame = frame[frame.final].assign(right=lambda f: f.gold == f.predicted)
    table = frame.pivot(index=["domain", "pair"], columns="experience", values="right")
    for change in found.changes:
        seen = table.loc[change.domain]
        before, after = seen[change.experience - 1], seen[change.experience]
        assert change.forgotten.tolist() == seen.index[before & ~after].tolist()
        gained = sorted([*change.relearned.tolist(), *change.learned.tolist()])
        assert gained == seen.index[~before & after].tolist()
        assert change.table.sum() == 60
    assert [(c.experience, c.domain) for c in found.changes] == [(1, "mnli"), (2, "mnli"), (2, "snli")]
    for end in found.ends:
        history = record.history
        d = record.domains.index(end.domain)
        first = record.order.index(end.domain)
        assert end.accuracy == (history.accuracy[first, d], history.accuracy[-1, d])
        assert end.calibration == (history.calibration[first, d], history.calibration[-1, d])
        assert end.confusion.sum(axis=(1, 2)).tolist() == [60, 60]
        assert np.trace(end.confusion[1]) / 60 == pytest.approx(end.accuracy[1])
    assert grids([found]) == []
    assert len(tables([found])) == 2


def test_what_replay_would_cost_by_hand(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    """Beside each new example one remembered one, whatever the run itself has trained on; the mean over seeds loses."""
    record = lived(small_stream, small_backbone, tmp_path / "run", keep_models=None, strategy="replay")
    found = explain(tmp_path / "run", record)
    once = 3 * record.cost.flops_per_pair * 96
    # Two domains more, three epochs each.
    said = f"as the strategy replay has it in 3 epochs, takes {with_unit(3 * 2 * once)}FLOPs."
    assert said in told(found, {"mnli": (0.6, 0.5)})
    seeds = [{"mnli": (0.6, 0.5), "snli": (0.6, 0.5)}, {"mnli": (0.6, 0.8), "snli": (0.6, 0.61)}]
    assert (
        f"going once over the 96 training examples of snli, which have lost accuracy, takes {with_unit(once)}FLOPs"
        in (told(found, *seeds))
    )
    assert "there is nothing to replay" in told(found, {"mnli": (0.6, 0.6), "snli": (0.6, 0.7)})


def told(found: Explanation, *accuracies: dict[str, tuple[float, float]]) -> str:
    """The sentence of seeds in which these domains had and have these accuracies."""
    ends = {end.domain: end for end in found.ends}
    seeds = [
        replace(found, ends=tuple(replace(ends[name], accuracy=pair) for name, pair in seed.items()))
        for seed in accuracies
    ]
    return str(replay_cost(seeds))


def test_references_have_no_layers(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    lived(small_stream, small_backbone, tmp_path / "run", model="bow", keep_models=None)
    assert "bow is a reference without an encoder: it has no layers to look into." in sentences(
        [looked_into(tmp_path / "run")]
    )
    with pytest.raises(UserError, match=r"bow is a reference without an encoder, .* leave --keep-checkpoints out"):
        lived(small_stream, small_backbone, tmp_path / "b", model="bow")


@pytest.mark.parametrize(
    ("scenario", "model"),
    [("class", "finetune-12l"), ("task", "magnitude-50"), ("domain", "finetune-12l-int8"), ("class", "prune-heads-50")],
)
def test_every_scenario_pruned_and_quantised(scenario: str, model: str, small_backbone: Path, tmp_path: Path) -> None:
    stream = own_stream(tmp_path, scenario, small_backbone)
    record = lived(stream, small_backbone, tmp_path / "run", model=model)
    inside = looked_into(tmp_path / "run").inside
    assert inside is not None
    # int8 rounds what layers are given: the last digit of a sum, another one in other batches, can become a step of
    # 1/127, and an example on the edge gets another class. In full precision none has been seen to.
    assert inside.agreement >= (0.99 if model.endswith("int8") else 1)
    assert np.isfinite(inside.drift).all()
    # Only classes that come later keep the model from saying what it would say of a domain's own classes.
    alike = all((inside.own[name] == inside.within[name]).all() for name in record.domains)
    assert alike or scenario == "class"
    assert_probes_tell_apart_what_the_model_does(tmp_path / "run", inside)
    if model == "magnitude-50":
        assert inside.moved[0][Place(1, "query")] > 0
    json.dumps(as_json([looked_into(tmp_path / "run")]), allow_nan=False)


def assert_probes_tell_apart_what_the_model_does(run: Path, inside: Inside) -> None:
    """Once more, from the last model's states: where classes came with three domains, one probe for the three."""
    record = read_record(run)
    examples = open_examples(run, record, None, FEW, CPU)
    model = evaluated(model_in(folders(run)[-1], record, examples.store))
    states = {key: look(model, rows, units=False).states[-1] for key, rows in examples.rows.items()}
    for d, name in enumerate(record.domains):
        with_it = record.domains if record.scenario == "class-incremental" else (name,)
        train, labels = (np.concatenate([of[one, "train"] for one in with_it]) for of in (states, examples.labels))
        right = probe(train, labels, states[name, "test"]) == examples.labels[name, "test"]
        assert inside.probes[-1, d, -1] == pytest.approx(right.mean(), abs=0.03)  # a rounding may turn one of 40
        assert inside.probed[name][-1].mean() == inside.probes[-1, d, -1]


def test_of_a_single_experience_it_is_said_that_nothing_can_be_forgotten(small_backbone: Path, tmp_path: Path) -> None:
    sizes = "train: 60, validation: 20, test: 40, max_length: 48"
    stream = tmp_path / "single.yaml"
    stream.write_text(
        "name: single\nlabel_space: [not_entailment, entailment]\ndomains: [mnli]\n"
        f"editions:\n  embedded: {{source: generated, {sizes}, backbone: {small_backbone}}}\n"
    )
    said = ["The run has a single experience, after which nothing can have been forgotten."]
    lived(stream, small_backbone, tmp_path / "run")
    assert sentences([looked_into(tmp_path / "run")]) == said
    # And nobody is told to keep models that would tell no more.
    shutil.rmtree(tmp_path / "run" / "models")
    found = CliRunner().invoke(command, [str(tmp_path / "run"), "--quiet"])
    assert found.exit_code == 0, found.output
    assert said[0] in found.output
    assert "--keep-checkpoints" not in found.output


def test_the_command(run: Path, tmp_path: Path) -> None:
    found = CliRunner().invoke(command, [str(run), "--examples", "30", "--output", str(tmp_path / "a"), "--quiet"])
    assert found.exit_code == 0, found.output
    assert "Head or representation:" in found.output
    assert "active units that two domains share" in found.output
    again = CliRunner().invoke(
        command, [str(run), "--examples", "30", "--output", str(tmp_path / "b"), "--json", "--seed", "0"]
    )
    described = json.loads(again.output)["explained"]
    assert len(described) == 1
    one = described[0]["runs"][0]
    assert set(one["inside"]["drift"]) == {"snli", "hans"}
    assert one["inside"]["probe_accuracy"]["mnli"]["snli"] == [None] * 4
    assert len(one["changes"]) == 3
    names = ["explanation.html", "explanation.json", "layers.png", "layers.svg"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == names
    for name in ("layers.png", "layers.svg", "explanation.html"):  # the same run, the same bytes
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    page = (tmp_path / "a" / "explanation.html").read_text()
    # The picture, whose text is drawn as paths and told by comments, and the table have the same digits.
    drawn = (tmp_path / "a" / "layers.svg").read_text()
    for grid in grids([explain(run, read_record(run), limits=Limits(30, 60))]):
        after = digits(grid.values)
        for value in grid.values[np.isfinite(grid.values)]:
            text = fixed(100 * float(value), after)
            assert f"<!-- {text} -->" in drawn
            assert f"<td>{text}</td>" in page
    counted = "(counted on 60 of their 120 test examples)"
    for said in ("".join(described[0]["sentences"]), " ".join(found.output.split()), page):
        assert counted in said
    assert "<script" not in page
    assert "data:image/svg+xml;base64," in page
    assert "Jaccard" in page
    with pytest.raises(UserError, match="there is no finished run of seed 7 to explain"):
        CliRunner().invoke(command, [str(run), "--seed", "7"], catch_exceptions=False)


def test_other_pairs_and_damaged_models_are_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    file = tmp_path / "run" / "models" / "spec.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"shift": 0.5}))
    with pytest.raises(UserError, match=r"the train examples of snli are not those that the run was made on"):
        looked_into(tmp_path / "run")
    file.write_text(json.dumps(told))
    (tmp_path / "run" / "models" / "after-1-snli" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"should hold the weights of the run's model, but is damaged"):
        looked_into(tmp_path / "run")


def test_their_size_is_told(run: Path, small_stream: Path, small_backbone: Path) -> None:
    given = ["--model", "finetune-12l", "--stream", str(small_stream), "--backbone", str(small_backbone), "--out",
             str(run), "--set", "training.epochs=1", "--json", "--keep-checkpoints"]  # fmt: skip
    found = CliRunner().invoke(run_command, given)
    assert found.exit_code == 0, found.output
    assert f"take {held_on_disk(run) / 1e6:,.1f} MB on disk" in found.output
    with pytest.raises(UserError, match=r"did not keep end in models/; give --fresh beside --keep-models every"):
        CliRunner().invoke(run_command, [*given, "--keep-models", "end"], catch_exceptions=False)


def own_stream(folder: Path, scenario: str, backbone: Path) -> str:
    """Generated domains, two of pairs and one of single sentences, with classes of their own but for ``domain``."""
    parts = {
        "domain": "label_space: [not_entailment, entailment]\ndomains: [mnli, snli, hans]",
        "class": "scenario: class-incremental\nlabel_space: [entailment, neutral, contradiction, bad, good]\n"
        "domains: [one, two, three]",
        "task": "scenario: task-incremental\nheads: {one: [entailment, contradiction], two: [neutral, entailment], "
        "three: [bad, good]}\ndomains: [one, two, three]",
    }
    kinds = {"one": ("mnli", "entailment, contradiction"), "two": ("snli", "neutral, entailment"),
             "three": ("sst2", "bad, good")}  # fmt: skip
    for name, (generator, classes) in kinds.items():
        (folder / f"{name}.yaml").write_text(f"name: {name}\ngenerator: {{name: {generator}, classes: [{classes}]}}\n")
    sizes = "train: 60, validation: 20, test: 40, max_length: 48"
    path = folder / "mine.yaml"
    path.write_text(
        f"name: mine\n{parts[scenario]}\neditions:\n  embedded: {{source: generated, {sizes}, backbone: {backbone}}}\n"
    )
    return str(path)
