"""Strategies: how a model goes on learning after inception (``benchmarks/strategies/*.yaml``).

A strategy is one class in one file, see ``clbench/continual/strategies/``: its fields are its settings, as YAML spells
them; what it adds to Avalanche's loop, what of it outlives an experience, and its traits are its methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, get_args

from pydantic import ConfigDict, Field
from pydantic_core import to_jsonable_python as to_jsonable

from clbench.errors import UserError, nearest, short
from clbench.schema.document import parse_document
from clbench.schema.form import Form, Lines, Name, parse, read_mapping, shown, spelt
from clbench.schema.registry import Chosen, Registry, forms
from clbench.schema.scenario import Scenario
from clbench.schema.shipped import find
from clbench.schema.training import Training

if TYPE_CHECKING:
    from torch import Tensor

    from clbench.compression.task import Observer

# Examples in a memory: more than the largest data set has would be reserved for nothing.
Remembered = Annotated[int, Field(ge=1, le=100_000_000)]
State = dict[str, "Tensor"]
# Nothing can be added to int8 matrices; said before a run begins, and where such a model is met nevertheless.
NOT_IN_INT8 = "adapters that are kept apart cannot be evaluated in int8; leave the step quantize out."


@dataclass(frozen=True)
class Work:
    """What an experience was.

    Attributes:
        experience: its number, 0 at inception, where a strategy trains on nothing.
        pairs: that it trains on, each once.
        examples: that its steps trained on, those from a memory that are in their batches included.
        steps: of the optimizer.
        past: how many training examples each domain has that came before, in their order.
    """

    experience: int
    pairs: int
    examples: int
    steps: int
    past: tuple[int, ...]


@dataclass(frozen=True)
class Means:
    """What a strategy needs at most, for :mod:`clbench.schema.budget`.

    Attributes:
        step_pairs: whose gradient a step takes, new ones and those of a memory that come beside them.
        copies: numbers that it holds for each parameter of the model.
        inputs, outputs: that it holds for each input and output of the matrices that low-rank adapters go on.
        pairs: that it remembers.
        pair_bytes: of its tensors, for each of them.
        other_bytes: of what is left.
    """

    step_pairs: int
    copies: int = 0
    inputs: int = 0
    outputs: int = 0
    pairs: int = 0
    pair_bytes: int = 0
    other_bytes: int = 0

    def adapter_numbers(self, adapted: tuple[int, int]) -> int:
        """That it holds where the matrices which adapters go on have so many inputs and outputs."""
        return self.inputs * adapted[0] + self.outputs * adapted[1]

    def fixed_bytes(self, parameters: int, adapted: tuple[int, int]) -> int:
        """Of all that it holds but for remembered examples; a number is a float32."""
        return 4 * (self.copies * parameters + self.adapter_numbers(adapted)) + self.other_bytes


class Verified(NamedTuple):
    """Whether a strategy has been verified against its paper.

    Attributes:
        told: ``yes``: its equations and what they are taken of are the paper's, ``partly``: they are, but for what is
            said; ``no``: nobody has looked.
        checked: what was, and what is another than in the paper; one line.
    """

    told: Literal["yes", "partly", "no"]
    checked: str


class Strategy(Form):
    """What every strategy's file says; each method adds its own hyper-parameters as fields.

    A subclass has ``method: Literal["its_name"]``. Its object in Avalanche lives for one experience; what it needs in
    the next is a flat dict of tensors, which :meth:`state` takes out and :meth:`restore` puts back in, and a checkpoint
    holds nothing else of it. So an unbroken life and a resumed one go the same way, by construction.

    What it needs of experience 0, which the recipe has trained, it gets by training on it for no epochs, upon which
    Avalanche's own hooks fire.

    Attributes:
        trains_on: what an experience is trained on: the ``new`` domain alone, all domains ``met`` so far, or ``all`` of
            the stream in one experience. The latter two are upper references, not continual learners.
        rehearses: whether it trains on remembered examples beside the new ones.
        needs_path: whether it needs the path of the weights through inception, see :meth:`observer`.
        scenarios: those that the method is defined for, see :mod:`clbench.schema.scenario`; another is refused.
        needs_encoder: whether it changes an encoder's matrices, which a model without an encoder has none of.
        needs_package: a package of an extra of clbench's, by the extra's name too; empty for none.
        stands_in: whether what is evaluated are other weights than those that go on training, see :meth:`showing`.
        one_model: whether one model answers for all domains, so that it can be kept.
        holds_first: whether it holds something of experience 0 where it holds anything.
        step_passes: passes of one example forward that a step takes for each of its examples, backward included.
        verified: against its paper.
        name: what ``--strategy`` is given.
        title: one line for people; empty for none.
        citation: where the method comes from, or ``none stated``.
        method: which of the methods.
        training: how an experience is trained.
    """

    # ``lambda`` is what the papers and the YAML say; Python cannot, hence the alias in both directions.
    model_config = ConfigDict(serialize_by_alias=True)

    trains_on: ClassVar[Literal["new", "met", "all"]] = "new"
    rehearses: ClassVar[bool] = False
    needs_path: ClassVar[bool] = False
    scenarios: ClassVar[tuple[Scenario, ...]] = get_args(Scenario)
    needs_encoder: ClassVar[bool] = False
    needs_package: ClassVar[str] = ""
    stands_in: ClassVar[bool] = False
    one_model: ClassVar[bool] = True
    holds_first: ClassVar[bool] = True
    # One forward, and about two backward: one for what goes on to the layer below, one for the weights.
    step_passes: ClassVar[int] = 3
    verified: ClassVar[Verified] = Verified("no", "its author does not say what was checked")

    name: Name
    title: str = ""
    citation: str = "none stated"
    method: str
    training: Training

    def check(self, domains: Sequence[str]) -> None:
        """Refuse a life through ``domains``, those that are trained on, in order; asked before anything is made.

        Raises:
            UserError: a setting does not fit it.
        """

    def template(self) -> Any:
        """The class of Avalanche's strategy; None for its ``Naive``."""
        return None

    def arguments(self) -> dict[str, Any]:
        """What the class takes beyond model, optimizer, criterion, batch size and epochs."""
        return {}

    def plugin(self) -> Any:
        """The method's plugin for Avalanche; None where the class itself is the method."""
        return None

    def state(self, learner: Any) -> State:
        """What the next experience needs of Avalanche's strategy ``learner``: flat tensors by name; by default what the
        plugin's own ``state()`` gives, where it has one.

        The plugin of :meth:`plugin` is :func:`own_plugin`. Rows of remembered examples are called ``rows``, or end so
        after a slash, ``0/rows``: a budget counts them.
        """
        told = getattr(own_plugin(learner), "state", None)
        return {} if told is None else told()

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        """Put into a fresh ``learner`` what :meth:`state` gave after the last experience; by default by the plugin's
        own ``restore(state, device)``, where it has one.

        Args:
            learner: Avalanche's strategy, with the model as that experience left it.
            state: as given; before the first experience, what :meth:`observer` saw.
            past: the Avalanche experiences that are over.
        """
        put = getattr(own_plugin(learner), "restore", None)
        if put is not None:
            put(state, next(learner.model.parameters()).device)

    def evaluated(self, state: State) -> Mapping[str, Tensor]:
        """The values of parameters, by name, that are evaluated in place of those that go on training, and that the
        model is left with at the end of its life; asked where the trait ``stands_in`` is set."""
        return {}

    def showing(self, learner: Any) -> AbstractContextManager[None]:
        """Within it ``learner``'s model is what is evaluated; asked inside an experience as well as behind it, where
        the trait ``stands_in`` is set."""
        return nullcontext()

    def epoch_pairs(self, new: int, met: int) -> int:
        """New and remembered examples that an epoch goes through, those apart that come beside new ones in batches.

        Args:
            new: examples of what the experience trains on.
            met: examples of all domains that the model has met, the new one included.
        """
        return new

    def observer(self) -> Observer | None:
        """What has to watch inception's last training; None where the method needs no path."""
        return None

    def burden(self) -> float:
        """How long a step of training takes, of what one of naive training takes; for foretelling a sweep's time."""
        return 1.0

    def gradients(self, work: Work) -> float:
        """Examples whose gradient the method takes in an experience beside those that its steps train on."""
        return 0.0

    def passes(self, work: Work) -> float:
        """What the method computes in an experience beside training on its examples, in passes of one example forward.

        A gradient takes three: one forward, about two backward. What has no pass of a model in it counts nothing.
        """
        return 3.0 * self.gradients(work)

    def means(self, experiences: int, classes: int) -> Means | None:
        """What it needs at most; None where nobody has said, upon which a budget refuses it.

        Args:
            experiences: of the life.
            classes: that the model tells apart.
        """
        return None

    def remembering(self, pairs: int, experiences: int) -> Strategy:
        """The same with a memory of so many examples at the end of a life, fewer than it has."""
        return self.model_copy(update={"memory_size": pairs})

    def quick(self) -> Strategy:
        """The same for ``--quick``: one epoch an experience."""
        return self.model_copy(update={"training": self.training.model_copy(update={"epochs": 1})})


