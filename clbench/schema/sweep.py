"""Sweeps: many runs from one file, recipes x streams x strategies x orders x seeds (``benchmarks/sweeps/*.yaml``)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from clbench.errors import UserError, nearest, short
from clbench.schema.budget import NO_BUDGET, Budget
from clbench.schema.form import Form, Name, read_yaml, shown
from clbench.schema.order import all_orders, orders_of
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.seeds import parse_seeds, seeds_of
from clbench.schema.shipped import expanded, find, is_path
from clbench.schema.spec import RunSpec
from clbench.schema.strategy import Strategy, override, read_strategy
from clbench.schema.stream import OpenStream, read_stream

Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
# Runs of one sweep; each is a file to look for and a line of the plan.
_MOST = 10_000
Setting = bool | int | float | str | None


class Sweep(Form):
    """What a sweep's file says; every recipe meets every stream in every order under every strategy with every
    seed.

    Attributes:
        name: what ``clbench sweep`` is given.
        title: one line for people.
        recipes, streams, strategies: names or paths, each once; a path is meant from the file's folder.
        seeds: ``0-2``, ``0,4,7-9``, a number or a list of numbers.
        orders: of each stream: ``all`` of its file, ``0-2``, ``reversed``, or a list of these and of lists of domains,
            see :func:`clbench.schema.order.in_order`; the file's own unless given.
        edition: of all streams; each stream's usual one unless given, see
            :meth:`clbench.schema.stream.OpenStream.usual_edition`.
        backbone: instead of the recipes' and the edition's own.
        data_dir: for real editions, a folder with the domains' files, from the file's folder.
        eval_every: optimizer steps between evaluations inside an experience; null for none.
        shift: for generated editions, 0 to 1, how far each domain is shifted from the first.
        budget: of all strategies, ``memory`` and ``compute``, see :mod:`clbench.schema.budget`.
        settings: by strategy, the hyper-parameters that are changed, such as ``replay: {memory_size: 100}``.
    """

    name: Name
    title: str | None = None
    recipes: Names
    streams: Names
    strategies: Names
    seeds: tuple[int, ...]
    orders: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)] = ("0",)
    edition: str | None = None
    backbone: str | None = None
    data_dir: str | None = None
    eval_every: Annotated[int, Field(strict=True, ge=1)] | None = None
    shift: float = Field(default=1.0, ge=0, le=1)
    budget: Budget = NO_BUDGET
    settings: dict[str, dict[str, Setting]] = Field(default_factory=dict)

    @field_validator("recipes", "streams", "strategies")
    @classmethod
    def _distinct(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"'{short(name)}' should come once, but comes {names.count(name)} times")
        return names

    @field_validator("seeds", mode="before")
    @classmethod
    def _as_people_write_them(cls, given: Any) -> tuple[int, ...]:
        parts = given if isinstance(given, list | tuple) else [given]
        if not parts or any(isinstance(part, bool) or not isinstance(part, int | str) for part in parts):
            raise ValueError(f"should be like 3, 0-2 or 0,4,7-9, but is {shown(given)}")
        return tuple(seeds_of(",".join(str(part) for part in parts)))

    @field_validator("orders", mode="before")
    @classmethod
    def _orders_as_people_write_them(cls, given: Any) -> tuple[str, ...]:
        found: list[str] = []
        for one in given if isinstance(given, list | tuple) else [given]:
            if isinstance(one, list | tuple) and one and all(isinstance(name, str) for name in one):
                found.append(",".join(one))
            elif isinstance(one, str) or (isinstance(one, int) and not isinstance(one, bool)):
                found += orders_of(str(one))
            else:
                raise ValueError(
                    f"should be all, reversed, numbers like 0-2, or lists of domains, but is {shown(given)}"
                )
        return tuple(found)

    @model_validator(mode="after")
    def _not_too_many(self) -> Sweep:
        # Of ``all`` the streams' files say how many they are.
        check_count(len(self.recipes) * len(self.streams) * len(self.strategies) * len(self.orders) * len(self.seeds))
        return self

    @model_validator(mode="after")
    def _settings_of_its_strategies(self) -> Sweep:
        for name in self.settings:
            if name not in self.strategies:
                raise ValueError(
                    f"settings: the sweep has no strategy '{short(name)}'; {nearest(name, self.strategies)}"
                )
        return self


def check_count(runs: int) -> None:
    """Raise unless one sweep may have so many runs."""
    if runs > _MOST:
        raise ValueError(
            f"recipes x streams x strategies x orders x seeds should be at most {_MOST:,} runs, not {runs:,}"
        )


@dataclass(frozen=True)
class Overrides:
    """What is asked for in place of what a sweep's file says; None, or no budget, for what the file says.

    Attributes:
        seeds, orders: as ``--seeds`` and ``--orders`` take them.
        edition, backbone: of all streams and recipes.
        data_dir: seen from where the user stands. Where the file's edition generates its examples, each stream's usual
            real one takes its place, unless an edition is asked for as well.
        budget: of all strategies.
    """

    seeds: str | None = None
    orders: str | None = None
    edition: str | None = None
    backbone: str | None = None
    data_dir: Path | None = None
    budget: Budget = NO_BUDGET

    def of(self, form: Sweep) -> Sweep:
        """The file's form with what is asked for, orders and data apart.

        Raises:
            UserError: these are no seeds.
        """
        changed: dict[str, Any] = {"budget": self.budget} if self.budget else {}
        if self.seeds is not None:
            changed["seeds"] = tuple(parse_seeds(self.seeds))
        for name, value in (("edition", self.edition), ("backbone", self.backbone)):
            if value is not None:
                changed[name] = value
        return form.model_copy(update=changed)


@dataclass(frozen=True)
class OpenSweep:
    """A sweep whose names have all been found.

    Attributes:
        form: what its file says.
        path: the file.
        recipes, streams, strategies: by what :class:`clbench.schema.spec.RunSpec` is to be given, in the file's order.
        orders: of each stream, by :func:`clbench.schema.order.order_name`: empty for the file's own.
        data_dir: seen from where the user stands.
    """

    form: Sweep
    path: Path
    recipes: dict[str, OpenRecipe]
    streams: dict[str, OpenStream]
    strategies: dict[str, Strategy]
    orders: dict[str, tuple[str, ...]]
    data_dir: Path | None

    @property
    def count(self) -> int:
        """Runs in all."""
        lives = sum(len(orders) for orders in self.orders.values())
        return len(self.recipes) * lives * len(self.strategies) * len(self.form.seeds)

    def specs(self) -> Iterator[RunSpec]:
        """Every run but for its seed: streams, strategies, orders, recipes, each in the file's order."""
        form = self.form
        lives = ((stream, strategy, order) for stream in self.streams for strategy in self.strategies
                 for order in self.orders[stream])  # fmt: skip
        for stream, strategy, order in lives:
            for recipe in self.recipes:
                yield RunSpec(
                    model=recipe, stream=stream, edition=self.edition(stream), strategy=strategy, order=order or None,
                    settings=self.settings(strategy), backbone=form.backbone, data_dir=self.data_dir,
                    eval_every=form.eval_every, shift=form.shift, budget=form.budget,
                )  # fmt: skip

    def edition(self, stream: str) -> str:
        """Of a stream, a key of ``streams``."""
        return self.form.edition or self.streams[stream].usual_edition(self.data_dir)

    def settings(self, strategy: str) -> dict[str, str]:
        """What is changed of a strategy (a key of ``strategies``), as :class:`clbench.schema.spec.RunSpec` takes it."""
        place = list(self.strategies).index(strategy)
        changed = self.form.settings.get(self.form.strategies[place], {})
        return {name: json.dumps(value) for name, value in changed.items()}


