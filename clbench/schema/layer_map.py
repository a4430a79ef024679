"""Layer maps: which of a teacher's layers each of a student's learns from (``layer_map`` of the step ``distill``).

A layer map is one class in one file, see ``clbench/compression/layer_maps/``: its fields are its settings, as a
recipe's YAML spells them, and one of three methods says what it does. The student's k layers but the last, which the
logits teach, are matched with the teacher's N layers but the last.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, ValidationError

from clbench.errors import alike
from clbench.schema.form import Form
from clbench.schema.registry import Chosen, Registry, forms

if TYPE_CHECKING:
    from torch import Tensor

    from clbench.compression.matching import Choice


class LayerMap(Form):
    """What every layer map has; each rule adds its own settings as fields.

    A subclass has ``rule: Literal["its_name"]`` and one of three methods: :meth:`fixed`, where the numbers of layers
    alone decide; :meth:`choose`, where states or trials do; :meth:`weights`, where each example has its own mixture of
    the teacher's layers. A rule whose fields all have defaults may be named alone: ``layer_map: similar``.

    Attributes:
        rises: whether a higher layer of the student always has a higher one of the teacher.
        matches: whether any layer is matched; only then it goes with ``beta``.
        trainings: how many trainings a choice takes, the step's own included, rounded up; for foretelling a sweep's
            time. Above 1 it trains on the way to its choice, and progress shows that.
        rule: which rule.
    """

    rises: ClassVar[bool] = False
    matches: ClassVar[bool] = True
    trainings: ClassVar[int] = 1

    rule: str

    def fixed(self, student: int, teacher: int) -> Sequence[int]:
        """The teacher's layer, 1 to ``teacher``, for each of the student's layers 1 to k - 1, or 1 to k; none where
        nothing is matched.

        Args:
            student: k layers; as many as ``teacher`` at most where anything is matched.
            teacher: N layers.
        """
        raise NotImplementedError

    def is_due(self, epoch: int) -> bool:
        """Whether :meth:`choose` is asked (again) before this epoch, 0-based; always before epoch 0."""
        return False

    def choose(self, choice: Choice) -> Sequence[int]:
        """The teacher's layer, 1 to ``choice.teacher``, for each of the student's layers 1 to ``choice.student``.

        The same for the same choice; the model is as it was, and no random number but of ``choice.draw`` is drawn.
        """
        raise NotImplementedError

    def weights(self, states: Tensor, teacher: Tensor) -> Tensor:
        """What each of the teacher's layers counts for each of the student's, in each example of a batch.

        Args:
            states: (B, m, H), the [CLS] states of the student's matched layers, scaled to unit L2 norm.
            teacher: (B, n, H), those of the teacher's layers 1 to n.

        Returns:
            (B, m, n), 0 or more, each row's sum 1. Its gradient flows into the student.
        """
        raise NotImplementedError

    def quick(self) -> Self:
        """The same for ``--quick``: the least work."""
        return self

    @property
    def is_fixed(self) -> bool:
        """Known before anything is trained."""
        return type(self).fixed is not LayerMap.fixed

    @property
    def is_mixture(self) -> bool:
        """Of several of the teacher's layers at once."""
        return type(self).weights is not LayerMap.weights

    def identity(self) -> dict[str, Any]:
        """All that determines what it does, as plain JSON values: a plug-in's version too."""
        return {**self.model_dump(mode="json"), **LAYER_MAPS.code(self.rule)}

    @classmethod
    def flaw(cls) -> str | None:
        own = [name for name in ("fixed", "choose", "weights") if getattr(cls, name) is not getattr(LayerMap, name)]
        if len(own) != 1:
            told = " and ".join(own) or "none of them"
            return f"class {cls.__name__} should have one of the methods fixed, choose and weights, but has {told}"
        return super().flaw()


LAYER_MAPS: Registry[type[LayerMap]] = Registry(
    "layer map",
    "clbench.compression.layer_maps",
    "clbench.layer_maps",
    forms("clbench.schema.layer_map:LayerMap", "rule"),
)


def layers_given(found: Any) -> list[int] | None:
    """What a rule gives, as a list of whole numbers; None where it is anything else.

    >>> layers_given((1, 2)), layers_given([1.9]), layers_given("12"), layers_given(None)
    ([1, 2], None, None, None)
    """
    try:
        return [operator.index(layer) for layer in found]
    except TypeError:
        return None


def _named(name: str) -> str:
    known = LAYER_MAPS.all()
    if name not in known:
        close = alike(name, known)
        mean = f"; did you mean {' or '.join(close)}" if close else ""
        raise ValueError(
            f"should be a list of layers, a mapping with a rule, or the name of one ({', '.join(known)}), but is "
            f"'{name}'{mean}"
        )
    try:
        known[name](rule=name)
    except ValidationError as error:
        missing = ", ".join(str(one["loc"][0]) for one in error.errors() if one["loc"])
        raise ValueError(f"'{name}' needs settings: give a mapping, {{rule: {name}, ..}}, with {missing}") from error
    return name


MapName = Annotated[str, AfterValidator(_named)]
AnyLayerMap = Annotated[LayerMap, Chosen(LAYER_MAPS, "rule")]


def form_of(given: str | LayerMap) -> LayerMap:
    """The layer map that a name or a mapping of a recipe stands for."""
    return LAYER_MAPS.get(given)(rule=given) if isinstance(given, str) else given
