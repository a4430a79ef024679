"""How far a submission was checked: runs carried out again, fresh draws, what is written of them, and what is shown."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from board_worlds import submission
from submission_worlds import facts, handed_in, honest, rerunning, turned

from clbench.api.verify import _attest
from clbench.board.again import (
    MOST_APART,
    MOST_DIFFER,
    MOST_UNLIKE,
    Lived,
    Rerunning,
    carried_out,
    held_against,
    here,
)
from clbench.board.attestation import Attestation, digest_of, read_attestation, write_attestation
from clbench.board.content import content
from clbench.board.csv_file import board_csv
from clbench.board.divisions import division
from clbench.board.render import read_all, readme
from clbench.board.standings import standings
from clbench.board.terminal import as_json
from clbench.board.verify import Verdict, verify
from clbench.errors import UserError
from clbench.record import Record, write_record
from clbench.record.packing import Packed
from clbench.record.probabilities import PackedProbabilities


def checked(path: Path, stream: Path, how: Rerunning) -> Verdict:
    return verify(path, lambda *_: facts(stream), rerunning=how)


def elsewhere(record: Record) -> Record:
    """The same, on another CPU."""
    hardware = record.measured.hardware.model_copy(update={"cpu": "another CPU"})
    return record.model_copy(update={"measured": record.measured.model_copy(update={"hardware": hardware})})


def flipped(share: float, upwards: bool) -> Callable[[Record], Record]:
    """Another CPU's record, with a share of each domain's answers turned: wrong ones right, or right ones wrong."""

    def change(record: Record) -> Record:
        told = elsewhere(record).model_dump(mode="json")
        for point in told["points"]:
            for domain in told["data"]:
                gold, said = (Packed(**one).array() for one in (domain["gold"], point["predictions"][domain["name"]]))
                rows = np.flatnonzero((gold == said) != upwards)[: round(share * len(gold))]
                turned(point, domain["name"], rows)
        found = Record.model_validate_json(json.dumps(told))
        return found.model_copy(update={"figures": found.figures_again()})

    return change


def test_one_seed_is_run_again_and_every_seed_on_demand(mine: Path, small_stream: Path) -> None:
    one = checked(mine, small_stream, rerunning(small_stream))
    assert one.problems == ()
    assert [(found.seed in (0, 1), found.differ) for found in one.reruns] == [(True, 0)]
    assert one.fresh is None
    both = checked(mine, small_stream, rerunning(small_stream, every_seed=True))
    assert [found.seed for found in both.reruns] == [0, 1]
    record = honest(small_stream, 0)
    assert both.reruns[0].predictions == sum(
        packed.count for point in record.points for packed in point.predictions.values()
    )
    assert both.reruns[0].claimed == both.reruns[0].found == record.figures["lifetime_accuracy"]


def test_a_run_before_it_is_submitted_is_run_again(small_stream: Path, tmp_path: Path) -> None:
    """By its folder, as ``clbench run`` leaves it, or by its record's file."""
    file = write_record(tmp_path / "run", honest(small_stream))
    for path in (file.parent, file):
        verdict = checked(path, small_stream, rerunning(small_stream, text="a commit"))
        assert verdict.problems == ()
        assert [found.seed for found in verdict.reruns] == [0]
        assert verdict.fresh is not None


def test_another_cpu_may_differ_a_little(mine: Path, small_stream: Path) -> None:
    same = checked(mine, small_stream, rerunning(small_stream, elsewhere))
    assert [found.differ for found in same.reruns] == [0]
    little = checked(mine, small_stream, rerunning(small_stream, flipped(MOST_APART / 2, upwards=False)))
    assert little.problems == ()
    (found,) = little.reruns
    assert 0 < found.differ <= MOST_DIFFER * found.predictions
    assert 0 < found.claimed - found.found <= MOST_APART
    assert "rounding on another machine" in found.sentence
    for upwards in (False, True):
        far = checked(mine, small_stream, rerunning(small_stream, flipped(2 * MOST_APART, upwards)))
        (problem,) = far.problems
        assert "run with another CPU" in problem
        assert "at most 10% may differ" in problem


