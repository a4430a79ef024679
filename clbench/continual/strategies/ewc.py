"""Method ``ewc``: elastic weight consolidation (Kirkpatrick et al. 2017, arXiv:1612.00796)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from clbench.schema.strategy import Means, State, Strategy, Verified, Work, own_plugin


class Ewc(Strategy):
    """Elastic weight consolidation: loss + lambda * sum_e sum_i F_ei (w_i - w*_ei)^2 over earlier experiences e.

    ``mode`` ``separate`` keeps one penalty an experience; ``online`` keeps a single one, F = decay * F_old + F_new.
    """

    verified: ClassVar[Verified] = Verified(
        "yes",
        "Fisher information (single examples, at the data's labels) and penalty against forms written out; "
        "lambda is half of the paper's",
    )

    method: Literal["ewc"]
    lambda_: float = Field(alias="lambda", ge=0)
    mode: Literal["separate", "online"] = "separate"
    decay: float | None = Field(default=None, ge=0, le=1)

    @field_validator("decay")
    @classmethod
    def _belongs_to_online(cls, decay: float | None, info: ValidationInfo) -> float | None:
        if (decay is None) == (info.data.get("mode") == "online"):
            raise ValueError("decay and mode: online go together: give both or neither")
        return decay

    def plugin(self) -> Any:
        from clbench.continual import avalanche
        from clbench.continual.benchmark import contents
        from clbench.continual.fisher import fisher_diagonal
        from clbench.continual.penalty import add_pull

        class Plugin(avalanche.EWCPlugin):
            """Avalanche's EWC with the Fisher information of single examples, the penalty's gradient in closed form.

            Avalanche squares the gradient of a batch's mean loss, in which the examples' gradients cancel: what lambda
            means would then depend on the batch size and on the order of the examples. And it puts the penalty into the
            graph of the loss, see :func:`clbench.continual.penalty.add_pull`.
            """

            def before_backward(self, strategy: Any, **_: Any) -> None:
                """The loss stays that of the new examples."""

            def after_backward(self, strategy: Any, **_: Any) -> None:
                for experience, fisher in self.importances.items():
                    origin = self.saved_params[experience]
                    importance, weights = ({n: one[n].data for n in fisher} for one in (fisher, origin))
                    add_pull(strategy.model, importance, weights, self.ewc_lambda)

            def compute_importances(self, model: Any, *others: Any, **more: Any) -> dict[str, Any]:
                dataset = others[2]  # behind the criterion and the optimizer
                fisher = fisher_diagonal(model, *contents(dataset))
                data = avalanche.ParamData
                return {name: data(name, f.shape, init_tensor=f, device=f.device) for name, f in fisher.items()}

        return Plugin(self.lambda_, mode=self.mode, decay_factor=self.decay)

    def state(self, learner: Any) -> State:
        plugin = own_plugin(learner)
        state: State = {}
        for part, kept in (("fisher", plugin.importances), ("weights", plugin.saved_params)):
            for experience, named in kept.items():
                state |= {f"{part}/{experience}/{name}": data.data for name, data in named.items()}
        return state

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        from clbench.continual import avalanche

        plugin = own_plugin(learner)
        kept = {"fisher": plugin.importances, "weights": plugin.saved_params}
        device = next(learner.model.parameters()).device
        for key, value in state.items():
            part, number, name = key.split("/", 2)
            value = value.to(device)
            kept[part][int(number)][name] = avalanche.ParamData(name, value.shape, init_tensor=value, device=device)

    def gradients(self, work: Work) -> float:
        """The Fisher information of every experience takes the gradient of each of its examples once."""
        return float(work.pairs)

    def burden(self) -> float:
        """The Fisher information costs about an epoch."""
        return 1 + 1 / self.training.epochs

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, copies=2 * (1 if self.mode == "online" else experiences))