def own_plugin(learner: Any) -> Any:
    """The method's plugin in Avalanche's strategy: it stands behind the one that schedules the training."""
    return learner.plugins[1]


def held_bytes(state: Mapping[str, Tensor]) -> int:
    """Bytes that a strategy holds between two experiences: the size of its tensors."""
    return sum(value.numel() * value.element_size() for value in state.values())


STRATEGIES: Registry[type[Strategy]] = Registry(
    "method",
    "clbench.continual.strategies",
    "clbench.strategies",
    forms("clbench.schema.strategy:Strategy", "method"),
)


AnyStrategy = Annotated[Strategy, Chosen(STRATEGIES, "method")]


@dataclass(frozen=True)
class Stage:
    """One experience of a life, as a strategy plans it.

    Attributes:
        name: of the domain that is new, or ``joint``.
        trains_on: the domains that it trains on; at inception, the one that the recipe has trained on.
        met: the domains that the model has been trained on when it is over.
    """

    name: str
    trains_on: tuple[str, ...]
    met: tuple[str, ...]


def stages(form: Strategy, domains: Sequence[str]) -> list[Stage]:
    """A life through ``domains``: inception, then an experience for each further domain, or one for all of them."""
    names = tuple(domains)
    found = [Stage(names[0], names[:1], names[:1])]
    if form.trains_on == "all":
        return [*found, Stage("joint", names, names)]
    for t in range(1, len(names)):
        found.append(Stage(names[t], names[t if form.trains_on == "new" else 0 : t + 1], names[: t + 1]))
    return found


