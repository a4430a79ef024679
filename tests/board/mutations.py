"""Seeded changes of a submission: of its bytes, of its values, and of what they mean, made to fit as a forger would.

A submission is a mapping from its files' names to their bytes. A semantic change is a function of a record's content;
after it, figures, fingerprint, digests and means are made to fit again as often as not.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from pydantic import ValidationError
from record_worlds import probabilities
from submission_worlds import refitted

from clbench.board.files import written
from clbench.board.forms import record_name
from clbench.board.submit import form
from clbench.errors import UserError
from clbench.record import Record
from clbench.record.packing import Packed
from clbench.record.probabilities import PackedProbabilities
from clbench.schema.recipe import read_recipe
from clbench.schema.shipped import names

Files = dict[str, bytes]
ESCAPE = "\x1b]0;owned\x07\x1b[31m"
# What a mutation puts in the place of something: of every type, near misses, and strings with teeth.
ODD: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2, 0.5, 1e308, 2**63, 10**30, "", "0", "naive", "mine", "../x", ESCAPE, "<script>", "\x00",
    "é", [], {}, [0], {"name": "x"}, "A" * 300, "AAAA", "////",
)  # fmt: skip


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def mutated(raw: bytes, drawn: random.Random) -> bytes:
    """A text with one to three changes: of its values, of its keys, or of its bytes."""
    for _ in range(drawn.choice((1, 1, 1, 2, 3))):
        if drawn.random() < 0.3:
            place, kind = drawn.randrange(len(raw) + 1), drawn.randrange(4)
            piece = (
                bytes([drawn.randrange(256)]) if drawn.random() < 0.5 else drawn.choice((b'"', b"{", b"]", b",", b"9"))
            )
            raw = (raw[:place] + piece + raw[place + (kind > 0) :], raw[:place], raw[:place] + raw[place + 1 :],
                   raw[:place] + raw[max(0, place - 20) :])[kind]  # fmt: skip
            continue
        try:
            content = json.loads(raw)
            *way, last = drawn.choice(list(places(content)))
        except (ValueError, IndexError, AttributeError, TypeError, RecursionError):
            continue
        inner = content
        for step in way:
            inner = inner[step]
        kind = drawn.randrange(4)
        if kind == 0:
            del inner[last]
        elif kind == 1 and isinstance(inner[last], int | float) and not isinstance(inner[last], bool):
            inner[last] *= 1 + drawn.choice((-1, 1)) * 10.0 ** drawn.randint(-12, 0)
        elif kind == 2 and isinstance(inner, dict):
            inner[drawn.choice(("x", "name", "seed", ESCAPE))] = inner.pop(last)
        else:
            inner[last] = drawn.choice(ODD)
        raw = json.dumps(content).encode()
    return raw


# Changes of meaning: of a record's content, in place.

Meaning = Callable[[dict[str, Any], random.Random], None]


def _some_point(content: dict[str, Any], drawn: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """A point, and a domain as ``data`` has it."""
    return drawn.choice(content["points"]), drawn.choice(content["data"])


def _repacked(packed: dict[str, Any], change: Callable[[np.ndarray], None]) -> dict[str, Any]:
    values = Packed(**packed).array().copy()
    change(values)
    return Packed.of(values, packed["classes"]).model_dump()


def flip_answers(content: dict[str, Any], drawn: random.Random) -> None:
    point, domain = _some_point(content, drawn)
    rng = np.random.default_rng(drawn.randrange(2**32))

    def flip(values: np.ndarray) -> None:
        which = rng.random(len(values)) < 10 ** -rng.uniform(0.3, 3)
        values[which] = (values[which] + 1) % classes

    classes = domain["gold"]["classes"]
    point["predictions"][domain["name"]] = _repacked(point["predictions"][domain["name"]], flip)


def answer_rightly(content: dict[str, Any], drawn: random.Random) -> None:
    point, domain = _some_point(content, drawn)
    point["predictions"][domain["name"]] = domain["gold"]


def answer_one_class(content: dict[str, Any], drawn: random.Random) -> None:
    point, domain = _some_point(content, drawn)
    named = drawn.randrange(domain["gold"]["classes"])
    point["predictions"][domain["name"]] = _repacked(domain["gold"], lambda values: values.fill(named))


def turn_gold(content: dict[str, Any], drawn: random.Random) -> None:
    """Reference labels that are what the model said, their shares made to fit."""
    point, domain = _some_point(content, drawn)
    domain["gold"] = point["predictions"][domain["name"]]
    gold = Packed(**domain["gold"])
    shares = (np.bincount(gold.array(), minlength=gold.classes) / gold.count).tolist()
    domain["label_shares"] = shares
    domain["majority"]["accuracy"] = drawn.choice(shares)


def tell_probabilities(content: dict[str, Any], drawn: random.Random) -> None:
    """Those of every experience's end, which fit what is predicted there."""
    for point in content["points"]:
        if point["final"]:
            told = {name: Packed(**packed) for name, packed in point["predictions"].items()}
            rows = {name: probabilities(one.array(), one.classes, drawn.randrange(2**32)) for name, one in told.items()}
            point["probabilities"] = {n: PackedProbabilities.of(rows[n], told[n].classes).model_dump() for n in rows}