def test_the_same_cpu_has_to_give_the_same(mine: Path, small_stream: Path) -> None:
    def one_more(record: Record) -> Record:
        told = record.model_dump(mode="json")
        turned(told["points"][-1], "mnli", 0)
        found = Record.model_validate_json(json.dumps(told))
        return found.model_copy(update={"figures": found.figures_again()})

    (problem,) = checked(mine, small_stream, rerunning(small_stream, one_more)).problems
    assert "predictions.mnli' differs" in problem


def likelier(share: float) -> Callable[[Record], Record]:
    """Probabilities so far towards 0 or 1, which name the same classes."""

    def change(record: Record) -> Record:
        told = record.model_dump(mode="json")
        for point in told["points"]:
            for name, packed in point["probabilities"].items():
                held = PackedProbabilities(**packed).array().astype(float)
                moved = held + share * (np.round(held) - held)
                point["probabilities"][name] = PackedProbabilities.of(moved.astype(np.float16), 2).model_dump()
        found = Record.model_validate_json(json.dumps(told))
        return found.model_copy(update={"figures": found.figures_again()})

    return change


def test_probabilities_are_held_against_those_of_the_run(mine: Path, small_stream: Path) -> None:
    """Equal with the same CPU, near with another; and how far is told."""
    apart = likelier(0.02)
    (problem,) = checked(mine, small_stream, rerunning(small_stream, apart)).problems
    assert "probabilities" in problem
    assert "leaves another record" in problem or "differs from those" in problem
    near = checked(mine, small_stream, rerunning(small_stream, lambda record: elsewhere(apart(record))))
    assert near.problems == ()
    (found,) = near.reruns
    assert found.differ == 0
    assert found.unlike is not None
    assert 0 < found.unlike < MOST_UNLIKE
    assert f"probabilities {found.unlike:.4f} apart in the mean" in found.sentence
    far = checked(mine, small_stream, rerunning(small_stream, lambda record: elsewhere(likelier(0.9)(record))))
    (problem,) = far.problems
    assert "at most 0.05 apart in the mean" in problem
    assert checked(mine, small_stream, rerunning(small_stream)).reruns[0].unlike == 0


def test_a_record_of_before_is_held_against_a_run_with_probabilities(small_stream: Path, tmp_path: Path) -> None:
    """What one of two clbenches did not keep is not compared."""

    def before(record: Record) -> Record:
        points = tuple(p.model_copy(update={"probabilities": {}, "held_bytes": None}) for p in record.points)
        old = record.model_copy(update={"points": points})
        old.__dict__.pop("history", None)
        return old.model_copy(update={"figures": old.figures_again()})

    folder = handed_in(tmp_path / "board", [before(honest(small_stream))])
    found = checked(folder, small_stream, rerunning(small_stream))
    assert found.problems == ()
    assert found.reruns[0].unlike is None
    assert "unlike" not in found.reruns[0].model_dump_json()


@pytest.mark.parametrize("field", ["step", "examples"])
def test_what_no_rounding_explains(field: str, mine: Path, small_stream: Path) -> None:
    def longer(record: Record) -> Record:
        points = [p.model_copy(update={field: getattr(p, field) + n}) for n, p in enumerate(record.points)]
        return elsewhere(record).model_copy(update={"points": tuple(points)})

    (problem,) = checked(mine, small_stream, rerunning(small_stream, longer)).problems
    assert f"points.1.{field}" in problem


def test_weights_that_cannot_be_had(mine: Path, small_stream: Path) -> None:
    def nowhere(record: Record, seed: int, pairs: int | None) -> Lived:
        raise UserError("the weights are nowhere.")

    (problem,) = checked(mine, small_stream, Rerunning(nowhere)).problems
    assert problem.endswith("it was not run again: the weights are nowhere.")
    told = checked(mine, small_stream, Rerunning(nowhere, must=False))
    assert told.problems == ()
    assert told.unchecked == ("the runs themselves: the weights are nowhere.",)


