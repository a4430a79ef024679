"""Method ``agem``: averaged gradient episodic memory (Chaudhry et al. 2019, arXiv:1812.00420)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.errors import UserError
from clbench.schema.strategy import Means, Remembered, State, Strategy, Verified, Work, own_plugin


class Agem(Strategy):
    """Averaged GEM: a gradient against that of ``sample_size`` remembered examples is projected onto its normal plane.

    The memory keeps ``patterns_per_experience`` examples of every earlier experience.
    """

    rehearses: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "partly",
        "the projection (equation 11) against a form written out; the sample is of equal parts of the domains, where "
        "the paper draws from all of the memory",
    )

    method: Literal["agem"]
    patterns_per_experience: Remembered
    sample_size: int = Field(ge=1, le=65536)

    def check(self, domains: Sequence[str]) -> None:
        """In its last experience the memory is of all domains but one."""
        past = len(domains) - 1
        if self.sample_size < past:
            raise UserError(
                f"strategy '{self.name}' (agem): sample_size {self.sample_size} is too small for a memory of {past} "
                f"domains; give at least one example a domain, say --set sample_size={8 * past}."
            )

    def plugin(self) -> Any:
        import torch

        from clbench.continual import avalanche
        from clbench.continual.projection import flat_gradient, put_gradient
        from clbench.runtime.threads import one_thread

        class Plugin(avalanche.AGEMPlugin):
            """Avalanche's A-GEM, its inner products of gradients summed by one thread.

            A layer that LayerDrop leaves out of the new batch but not of the memory's has its part of the correction
            too, without which the inner product would stay below 0.
            """

            @torch.no_grad()
            def after_backward(self, strategy: Any, **_: Any) -> None:
                if not self.buffers:
                    return
                with one_thread():
                    gradient, reference = flat_gradient(strategy.model), self.reference_gradients
                    along = torch.dot(gradient, reference)
                    if along < 0:
                        share = along / torch.dot(reference, reference)
                        put_gradient(strategy.model, gradient - reference * share)

        return Plugin(self.patterns_per_experience, self.sample_size)

    def state(self, learner: Any) -> State:
        from clbench.continual.benchmark import contents

        state: State = {}
        for number, memory in enumerate(own_plugin(learner).buffers):
            rows, labels = contents(memory)
            state |= {f"{number}/rows": rows, f"{number}/labels": labels}
        return state

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        from clbench.continual import avalanche
        from clbench.continual.benchmark import RowLoader, dataset

        plugin, count = own_plugin(learner), len(past)
        device = next(learner.model.parameters()).device
        share = plugin.sample_size // count
        plugin.buffers = [dataset(state[f"{n}/rows"], state[f"{n}/labels"]) for n in range(count)]
        # Avalanche goes through a memory in its order; the paper samples it at random.
        loader = avalanche.GroupBalancedInfiniteDataLoader(plugin.buffers, batch_size=share, shuffle=True)
        plugin.buffer_dataloader = loader
        plugin.buffer_dliter = iter(RowLoader(loader, device=device))

    def gradients(self, work: Work) -> float:
        """After inception every step takes the gradient of a sample of the memory, the same share of each domain: the
        memory is gone through in batches, pass after pass, of which the last may be smaller."""
        taken = 0
        for size in work.past:
            held, share = min(self.patterns_per_experience, size), self.sample_size // len(work.past)
            if not (held and share):
                continue
            passes, steps = divmod(work.steps, -(-held // share))
            taken += passes * held + steps * share
        return float(taken)

    def burden(self) -> float:
        # With two domains in the memory.
        return 1 + 2 * min(self.sample_size // 2, self.patterns_per_experience) / self.training.batch_size

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, pairs=experiences * self.patterns_per_experience, pair_bytes=16)

    def remembering(self, pairs: int, experiences: int) -> Strategy:
        return self.model_copy(update={"patterns_per_experience": pairs // experiences})
