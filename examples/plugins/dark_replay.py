"""Strategy ``dark_replay``: dark experience replay, DER++ (Buzzega et al. 2020, arXiv:2004.07211, section 3).

The memory is a reservoir over all pairs met (Vitter 1985): their rows in the model's token store, their labels, and the
logits that the model had for them. The paper samples while it trains; here a domain's pairs are drawn when its
experience is over, with the logits of the epoch that was kept, so that inception is remembered in the same way. It is
written for domain-incremental streams; clbench's own ``derpp`` knows closed classes as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Remembered, State, Strategy, own_plugin


class DerPlusPlus(Strategy):
    """loss + alpha MSE(logits now, logits then) + beta CE(labels), each over remembered pairs of its own draw."""

    rehearses: ClassVar[bool] = True

    method: Literal["dark_replay"]
    memory_size: Remembered
    memory_batch_size: int = Field(ge=1, le=65536)
    alpha: float = Field(ge=0)
    beta: float = Field(ge=0)

    def plugin(self) -> Any:
        import torch
        from torch.nn.functional import cross_entropy, mse_loss

        from clbench.continual import avalanche
        from clbench.continual.benchmark import contents
        from clbench.encoder.classifier import predict

        form = self

        class Plugin(avalanche.SupervisedPlugin):
            """A new one for each experience; ``memory`` is what :meth:`DerPlusPlus.state` hands on."""

            def __init__(self) -> None:
                super().__init__()
                self.memory: State = {}

            def before_backward(self, strategy: Any, **_: Any) -> None:
                for weight, part in ((form.alpha, "logits"), (form.beta, "labels")):
                    if self.memory and weight:
                        drawn = torch.randint(len(self.memory["rows"]), (form.memory_batch_size,))
                        found = strategy.model(self.memory["rows"][drawn])
                        then = self.memory[part][drawn].to(found.device)
                        loss = mse_loss(found, then) if part == "logits" else cross_entropy(found, then)
                        strategy.loss = strategy.loss + weight * loss

            def after_training_exp(self, strategy: Any, **_: Any) -> None:
                rows, labels = contents(strategy.experience.dataset)
                new = {"rows": rows, "labels": labels, "logits": predict(strategy.model, rows).clone()}
                seen = int(self.memory["seen"]) if self.memory else 0
                kept = {name: self.memory[name] if self.memory else new[name][:0] for name in new}
                every = {name: torch.cat([kept[name], new[name]]) for name in new}
                places, held = list(range(len(kept["rows"]))), len(kept["rows"])
                for number in range(len(rows)):  # pair number ``seen + number`` of the life stays with chance size / it
                    at = len(places) if len(places) < form.memory_size else int(torch.randint(seen + number + 1, ()))
                    places[at : at + 1] = [held + number] if at < form.memory_size else []
                memory = {name: value[torch.tensor(places)] for name, value in every.items()}
                self.memory = memory | {"seen": torch.tensor(seen + len(rows))}

        return Plugin()

    def state(self, learner: Any) -> State:
        return dict(own_plugin(learner).memory)

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        own_plugin(learner).memory = dict(state)

    def burden(self) -> float:
        return 1 + ((self.alpha > 0) + (self.beta > 0)) * self.memory_batch_size / self.training.batch_size
