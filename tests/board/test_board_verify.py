"""Honest submissions pass; each way to cheat is found and named."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from submission_worlds import facts, handed_in, honest, refitted, rerunning, turned

import clbench
from clbench.board.edition import facts_of
from clbench.board.files import written
from clbench.board.forms import Mean
from clbench.board.submit import form
from clbench.board.verify import Verdict, verify
from clbench.cli.main import main
from clbench.encoder.backbone import open_backbone
from clbench.errors import UserError
from clbench.metrics import metrics
from clbench.record import Record, read_record, write_record
from clbench.record.fingerprint import identity_of
from clbench.record.packing import Packed
from clbench.record.parts import InceptionStep, Plugin

SUBMISSIONS = Path(__file__).resolve().parents[2] / "leaderboard" / "submissions"


def checked(path: Path, stream: Path, **options: Any) -> Verdict:
    return verify(path, lambda *_: facts(stream), **options)


def test_an_honest_submission_passes(mine: Path, small_stream: Path) -> None:
    verdict = checked(mine, small_stream)
    assert verdict.problems == ()
    assert verdict.unchecked == ()
    assert verdict.figures == 3 * len(metrics())  # two records, and their means


@pytest.mark.parametrize("strategy", ["naive", "ewc", "replay"])
@pytest.mark.parametrize("model", ["finetune-12l", "pkd-skip-6l", "prune-alternate-3l"])
def test_recipes_of_every_depth_pass(model: str, strategy: str, small_stream: Path, tmp_path: Path) -> None:
    file = write_record(tmp_path / "run", honest(small_stream, model=model, strategy=strategy))
    assert checked(file, small_stream).problems == ()


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None], honestly: bool = True) -> Path:
    """A submission with a changed first record; ``honestly``: every digest and figure is made to fit the change."""
    file = folder / "record-0.json"
    content = json.loads(file.read_text())
    change(content)
    record = Record.model_validate_json(json.dumps(content))
    if honestly:
        record = refitted(record)
    write_record(folder, record)
    (folder / "record.json").rename(file)
    other = Record.model_validate_json((folder / "record-1.json").read_text())
    digests = {
        f"record-{n}.json": hashlib.sha256((folder / f"record-{n}.json").read_bytes()).hexdigest() for n in (0, 1)
    }
    made = form([record, other], digests, name="mine", author="me", link=None, licence="MIT")
    (folder / "submission.json").write_text(written(made))
    return folder


def at(content: Any, path: str, value: Any) -> None:
    *way, last = path.split(".")
    for step in way:
        content = content[int(step) if isinstance(content, list) else step]
    content[int(last) if isinstance(content, list) else last] = value


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("data.1.splits.test.digest", "ab" * 32, r"data\.1\.splits\.test' of snli .* other examples"),
        ("data.0.splits.train.size", 5000, r"data\.0\.splits\.train' of mnli"),
        ("data.0.majority.balanced_accuracy", 0.9, r"data\.0\.majority' of mnli"),
        ("data.0.word_overlap.accuracy", 0.1, r"data\.0\.word_overlap' of mnli"),
        ("configuration.max_length", 512, "max_length' should be 64"),
        ("configuration.shift", 0.5, r"shift' should be 1\.0"),
        ("configuration.data_source", "folder", "data_source"),
        ("configuration.stream.domains", ["mnli"], r"stream\.domains"),
        ("configuration.strategy.training.epochs", 30, r"strategy' .* training\.epochs should be 3, but is 30"),
        ("configuration.strategy.name", "mine", r"strategy\.name' should be one of"),
        ("configuration.model.steps.1.alpha", 0.1, r"model' should be kd-6l .* steps\.1\.alpha should be .* own name"),
        ("configuration.backbone.digest", "00" * 32, r"backbone\.digest"),
        ("cost.parameters", 1_000_000, r"cost\.parameters' should be"),
        ("cost.depth", 3, r"cost\.depth' should be 6"),
        ("cost.flops_per_pair", 5, r"flops_per_pair"),
        ("cost.disk_bytes", 1000, r"disk_bytes"),
        ("cost.parameters_without_embeddings", 0, r"parameters_without_embeddings"),
        ("points.2.examples", 9_000, r"points' should have trained on 576 examples by the end of hans, but says 9000"),
        ("points.1.met", ["mnli", "snli", "hans"], r"points' should have met mnli, snli at the end of snli"),
    ],
)
def test_what_is_claimed_wrongly(path: str, value: Any, named: str, mine: Path, small_stream: Path) -> None:
    import re

    verdict = checked(rewritten(mine, lambda content: at(content, path, value)), small_stream)
    named = named.replace("own name", "name of its own")
    assert any(re.search(named, problem) for problem in verdict.problems), verdict.problems
    assert all(str(mine) in problem for problem in verdict.problems)


def test_gold_labels_turned_to_what_the_model_said(mine: Path, small_stream: Path) -> None:
    def turn(content: dict[str, Any]) -> None:
        said = content["points"][-1]["predictions"]["hans"]
        content["data"][2]["gold"] = said
        shares = (np.bincount(Packed(**said).array(), minlength=2) / said["count"]).tolist()
        content["data"][2]["label_shares"] = shares
        content["data"][2]["majority"]["accuracy"] = shares[0]

    told = " ".join(checked(rewritten(mine, turn), small_stream).problems)
    assert "data.2.gold' of hans should be the reference labels" in told


def test_a_swapped_prediction_without_new_figures(mine: Path, small_stream: Path) -> None:
    def swap(content: dict[str, Any]) -> None:
        turned(content["points"][-1], "hans", 0)

    (problem,) = checked(rewritten(mine, swap, honestly=False), small_stream).problems
    assert "record-0.json: field 'figures." in problem


def test_a_swapped_prediction_with_all_figures_made_to_fit_is_found_by_running_again(
    mine: Path, small_stream: Path
) -> None:
    def swap(content: dict[str, Any]) -> None:
        turned(content["points"][1], "snli", 3)

    folder = rewritten(mine, swap)
    assert checked(folder, small_stream).problems == ()  # the figures do follow from the predictions
    (problem,) = checked(folder, small_stream, rerunning=rerunning(small_stream, every_seed=True)).problems
    assert "seed 0: field 'points.1.predictions.snli' differs from those of the same run carried out here" in problem
    assert "1 of " in problem


def test_running_again_forgives_times_and_names_other_versions(mine: Path, small_stream: Path) -> None:
    def slower(other: Record) -> Record:
        return other.model_copy(update={"measured": other.measured.model_copy(update={"latency_ms": 99.0})})

    both = {"every_seed": True}
    assert checked(mine, small_stream, rerunning=rerunning(small_stream, slower, **both)).problems == ()

    def newer(other: Record) -> Record:
        another = honest(small_stream, other.configuration.seed + 5)
        measured = another.measured.model_copy(update={"versions": another.measured.versions | {"torch": "3.0"}})
        return another.model_copy(update={"measured": measured, "configuration": other.configuration})

    problems = checked(mine, small_stream, rerunning=rerunning(small_stream, newer, **both)).problems
    assert len(problems) == 2
    assert all("run with another torch" in problem for problem in problems)


@pytest.mark.parametrize("figure", ["lifetime_accuracy", "forgetting", "final_macro_f1"])
@pytest.mark.parametrize("part", ["mean", "low", "high"])
@pytest.mark.parametrize("by", [0.1, 1e-7])
def test_a_mean_that_the_records_do_not_give(figure: str, part: str, by: float, mine: Path, small_stream: Path) -> None:
    file = mine / "submission.json"
    content = json.loads(file.read_text())
    content["figures"][figure][part] += by
    file.write_text(json.dumps(content))
    (problem,) = checked(mine, small_stream).problems
    assert f"submission.json: field 'figures.{figure}' is" in problem


def test_the_last_digit_of_a_figure(mine: Path, small_stream: Path) -> None:
    file = mine / "submission.json"
    content = json.loads(file.read_text())
    told = content["figures"]["final_accuracy"]["mean"]
    content["figures"]["final_accuracy"]["mean"] = float(np.nextafter(told, 1))  # another machine's order of summing
    file.write_text(json.dumps(content))
    assert checked(mine, small_stream).problems == ()
    content["figures"]["final_accuracy"]["mean"] = told * (1 + 1e-13)
    file.write_text(json.dumps(content))
    assert len(checked(mine, small_stream).problems) == 1


def test_a_record_that_the_submission_does_not_name(mine: Path, small_stream: Path) -> None:
    write_record(mine, honest(small_stream, 7))
    (problem,) = checked(mine, small_stream).problems
    assert "holds 'record.json', which submission.json does not name" in problem


def test_a_changed_record(mine: Path, small_stream: Path) -> None:
    file = mine / "record-1.json"
    file.write_text(file.read_text().replace("a CPU", "a GPU"))
    (problem,) = checked(mine, small_stream).problems
    assert "record-1.json is not the file that submission.json names" in problem


def test_claims_that_no_record_bears_out(mine: Path, small_stream: Path) -> None:
    file = mine / "submission.json"
    before = json.loads(file.read_text())
    for path, value, named in (
        ("model", "bert-tiny", "'model' is bert-tiny, but"),
        ("track.strategy", "replay", r"'track.strategy' is replay, but"),
        ("track.stream", "nli-shift", r"'track.stream' is nli-shift, but"),
    ):
        content = json.loads(json.dumps(before))
        at(content, path, value)
        file.write_text(json.dumps(content))
        problems = checked(mine, small_stream).problems
        assert problems
        assert all(named in problem for problem in problems)


def checkpoint(folder: Path, depth: int, width: int = 128) -> Path:
    """A safetensors file of a BERT classifier's shapes, as ``save_pretrained`` names them, of zeros."""
    backbone = open_backbone("clbench-tiny-12l")
    state = {name: tuple(p.shape) for name, p in backbone.classifier(2, 0).hf.named_parameters()}
    kept = {n: s for n, s in state.items() if ".layer." not in n or int(n.split(".layer.")[1].split(".")[0]) < depth}
    folder.mkdir()
    save_file({name: np.zeros(shape, np.float32) for name, shape in kept.items()}, folder / "model.safetensors")
    return folder


