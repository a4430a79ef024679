"""What a run is, as one value: the command line, ``clbench.run``, sweeps, studies and ``verify --rerun`` make one."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

from pydantic import BeforeValidator, Field

from clbench.schema.budget import NO_BUDGET, Budget
from clbench.schema.form import Frozen, parse


def _text(given: Any) -> Any:
    return os.fspath(given) if isinstance(given, os.PathLike) else given


def _order(given: Any) -> Any:
    if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
        return ",".join(given)
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


Named = Annotated[str, BeforeValidator(_text)]


class RunSpec(Frozen):
    """A run but for its seed and its folder.

    Attributes:
        model: a recipe's name, the path of its YAML file, or a checkpoint's folder.
        stream: a stream's name, or the path of its YAML file.
        edition: ``embedded``, ``lite`` or ``full``, or another that the stream has; the stream's usual one unless
            given, see :meth:`clbench.schema.stream.OpenStream.usual_edition`.
        strategy: a strategy's name, or the path of its YAML file.
        order: in which the stream's domains are met, see :func:`clbench.schema.order.in_order`: 0 for the file's own,
            n for the n-th of its ``orders``, ``reversed``, or the domains' names.
        settings: changes of the strategy's hyper-parameters, such as ``{"lambda": 100, "training.epochs": 1}``, and of
            the recipe's steps, such as ``{"finetune.epochs": 1}``, see :func:`clbench.schema.changes.change_steps`;
            text is read as ``--set`` reads it.
        quick: at most 200 examples to train on, 50 to validate and 100 to test, and one epoch everywhere. The edition
            of the record is then called ``EDITION-quick``, and stands in no track.
        backbone: the encoder to start from, the recipe's or else the edition's own unless given: a name, a YAML file,
            a checkpoint folder or a hub id.
        labels: of a checkpoint, the labels of its head's rows in their order, where its config.json does not name them.
        data_dir: for real editions, a folder with the domains' files instead of the hub.
        eval_every: optimizer steps between evaluations inside an experience; None for none.
        random_baseline: ask the model with random weights as well, before its life: what
            ``forward_transfer_random`` is against.
        shift: for generated editions, 0 to 1, how far each domain is shifted from the first.
        budget: what the strategy may hold and compute, see :mod:`clbench.schema.budget`; such as ``{"compute": 1}``.
        device, precision: where models compute, and how exactly, see :func:`clbench.runtime.device.choose`.
        deterministic: on a GPU, only what gives the same bits twice, which is slower; a CPU always does.
        micro_batch: examples whose activations are held at once, ``auto`` for as many as fit; the batch stays whole.
    """

    model: Named = "pkd-skip-6l"
    stream: Named = "nli-shift"
    edition: str | None = None
    strategy: Named = "naive"
    order: Annotated[str, BeforeValidator(_order)] | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    quick: bool = False
    backbone: Named | None = None
    labels: tuple[str, ...] | None = None
    data_dir: Path | None = None
    eval_every: int | None = None
    random_baseline: bool = False
    shift: float = 1.0
    budget: Budget = NO_BUDGET
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    deterministic: bool = False
    micro_batch: Annotated[str, BeforeValidator(str)] | None = None

    def words(self, seeds: str) -> list[str]:
        """The command that makes this run; what only repeats a default is left out.

        Args:
            seeds: as ``--seeds`` takes them.

        >>> RunSpec(model="kd-6l", settings={"lambda": 10}).words("0-2")[6:]
        ['--strategy', 'naive', '--set', 'lambda=10', '--seeds', '0-2']
        """
        edition = [] if self.edition is None else ["--edition", self.edition]
        quick = ["--quick"] if self.quick else []
        first = ["clbench", "run", "--model", self.model, "--stream", self.stream, *edition, *quick]
        return [*first, "--strategy", self.strategy, *self.changes(), "--seeds", seeds, *self.evaluation_options()]

    def changes(self) -> list[str]:
        """The options for what is other than recipe and strategy say."""
        # JSON is YAML, which --set reads; a text is what a user has written already.
        found = [
            word
            for name, value in self.settings.items()
            for word in ("--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}")
        ]
        found += [] if self.backbone is None else ["--backbone", self.backbone]
        return found + ([] if self.labels is None else ["--labels", ",".join(self.labels)])

    def evaluation_options(self) -> list[str]:
        """The options for the data, and for how the run is looked at."""
        found = [] if self.order in (None, "0") else ["--order", str(self.order)]
        found += [] if self.eval_every is None else ["--eval-every", str(self.eval_every)]
        found += ["--random-baseline"] if self.random_baseline else []
        found += [] if self.shift == 1.0 else ["--shift", f"{self.shift:g}"]
        found += [word for one in self.budget.assignments() for word in ("--budget", one)]
        found += [] if self.device == "auto" else ["--device", self.device]
        found += [] if self.precision == "auto" else ["--precision", self.precision]
        found += ["--deterministic"] if self.deterministic else []
        found += [] if self.micro_batch is None else ["--micro-batch", self.micro_batch]
        return found + ([] if self.data_dir is None else ["--data-dir", str(self.data_dir)])

    def command(self, seeds: str = "0") -> str:
        """:meth:`words` as a shell takes them."""
        return shlex.join(self.words(seeds))


class SpecFields(TypedDict, total=False):
    """The fields of :class:`RunSpec` as keyword arguments; model and stream apart."""

    edition: str | None
    strategy: str | Path
    order: int | str | Sequence[str] | None
    settings: Mapping[str, Any] | None
    quick: bool
    backbone: str | Path | None
    labels: Sequence[str] | None
    data_dir: str | Path | None
    eval_every: int | None
    random_baseline: bool
    shift: float
    budget: Mapping[str, float] | Budget | None
    device: str
    precision: str
    deterministic: bool
    micro_batch: int | str | None


def spec_of(model: str | Path, stream: str | Path, fields: Mapping[str, Any]) -> RunSpec:
    """The value of keyword arguments; None stands for a field's default.

    Raises:
        UserError: a field is not known, or wrong.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    return parse({"model": model, "stream": stream, **given}, RunSpec, "run")