def test_a_real_edition_is_run_again_and_draws_nothing(small_stream: Path, tmp_path: Path) -> None:
    told = honest(small_stream).model_dump(mode="json")
    told["configuration"]["data_source"] = "folder"
    record = Record.model_validate_json(json.dumps(told))
    file = write_record(tmp_path / "run", record)
    done = carried_out(file, [record], rerunning(small_stream, lambda _: record, text="a commit"))
    assert done.problems == ()
    assert len(done.reruns) == 1
    assert done.fresh is None
    assert done.unchecked == ("fresh examples, of which a real edition has none.",)


def test_a_fresh_draw_of_an_honest_model(mine: Path, small_stream: Path) -> None:
    verdict = checked(mine, small_stream, rerunning(small_stream, text="a commit"))
    assert verdict.problems == ()
    assert verdict.fresh is not None
    assert verdict.fresh.explained
    assert verdict.fresh.same_model.seeds == (verdict.reruns[0].seed,)
    assert verdict.fresh.other_seeds is not None  # two seeds: the open division
    assert verdict.fresh.other_seeds.seeds[0] not in (0, 1)
    again = checked(mine, small_stream, rerunning(small_stream, text="a commit"))
    assert again.fresh == verdict.fresh
    other = checked(mine, small_stream, rerunning(small_stream, text="another"))
    assert other.fresh is not None
    assert other.fresh.same_model != verdict.fresh.same_model
    none = checked(mine, small_stream, rerunning(small_stream, text="a commit", others=0))
    assert none.fresh is not None
    assert none.fresh.other_seeds is None


def test_a_model_that_knows_the_test_pairs_shows(small_stream: Path, tmp_path: Path) -> None:
    """It is right on nearly all public examples, and on 8 of 10 fresh ones: as if trained on the public ones."""
    records = [honest(small_stream, seed, right=0.99) for seed in (0, 1)]
    folder = handed_in(tmp_path / "submissions", records)

    def as_claimed(record: Record) -> Record:
        return honest(small_stream, record.configuration.seed, right=0.99)

    verdict = checked(folder, small_stream, rerunning(small_stream, as_claimed, text="a commit"))
    assert verdict.problems == ()  # the run is what it says: only the fresh examples tell
    assert verdict.fresh is not None
    assert not verdict.fresh.explained
    assert "more than seeds and examples explain" in verdict.fresh.sentence


def attested(folder: Path, **fields: Any) -> Attestation:
    return Attestation(
        schema_version=1, submission=folder.name, digest=digest_of(folder), where=here("c" * 40), **fields
    )


def test_the_level_is_the_highest_that_was_reached(mine: Path, small_stream: Path) -> None:
    verdict = checked(mine, small_stream, rerunning(small_stream, text="a commit"))
    assert attested(mine, unchecked=("the size.",)).level == "claimed"
    assert attested(mine).level == "checked"
    assert attested(mine, reruns=verdict.reruns).level == "rerun"
    assert attested(mine, reruns=verdict.reruns, fresh=verdict.fresh).level == "fresh"
    assert attested(mine, fresh=verdict.fresh).level == "checked"
    assert verdict.fresh is not None
    gap = verdict.fresh.same_model.model_copy(update={"p": 1e-9})
    assert (
        attested(mine, reruns=verdict.reruns, fresh=verdict.fresh.model_copy(update={"same_model": gap})).level
        == "rerun"
    )


