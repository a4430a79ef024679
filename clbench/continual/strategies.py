"""The strategies: which of Avalanche's classes and plugins make one, and what of it outlives an experience.

A strategy object lives for one experience. What it must remember for the next is a flat dict of tensors, which
:func:`remembered` takes out and :func:`build` puts back in; a checkpoint holds nothing else of it. So an unbroken life
and a resumed one go the same way, by construction.

What each method holds of experience 0, which the recipe has trained: replay and A-GEM pairs of it, EWC its Fisher
information, LwF the model as inception left it, joint and cumulative all of its pairs. They get it by training on
experience 0 for no epochs, upon which Avalanche's own hooks fire. Only synaptic intelligence needs the path of training
itself: see :func:`path_observer`; without one it protects nothing of experience 0.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clbench.continual import _avalanche as avalanche
from clbench.continual import synaptic
from clbench.continual.benchmark import RowLoader, contents, dataset
from clbench.continual.fisher import fisher_diagonal
from clbench.continual.training import RowLoaderPlugin, TrainingPlugin
from clbench.encoder.optimization import optimizer
from clbench.errors import UserError
from clbench.runtime.threads import one_thread
from clbench.schema.strategy import Agem, Ewc, Lwf, Replay, Si, Strategy

State = dict[str, Tensor]


@dataclass(frozen=True)
class Method:
    """One method of continual learning in Avalanche's terms.

    Attributes:
        template: the strategy class.
        plugin: from the form to the method's plugin; None where the class itself is the method.
        dump: from the plugin to what outlives an experience.
        load: puts that into a fresh plugin: (plugin, state, model, number of the experience that comes).
    """

    template: Any = avalanche.Naive
    plugin: Callable[[Any], Any] | None = None
    dump: Callable[[Any], State] = lambda plugin: {}
    load: Callable[[Any, State, nn.Module, int], None] = lambda plugin, state, model, experience: None


def build(
    form: Strategy, model: nn.Module, training: TrainingPlugin, past: Sequence[Any], state: State, epochs: int
) -> Any:
    """A strategy that is about to train experience ``len(past)``, with its memory of the earlier ones.

    Args:
        form: the strategy's form.
        model: ``forward(rows (B,)) -> logits (B, C)``.
        training: the plugin that schedules the experience.
        past: the Avalanche experiences that are over.
        state: what :func:`remembered` gave after the last of them; empty before the first.
        epochs: 0 at inception.
    """
    method = METHODS[form.method]
    plugin = method.plugin(form) if method.plugin else None
    with warnings.catch_warnings():
        # Without an evaluator Avalanche warns that nothing will be logged, which is what is wanted.
        warnings.simplefilter("ignore", UserWarning)
        strategy = method.template(
            model=model,
            optimizer=optimizer(model, form.training),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=form.training.batch_size,
            train_epochs=epochs,
            eval_mb_size=form.training.batch_size,
            device=next(model.parameters()).device,
            plugins=[training, *([plugin] if plugin else []), RowLoaderPlugin()],
            evaluator=None,
        )
    # EWC finds its earlier importances, and LwF and SI their factors, by the number of past experiences.
    strategy.clock.train_exp_counter = len(past)
    if form.method == "cumulative" and past:
        strategy.dataset = past[0].dataset
        for experience in past[1:]:
            strategy.dataset = strategy.dataset.concat(experience.dataset)
    if state:
        method.load(plugin, state, model, len(past))
    return strategy


def remembered(form: Strategy, strategy: Any) -> State:
    """What of a strategy the next experience needs: flat tensors by name, empty where the method keeps nothing."""
    method = METHODS[form.method]
    if method.plugin is None:
        return {}
    # The plugin stands behind the training plugin, see build.
    return method.dump(strategy.plugins[1])


def path_observer(form: Strategy) -> synaptic.PathObserver | None:
    """What has to watch inception's last training step for the strategy's sake; None where the method needs no path."""
    return synaptic.PathObserver(form.eps) if isinstance(form, Si) else None


class _Replay(avalanche.ReplayPlugin):
    """Avalanche's replay; the update of its memory is called by the name that is not deprecated."""

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        self.storage_policy.post_adapt(strategy, strategy.experience)


def _replay(form: Replay) -> Any:
    return _Replay(mem_size=form.memory_size, batch_size_mem=form.memory_batch_size)


def _dump_replay(plugin: Any) -> State:
    state: State = {}
    for number, group in plugin.storage_policy.buffer_groups.items():
        rows, labels = contents(group.buffer)
        state |= {f"{number}/rows": rows, f"{number}/labels": labels, f"{number}/weights": group._buffer_weights}
    return state


def _load_replay(plugin: Any, state: State, model: nn.Module, experience: int) -> None:
    policy = plugin.storage_policy
    policy._num_exps = experience
    for number, size in enumerate(policy.get_group_lengths(experience)):
        group = avalanche.ReservoirSamplingBuffer(size)
        group.buffer = dataset(state[f"{number}/rows"], state[f"{number}/labels"])
        group._buffer_weights = state[f"{number}/weights"]
        policy.buffer_groups[number] = group