def test_a_checkpoint_of_the_claimed_size(mine: Path, small_stream: Path, tmp_path: Path) -> None:
    assert checked(mine, small_stream, checkpoint=checkpoint(tmp_path / "six", 6)).problems == ()


def test_a_checkpoint_larger_than_claimed(mine: Path, small_stream: Path, tmp_path: Path) -> None:
    problems = checked(mine, small_stream, checkpoint=checkpoint(tmp_path / "twelve", 12)).problems
    assert len(problems) == 2 * 3  # depth and both counts, of both records
    assert "record-0.json: field 'cost.depth' is 6, but" in problems[0]


def test_a_checkpoint_that_is_none(mine: Path, small_stream: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((2**40).to_bytes(8, "little") + b"{}")
    problems = checked(mine, small_stream, checkpoint=tmp_path).problems
    assert all("cannot be read as safetensors" in problem for problem in problems)


def of_ones_own(record: Record, **changes: Any) -> Record:
    """The same run of a recipe of another name."""
    told = record.configuration
    model = told.model | {"name": "my-own"} | changes.pop("model", {})
    configuration = told.model_copy(update={"model": model, **changes})
    return refitted(record.model_copy(update={"configuration": configuration}))


def test_a_recipe_of_ones_own_is_not_held_against_a_shipped_one(small_stream: Path, tmp_path: Path) -> None:
    """What its own steps make of a packaged encoder it is held against, as a shipped one is."""
    own = of_ones_own(honest(small_stream), model={"title": "Mine", "citation": "none stated"})
    verdict = checked(handed_in(tmp_path / "board", [own]), small_stream)
    assert (verdict.problems, verdict.unchecked) == ((), ())
    for name in ("depth", "parameters", "parameters_without_embeddings", "disk_bytes", "flops_per_pair"):
        cost = own.cost.model_copy(update={name: getattr(own.cost, name) + 7})
        forged = write_record(tmp_path / name, own.model_copy(update={"cost": cost}))
        assert any(f"cost.{name}' should be" in told for told in checked(forged, small_stream).problems), name


def test_another_name_for_a_packaged_encoder_hides_nothing(small_stream: Path, tmp_path: Path) -> None:
    record = honest(small_stream)
    backbone = record.configuration.backbone.model_copy(update={"name": "./copy", "learning_rate": 0.00015})
    copied = record.configuration.model_copy(update={"backbone": backbone})
    copied_run = refitted(record.model_copy(update={"configuration": copied}))
    assert checked(write_record(tmp_path / "copy", copied_run), small_stream).problems == ()
    cost = record.cost.model_copy(update={"parameters": record.cost.parameters - 1})
    forged = write_record(tmp_path / "forged", copied_run.model_copy(update={"cost": cost}))
    assert any("cost.parameters' should be" in told for told in checked(forged, small_stream).problems)


@pytest.mark.parametrize("field", ["depth", "parameters", "parameters_without_embeddings", "disk_bytes"])
def test_a_reference_has_its_size_whatever_encoder_it_names(field: str, tmp_path: Path) -> None:
    """Its tokens' encoder is one that nobody has here."""
    content = json.loads((SUBMISSIONS / "bow.nli-shift.naive" / "record-0.json").read_text(encoding="utf-8"))
    content["configuration"]["backbone"] |= {"name": "./mine", "digest": "ab" * 32, "learning_rate": 0.00015}
    content["cost"][field] += 1
    record = refitted(Record.model_validate_json(json.dumps(content)))
    problems = verify(write_record(tmp_path, record), facts_of).problems
    assert any(f"cost.{field}' should be" in told for told in problems), problems


def test_a_recipe_of_ones_own_that_nobody_can_plan(small_stream: Path, tmp_path: Path) -> None:
    record = honest(small_stream)
    backbone = record.configuration.backbone.model_copy(
        update={"name": "./mine", "digest": "ab" * 32, "learning_rate": 0.00015}
    )
    verdict = checked(write_record(tmp_path / "folder", of_ones_own(record, backbone=backbone)), small_stream)
    assert verdict.problems == ()
    assert verdict.unchecked == ("the model's size follows from no shipped recipe and backbone; give --checkpoint.",)
    steps: list[Any] = json.loads(json.dumps(record.configuration.model["steps"]))
    bare = [steps[0], steps[1] | {"teacher": "finetune-12l"}]
    for told in (
        [],
        [{"step": "mine"}],
        [{"step": "prune_layers", "drop": "top", "depth": 50}, steps[1]],
        bare,
        5,
        None,
    ):
        file = write_record(tmp_path / "run", of_ones_own(record, model={"steps": told}))
        problems = checked(file, small_stream).problems
        assert any("configuration.model' should be a recipe for its encoder" in one for one in problems), told
    for _ in range(12):
        steps = [steps[0], steps[1] | {"teacher": {"name": "deep", "steps": steps}}]
    file = write_record(tmp_path / "deep", of_ones_own(record, model={"steps": steps}))
    assert any("chain of more than 8 teachers" in told for told in checked(file, small_stream).problems)
    # A plug-in's step is nowhere shipped: the record says whose it is.
    plugin = Plugin(kind="step", piece="mine", package="mine.py", version="1")
    told_of = of_ones_own(record, model={"steps": [{"step": "mine"}]})
    told_of = refitted(told_of.model_copy(update={"plugins": (plugin,), "inception": (InceptionStep(name="mine"),)}))
    verdict = checked(write_record(tmp_path / "plugin", told_of), small_stream)
    assert verdict.problems == ()
    assert verdict.unchecked == ("the model's size follows from no shipped recipe and backbone; give --checkpoint.",)


def test_the_truth_is_that_of_shipped_streams_alone(tmp_path: Path, small_stream: Path) -> None:
    with pytest.raises(UserError, match="no shipped stream is called"):
        facts_of(str(small_stream), "embedded")
    with pytest.raises(UserError, match="no edition 'huge'"):
        facts_of("nli-shift", "huge")
    found = facts_of("paraphrase-shift", "embedded")
    assert list(found.gold) == ["mrpc", "qqp", "paws", "twitter-url", "stsb-pairs"]
    assert {len(gold) for gold in found.gold.values()} == {1000}


def test_real_editions_are_checked_against_the_same_source(real_data: Path) -> None:
    found = facts_of("paraphrase-shift", "lite", real_data)
    assert 0 < len(found.gold["mrpc"]) <= 2000
    with pytest.raises(UserError, match="is not a folder"):
        facts_of("paraphrase-shift", "lite", real_data / "nowhere")


def test_the_command_line(mine: Path, small_stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(mine.parent)])
    assert stop.value.code == 1
    told = capsys.readouterr().out
    assert "no shipped stream is called 'small'" in told
    with pytest.raises(SystemExit) as stop:
        main(["verify", str(mine), "--json"])
    assert stop.value.code == 1
    (verdict,) = json.loads(capsys.readouterr().out)
    assert not verdict["ok"]
    assert verdict["figures"] == 3 * len(metrics())