def tell_odd_probabilities(content: dict[str, Any], drawn: random.Random) -> None:
    """Of one point and one domain others, which may not fit, or no numbers at all, or far too many."""
    tell_probabilities(content, drawn)
    point, domain = _some_point(content, drawn)
    told = point["probabilities"][domain["name"]]
    values = PackedProbabilities(**told).array().copy()
    kind = drawn.randrange(6)
    if kind < 3:
        values[drawn.randrange(len(values))] += np.float16(drawn.choice((1e-4, -0.3, 0.7, 2.0, np.nan, np.inf)))
        point["probabilities"][domain["name"]] = PackedProbabilities.of(values, told["classes"]).model_dump()
    elif kind == 3:
        raw = zlib.compress(bytes(drawn.choice((0, 1, 2 * len(values), 2**26))), 9)
        told["base64"] = base64.b64encode(raw + drawn.choice((b"", b"x"))).decode()
    elif kind == 4:
        told[drawn.choice(("classes", "count"))] = drawn.choice((0, 2, 3, 20, 1000, 50_000_000))
    else:
        drawn.choice((point, drawn.choice(content["points"])))["probabilities"] = drawn.choice(
            ({}, {domain["name"]: told}, point["probabilities"])
        )


def leave_a_point_out(content: dict[str, Any], drawn: random.Random) -> None:
    content["points"].pop(drawn.randrange(len(content["points"])))