class _Ewc(avalanche.EWCPlugin):
    """Avalanche's EWC with the Fisher information of single pairs, and the penalty's gradient in closed form.

    Avalanche squares the gradient of a batch's mean loss, in which the pairs' gradients cancel: what lambda means would
    then depend on the batch size and on the order of the pairs. And it puts the penalty into the graph of the loss,
    which takes as long as a third of the step; the gradient of lambda F (w - w*)^2 is 2 lambda F (w - w*).
    """

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """The loss stays that of the new pairs."""

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        for experience, fisher in self.importances.items():
            origin = self.saved_params[experience]
            for name, parameter in strategy.model.named_parameters():
                if name in fisher:
                    if parameter.grad is None:  # a layer that LayerDrop left out
                        parameter.grad = torch.zeros_like(parameter)
                    moved = parameter - origin[name].data
                    parameter.grad.addcmul_(fisher[name].data, moved, value=2 * self.ewc_lambda)

    def compute_importances(self, model: nn.Module, *others: Any, **more: Any) -> dict[str, Any]:
        dataset = others[2]  # behind the criterion and the optimizer
        fisher = fisher_diagonal(model, *contents(dataset))
        return {name: avalanche.ParamData(name, f.shape, init_tensor=f, device=f.device) for name, f in fisher.items()}


def _ewc(form: Ewc) -> Any:
    return _Ewc(form.lambda_, mode=form.mode, decay_factor=form.decay)


def _dump_ewc(plugin: Any) -> State:
    state: State = {}
    for part, kept in (("fisher", plugin.importances), ("weights", plugin.saved_params)):
        for experience, named in kept.items():
            state |= {f"{part}/{experience}/{name}": data.data for name, data in named.items()}
    return state


def _load_ewc(plugin: Any, state: State, model: nn.Module, experience: int) -> None:
    kept = {"fisher": plugin.importances, "weights": plugin.saved_params}
    device = next(model.parameters()).device
    for key, value in state.items():
        part, number, name = key.split("/", 2)
        value = value.to(device)
        kept[part][int(number)][name] = avalanche.ParamData(name, value.shape, init_tensor=value, device=device)


class _Lwf(avalanche.LwFPlugin):
    """Avalanche's LwF with an old model that teaches without dropout and holds no gradients.

    Avalanche copies the model as training left it, in training mode; the targets would then be noisy.
    """

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        strategy.optimizer.zero_grad()
        super().after_training_exp(strategy)
        self.lwf.prev_model.eval().requires_grad_(False)


def _lwf(form: Lwf) -> Any:
    return _Lwf(alpha=form.alpha, temperature=form.temperature)


def _dump_lwf(plugin: Any) -> State:
    classes = torch.tensor(sorted(plugin.lwf.prev_classes_by_task[0]))
    return {"classes": classes} | {f"model/{name}": value for name, value in plugin.lwf.prev_model.state_dict().items()}


def _load_lwf(plugin: Any, state: State, model: nn.Module, experience: int) -> None:
    plugin.lwf.expcount = experience
    plugin.lwf.prev_classes_by_task[0] = set(state["classes"].tolist())
    plugin.lwf.prev_model = copy.deepcopy(model).eval().requires_grad_(False)
    weights = {key.removeprefix("model/"): value for key, value in state.items() if key.startswith("model/")}
    plugin.lwf.prev_model.load_state_dict(weights)


class _Agem(avalanche.AGEMPlugin):
    """Avalanche's A-GEM, its inner products of gradients summed by one thread."""

    def after_backward(self, strategy: Any, **more: Any) -> None:
        with one_thread():
            super().after_backward(strategy, **more)


def _agem(form: Agem) -> Any:
    return _Agem(form.patterns_per_experience, form.sample_size)


def _dump_agem(plugin: Any) -> State:
    state: State = {}
    for number, memory in enumerate(plugin.buffers):
        rows, labels = contents(memory)
        state |= {f"{number}/rows": rows, f"{number}/labels": labels}
    return state


def _load_agem(plugin: Any, state: State, model: nn.Module, experience: int) -> None:
    share = plugin.sample_size // experience
    if share == 0:
        raise UserError(
            f"agem's sample_size {plugin.sample_size} is too small for a memory of {experience} domains; "
            f"give at least one pair a domain, say --set sample_size={8 * experience}."
        )
    plugin.buffers = [dataset(state[f"{n}/rows"], state[f"{n}/labels"]) for n in range(experience)]
    # Avalanche goes through a memory in its order; the paper samples it at random.
    plugin.buffer_dataloader = avalanche.GroupBalancedInfiniteDataLoader(plugin.buffers, batch_size=share, shuffle=True)
    plugin.buffer_dliter = iter(RowLoader(plugin.buffer_dataloader))


def _si(form: Si) -> Any:
    return synaptic.SynapticIntelligence(si_lambda=form.lambda_, eps=form.eps)


METHODS: dict[str, Method] = {
    "naive": Method(),
    "replay": Method(plugin=_replay, dump=_dump_replay, load=_load_replay),
    "ewc": Method(plugin=_ewc, dump=_dump_ewc, load=_load_ewc),
    "lwf": Method(plugin=_lwf, dump=_dump_lwf, load=_load_lwf),
    "agem": Method(plugin=_agem, dump=_dump_agem, load=_load_agem),
    "si": Method(plugin=_si, dump=synaptic.dump, load=synaptic.load),
    "joint": Method(template=avalanche.JointTraining),
    "cumulative": Method(template=avalanche.Cumulative),
}