def test_what_is_written_is_read_and_kept(mine: Path, small_stream: Path, tmp_path: Path) -> None:
    place = tmp_path / "attestations"
    verdict = checked(mine, small_stream, rerunning(small_stream, text="a commit", every_seed=True))
    first = attested(mine, reruns=verdict.reruns[:1], fresh=verdict.fresh)
    write_attestation(place, first)
    assert read_attestation(place, "mine", digest_of(mine)) == first
    write_attestation(place, attested(mine, reruns=verdict.reruns[1:]))
    both = read_attestation(place, "mine", digest_of(mine))
    assert both is not None
    assert [one.seed for one in both.reruns] == [0, 1]
    assert both.fresh == verdict.fresh
    # A seed's lives in other orders are reruns of their own, and stay.
    (again,) = verdict.reruns[1:]
    turned_round = again.model_copy(update={"order": ("snli", "mnli")})
    write_attestation(place, attested(mine, reruns=(turned_round,)))
    write_attestation(place, attested(mine))
    every = read_attestation(place, "mine", digest_of(mine))
    assert every is not None
    assert [(one.seed, one.order) for one in every.reruns] == [(0, ()), (1, ()), (1, ("snli", "mnli"))]
    # Of another state of the submission it says nothing.
    assert read_attestation(place, "mine", "0" * 64) is None
    assert read_attestation(place, "other", digest_of(mine)) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda told: told | {"schema_version": True}, "schema_version"),
        (lambda told: told | {"schema_version": 2}, "schema_version"),
        (lambda told: told | {"submission": "other"}, "submission"),
        (lambda told: told | {"level": "fresh"}, "level"),
        (lambda told: told | {"reruns": [{"seed": 0}]}, "reruns.0"),
    ],
)
def test_a_damaged_attestation_is_told(
    change: Callable[[dict[str, Any]], dict[str, Any]], field: str, mine: Path, tmp_path: Path
) -> None:
    place = tmp_path / "attestations"
    file = write_attestation(place, attested(mine))
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(UserError, match=field) as told:
        read_attestation(place, "mine", digest_of(mine))
    assert str(file) in str(told.value)


def test_the_board_shows_how_far(tmp_path: Path, mine: Path, small_stream: Path) -> None:
    place = tmp_path / "leaderboard" / "submissions"
    for name in ("plain", "again", "changed"):
        submission(place, name)
    verdict = checked(mine, small_stream, rerunning(small_stream, text="a commit"))
    attestations = tmp_path / "leaderboard" / "attestations"
    for name in ("again", "changed"):
        write_attestation(attestations, attested(place / name, reruns=verdict.reruns, fresh=verdict.fresh))
    told = json.loads((place / "changed" / "submission.json").read_text()) | {"author": "Another"}
    (place / "changed" / "submission.json").write_text(json.dumps(told))
    tracks = standings(read_all(place))
    levels = {row.entry.submission.name: row.level for row in tracks[0].rows}
    assert levels == {"plain": "claimed", "again": "fresh", "changed": "claimed"}
    rows = {row["submission"]: row for row in csv.DictReader(io.StringIO(board_csv(tracks)))}
    assert {name: row["level"] for name, row in rows.items()} == levels
    assert verdict.fresh is not None
    assert float(rows["again"]["fresh_lifetime_accuracy"]) == pytest.approx(verdict.fresh.same_model.fresh, abs=1e-6)
    assert rows["again"]["fresh_explained"] == "1"
    assert rows["plain"]["fresh_lifetime_accuracy"] == ""
    assert "(submissions/again) | fresh 1/3 | open |" in readme(tracks)
    page = content(tracks)
    shown = {row["name"]: page["levels"][row["level"]][0] for row in page["tracks"][0]["rows"]}
    assert shown == levels
    said = {row["name"]: page["shared"][row["checked"]] for row in page["tracks"][0]["rows"]}
    assert said["plain"] == []
    assert any("run again, is the same" in sentence for sentence in said["again"])
    assert {row["submission"]: row["level"] for row in as_json(tracks, ["t"])["tracks"][0]["rows"]} == levels