def read_sweep(name: str | Path, overrides: Overrides = Overrides()) -> OpenSweep:
    """The sweep that a user means by ``name``: a shipped name, or the path of a YAML file.

    Raises:
        UserError: no such sweep; its file breaks the form; or a recipe, stream, edition, strategy or setting of it is
            not there or broken. The sentence names file and field.
    """
    path = find("sweep", name)
    form = overrides.of(read_yaml(path, Sweep))

    def opened(field: str, kind: str, names: tuple[str, ...], read: Callable[[str], Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for place, wanted in enumerate(names):
            where = f"{path}: field '{field}.{place}'"
            given = _from_here(kind, wanted, path.parent)
            if given in found:
                raise UserError(f"{where}: {short(wanted)} has come before; name it once.")
            try:
                found[given] = read(given)
            except UserError as error:
                raise UserError(f"{where}: {error}") from error
        return found

    recipes = opened("recipes", "model", form.recipes, read_recipe)
    streams = opened("streams", "stream", form.streams, read_stream)
    strategies = opened("strategies", "strategy", form.strategies, read_strategy)
    if overrides.data_dir is not None and overrides.edition is None:
        form = _of_real_examples(form, streams)
    data_dir = overrides.data_dir or _data_dir(form, path)
    orders = _orders(form, streams, path, overrides.orders)
    sweep = OpenSweep(form, path, recipes, streams, strategies, orders, data_dir)
    for given, stream in streams.items():
        try:
            stream.edition(sweep.edition(given))
        except UserError as error:
            where = f"{path}: field 'edition'" if overrides.edition is None else "--edition"
            raise UserError(f"{where}: {error}") from error
    _check_means(sweep, own_data=overrides.data_dir is None)
    for given, wanted in zip(strategies, form.strategies, strict=True):
        try:
            override(strategies[given], sweep.settings(given))
        except UserError as error:
            said = str(error).removeprefix("--set").lstrip(": ")
            raise UserError(f"{path}: field 'settings.{wanted}': {said}") from error
    return sweep


def _of_real_examples(form: Sweep, streams: dict[str, OpenStream]) -> Sweep:
    """Without an edition that generates its examples: each stream then has its usual real one."""
    named = [stream.form.editions.get(form.edition or "") for stream in streams.values()]
    generated = any(edition is not None and edition.generated for edition in named)
    return form.model_copy(update={"edition": None}) if generated else form


def _data_dir(form: Sweep, path: Path) -> Path | None:
    """What the file says, seen from where the user stands."""
    if form.data_dir is None:
        return None
    beside = path.parent / form.data_dir
    return beside if os.path.isdir(beside) else expanded(form.data_dir)


def _check_means(sweep: OpenSweep, own_data: bool) -> None:
    """That the file's folder of examples and its shift go with the editions.

    Args:
        own_data: whether the folder is the file's; of another one the reading of the examples tells.
    """
    form, data_dir = sweep.form, sweep.data_dir if own_data else None
    if data_dir is not None and not data_dir.is_dir():
        raise UserError(
            f"{sweep.path}: field 'data_dir': {data_dir} is not a folder; it should hold a folder a domain."
        )
    for given, stream in sweep.streams.items():
        edition = sweep.edition(given)
        told = f"edition '{edition}' of {stream.form.name} is"
        generated = stream.edition(edition).generated
        if generated and data_dir is not None:
            real = [name for name, other in stream.form.editions.items() if not other.generated]
            raise UserError(f"{sweep.path}: field 'data_dir': {told} generated and reads no files; its real editions "
                            f"are {', '.join(real) or 'none'}.")  # fmt: skip
        if not generated and form.shift != 1.0:
            raise UserError(f"{sweep.path}: field 'shift': {told} real data and has no shift; leave it out, or name a "
                            "generated edition.")  # fmt: skip


def _orders(form: Sweep, streams: dict[str, OpenStream], path: Path, given: str | None) -> dict[str, tuple[str, ...]]:
    """The orders of each stream, the file's or those of ``--orders``."""
    where = f"{path}: field 'orders'" if given is None else "--orders"
    try:
        wanted = form.orders if given is None else orders_of(given)
        found = {name: all_orders(stream, wanted, where) for name, stream in streams.items()}
        check_count(len(form.recipes) * sum(map(len, found.values())) * len(form.strategies) * len(form.seeds))
    except ValueError as error:
        raise UserError(f"{where} {error}.") from error
    return found


def _from_here(kind: str, name: str, folder: Path) -> str:
    """A name as it is, and a path from the file's folder as a path from where the user stands."""
    path = is_path(name)
    beside = folder / name if path else folder / f"{name}.yaml"
    if os.path.isfile(beside) or (kind == "model" and path and os.path.isdir(beside)):
        return str(beside)
    return name
