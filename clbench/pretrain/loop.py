"""Pre-training on plain text: the loop."""

from __future__ import annotations

import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clbench.encoder.export import write_backbone
from clbench.encoder.graphs import begin_step
from clbench.encoder.hf_folder import digest_of
from clbench.encoder.optimization import Clipping, rate, schedule
from clbench.plots import pretraining_curve
from clbench.pretrain.card import Facts, pretraining_card
from clbench.pretrain.checkpoint import Progress, resume, save, write_curve, written
from clbench.pretrain.examples import order_of_steps
from clbench.pretrain.matching import Pupil, losses, weigh
from clbench.pretrain.measure import measure_depths
from clbench.pretrain.setting import Setting, ask, fingerprint, prepare, sources, taught_of
from clbench.pretrain.targets import size_on_disk
from clbench.record import hardware
from clbench.runtime import events
from clbench.schema.pretrain import Pretraining

if TYPE_CHECKING:
    from accelerate import Accelerator


def pretrain(
    form: Pretraining,
    texts: list[Path],
    teacher: str | None,
    folder: Path,
    *,
    tokenizer: str | None = None,
    text_licence: str = "unknown",
    device: str = "auto",
) -> dict[str, Any]:
    """Make a student from ``texts``, going on from what ``folder`` holds.

    Args:
        form: how.
        texts: ``.txt`` or ``.txt.gz`` files, one sentence a line.
        teacher: the backbone to learn from, as :func:`clbench.encoder.backbone.open_backbone` takes it; None where no
            weight of the loss asks for one.
        folder: gets ``checkpoint.pt``, ``curve.csv`` and, in the end, the curve's picture and ``model/``, a Hugging
            Face folder.
        tokenizer: the backbone whose tokenizer is used; the teacher's by default.
        text_licence: for the model card.
        device: "auto" (a GPU where there is one), or as :class:`clbench.runtime.device.Device` names one.

    Returns:
        model (folder), sha256 (what a backbone's YAML says), steps, seconds, held_out (the last measurements).

    Raises:
        UserError: text, teacher or tokenizer cannot be read or do not fit, ``folder`` cannot be written, or holds
            another run's checkpoint.
    """
    source = sources(form, teacher, tokenizer)
    source.check_length(form.max_length, f"pre-training '{form.name}'")
    setting, progress = prepare(form, source, texts, with_teacher=teacher is not None, device=device)
    print_ = fingerprint(setting)
    resume(folder, progress, print_)
    train(setting, progress, folder, print_)
    model = folder / "model"
    held_out = {name: value for name, value in progress.curve[-1].items() if name.startswith("held_out_")}
    if setting.accelerator.is_main_process:
        told = setting.targets
        answers = size_on_disk(told.teacher, setting.examples) if told is not None and told.folder else None
        facts = Facts(
            form, source.source if teacher else None, source.source["id"],
            [path.name for path in texts], setting.lines, text_licence, setting.accelerator.device.type,
            _device(setting.accelerator), setting.accelerator.num_processes, answers,
        )  # fmt: skip
        pretraining_curve(progress.curve, f"{form.name}: {form.steps} steps", folder / "curve")
        with written(folder):
            card = pretraining_card(facts, held_out, progress.seconds)
            write_backbone(progress.pupil.bert, source.folder, card, model)
    setting.accelerator.wait_for_everyone()
    return {
        "model": str(model),
        "sha256": digest_of(model),
        "steps": progress.step,
        "seconds": progress.seconds,
        "held_out": held_out,
    }


def train(
    setting: Setting,
    progress: Progress,
    folder: Path,
    print_: str,
    stop_at: int | None = None,
) -> Progress:
    """Go on from ``progress`` to the last step, leaving checkpoints and the loss curve in ``folder``.

    Every draw depends on the seed and the number of the step alone, so a run that was killed and resumes from its
    checkpoint ends with the same weights as one that was not: on a CPU bit for bit, on a GPU within rounding.

    Args:
        print_: :func:`fingerprint` of the setting.
        stop_at: leave after this many steps in all.

    Raises:
        UserError: ``folder`` cannot be written, and no half-written file stays behind; or the loss is not finite.
    """
    form, accelerator = setting.form, setting.accelerator
    last = min(form.steps, stop_at or form.steps)
    order = islice(order_of_steps(setting.examples, form), progress.step, last)
    pupil, optimizer = progress.pupil, progress.optimizer
    depth, clip = form.student.layers, Clipping(form.max_grad_norm)
    began = time.perf_counter() - progress.seconds
    task = f"pre-train {form.name}"
    for group in optimizer.param_groups:
        group["initial_lr"] = form.learning_rate  # a checkpoint may hold the rate of its step alone
    rising = max(1, round(form.steps * form.warmup)) - 1
    for step, rows in enumerate(order, start=progress.step + 1):
        schedule(optimizer, rate(step - 1, form.steps, rising))
        used = np.random.default_rng([form.seed, 4, step]).random(depth) >= form.layerdrop_rate
        mine = share_of(rows, accelerator.process_index, accelerator.num_processes)
        rng = np.random.default_rng([form.seed, 5, step, accelerator.process_index])
        asked = ask(setting, setting.examples, mine, used.tolist(), rng)
        optimizer.zero_grad()
        begin_step(pupil)
        parts = losses(pupil, form, asked, *taught_of(setting.targets, mine, asked.batch))
        loss = weigh(parts, form.weights)
        # A small last batch may have nothing that is asked for: such a step passes by. Several processes take it with
        # gradients of zero, since each would have to know of the others' batches.
        if loss.requires_grad:
            loss.backward()
        if accelerator.num_processes > 1:
            _average_gradients(pupil, accelerator)
        if any(parameter.grad is not None for parameter in pupil.parameters()):
            clip(pupil, loss, f"{task}, step {step} of {form.steps}")
            optimizer.step()
        progress.step = step
        progress.seconds = time.perf_counter() - began
        if step % form.evaluate_every == 0 or step % form.checkpoint_every == 0 or step == last:
            clip.settle()
        if step % form.evaluate_every == 0 or step == form.steps:
            recent = {name: part.item() for name, part in parts.items()}
            progress.curve.append({"step": step, **recent, **measure_depths(setting, pupil)})
            if accelerator.is_main_process:
                write_curve(folder, progress)
        if (step % form.checkpoint_every == 0 or step == form.steps) and accelerator.is_main_process:
            save(folder, progress, print_)
        events.advance(task, step, form.steps, "steps")
    events.end(task)
    return progress


def share_of(rows: np.ndarray, process: int, processes: int) -> np.ndarray:
    """What one of several processes reads of a step.

    All of it where there are fewer rows than processes, as at the end of an epoch: a share without rows has no loss.
    """
    return rows[process::processes] if len(rows) >= processes else rows


def _average_gradients(pupil: Pupil, accelerator: Accelerator) -> None:
    """The mean over the processes, each of which has read its share of the step."""
    for parameter in pupil.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        parameter.grad = accelerator.reduce(parameter.grad, reduction="mean")


def _device(accelerator: Accelerator) -> str:
    """What the student is trained on, in words."""
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    threads = torch.get_num_threads()
    return f"{hardware().cpu}, {threads} thread{'s' * (threads > 1)}"