def test_a_gap_that_nothing_explains_is_marked(tmp_path: Path, mine: Path, small_stream: Path) -> None:
    place = tmp_path / "leaderboard" / "submissions"
    submission(place, "cheat")
    verdict = checked(mine, small_stream, rerunning(small_stream, text="a commit"))
    assert verdict.fresh is not None
    gap = verdict.fresh.same_model.model_copy(update={"p": 1e-9, "fresh": 0.5})
    fresh = verdict.fresh.model_copy(update={"same_model": gap})
    write_attestation(
        tmp_path / "leaderboard" / "attestations", attested(place / "cheat", reruns=verdict.reruns, fresh=fresh)
    )
    tracks = standings(read_all(place))
    assert tracks[0].rows[0].level == "rerun"
    assert "| 50.0 ✗ |" in readme(tracks)
    assert content(tracks)["tracks"][0]["rows"][0]["fresh"] == [5000, 0]


def test_a_run_that_was_refuted_stays_so(tmp_path: Path, mine: Path, small_stream: Path) -> None:
    """A later look that finds a seed forged takes the level away, and a look at another seed does not give it back."""
    place = tmp_path / "leaderboard" / "submissions"
    submission(place, "cheat")
    attestations = tmp_path / "leaderboard" / "attestations"
    verdict = checked(mine, small_stream, rerunning(small_stream, text="a commit"))
    whole = attested(place / "cheat", reruns=verdict.reruns, fresh=verdict.fresh)
    write_attestation(attestations, whole)
    found = checked(mine, small_stream, rerunning(small_stream, flipped(2 * MOST_APART, upwards=False), must=False))
    (sentence,) = found.refuted
    assert found.problems == (f"{mine}: {sentence}",)
    _attest(attestations, Verdict(place / "cheat", ("another problem",)), None)
    assert standings(read_all(place))[0].rows[0].level == "fresh"
    _attest(attestations, Verdict(place / "cheat", found.problems, refuted=found.refuted), None)
    for _ in range(2):
        tracks = standings(read_all(place))
        assert tracks[0].rows[0].level == "claimed"
        assert "| claimed ✗ |" in readme(tracks)
        assert any(told.startswith("Refuted: seed ") for told in content(tracks)["shared"][0] if isinstance(told, str))
        write_attestation(attestations, whole)


def test_one_seed_has_no_rank_and_moves_nobodys(tmp_path: Path) -> None:
    place = tmp_path / "submissions"
    submission(place, "many-a")
    submission(place, "many-b")
    before = {row.entry.submission.name: (row.rank, row.last, row.front) for row in standings(read_all(place))[0].rows}
    submission(place, "once", lambda t, d: 0.99, seeds=(0,), parameters=10)
    (track,) = standings(read_all(place))
    rows = {row.entry.submission.name: row for row in track.rows}
    assert (rows["once"].rank, rows["once"].last, rows["once"].ranks, rows["once"].front) == (None, None, "–", False)
    assert track.rows[0] is rows["once"]  # the order is by lifetime accuracy all the same
    assert {name: (rows[name].rank, rows[name].last, rows[name].front) for name in before} == before
    assert "| – | kd-6l | [once](submissions/once) |" in readme([track])


@pytest.mark.parametrize(
    ("seeds", "rate", "name", "expected"),
    [
        ((0, 1, 2), None, "kd-6l", "closed"),
        ((0, 1, 2, 3), None, "kd-6l", "closed"),
        ((0, 1), None, "kd-6l", "open"),
        ((0, 1, 3), None, "kd-6l", "open"),
        ((1, 2, 3), None, "kd-6l", "open"),
        ((0, 1, 2), 5e-3, "kd-6l", "open"),
        ((0, 1, 2), None, "mine", "open"),
    ],
)
def test_divisions(seeds: tuple[int, ...], rate: float | None, name: str, expected: str, small_stream: Path) -> None:
    found = []
    for seed in seeds:
        told = honest(small_stream, seed).model_dump(mode="json")
        told["configuration"]["model"]["name"] = name
        # The stream's name as it is shipped, which says the usual backbone.
        told["configuration"]["stream"]["editions"]["embedded"]["backbone"] = "clbench-tiny-12l"
        if rate is not None:
            told["configuration"]["strategy"]["training"]["learning_rate"] = rate
        found.append(Record.model_validate_json(json.dumps(told)))
    assert division(found) == expected