def test_the_mean_of_means_is_not_taken_from_the_forms_themselves(small_stream: Path) -> None:
    # An independent form of the mean and of Student's interval, with scipy's own interval.
    from scipy import stats

    values = [honest(small_stream, seed).figures["lifetime_accuracy"] or 0.0 for seed in range(4)]
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    records = [honest(small_stream, seed) for seed in range(4)]
    digests = {f"record-{seed}.json": "0" * 64 for seed in range(4)}
    told = form(records, digests, name="a", author="b", link=None, licence="c").figures["lifetime_accuracy"]
    assert isinstance(told, Mean)
    assert (told.mean, told.low, told.high) == pytest.approx((np.mean(values), low, high), abs=1e-12)


def test_many_cheats_at_random(mine: Path, small_stream: Path) -> None:
    """Whatever number of a record's figures is changed, by whatever factor, is found."""
    drawn = random.Random(0)
    file = mine / "record-0.json"
    text = file.read_text()
    for _ in range(50):
        content = json.loads(text)
        name = drawn.choice([key for key, value in content["figures"].items() if value])
        content["figures"][name] *= 1 + drawn.choice([-1, 1]) * 10 ** drawn.uniform(-12, -1)
        raw = json.dumps(content).encode()
        file.write_bytes(raw)
        submission = json.loads((mine / "submission.json").read_text())
        submission["records"]["record-0.json"] = hashlib.sha256(raw).hexdigest()
        (mine / "submission.json").write_text(json.dumps(submission))
        assert any(f"'figures.{name}'" in problem for problem in checked(mine, small_stream).problems)


