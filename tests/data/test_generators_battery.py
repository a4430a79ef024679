"""One battery for all generators: a new one is tested by being named."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from clbench.data.generators import GENERATORS, SIZES, Example, examples, generate
from clbench.data.pairs import DomainData
from clbench.errors import UserError
from clbench.schema.stream import read_stream

NAMES = (
    "mnli",
    "snli",
    "scitail",
    "sick",
    "hans",
    "rte",
    "mrpc",
    "qqp",
    "paws",
    "twitter-url",
    "stsb-pairs",
)
SMALL = {"train": 40, "validation": 10, "test": 10}


def _benchmark() -> ModuleType:
    # The table of the real figures stands once, in the benchmark whose table the docs show.
    path = Path(__file__).parents[1] / "speed" / "generators.py"
    spec = importlib.util.spec_from_file_location("speed_generators", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


benchmark = _benchmark()


@cache
def data(name: str) -> DomainData:
    return DomainData(name, generate(name), {})


@cache
def drawn(name: str) -> list[tuple[Example, int]]:
    stream = examples(name)
    return [next(stream) for _ in range(sum(SIZES.values()))]


def test_every_domain_of_the_shipped_streams_has_its_generator() -> None:
    domains = [domain for stream in benchmark.STREAMS for domain in read_stream(stream).domains]
    asked = {domain.generator.name for domain in domains if domain.generator}
    assert asked == set(NAMES) == set(benchmark.REAL)
    next(examples("mnli"))
    assert set(NAMES) <= set(GENERATORS)


@pytest.mark.parametrize("name", NAMES)
def test_sizes_and_distinct_pairs(name: str) -> None:
    splits = data(name).splits
    assert {split: len(pairs) for split, pairs in splits.items()} == SIZES
    assert SIZES["train"] >= 2000
    assert SIZES["validation"] >= 400
    assert SIZES["test"] >= 1000
    both = [frozenset((f.lower(), s.lower())) for p in splits.values() for f, s in zip(p.first, p.second, strict=True)]
    assert len(set(both)) == len(both)
    assert all(len(pair) == 2 for pair in both), "a sentence paired with itself"


@pytest.mark.parametrize("name", NAMES)
def test_the_four_figures_come_close_to_the_real_ones(name: str) -> None:
    found = benchmark.measure(data(name))
    assert benchmark.misses(found, benchmark.REAL[name]) == [], found


@pytest.mark.parametrize("name", NAMES)
def test_both_labels_near_their_share_in_every_split(name: str) -> None:
    for pairs in data(name).splits.values():
        assert set(np.unique(pairs.labels)) == {0, 1}
        # Four standard errors of a share.
        share = GENERATORS[name].positives
        assert abs(pairs.labels.mean() - share) < 4 * np.sqrt(share * (1 - share) / len(pairs))


@pytest.mark.parametrize("name", NAMES)
def test_patterns_and_vocabulary(name: str) -> None:
    counts = Counter(example.pattern for example, _ in drawn(name))
    assert len(counts) >= 20
    # None of them is there for show.
    assert min(counts.values()) >= 0.2 * len(drawn(name)) / len(counts)
    # Several hundred, and not only in words that occur once.
    assert len(benchmark.content_words(data(name))) >= 300


@pytest.mark.parametrize("name", NAMES)
def test_a_pattern_does_not_name_its_label(name: str) -> None:
    labels: dict[str, list[int]] = {}
    for example, label in drawn(name):
        labels.setdefault(example.pattern, []).append(label)
    share = np.mean([label for _, label in drawn(name)])
    assert all({0, 1} == set(of) for of in labels.values())
    # Naming each pattern's label by its share may gain no more than chance does.
    guessed = {pattern: np.mean(of) > share for pattern, of in labels.items()}
    recalls = [
        np.mean([guessed[e.pattern] == bool(label) for e, gold in drawn(name) if gold == label]) for label in (0, 1)
    ]
    assert np.mean(recalls) < 0.58


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_filled_and_sentences_whole(name: str) -> None:
    for example, _ in drawn(name):
        for text in (example.first, example.second):
            assert text == " ".join(text.split())
            assert text
            assert not set("{}[]|~") & set(text), text


@pytest.mark.parametrize("name", NAMES)
def test_another_seed_gives_other_pairs(name: str) -> None:
    one, same, other = (generate(name, seed=seed, sizes=SMALL)["train"] for seed in (0, 0, 1))
    assert one.digest() == same.digest() == data(name).splits["train"].select(range(40)).digest()
    assert one.digest() != other.digest()
    assert len(set(one.first) & set(other.first)) < 20


def test_the_same_pairs_in_another_process() -> None:
    code = (
        "import json, sys; from clbench.data.generators import generate; sizes = json.loads(sys.argv[1]);"
        "print(json.dumps({n: generate(n, sizes=sizes)['test'].digest() for n in json.loads(sys.argv[2])}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, json.dumps(SMALL), json.dumps(NAMES)],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == {name: generate(name, sizes=SMALL)["test"].digest() for name in NAMES}


@pytest.mark.parametrize(
    ("name", "first"), [("snli", "mnli"), ("rte", "mnli"), ("paws", "mrpc"), ("stsb-pairs", "mrpc")]
)
def test_shift_dials_how_far_a_domain_stands_from_its_streams_first(name: str, first: str) -> None:
    own = {example.pattern for example, _ in drawn(name)}
    theirs = {example.pattern for example, _ in drawn(first)}

    def share_of_own(shift: float) -> float:
        stream = examples(name, shift=shift)
        return float(np.mean([next(stream)[0].pattern in own - theirs for _ in range(400)]))

    whole = share_of_own(1.0)
    assert whole > 0.4
    assert share_of_own(0.0) == 0.0
    assert 0.35 < share_of_own(0.5) / whole < 0.65
    # The share of positives is the domain's own at every shift.
    stream = examples(name, shift=0.0)
    share = GENERATORS[name].positives
    assert abs(np.mean([next(stream)[1] for _ in range(400)]) - share) < 4 * np.sqrt(share * (1 - share) / 400)


def test_a_streams_first_domain_is_the_same_at_every_shift() -> None:
    assert generate("mnli", shift=0.3, sizes=SMALL)["test"].digest() == generate("mnli", sizes=SMALL)["test"].digest()


def test_unknown_generators_and_spent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no generator is called 'snil'; did you mean snli"):
        next(examples("snil"))
    from clbench.data.generators import Generator

    monkeypatch.setitem(GENERATORS, "mnli", Generator(lambda rng, label, shift: Example("a", "b", "same"), 0.5))
    stream = examples("mnli")
    next(stream)
    with pytest.raises(UserError, match="has run out of distinct pairs"):
        next(stream)