def test_a_backbone_that_is_not_packaged_is_open(small_stream: Path) -> None:
    found = []
    for seed in range(3):
        told = honest(small_stream, seed).model_dump(mode="json")
        told["configuration"]["backbone"]["name"] = "bert-base-uncased"
        found.append(Record.model_validate_json(json.dumps(told)))
    assert division(found) == "open"


def test_a_copy_under_another_name_needs_its_own_attestation(mine: Path, tmp_path: Path) -> None:
    write_attestation(tmp_path / "attestations", attested(mine))
    shutil.copytree(mine, mine.parent / "copy")
    told = json.loads((mine.parent / "copy" / "submission.json").read_text()) | {"name": "copy"}
    (mine.parent / "copy" / "submission.json").write_text(json.dumps(told))
    assert read_attestation(tmp_path / "attestations", "copy", digest_of(mine.parent / "copy")) is None


def on(record: Record, **hardware: str | None) -> Record:
    """The same run's record, computed there."""
    told = record.measured.hardware.model_copy(update=hardware)
    return record.model_copy(update={"measured": record.measured.model_copy(update={"hardware": told})})


def test_real_examples_are_the_same_wherever_they_lie(small_stream: Path) -> None:
    def read_from(kind: str, **source: str) -> Record:
        told = honest(small_stream).model_dump(mode="json")
        told["configuration"]["data_source"] = kind
        for domain in told["data"]:
            domain["source"] = {"kind": kind, **source}
        return Record.model_validate_json(json.dumps(told))

    mine = read_from("folder", folder="data/mnli")
    for other in (read_from("folder", folder="/elsewhere/mnli"), read_from("hub", id="nyu-mll/glue", commit="1" * 40)):
        assert held_against(mine, other, None)[0] == []
    told = mine.model_dump(mode="json")
    told["data"][0]["splits"]["train"]["digest"] = "e" * 64
    (problem,) = held_against(mine, Record.model_validate_json(json.dumps(told)), None)[0]
    assert "leaves another record" in problem
    assert "train.digest" in problem


def test_a_baseline_fitted_elsewhere_may_name_another_class(small_stream: Path) -> None:
    def fitted(record: Record) -> Record:
        first, *others = record.data
        assert first.word_overlap is not None
        lower = first.word_overlap.model_copy(update={"accuracy": first.word_overlap.accuracy - 0.001})
        return record.model_copy(update={"data": (first.model_copy(update={"word_overlap": lower}), *others)})

    mine = honest(small_stream)
    assert held_against(mine, fitted(elsewhere(mine)), None)[0] == []
    (problem,) = held_against(mine, fitted(mine), None)[0]
    assert "word_overlap" in problem


@pytest.mark.parametrize(
    ("mine", "other", "same"),
    [
        ({"card": "H100"}, {"card": "A100"}, False),
        ({"card": "H100"}, {"card": "H100"}, False),
        ({"card": "H100", "deterministic": "yes"}, {"card": "H100", "deterministic": "yes"}, True),
        ({"card": "H100", "deterministic": "yes"}, {"card": "A100", "deterministic": "yes"}, False),
        ({"device": None, "precision": None}, {"device": "cpu", "precision": "bfloat16"}, False),
        ({"device": None, "precision": None}, {"device": None, "precision": None}, True),
    ],
)
def test_rounding_is_another_on_another_card_or_in_another_precision(
    mine: dict[str, str | None], other: dict[str, str | None], same: bool, small_stream: Path
) -> None:
    """A GPU gives the same bits twice only where it is held to it."""
    usual = {"device": "cuda", "precision": "bfloat16"}
    record = on(honest(small_stream), **{**usual, **mine})
    told = on(honest(small_stream), **{**usual, **other}).model_dump(mode="json")
    turned(told["points"][-1], "mnli", 0)
    found = Record.model_validate_json(json.dumps(told))
    found = found.model_copy(update={"figures": found.figures_again()})
    problems, _ = held_against(record, found, None)
    assert bool(problems) == same
