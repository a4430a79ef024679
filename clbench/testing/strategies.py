"""The battery of strategies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from clbench.continual.adapters import adapted_sizes
from clbench.continual.benchmark import benchmark
from clbench.continual.evaluation import put
from clbench.continual.life import seed_everything
from clbench.encoder.classifier import Classifier
from clbench.runtime.events import Event
from clbench.schema.budget import remembered_pairs
from clbench.schema.scenario import CLASS, DOMAIN, TASK, Scenario, open_classes
from clbench.schema.strategy import STRATEGIES, State, Strategy, parse_strategy, read_strategy, stages
from clbench.testing.battery import Check, check_refusals, checks_of, expect, others, own_cache, run_all
from clbench.testing.lives import SEED, TRAINING, Lived, World
from clbench.testing.worlds import not_finite, same_weights, small


def strategy_checks(form: Strategy | Path | str) -> list[Check]:
    """Every check of a strategy, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        form: a strategy with its settings: a name, the path of a YAML file, or one that is read. It is trained for one
            epoch an experience, on 48 examples a domain, on an encoder of 2 layers, 32 wide.
    """
    form = form if isinstance(form, Strategy) else read_strategy(form)
    training = form.training.model_copy(update=TRAINING)
    with own_cache():
        world = World(form.model_copy(update={"training": training}), small())
    return checks_of(CHECKS, world)


def check_strategy(form: Strategy | Path | str) -> None:
    """Run every check of :func:`strategy_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(strategy_checks(form))


def bad_settings_are_refused(world: World) -> None:
    """Nonsense in a field, and a field that it does not have, end in a sentence that names the field."""
    check_refusals(world.form, "method")


def settings_read_back(world: World) -> None:
    """What a record holds of its settings reads back as the same settings, by the method's name where it has one."""
    content = world.form.model_dump(mode="json")
    again = type(world.form).model_validate(content)
    expect(again == world.form, f"what a record holds of it, {content}, should read back as the same settings")
    if STRATEGIES.all().get(world.form.method) is type(world.form):
        expect(parse_strategy(content, "record.json") == again, "its method's name should lead to the same class")


def identity_covers_every_field(world: World) -> None:
    """Another value of any setting is seen in what a record and a run's fingerprint hold of it."""
    was = world.form.model_dump(mode="json")
    for name in type(world.form).model_fields:
        if name == "method":
            continue
        seen = [other.model_dump(mode="json") != was for other in others(world.form, name)]
        expect(bool(seen) and all(seen), f"another value of the field {name} should be seen in what records hold")


def traits_hold(world: World) -> None:
    """It trains on the examples that its traits say, and asks for the path of inception only where it needs one."""
    form = world.form
    expect((form.observer() is not None) == form.needs_path, "observer() should be None unless needs_path is set")
    own = type(form).evaluated is not Strategy.evaluated or type(form).showing is not Strategy.showing
    expect(own == form.stands_in, "evaluated() or showing() should be there where stands_in is set, and nowhere else")
    domains = {one.name: set(one.train_rows.tolist()) for one in world.small.experiences[:2]}
    stage = stages(form, list(domains))[1]
    with own_cache() as folder:
        seen = world.live(folder, count=2).rows
    due = set[int]().union(*(domains[name] for name in stage.trains_on))
    met = set[int]().union(*(domains[name] for name in stage.met))
    expect(
        form.epoch_pairs(len(due), len(met)) < len(due) or due <= seen,
        f"it should train on all {len(due)} examples of {', '.join(stage.trains_on)}, but left some out",
    )
    more = seen - due
    expect(more <= met, "it trains on examples that are no training examples of the seen domains")
    expect(form.rehearses or not more, "it trains on earlier domains' examples, so its trait rehearses should be true")
    expect(bool(more) or not form.rehearses, "its trait rehearses is true, but it trains on new examples alone")


def same_seed_same_bits(world: World) -> None:
    """Two lives of one seed are the same to the bit."""
    with own_cache() as folder:
        _same(world.whole, world.live(folder), "two lives of one seed")


def resumes_to_the_same_bits(world: World) -> None:
    """A life that was interrupted at three places and resumed, ends as one that was not."""
    _same(world.whole, _resumed(world), "a life that was interrupted and resumed, and one that was not,")


def _check_learned(world: World, lived: Lived, scenario: Scenario) -> None:
    """That a life changes its model, or what is held for each domain where no one model answers for all."""
    if world.form.one_model:
        expect(not same_weights(lived.model, world.model(scenario)), "nothing was learned in a whole life")
    else:
        first, last = lived.points[0].held_bytes, lived.points[-1].held_bytes
        expect(last > first, "no one model answers for all domains, but no more is held at the end than at inception")


def _resumed(world: World, scenario: Scenario | None = None) -> Lived:
    """A life that was interrupted, and resumed, in its second experience, where that is over but not yet kept, and in
    its last one. After each interruption another life goes on in its process, as in a worker's.
    """
    lived = stages(world.form, [one.name for one in world.small.experiences])
    second, last = (f"live through {stage.name}" for stage in (lived[1], lived[-1]))

    def stop(event: Event) -> None:
        if (event.kind, event.task) == (kind, task) and (kind == "end" or event.done > 1):
            raise KeyboardInterrupt

    with own_cache() as folder:
        for kind, task in (("advance", second), ("end", second), ("advance", last)):
            try:
                world.live(folder, listener=stop, scenario=scenario)
            except KeyboardInterrupt:
                pass
            else:
                raise RuntimeError(f"'{task}' told no {kind}")
            if scenario in (None, DOMAIN):
                with own_cache() as elsewhere:
                    world.live(elsewhere, count=2, backwards=True, scenario=scenario)
            expect(bool(list(folder.glob("experience-*"))), "a life that was interrupted should leave a checkpoint")
        return world.live(folder, scenario=scenario)


def class_incremental_where_it_claims(world: World) -> None:
    """Where classes come with their domains, only those that have come are answered, and a life resumes as it was."""
    _lives_in(world, CLASS)


def task_incremental_where_it_claims(world: World) -> None:
    """Where each domain has a head, only the domain's classes are answered, and a life resumes as it was."""
    _lives_in(world, TASK)


def _lives_in(world: World, scenario: Scenario) -> None:
    if scenario not in world.form.scenarios:
        return
    with own_cache() as folder:
        whole = world.live(folder, scenario=scenario)
    names = list(world.small.tests)
    classes = {name: (2 * number, 2 * number + 1) for number, name in enumerate(names)}
    for point in whole.points:
        for name, said in point.predictions.items():
            known = open_classes(scenario, classes, point.met, name)
            expect(set(said.tolist()) <= set(known), f"after {point.name} it answers classes of {name} that are closed")
    expect(not whole.broken, f"a gradient of {', '.join(sorted(whole.broken))} is nan or infinite")
    expect(not (bad := not_finite(whole.model.state_dict())), f"nan or infinity in {', '.join(bad)}")
    _check_learned(world, whole, scenario)
    _same(whole, _resumed(world, scenario), "a life that was interrupted and resumed, and one that was not,")


def evaluation_disturbs_nothing(world: World) -> None:
    """A life that is evaluated after every step ends as one that is evaluated between experiences."""
    with own_cache() as folder:
        often = world.live(folder, every=1)
    expect(
        same_weights(world.whole.model, often.model),
        "evaluations inside an experience should not change what is learned",
    )


def state_is_tensors(world: World) -> None:
    """What it keeps is named tensors, finite, that come back from a file as they were."""
    first = world.after_inception(0)
    _check_tensors(first)
    _check_tensors(_second(world, 0, first)[1])


def _check_tensors(state: Mapping[Any, Any]) -> None:
    for name, value in state.items():
        expect(isinstance(name, str), f"the state's names should be text, but one is {name!r}")
        expect(isinstance(value, Tensor), f"the state's {name} should be a tensor, but is a {type(value).__name__}")
        expect(not value.requires_grad, f"the state's {name} should need no gradient")
    expect(not (bad := not_finite(state)), f"the state's {', '.join(bad)} holds nan or infinity")
    again = load(save({name: value.contiguous() for name, value in state.items()}))
    expect(_equal(again, state), "the state should come back from a file as it was")


def state_survives_restore(world: World) -> None:
    """State put into a fresh object and taken out again is the same state."""
    state = _second(world, 0, world.after_inception(0))[1]
    stream = benchmark(world.experiences).train_stream
    learner = world.learner(world.model(), stream[:2], {name: value.clone() for name, value in state.items()}, epochs=1)
    again = world.form.state(learner)
    expect(again.keys() == state.keys(), f"restore loses or adds: {', '.join(sorted(again.keys() ^ state.keys()))}")
    changed = [name for name in state if not torch.equal(state[name], again[name])]
    expect(not changed, f"restore changes {', '.join(changed)}")


def experience_0_is_protected(world: World) -> None:
    """A strategy that keeps something keeps something of experience 0, and what it keeps matters afterwards."""
    states = [world.after_inception(number) for number in (0, 1)]
    (model, later), (other, _) = (_second(world, number, states[number]) for number in (0, 1))
    keeps = _size(later) > 0
    if not world.form.holds_first:
        expect(_size(states[0]) == 0, "it holds something of experience 0, so its trait holds_first should be true")
        return
    if keeps:
        expect(_size(states[0]) > 0, "it keeps something of experience 1, but nothing of experience 0")
        expect(not _equal(states[0], states[1]), "what it keeps of experience 0 is the same whatever experience 0 was")
    if keeps or world.form.trains_on != "new":
        expect(
            not same_weights(model, other), "what it keeps of experience 0 makes no difference to what is learned next"
        )


def weights_and_gradients_are_finite(world: World) -> None:
    """Gradients of every step, and the weights at the end of a life, are finite."""
    lived = world.whole
    expect(not lived.broken, f"a gradient of {', '.join(sorted(lived.broken))} is nan or infinite")
    expect(not (bad := not_finite(lived.model.state_dict())), f"nan or infinity in {', '.join(bad)}")
    _check_learned(world, lived, world.scenario)


def differs_from_naive(world: World) -> None:
    """A life is not that of naive training, where the strategy adds something to it but holds nothing."""
    form = world.form
    # What adds neither a plugin nor a class to Avalanche's loop is naive training, or trains on other examples.
    if (form.plugin() is None and form.template() is None) or form.trains_on != "new" or form.rehearses:
        return
    if any(point.held_bytes for point in world.whole.points):  # whether that matters is asked of experience 0
        return
    content = {"name": "naive", "method": "naive", "training": form.training.model_dump(mode="json")}
    naive = replace(world, form=STRATEGIES.get("naive").model_validate(content))
    vars(naive)["inceptions"] = world.inceptions  # the same, whether a path was observed or not
    with own_cache() as folder:
        plain = naive.live(folder, scenario=world.scenario)
    expect(
        not same_weights(world.whole.model, plain.model),
        "a life ends with the very weights of naive training, so it does nothing; its object lives for one experience, "
        "so what the next one needs should come from state(), and be put back by restore()",
    )


def what_it_needs_is_what_it_says(world: World) -> None:
    """Where means() says what it needs at most, it holds and trains on no more; a budget rests on that."""
    form, sizes = world.form, [len(one.train_rows) for one in world.small.experiences]
    means = form.means(len(sizes), world.classes)
    if means is None:
        return
    expect(means.step_pairs >= form.training.batch_size, "step_pairs of means() should hold the new examples of a step")
    model = world.model()
    parameters = sum(p.numel() for p in model.parameters())
    adapted = (0, 0)
    if isinstance(model, Classifier) and (means.inputs or means.outputs):
        adapted = adapted_sizes(model)
    before = 0
    for point in (point for point in world.whole.points if point.final):
        pairs = means.pairs * means.pair_bytes
        most = means.fixed_bytes(parameters, adapted) + pairs
        expect(point.held_bytes <= most, f"it holds {point.held_bytes:,} bytes, but means() says {most:,} at most")
        before = max(before, point.held_bytes)
    holds = means.copies or means.pairs or means.inputs or means.outputs
    expect(before > 0 or not holds, "means() says that it holds something, but it does not")
    steps, examples = world.whole.points[-1].step, world.whole.points[-1].examples
    most = steps * means.step_pairs
    expect(examples <= most, f"{steps} steps trained on {examples} examples, but means() says {most} at most")


def a_smaller_memory_is_smaller(world: World) -> None:
    """remembering() gives a strategy that holds as many examples as it was asked for, and no more."""
    form = world.form
    means = form.means(3, world.classes)
    if means is None or means.pairs <= 6:
        return
    smaller = replace(world, form=form.remembering(6, 3))
    told = smaller.form.means(3, world.classes)
    expect(told is not None and 0 < told.pairs <= 6, "remembering(6, 3) should remember 6 examples at most by means()")
    after_one = smaller.after_inception(0)
    for experiences, state in ((1, after_one), (2, _second(smaller, 0, after_one)[1])):
        held = remembered_pairs(state)
        expect(held <= 6, f"remembering(6, 3) remembers {held} examples after {experiences} experiences of 48 each")


CHECKS = (
    bad_settings_are_refused, settings_read_back, identity_covers_every_field, traits_hold, same_seed_same_bits,
    resumes_to_the_same_bits, evaluation_disturbs_nothing, state_is_tensors, state_survives_restore,
    experience_0_is_protected, weights_and_gradients_are_finite, class_incremental_where_it_claims,
    task_incremental_where_it_claims, differs_from_naive, what_it_needs_is_what_it_says, a_smaller_memory_is_smaller,
)  # fmt: skip


def _second(world: World, number: int, state: State) -> tuple[nn.Module, State]:
    """The first model after an experience on the third domain, where experience 0 was the domain ``number``."""
    experiences = [world.experiences[number], world.experiences[2]]
    stream = benchmark(experiences).train_stream
    model = world.model()
    model.open = experiences[1].opened
    seed_everything(SEED, 1)
    given = {name: value.clone() for name, value in state.items()}
    learner = world.learner(model, stream[:1], given, world.form.training.epochs)
    learner.train(stream if world.form.trains_on == "all" else stream[1], eval_streams=[])
    found = world.form.state(learner)
    if world.form.stands_in:
        put(model, world.form.evaluated(found))
    return model, found


def _same(one: Lived, other: Lived, who: str) -> None:
    expect(same_weights(one.model, other.model), f"{who} should end with the same weights")
    for mine, theirs in zip(one.points, other.points, strict=True):
        same = all((mine.predictions[name] == theirs.predictions[name]).all() for name in mine.predictions)
        expect(same and mine.step == theirs.step, f"{who} should predict the same after {mine.step} steps")


def _equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _size(state: Mapping[str, Tensor]) -> int:
    """Numbers in it that say something: of an empty memory, and of importances that are all zero, there are none."""
    return sum(int(value.count_nonzero()) for value in state.values())
