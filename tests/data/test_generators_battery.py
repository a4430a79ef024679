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

from clbench.data.generators import (
    GENERATORS,
    SIZES,
    Example,
    Generator,
    draw_anew,
    examples,
    find,
    generate,
    generator,
    known,
)
from clbench.data.pairs import DomainData
from clbench.errors import UserError
from clbench.schema.domain import Domain
from clbench.schema.form import read_yaml
from clbench.schema.shipped import FOLDERS, names

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
# Sentence pairs of two labels; and all generators, as they are found in their folder.
NAMES = tuple(benchmark.REAL)
ALL = tuple(sorted(known()))


@cache
def data(name: str) -> DomainData:
    return DomainData(name, generate(name), {})


@cache
def drawn(name: str) -> list[tuple[Example, int]]:
    stream = examples(name)
    return [next(stream) for _ in range(sum(SIZES.values()))]


def test_every_shipped_domain_has_its_generator_and_every_generator_its_figures() -> None:
    domains = [read_yaml(FOLDERS["domain"] / f"{name}.yaml", Domain) for name in names("domain")]
    asked = {domain.generator.name: domain.generator for domain in domains if domain.generator}
    assert len(domains) > len(asked) == len(ALL)
    assert set(asked) == set(ALL) == {*benchmark.REAL, *benchmark.REAL_TRAITS}
    assert all(len(source.classes) == len(find(name).shares) for name, source in asked.items())


@pytest.mark.parametrize("name", ALL)
def test_sizes_and_distinct_examples(name: str) -> None:
    splits = data(name).splits
    assert {split: len(pairs) for split, pairs in splits.items()} == SIZES
    assert SIZES["train"] >= 2000
    assert SIZES["validation"] >= 400
    assert SIZES["test"] >= 1000
    alike = [frozenset(text.lower() for text in texts) for pairs in splits.values() for texts in pairs.texts()]
    assert len(set(alike)) == len(alike)
    sides = {len(pairs.sides) for pairs in splits.values()}
    assert len(sides) == 1
    assert all(len(texts) == max(sides) for texts in alike), "a sentence paired with itself"


@pytest.mark.parametrize("name", ALL)
def test_as_many_again_for_fresh_draws(name: str) -> None:
    known_pairs = data(name).splits
    fresh = draw_anew(name, 5, 1.0, SIZES["test"], known_pairs.values())
    assert len(fresh) == SIZES["test"]
    before = {frozenset(text.lower() for text in texts) for pairs in known_pairs.values() for texts in pairs.texts()}
    assert not before & {frozenset(text.lower() for text in texts) for texts in fresh.texts()}


@pytest.mark.parametrize("name", NAMES)
def test_the_four_figures_come_close_to_the_real_ones(name: str) -> None:
    found = benchmark.measure(data(name))
    assert benchmark.misses(found, benchmark.REAL[name]) == [], found


@pytest.mark.parametrize("name", [name for name, other in benchmark.REAL_TRAITS.items() if other])
def test_the_traits_come_close_to_the_real_ones(name: str) -> None:
    found = benchmark.traits(data(name), len(find(name).shares))
    assert benchmark.strays(found, benchmark.REAL_TRAITS[name]) == [], found


@pytest.mark.parametrize("name", [name for name, other in benchmark.REAL_TRAITS.items() if other is None])
def test_where_no_real_set_was_at_hand_the_words_alone_do_not_tell(name: str) -> None:
    found = benchmark.traits(data(name), len(find(name).shares))
    assert found.bag_of_words < 0.8, found
    assert max(found.shares) - min(found.shares) < 0.05


@pytest.mark.parametrize("name", ALL)
def test_every_label_near_its_share_in_every_split(name: str) -> None:
    shares = np.array(find(name).shares)
    for pairs in data(name).splits.values():
        counted = np.bincount(pairs.labels, minlength=len(shares)) / len(pairs)
        assert len(counted) == len(shares)
        assert counted.min() > 0
        # Four standard errors of a share.
        assert np.all(abs(counted - shares) < 4 * np.sqrt(shares * (1 - shares) / len(pairs)))


@pytest.mark.parametrize("name", ALL)
def test_patterns_and_vocabulary(name: str) -> None:
    counts = Counter(example.pattern for example, _ in drawn(name))
    assert len(counts) >= 20
    # None of them is there for show.
    assert min(counts.values()) >= 0.2 * len(drawn(name)) / len(counts)
    # Several hundred, and not only in words that occur once.
    assert len(benchmark.content_words(data(name))) >= 300