def packed_gold(content: dict[str, Any]) -> dict[str, Any]:
    return {domain["name"]: domain["gold"] for domain in content["data"]}


def inner(content: dict[str, Any]) -> None:
    """Perfect answers inside the last experience of a run that was looked at between experiences alone."""
    last = content["points"][-1]
    inside = {"final": False, "validation": {}, "predictions": packed_gold(content), "probabilities": {}}
    content["points"][-1:-1] = [last | inside]


def all_steps(content: dict[str, Any]) -> None:
    for point in content["points"]:
        point["step"] = 0


def shorter(content: dict[str, Any]) -> None:
    from clbench.metrics.cost import pair_flops

    shape, cost = open_backbone("clbench-tiny-12l").shape, content["cost"]
    cost["flops_length"] = 1
    cost["flops_per_pair"] = pair_flops(cost["depth"], shape.hidden_size, shape.intermediate_size, 1, 2)


def places_of_generated(content: dict[str, Any]) -> None:
    domain = content["data"][0]
    domain["places"] = {"unit": "line", "ranges": f"2-{domain['gold']['count'] + 1}"}


PLUGIN = {"kind": "metric", "piece": "mine", "package": "mine", "version": "1"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (inner, "1 evaluations inside the experience .* eval_every is null"),
        (lambda c: at(c, "configuration.eval_every", 5), "0 evaluations inside the experience .* eval_every is 5"),
        (all_steps, r"should have taken \d+ steps by the end of"),
        (shorter, r"cost\.flops_length' should be \d+, the test examples' mean, but is 1"),
        (lambda c: at(c, "cost.parameters_without_embeddings", 1), r"parameters_without_embeddings' should be \d+"),
        (lambda c: at(c, "points.1.validation", {"mnli": 1e300}), "validation score from 0 to 1"),
        (lambda c: at(c, "points.1.validation", {"nowhere": 0.5}), "validation score from 0 to 1 of domains trained"),
        (lambda c: at(c, "configuration.strategy.training.learning_rate", "x"), "strategy'.*learning_rate"),
        (lambda c: at(c, "inception", []), "inception' should hold the recipe's steps, prune_layers, distill"),
        (lambda c: at(c, "inception.1.validation", [0.1, 1.5]), r"inception\.1\.validation' should hold scores from 0"),
        (lambda c: at(c, "inception.1.epochs", 9), r"inception\.1\.epochs' should be 4, but is 9"),
        (lambda c: at(c, "inception.0.validation", [0.5]), r"inception\.0\.validation' should be empty"),
        (lambda c: at(c, "inception.0.layers", [1, 2, 3, 4, 5, 12]), r"0\.layers' should be \[1, 2, 3, 4, 5, 6\]"),
        (lambda c: at(c, "inception.1.layers", [1]), r"inception\.1\.layers' should be null"),
        (lambda c: at(c, "inception.1.details.alpha", 0.9), r"inception\.1\.details' should be of kd-6l; its alpha"),
        (lambda c: at(c, "inception.1.details.teacher", "pkd-skip-6l"), r"details' should be of kd-6l; its teacher"),
        (lambda c: at(c, "inception.1.details.teacher_steps", []), r"teacher_steps' should hold .* of finetune-12l"),
        (lambda c: at(c, "inception.1.details.teacher_steps.0.epochs", 30), r"teacher_steps\.0\.epochs' should be 3"),
        (lambda c: at(c, "configuration.model.title", "Buy this"), r"model' should be kd-6l as .* its title should"),
        (lambda c: at(c, "configuration.model.citation", "me"), r"model' should be kd-6l as .* its citation should"),
        (lambda c: at(c, "configuration.model.steps.1.teacher.title", "x"), r"its steps\.1\.teacher\.title"),
        (lambda c: at(c, "configuration.strategy.title", "x"), r"strategy' should be naive .* its title should"),
        (lambda c: at(c, "configuration.strategy.citation", "x"), r"strategy' should be naive .* its citation"),
        (lambda c: at(c, "configuration.stream.title", "x"), r"configuration\.stream\.title' should be as"),
        (lambda c: at(c, "configuration.stream.more", "x"), r"configuration\.stream\.more' should be as"),
        (lambda c: at(c, "configuration.backbone.source.citation", "x"), r"backbone\.source' .* its citation should"),
        (lambda c: at(c, "configuration.backbone.source.kind", "hub"), r"backbone\.source' should be .* its kind"),
        (lambda c: at(c, "configuration.backbone.source.seen_domains", []), r"backbone\.source' .* its seen_domains"),
        (
            lambda c: at(c, "configuration.backbone.source.seen_domains", ["mnli", "mrpc"]),
            r"backbone\.source' .* its seen_domains",
        ),
        (lambda c: at(c, "configuration.backbone.learning_rate", 0.5), r"backbone\.learning_rate' should be 0\.00015"),
        (lambda c: at(c, "data.0.source.seed", 5), r"data\.0\.source' of mnli .* its seed should be 0, but is 5"),
        (lambda c: at(c, "data.0.source.kind", "hub"), r"data\.0\.source' of mnli .* its kind"),
        (lambda c: at(c, "data.1.source.more", "x"), r"data\.1\.source' of snli .* its more"),
        (places_of_generated, r"data\.0\.places' of mnli should be left out"),
        (lambda c: at(c, "measured.versions.clbench", "9.9"), r"measured\.versions\.clbench' should be"),
        (lambda c: at(c, "cost.disk_bytes", c["cost"]["disk_bytes"] + 8), r"cost\.disk_bytes' should be \d+, but is"),
        (lambda c: c.update(warnings=[{"kind": "one_class", "domain": "snli", "names": ["test", "entailment"]}]),
         r"warnings\.0' is one_class, which neither examples"),
        (lambda c: c.update(warnings=[{"kind": "cut_pairs", "domain": "cola", "count": 1}]), r"warnings\.0\.domain'"),
        (lambda c: c.update(plugins=[PLUGIN | {"kind": "step"}]), r"plugins\.0\.piece' should be a step that the"),
        (lambda c: c.update(plugins=[PLUGIN | {"kind": "strategy", "piece": "naive"}]),
         r"plugins\.0\.piece' should be no strategy of clbench's own"),
    ],
)  # fmt: skip
def test_what_does_not_follow_from_the_rest_is_told(
    change: Callable[[dict[str, Any]], None], named: str, mine: Path, small_stream: Path
) -> None:
    verdict = checked(rewritten(mine, change), small_stream)
    assert any(re.search(named, told) for told in verdict.problems), verdict.problems