def read_strategy(name: str | Path) -> Strategy:
    """The strategy that a user means by ``name``: a shipped name or the path of a YAML file.

    Raises:
        UserError: no such strategy, or its file breaks the form.
    """
    path = find("strategy", name)
    content, lines = read_mapping(path)
    return parse_strategy(content, str(path), lines)


def parse_strategy(content: Mapping[str, Any], origin: str, lines: Lines | None = None) -> Strategy:
    """Validate ``content`` as the form of its method; ``origin`` opens the sentence of a :class:`UserError`."""
    if "method" not in content:
        raise UserError(f"{origin}: field 'method' is missing.")
    method, known = content["method"], STRATEGIES.all()
    if not isinstance(method, str) or method not in known:
        raise UserError(
            f"{origin}: field 'method' should name a method, but is {shown(method)}; {nearest(str(method), known)}"
        )
    return parse(content, STRATEGIES.get(method), origin, lines)


def override(form: Strategy, assignments: Mapping[str, Any]) -> Strategy:
    """A strategy with some settings changed, as by ``--set lambda=100 --set training.epochs=2``.

    Args:
        form: the strategy.
        assignments: the settings' names (``training.`` before those of training) and their values: numbers, None, or
            text that is read as YAML reads it.

    Raises:
        UserError: an unknown setting (with the nearest names), or a value that the form refuses.
    """
    known = settings(form)
    content = form.model_dump(by_alias=True)
    for name, text in assignments.items():
        if name not in known:
            raise UserError(f"--set {short(name)}: strategy '{form.name}' has no such setting; {nearest(name, known)}")
        value = setting_value(name, text)
        if name.startswith("training."):
            content["training"][name.removeprefix("training.")] = value
        else:
            content[name] = value
    return parse_strategy(content, "--set")


def setting_value(name: str, value: Any) -> Any:
    """The value of ``--set name=value``: text is read as YAML reads it, anything else is what it is.

    Raises:
        UserError: the text is no value.
    """
    if not isinstance(value, str):
        return value
    try:
        return parse_document(value, "").content
    except UserError as error:
        raise UserError(
            f"--set {short(name)}: {shown(value)} is not a value; give a number, a word or null."
        ) from error


def setting_values(form: Strategy) -> dict[str, Any]:
    """Each setting that :func:`override` takes with its value, also where a record leaves out the usual one."""
    plain = {field.alias or name: getattr(form, name) for name, field in type(form).model_fields.items()}
    training = form.training.model_dump(mode="json")
    return {
        name: training[name.removeprefix("training.")] if name.startswith("training.") else to_jsonable(plain[name])
        for name in settings(form)
    }


def settings(form: Strategy) -> list[str]:
    """The names that :func:`override` takes: the method's hyper-parameters and those of training."""
    own = [name for name in spelt(type(form)) if name not in spelt(Strategy)]
    return sorted(own) + [f"training.{name}" for name in Training.model_fields]
