"""The forms of strategies, and settings changed on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clbench.errors import UserError
from clbench.schema.shipped import names
from clbench.schema.strategy import STRATEGIES, override, parse_strategy, read_strategy, setting_values, settings


@pytest.mark.parametrize("name", sorted(STRATEGIES.all()))
def test_every_method_is_shipped_and_survives_being_written_down(name: str) -> None:
    form = read_strategy(name)
    assert form.name == form.method == name
    assert parse_strategy(form.model_dump(mode="json"), "again") == form
    assert all(character not in form.citation for character in "{}")


def test_nothing_else_is_shipped() -> None:
    assert names("strategy") == sorted(STRATEGIES.all())


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    content = read_strategy("ewc").model_dump() | {"name": "mine", "mode": "online", "decay": 0.9}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    form = read_strategy(str(path))
    assert (form.name, form.model_dump()["lambda"], form.model_dump()["decay"]) == ("mine", 1000.0, 0.9)


def test_override_changes_what_it_names_and_nothing_else() -> None:
    before = read_strategy("ewc")
    after = override(before, {"lambda": "1e2", "training.epochs": "5", "training.max_grad_norm": "null"})
    expected = before.model_dump()
    expected["lambda"] = 100.0
    expected["training"] |= {"epochs": 5, "max_grad_norm": None}
    assert after.model_dump() == expected
    assert override(before, {}) == before


def test_settings_are_what_override_takes() -> None:
    assert settings(read_strategy("agem"))[:2] == ["patterns_per_experience", "sample_size"]
    for method in STRATEGIES.all():
        form = read_strategy(method)
        assert list(setting_values(form)) == settings(form)
        for name, value in setting_values(form).items():
            assert override(form, {name: yaml.safe_dump(value).splitlines()[0]}) == form


@pytest.mark.parametrize(
    ("method", "assignment", "sentence"),
    [
        ("ewc", ("lamda", "1"), "--set lamda: strategy 'ewc' has no such setting; did you mean lambda?"),
        ("naive", ("training.epoch", "1"), "did you mean training.epochs"),
        ("naive", ("method", "ewc"), "--set method: strategy 'naive' has no such setting"),
        ("naive", ("training.epochs", "two"), "field 'training.epochs' should be a valid integer"),
        ("naive", ("training.epochs", "0"), "field 'training.epochs' should be greater than or equal to 1"),
        ("naive", ("training.learning_rate", ".nan"), "field 'training.learning_rate' should be a finite number"),
        ("naive", ("training.warmup", "1"), "field 'training.warmup' should be less than 1"),
        ("naive", ("training.select", "worst"), "field 'training.select' should be 'best' or 'last'"),
        ("si", ("lambda", "-1"), "field 'lambda' should be greater than or equal to 0, but is -1"),
        ("ewc", ("mode", "online"), "field 'decay': decay and mode: online go together: give both or neither"),
        ("ewc", ("decay", "0.5"), "field 'decay': decay and mode: online go together: give both or neither"),
        ("ewc", ("lambda", "[1"), "--set lambda: '[1' is not a value"),
        ("replay", ("memory_size", "{a: 1}"), "field 'memory_size' should be a valid integer"),
    ],
)
def test_bad_settings_end_in_one_sentence(method: str, assignment: tuple[str, str], sentence: str) -> None:
    with pytest.raises(UserError) as error:
        override(read_strategy(method), dict([assignment]))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"method": "ewcc"}, "field 'method' should name a method, but is 'ewcc'; did you mean ewc?"),
        ({"lambada": 1}, "field 'lambada' is not known; did you mean lambda?"),
        ({"memory_size": 1}, "field 'memory_size' is not known"),
        ({"training": {"epochs": 1}}, "field 'training.batch_size' is missing"),
        ({"training": {"epoch": 1}}, "field 'training."),
    ],
)
def test_bad_files_end_in_one_sentence(tmp_path: Path, change: dict[str, object], sentence: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(read_strategy("ewc").model_dump() | change))
    with pytest.raises(UserError) as error:
        read_strategy(str(path))
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)


def test_a_file_without_a_method(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\n")
    with pytest.raises(UserError, match=r"bad.yaml: field 'method' is missing\."):
        read_strategy(str(path))


def test_the_grid_names_settings_of_the_strategies() -> None:
    """What tests/speed/tune.py would try can be tried."""
    file = Path(__file__).resolve().parents[2] / "tests" / "speed" / "strategies-grid.yaml"
    grid = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(grid) <= set(STRATEGIES.all())
    for name, tried in grid.items():
        form = read_strategy(name)
        for setting, values in tried.items():
            assert len(set(values)) == len(values)
            for value in values:
                override(form, {setting: value})


def test_every_own_strategy_says_what_was_verified_and_what_it_needs() -> None:
    for name in STRATEGIES.all():
        form = read_strategy(name)
        assert form.verified.told in ("yes", "partly")
        assert len(form.verified.checked) > 40
        assert form.means(5, 2) is not None