def test_what_was_not_known_yet_of_an_encoder_refutes_no_record(mine: Path, small_stream: Path) -> None:
    known = read_record(mine / "record-0.json").configuration.backbone.source["seen_domains"]
    rewritten(mine, lambda c: at(c, "configuration.backbone.source.seen_domains", known[:1]))
    # The other seeds' records say more, which is told; nothing else is.
    assert not any("backbone.source" in told for told in checked(mine, small_stream).problems)


def test_a_fingerprint_is_of_the_run_that_is_told(mine: Path, small_stream: Path, tmp_path: Path) -> None:
    rewritten(mine, lambda c: at(c, "configuration.fingerprint", "0" * 64), honestly=False)
    (told,) = checked(mine, small_stream).problems
    assert "record-0.json: field 'configuration.fingerprint' should be the hash of the run" in told
    # torch's own version may name a build that its package's does not.
    record = honest(small_stream)
    rate = open_backbone("clbench-tiny-12l").learning_rate
    for torch, right in (("2.13.0+cu130", True), ("2.13.0+cpu", True), ("2.14.0", False)):
        fingerprint = replace(identity_of(record, rate, ()), torch=torch).fingerprint()
        configuration = record.configuration.model_copy(update={"fingerprint": fingerprint})
        file = write_record(tmp_path / torch, record.model_copy(update={"configuration": configuration}))
        assert (not checked(file, small_stream).problems) == right