def look_once_more(content: dict[str, Any], drawn: random.Random) -> None:
    """An evaluation inside an experience."""
    place = drawn.randrange(1, len(content["points"]))
    after, before = content["points"][place], content["points"][place - 1]
    middle = {name: (after[name] + before[name]) // 2 for name in ("step", "examples")}
    content["points"].insert(place, {**after, **middle, "final": False, "validation": {}})
    if drawn.random() < 0.5:
        content["configuration"]["eval_every"] = middle["step"] - before["step"] or 1


def exchange_points(content: dict[str, Any], drawn: random.Random) -> None:
    """What was answered at two moments, exchanged."""
    one, other = drawn.sample(content["points"], 2)
    one["predictions"], other["predictions"] = other["predictions"], one["predictions"]


def count_otherwise(content: dict[str, Any], drawn: random.Random) -> None:
    point = drawn.choice(content["points"])
    point[drawn.choice(("step", "examples"))] = drawn.choice((0, 1, 7, 10**6, point["step"] + 1))


def meet_otherwise(content: dict[str, Any], drawn: random.Random) -> None:
    trained = [domain["name"] for domain in content["data"] if not domain["evaluation_only"]]
    drawn.choice(content["points"])["met"] = drawn.sample(trained, drawn.randint(1, len(trained)))


def reorder_domains(content: dict[str, Any], drawn: random.Random) -> None:
    drawn.shuffle(content["data"])
    order = [domain["name"] for domain in content["data"]]
    for point in content["points"]:
        point["predictions"] = {name: point["predictions"][name] for name in order}


def train_on_otherwise(content: dict[str, Any], drawn: random.Random) -> None:
    domain = drawn.choice(content["data"])
    domain["evaluation_only"] = not domain["evaluation_only"]


def other_pairs(content: dict[str, Any], drawn: random.Random) -> None:
    split = drawn.choice(list(drawn.choice(content["data"])["splits"].values()))
    split[drawn.choice(("digest", "size"))] = drawn.choice(("ab" * 32, split["digest"][::-1], 1, 100, 5000))


def other_baseline(content: dict[str, Any], drawn: random.Random) -> None:
    score = drawn.choice(content["data"])[drawn.choice(("majority", "word_overlap"))]
    score[drawn.choice(("accuracy", "balanced_accuracy"))] = round(drawn.random(), 3)


def other_source(content: dict[str, Any], drawn: random.Random) -> None:
    source = drawn.choice([content["configuration"]["backbone"], *content["data"]])["source"]
    key = drawn.choice([*source, "more", "seen_domains", "test_pairs_met_before"])
    source[key] = drawn.choice(("hub", "mine", [], ["nowhere"], 5, None, 1.0, "Apache-2.0"))


def other_cost(content: dict[str, Any], drawn: random.Random) -> None:
    cost = content["cost"]
    name = drawn.choice(list(cost))
    cost[name] = drawn.choice((cost[name] + 1, cost[name] // 2, 2 * cost[name], 0, 1, cost[name] + 8))


def other_text(content: dict[str, Any], drawn: random.Random) -> None:
    part = content["configuration"][drawn.choice(("model", "stream", "strategy"))]
    part[drawn.choice(("title", "citation"))] = drawn.choice(("", "Mine", "Another et al. 2027", ESCAPE, "<b>x</b>"))


def other_name(content: dict[str, Any], drawn: random.Random) -> None:
    told = content["configuration"]
    part = told[drawn.choice(("model", "stream", "strategy", "backbone"))]
    like = {"l": "1", "o": "\u043e", "e": "\u0435", "a": "\u0430", "i": "\u0456", "-": "\u2011", "n": "n\u3164"}
    letter = drawn.choice([c for c in part["name"] if c in like] or ["l"])
    part["name"] = drawn.choice(
        (part["name"].replace(letter, like[letter], 1), part["name"] + "-2", "mine", part["name"].upper(), "\u3164",
         drawn.choice(names("model")))
    )  # fmt: skip


def other_setting(content: dict[str, Any], drawn: random.Random) -> None:
    told = content["configuration"]
    part = drawn.choice((told["strategy"]["training"], told["strategy"], told, drawn.choice(told["model"]["steps"])))
    key = drawn.choice(list(part))
    if key != "fingerprint":
        part[key] = drawn.choice((0.001, 1, 5, "x", None, 0.5, 64, True))


def other_seed(content: dict[str, Any], drawn: random.Random) -> None:
    content["configuration"]["seed"] = drawn.choice((1, 2, 3, 10**6, 2**31))


def other_recipe(content: dict[str, Any], drawn: random.Random) -> None:
    """Another shipped recipe's form in the place of its own."""
    content["configuration"]["model"] = json.loads(json.dumps(read_recipe(drawn.choice(names("model"))).describe()))


def other_inception(content: dict[str, Any], drawn: random.Random) -> None:
    step = drawn.choice(content["inception"])
    key = drawn.choice(("name", "epochs", "validation", "layers", "details"))
    step[key] = {
        "name": "finetune", "epochs": drawn.randrange(9), "validation": [drawn.random()] * drawn.randrange(6),
        "layers": drawn.choice((None, [1, 2, 3], [12, 1])), "details": {**step["details"], "training": {}},
    }[key]  # fmt: skip


def other_measured(content: dict[str, Any], drawn: random.Random) -> None:
    measured = content["measured"]
    part = drawn.choice((measured, measured["hardware"], measured["versions"]))
    key = drawn.choice(list(part))
    part[key] = drawn.choice((1, 0.001, "another", 1e8, None, "2.13.0"))


def warn_otherwise(content: dict[str, Any], drawn: random.Random) -> None:
    domain = drawn.choice([*(one["name"] for one in content["data"]), "nowhere", None])
    kind = drawn.choice(("one_class", "met_in_training", "predicts_one_class", "cut_pairs", "busy_machine", "my_own"))
    told = {
        "kind": kind,
        "domain": domain,
        "count": drawn.choice((None, 1, 10**6)),
        "names": drawn.choice(([], ["test"])),
    }
    content["warnings"] = drawn.choice(([], [told], [*content.get("warnings", []), told]))


def add_a_plugin(content: dict[str, Any], drawn: random.Random) -> None:
    kind = drawn.choice(("step", "layer_map", "encoder_family", "strategy", "metric", "source", "task_type"))
    piece = drawn.choice(("mine", "naive", "finetune", "lifetime_accuracy", "generator", "pair", "bert"))
    content["plugins"] = [{"kind": kind, "piece": piece, "package": "mine", "version": "1"}]
    if drawn.random() < 0.5:
        content["figures"]["mine"] = drawn.random()


def other_figure(content: dict[str, Any], drawn: random.Random) -> None:
    name = drawn.choice(list(content["figures"]))
    value = content["figures"][name] or 0.5
    content["figures"][name] = drawn.choice((value * (1 + 10 ** drawn.uniform(-12, -1)), 1.0, None))


def other_version(content: dict[str, Any], drawn: random.Random) -> None:
    content["schema_version"] = drawn.choice((True, 1, 2, 3, "2", 1.0))


MEANINGS: tuple[Meaning, ...] = (
    flip_answers, answer_rightly, answer_one_class, turn_gold, leave_a_point_out, look_once_more, exchange_points,
    count_otherwise, meet_otherwise, reorder_domains, train_on_otherwise, other_pairs, other_baseline, other_source,
    other_cost, other_text, other_name, other_setting, other_seed, other_recipe, other_inception, other_measured,
    warn_otherwise, add_a_plugin, other_figure, other_version, tell_probabilities,
    tell_odd_probabilities,
)  # fmt: skip


def changed(files: Files, drawn: random.Random) -> tuple[str, Files]:
    """A submission with a change of one kind or another, and what was done to it."""
    if drawn.random() < 0.2:
        return "bytes", _structural(files, drawn)
    if drawn.random() < 0.12:
        return "claims", _claims(files, drawn)
    return _semantic(files, drawn)


def _structural(files: Files, drawn: random.Random) -> Files:
    name = drawn.choice(sorted(files))
    found = {**files, name: mutated(files[name], drawn)}
    if name != "submission.json" and drawn.random() < 0.9:  # a forger knows how to compute a sha256
        before, after = (hashlib.sha256(raw[name]).hexdigest().encode() for raw in (files, found))
        found["submission.json"] = found["submission.json"].replace(before, after)
    return found


def _claims(files: Files, drawn: random.Random) -> Files:
    """What ``submission.json`` says of itself."""
    content = json.loads(files["submission.json"])
    kind = drawn.randrange(4)
    if kind == 0:
        field = drawn.choice(("author", "licence", "name", "model", "clbench"))
        content[field] = drawn.choice(
            ("cIbench", "\u0441lbench", "\u3164", "A\u2800", "MIT", "kd-61", "<b>", "b\u202ea")
        )
    elif kind == 1:
        mean = drawn.choice([one for one in content["figures"].values() if one])
        mean[drawn.choice(("mean", "low", "high"))] = drawn.choice((None, 0.5, 1.0, mean["mean"] * (1 + 1e-9)))
    elif kind == 2:
        content["track"][drawn.choice(("stream", "edition", "strategy"))] = drawn.choice(("lite", "ewc", "nli-shift"))
    else:
        content["schema_version"] = drawn.choice((True, 1, 2, 1.0, "1"))
        content["link"] = drawn.choice((None, "https://example.org", "javascript:x", "https://a@b"))
    return {**files, "submission.json": json.dumps(content).encode()}


def _semantic(files: Files, drawn: random.Random) -> tuple[str, Files]:
    """One or two changes of meaning to a record, the same to each or to one alone; then all is made to fit, or not."""
    meanings = [drawn.choice(MEANINGS) for _ in range(drawn.choice((1, 1, 2)))]
    told = "+".join(meaning.__name__ for meaning in meanings)
    records = sorted(name for name in files if name != "submission.json")
    asked = records if drawn.random() < 0.7 else [drawn.choice(records)]
    seed, fitting = drawn.random(), drawn.random() < 0.85
    found = dict(files)
    for name in asked:
        content = json.loads(files[name])
        same = random.Random(seed)
        try:
            for meaning in meanings:
                meaning(content, same)
        except (LookupError, TypeError, ValueError, AttributeError):  # a change that an earlier one left no room for
            continue
        found[name] = _fitted(json.dumps(content), fitting)
    del found["submission.json"]
    found = {_named(name, raw): raw for name, raw in found.items()}
    return told, {**found, "submission.json": _claimed(found, files["submission.json"])}


def _named(name: str, raw: bytes) -> str:
    """The file of a record, whose seed may have been changed."""
    try:
        return record_name(Record.model_validate_json(raw).configuration.seed)
    except ValidationError:
        return name


def _fitted(text: str, fitting: bool) -> bytes:
    try:
        record = Record.model_validate_json(text)
        made = refitted(record) if fitting else record
    except (ValidationError, LookupError, TypeError, ValueError, UserError):
        return text.encode()
    return made.model_dump_json().encode()


def _claimed(records: Files, before: bytes) -> bytes:
    """The submission of what the records now are, with their digests and means; or with new digests alone."""
    told = json.loads(before)
    digests = {name: hashlib.sha256(raw).hexdigest() for name, raw in records.items()}
    try:
        read = [Record.model_validate_json(raw) for raw in records.values()]
        made = form(read, digests, name=told["name"], author=told["author"], link=told["link"], licence=told["licence"])
        return written(made).encode()
    except (ValidationError, UserError, LookupError, TypeError, ValueError):
        return json.dumps({**told, "records": digests}).encode()
