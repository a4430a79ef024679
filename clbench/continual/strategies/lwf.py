"""Method ``lwf``: learning without forgetting (Li and Hoiem 2016, arXiv:1606.09282)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, State, Strategy, Verified, Work, own_plugin


class Lwf(Strategy):
    """Learning without forgetting: loss + alpha * KL(old model || model), both softened by ``temperature``.

    KL is over the classes that were seen before. Where each domain has a head of its own, it is the sum over the heads
    of earlier domains, which both models are asked on the new examples, as in the paper.
    """

    verified: ClassVar[Verified] = Verified(
        "partly",
        "the distillation term against a form written out; the paper's warm-up of the new head alone is left out",
    )

    method: Literal["lwf"]
    alpha: float = Field(ge=0)
    temperature: float = Field(gt=0)

    def plugin(self) -> Any:
        import torch

        from clbench.continual import avalanche

        class Plugin(avalanche.LwFPlugin):
            """Avalanche's LwF with an old model that teaches without dropout and holds no gradients.

            Avalanche copies the model as training left it, in training mode; the targets would then be noisy.
            """

            def before_backward(self, strategy: Any, **more: Any) -> None:
                opened = getattr(strategy.model, "open", None)
                if opened is None or not opened.earlier:
                    super().before_backward(strategy, **more)
                    return
                with torch.no_grad():
                    old = self.lwf.prev_model(strategy.mb_x).unmasked / self.lwf.temperature
                new = strategy.mb_output.unmasked / self.lwf.temperature
                for head in map(list, opened.earlier):
                    told, wanted = new[:, head].log_softmax(1), old[:, head].softmax(1)
                    strategy.loss += self.lwf.alpha * torch.nn.functional.kl_div(told, wanted, reduction="batchmean")

            def after_training_exp(self, strategy: Any, **_: Any) -> None:
                strategy.optimizer.zero_grad()
                super().after_training_exp(strategy)
                self.lwf.prev_model.eval().requires_grad_(False)

        return Plugin(alpha=self.alpha, temperature=self.temperature)

    def state(self, learner: Any) -> State:
        import torch

        lwf = own_plugin(learner).lwf
        classes = torch.tensor(sorted(lwf.prev_classes_by_task[0]))
        return {"classes": classes} | {f"model/{name}": value for name, value in lwf.prev_model.state_dict().items()}

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        lwf = own_plugin(learner).lwf
        lwf.expcount = len(past)
        lwf.prev_classes_by_task[0] = set(state["classes"].tolist())
        lwf.prev_model = copy.deepcopy(learner.model).eval().requires_grad_(False)
        weights = {key.removeprefix("model/"): value for key, value in state.items() if key.startswith("model/")}
        lwf.prev_model.load_state_dict(weights)

    def passes(self, work: Work) -> float:
        """After inception the old model is asked of every example."""
        return float(work.examples if work.experience else 0)

    def burden(self) -> float:
        """The old model is asked as well, forward only: a third of a step."""
        return 4 / 3

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, copies=1, other_bytes=8 * classes)