def test_a_teacher_s_own_encoder_is_part_of_the_fingerprint(small_stream: Path, tmp_path: Path) -> None:
    """A recipe of one's own, whose teacher starts from a packaged encoder, or from one that nobody here has."""
    record = honest(small_stream)
    other = open_backbone("clbench-tiny-12l-layerdrop")
    for named, fitting in ((other.name, True), (other.name, False), ("./mine", False)):
        model = json.loads(json.dumps(record.configuration.model)) | {"name": "my-own"}
        model["steps"][1]["teacher"]["backbone"] = named
        configuration = record.configuration.model_copy(update={"model": model})
        changed = record.model_copy(update={"configuration": configuration})
        teachers = ((other.digest, other.learning_rate),) if fitting else ()
        told = identity_of(changed, other.learning_rate, teachers).fingerprint()
        changed = changed.model_copy(update={"configuration": configuration.model_copy(update={"fingerprint": told})})
        verdict = checked(write_record(tmp_path / "run", changed), small_stream)
        assert any("fingerprint" in one for one in verdict.problems) == (named == other.name and not fitting)
        assert any("a teacher starts from an encoder" in one for one in verdict.unchecked) == (named == "./mine")


def test_validation_scores_are_as_many_as_epochs(mine: Path, small_stream: Path) -> None:
    for scores, right in (([0.5, 0.6, 0.7, 0.7], True), ([0.5], True), ([0.5, 0.6], False)):
        rewritten(mine, lambda c, s=scores: at(c, "inception.1.validation", s))
        told = [p for p in checked(mine, small_stream).problems if "inception" in p]
        assert (not told) == right, told


