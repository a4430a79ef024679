"""What a submission says of pieces that are a plug-in's, where the plug-in is not there."""

from __future__ import annotations

import json
from pathlib import Path

from submission_worlds import facts, handed_in, honest, refitted

from clbench.board.content import titles
from clbench.board.render import read_all
from clbench.board.standings import standings
from clbench.board.verify import Verdict, verify
from clbench.record import Record, write_record
from clbench.schema.form import read_mapping

STEP = {"kind": "step", "piece": "mine", "package": "mine.py", "version": "1"}
ROOT = Path(__file__).resolve().parents[2]


def checked(folder: Path, record: Record, stream: Path) -> Verdict:
    return verify(write_record(folder, record), lambda *_: facts(stream))


def test_a_plug_in_s_step_hides_no_other_encoder(small_stream: Path, tmp_path: Path) -> None:
    """Under a packaged encoder's name stand that one's files, whether its recipe can be planned here or not."""
    made = json.loads(honest(small_stream).model_dump_json())
    shipped = made["configuration"]["backbone"]["digest"]
    for steps, plugins in ((made["configuration"]["model"]["steps"], []), ([{"step": "mine"}], [STEP])):
        made["configuration"]["backbone"]["digest"] = "ab" * 32
        made["configuration"]["model"] |= {"name": "my-own", "steps": steps}
        made["plugins"] = plugins
        made["inception"] = [{"name": "mine"}] if plugins else made["inception"]
        record = refitted(Record.model_validate_json(json.dumps(made)))
        (problem,) = checked(tmp_path / f"run-{len(plugins)}", record, small_stream).problems
        assert problem.endswith(f"'configuration.backbone.digest' should be {shipped}, as clbench-tiny-12l has.")


def with_a_strategy(record: Record, **changes: str) -> Record:
    """The same of a plug-in's strategy."""
    made = json.loads(record.model_dump_json())
    made["configuration"]["strategy"] = made["configuration"]["strategy"] | {"name": "theirs", "method": "theirs"}
    made["plugins"] = [STEP | {"kind": "strategy", "piece": "theirs"} | changes]
    return refitted(Record.model_validate_json(json.dumps(made)))


def test_what_a_strategy_that_is_not_here_leaves_unchecked_is_named(small_stream: Path, tmp_path: Path) -> None:
    record = with_a_strategy(honest(small_stream))
    whose = "the settings of theirs: they are of the plug-in mine.py 1."
    verdict = checked(tmp_path / "told", record, small_stream)
    assert verdict.problems == ()
    life, settings = sorted(verdict.unchecked, key=lambda told: told == whose)
    assert settings == whose
    assert life.startswith("the order of the experiences: field 'configuration.strategy'")
    assert "'theirs'" in life
    assert life.endswith(" So nor are their steps and training examples.")
    made = json.loads(record.model_dump_json())
    made["configuration"]["budget"] = {"compute": 1.0}
    made["points"][-1]["validation"] = {"rte": 0.5}
    made["measured"]["held_bytes"] = 1
    made["points"][-1]["held_bytes"] = 2
    bad = checked(tmp_path / "bad", refitted(Record.model_validate_json(json.dumps(made))), small_stream)
    assert any("training examples, nor that it kept to its budget." in told for told in bad.unchecked)
    assert [told.partition("record.json: ")[2][:40] for told in bad.problems] == [
        "field 'measured.held_bytes' should be 2,", "field 'points' should say a validation s",
    ]  # fmt: skip


def test_strategies_of_one_name_and_two_plug_ins_are_not_ranked_together(small_stream: Path, tmp_path: Path) -> None:
    for seed, (name, changes) in enumerate(
        {"one": {}, "alike": {}, "newer": {"version": "2"}, "elsewhere": {"package": "others.py"}}.items()
    ):
        handed_in(tmp_path / "board", [with_a_strategy(honest(small_stream, seed), **changes)], name=name)
    tracks = standings(read_all(tmp_path / "board"))
    assert titles(tracks) == [f"small.embedded.theirs{number}" for number in ("", " (2)", " (3)")]
    assert [{row.entry.submission.name for row in track.rows} for track in tracks] == [
        {"one", "alike"}, {"newer"}, {"elsewhere"},
    ]  # fmt: skip


def test_a_layer_map_that_is_not_here_is_told(small_stream: Path, tmp_path: Path) -> None:
    made = json.loads(honest(small_stream, model="pkd-skip-3l").model_dump_json())
    own = read_mapping(ROOT / "examples" / "plugins" / "pkd-closest.yaml")[0]
    model = made["configuration"]["model"]
    model |= {name: own[name] for name in ("name", "title", "citation")}
    model["steps"][-1]["layer_map"] = own["steps"][-1]["layer_map"]
    record = refitted(Record.model_validate_json(json.dumps(made)))
    (problem,) = checked(tmp_path / "nobodys", record, small_stream).problems
    assert "field 'configuration.model' should be a recipe for its encoder" in problem
    made["plugins"] = [{"kind": "layer_map", "piece": "closest", "package": "closest_layers.py", "version": "ab" * 6}]
    verdict = checked(tmp_path / "told", refitted(Record.model_validate_json(json.dumps(made))), small_stream)
    assert verdict.problems == ()
    assert verdict.unchecked == ("the model's size follows from no shipped recipe and backbone; give --checkpoint.",)