@pytest.mark.parametrize("name", ALL)
def test_a_pattern_does_not_name_its_label(name: str) -> None:
    classes = len(find(name).shares)
    counts: dict[str, np.ndarray] = {}
    for example, label in drawn(name):
        counts.setdefault(example.pattern, np.zeros(classes))[label] += 1
    assert all(of.min() > 0 for of in counts.values())
    # Naming each pattern's label by its share may gain no more than chance does.
    every = sum(counts.values())
    guessed = {pattern: int((of / every).argmax()) for pattern, of in counts.items()}
    recalls = [
        np.mean([guessed[example.pattern] == label for example, gold in drawn(name) if gold == label])
        for label in range(classes)
    ]
    assert np.mean(recalls) < 1 / classes + 0.08


@pytest.mark.parametrize("name", ALL)
def test_templates_are_filled_and_sentences_whole(name: str) -> None:
    for example, _ in drawn(name):
        for text in example.texts:
            assert text == " ".join(text.split())
            assert text
            assert not set("{}[]|~") & set(text), text


@pytest.mark.parametrize("name", ALL)
def test_another_seed_gives_other_pairs(name: str) -> None:
    one, same, other = (generate(name, seed=seed, sizes=SMALL)["train"] for seed in (0, 0, 1))
    assert one.digest() == same.digest() == data(name).splits["train"].select(range(40)).digest()
    assert one.digest() != other.digest()
    assert len(set(one.texts()) & set(other.texts())) < 20


def test_the_same_pairs_in_another_process() -> None:
    code = (
        "import json, sys; from clbench.data.generators import generate; sizes = json.loads(sys.argv[1]);"
        "print(json.dumps({n: generate(n, sizes=sizes)['test'].digest() for n in json.loads(sys.argv[2])}))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, json.dumps(SMALL), json.dumps(ALL)],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == {name: generate(name, sizes=SMALL)["test"].digest() for name in ALL}


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
    share = GENERATORS[name].shares[1]
    assert abs(np.mean([next(stream)[1] for _ in range(400)]) - share) < 4 * np.sqrt(share * (1 - share) / 400)


def test_a_streams_first_domain_is_the_same_at_every_shift() -> None:
    assert generate("mnli", shift=0.3, sizes=SMALL)["test"].digest() == generate("mnli", sizes=SMALL)["test"].digest()


def test_a_smaller_shift_means_nothing_where_a_stream_has_no_first_domain() -> None:
    for name in ("cola", "dbpedia", "yahoo"):
        assert generate(name, shift=0.2, sizes=SMALL)["test"].digest() == generate(name, sizes=SMALL)["test"].digest()


def test_labels_are_drawn_by_their_shares_from_the_last_on() -> None:
    class Fixed:
        def __init__(self, number: float) -> None:
            self.random = lambda: number

    # Below 0.2 the last of three, then 0.2 to 0.5 the second, and the rest the first.
    three = Generator(lambda rng, label, shift: Example("a", None, "same"), (0.5, 0.3, 0.2))
    numbers = {0.0: 2, 0.19: 2, 0.21: 1, 0.49: 1, 0.51: 0, 0.99: 0}
    assert {number: three.label(Fixed(number)) for number in numbers} == numbers  # type: ignore[arg-type]
    # As it was with two: the second label below its share.
    two = Generator(three.draw, (0.6, 0.4))
    assert [two.label(Fixed(number)) for number in (0.39, 0.4, 0.41)] == [1, 0, 0]  # type: ignore[arg-type]


def test_shares_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="the shares of generator mine should be two or more, in sum 1"):
        generator("mine", shares=(0.5, 0.4))
    with pytest.raises(ValueError, match="the shares of generator mine should be two or more, in sum 1"):
        generator("mine")


def test_unknown_generators_and_spent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no generator is called 'snil'; did you mean snli"):
        next(examples("snil"))
    monkeypatch.setitem(GENERATORS, "mnli", Generator(lambda rng, label, shift: Example("a", "b", "same"), (0.5, 0.5)))
    stream = examples("mnli")
    next(stream)
    with pytest.raises(UserError, match="has run out of distinct pairs"):
        next(stream)