def test_two_seeds_of_an_encoder_do_not_answer_alike(mine: Path, small_stream: Path) -> None:
    other = json.loads((mine / "record-1.json").read_text())
    rewritten(mine, lambda c: c.update(points=other["points"]))
    assert any("seeds 0 and 1 hold the same predictions" in told for told in checked(mine, small_stream).problems)
    # A model that names one class for every example may do so under every seed.
    constant = {name: Packed.of(np.zeros(len(Packed(**gold).array()), np.uint8), 2).model_dump() for name, gold in
                packed_gold(other).items()}  # fmt: skip
    points = [point | {"predictions": constant, "probabilities": {}} for point in other["points"]]
    file = mine / "record-1.json"
    record = Record.model_validate_json(json.dumps(other | {"points": points}))
    write_record(mine, record.model_copy(update={"figures": record.figures_again()}))
    (mine / "record.json").rename(file)
    rewritten(mine, lambda c: c.update(points=points))
    assert not any("same predictions" in told for told in checked(mine, small_stream).problems)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("measured.seconds", {"a": 1e308, "b": 1e308}), ("measured.hardware.memory_bytes", 10**400),
        ("measured.hardware.cores", 10**400), ("measured.hardware.threads", -1),
        ("measured.seconds", {str(n): 1.0 for n in range(101)}), ("measured.hardware.cpu", "x" * 100_001),
    ],
)  # fmt: skip
def test_no_measured_number_is_out_of_bounds(path: str, value: Any, mine: Path, small_stream: Path) -> None:
    file = mine / "record-0.json"
    content = json.loads(file.read_text())
    at(content, path, value)
    file.write_text(json.dumps(content))
    made = json.loads((mine / "submission.json").read_text())
    made["records"]["record-0.json"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (mine / "submission.json").write_text(json.dumps(made))
    (told,) = checked(mine, small_stream).problems
    assert f"record-0.json: field '{path}" in told


def test_the_workflow_s_verify_refuses_what_is_no_submission(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bare").mkdir()
    shutil.copy(mine / "record-0.json", tmp_path / "bare" / "record.json")
    shutil.copy(mine / "record-0.json", tmp_path / "plain")
    (tmp_path / "link").symlink_to(mine)
    for name in ("bare", "plain", "link"):
        with pytest.raises(SystemExit) as stop:
            main(["verify", "--only-submissions", str(tmp_path / name)])
        assert stop.value.code == 1
        assert name in capsys.readouterr().out
    # Beside submissions, and in a folder of its own.
    shutil.copytree(tmp_path / "bare", tmp_path / "several" / "seed-0")
    shutil.copytree(mine, tmp_path / "several" / "mine")
    verdicts = clbench.verify(tmp_path / "several", only_submissions=True)
    (told,) = [problem for one in verdicts.each if one.path.name == "seed-0" for problem in one.problems]
    assert told == f"{tmp_path / 'several' / 'seed-0'} holds no submission.json; clbench submit writes one."
    assert {one.path.name for one in verdicts.each} == {"seed-0", "mine"}


def test_nothing_at_all_is_refused_and_so_is_a_folder_that_is_not_there(mine: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is nothing to verify"):
        clbench.verify()
    with pytest.raises(UserError, match="there is nothing to compare"):
        clbench.compare()
    with pytest.raises(UserError, match="there is nothing to submit"):
        clbench.submit(name="a", author="b", to=tmp_path)
    with pytest.raises(UserError, match=r"^--data-dir .*nowhere is not a folder"):
        clbench.verify(mine, data_dir=tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"^--attestations .*nowhere is not a folder"):
        clbench.leaderboard(mine, attestations=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("configuration.model.steps.1.beta", False),
        ("configuration.model.steps.1.training.epochs", 4.0),
        ("configuration.strategy.training.epochs", 3.0),
        ("data.0.source.seed", False),
        ("data.0.source.shift", True),
        ("inception.1.details.relations", 0),
    ],
)
def test_a_value_of_another_type_is_another_value(path: str, value: Any, mine: Path, small_stream: Path) -> None:
    field = path.split(".")[1] if path.startswith("configuration") else path.rsplit(".", 1)[0].replace(".steps.1", "")
    told = checked(rewritten(mine, lambda content: at(content, path, value)), small_stream).problems
    assert any(field.rsplit(".", 1)[-1] in one for one in told), told
