"""One run from end to end: domains to examples, those to tokens, recipe to model, model to its life, life to record."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from clbench.errors import UserError, nearest, short
from clbench.record import (
    RECORD_NAME,
    DomainInfo,
    Record,
    RunParts,
    make_record,
    read_record,
    versions,
    write_record,
)
from clbench.runs.differences import in_what
from clbench.runs.folders import (
    CHECKPOINTS,
    LOCK_NAME,
    TRACKING,
    check_unfinished,
    clear_checkpoints,
    for_seeds,
    has_lived,
    life_key,
    write_note,
)
from clbench.runs.inception import ANEW, Evaluate, Tokens, at_inception, evaluator, make_model, make_tokens, opened
from clbench.runs.job import Job, clock, configuration, make_job
from clbench.runs.snapshots import FOLDER as MODELS
from clbench.runs.snapshots import SnapshotWriter, check_snapshots, clear_snapshots, missing_snapshots, option
from clbench.runs.timing import timed
from clbench.runs.tracking import chosen, outcome_of, run_of, tell_finished, tracked
from clbench.runtime.notebook import with_bars
from clbench.schema.budget import bounded
from clbench.schema.seeds import check_seed
from clbench.schema.spec import RunSpec, SpecFields, spec_of
from clbench.schema.strategy import stages
from clbench.storage.writing import cannot_write, made, remove_leftovers, remove_lock

if TYPE_CHECKING:
    from clbench import continual
    from clbench.compression.execute import Compressed
    from clbench.continual import Experience, Point
    from clbench.record.build import ScoreLike
    from clbench.schema.warning import RunWarning


@with_bars
def run(
    model: str | Path = "pkd-skip-6l",
    stream: str | Path = "nli-shift",
    *,
    seed: int = 0,
    out: Path | str | None = None,
    fresh: bool = False,
    keep_models: str | None = None,
    **fields: Unpack[RunFields],
) -> Record:
    """Compress a model, take it through a stream, and return the record that this leaves.

    A run that was interrupted is resumed where it stood; one that is finished is only read. Whoever wants to hear
    of its progress listens: ``with clbench.listening(print): ...``.

    Args:
        model: a recipe's name, the path of its YAML file, or a checkpoint's folder.
        stream: a stream's name, or the path of its YAML file.
        seed: of everything random; the data do not depend on it.
        out: the run's folder, ``runs/STREAM.EDITION.STRATEGY/MODEL-FINGERPRINT/seed-N`` unless given.
        fresh: forget what an earlier run left in the folder.
        keep_models: ``end`` writes the model at the end of its life into the run's folder, as ``models/end``, a Hugging
            Face folder; ``every`` also the model after each experience, as ``models/after-0-mnli`` and so on;
            ``checkpoints`` these alone, which ``clbench explain`` reads. The record is the same with and without.
        fields: edition, strategy, settings, quick, backbone, labels, data_dir, eval_every, random_baseline, shift and
            budget, see :class:`clbench.schema.spec.RunSpec`; and ``track``, who is told of the run while it takes
            place: ``"tensorboard"``, ``["wandb", "mlflow"]``, see :mod:`clbench.schema.tracker`.

    Raises:
        UserError: whatever a user can mend, in one sentence.
    """
    seed = check_seed(seed)
    if unknown := sorted(set(fields) - {"track", *RunSpec.model_fields}):
        known = {*RunSpec.model_fields, "seed", "out", "fresh", "keep_models", "track"}
        raise UserError(f"run: field '{short(unknown[0])}' is not known; {nearest(unknown[0], known)}")
    track = fields.pop("track", None)
    chosen(track)  # what is not installed is told before anything is done
    job = make_job(spec_of(model, stream, fields))
    folder = for_seeds(job, [seed], Path(out) if out else None)[seed]
    return run_seed(job, seed, folder, fresh=fresh, keep_models=keep_models, track=track)


class RunFields(SpecFields, total=False):
    """The keyword arguments of :func:`run` that it does not name."""

    track: str | Sequence[str] | None


def run_seed(
    job: Job,
    seed: int,
    folder: Path,
    *,
    fresh: bool | None = False,
    keep_models: str | None = None,
    track: str | Sequence[str] | None = None,
) -> Record:
    """The run of one seed, in ``folder``: read where it is finished, resumed where it was interrupted.

    Args:
        fresh, keep_models: as :func:`run` has them; ``fresh`` is None for a command without ``--fresh``, which no
            sentence then offers.
        track: who is told of it; None for whom the command line or the environment names.

    Raises:
        UserError: as :func:`run`; or the folder holds another run, or another process works in it.
    """
    check_snapshots(keep_models, job)
    trackers = chosen(track)
    fingerprint = job.fingerprint(seed)
    if fresh:
        forget(folder)
    run_told = partial(run_of, job, seed, folder, fingerprint)
    if (folder / RECORD_NAME).exists() and not os.access(folder, os.W_OK):
        # Somebody else's runs, or a disk that is read only: shown without a lock, and without telling trackers, of
        # which nothing could be remembered there.
        return _finished(job, seed, folder, fresh is not None, keep_models)
    with sole_use(folder):
        if (folder / RECORD_NAME).exists():
            record = _finished(job, seed, folder, fresh is not None, keep_models)
            tell_finished(record, run_told, trackers)
            clear_checkpoints(folder, fingerprint)
            return record
        check_unfinished(folder, job, seed, offers_fresh=fresh is not None)
        clear_snapshots(folder, but=fingerprint)
        with _noted(job, seed, folder, fingerprint), tracked(run_told, trackers) as tracking:
            tracking.keep()
            record, _ = _carry_out(job, seed, folder, fingerprint, keep_models)
            # The record comes last: where it is, everything is.
            from clbench.plots import forgetting_curve

            forgetting_curve([record], folder / "forgetting")
            write_record(folder, record)
            if trackers:
                tracking.finish(outcome_of(record, folder))
                tracking.keep_finished()
        clear_checkpoints(folder, fingerprint)
    return record


def _finished(job: Job, seed: int, folder: Path, offers_fresh: bool, keep_models: str | None) -> Record:
    """The record in a folder, where it is the run's.

    Raises:
        UserError: it is another one's, or has not kept the models that are asked for.
    """
    record = read_record(folder)
    told = record.configuration
    if (told.fingerprint, told.edition) != (job.fingerprint(seed), job.edition):
        instead = "choose another --out" + (", or give --fresh" if offers_fresh else "")
        apart = in_what(told, job, seed)
        raise UserError(f"{folder} holds the record of another run, {apart}; {instead}.")
    _check_kept(record, folder, keep_models)
    return record


def run_again(job: Job, seed: int) -> tuple[Record, list[dict[str, np.ndarray]]]:
    """The run of one seed, of which nothing is kept: how a record is held against the run that it tells of.

    Returns:
        Its record, and what the model says of :attr:`Job.anew` at the end of each experience, classes by domain;
        nothing where there are no such examples.

    Raises:
        UserError: as :func:`run`.
    """
    with tempfile.TemporaryDirectory() as folder:
        record, points = _carry_out(job, seed, Path(folder), job.fingerprint(seed), None)
    if not job.anew:
        return record, []
    return record, [{name: point.predictions[_anew(name)] for name in job.anew} for point in points if point.final]


def forget(folder: Path) -> None:
    """Remove what an earlier run has left in ``folder``: its record, or how far it had come.

    Raises:
        UserError: another process works in it, or it cannot be written.
    """
    if folder.exists():
        with sole_use(folder):
            clear_checkpoints(folder, None)
            clear_snapshots(folder)
            for name in (RECORD_NAME, TRACKING):
                (folder / name).unlink(missing_ok=True)


def _check_kept(record: Record, folder: Path, keep_models: str | None) -> None:
    """Refuse to read a finished run that did not keep the models which are asked for now."""
    if keep_models is None:
        return
    experiences = [(point.experience, point.name) for point in record.points if point.final]
    missing = missing_snapshots(folder, keep_models, experiences, record.configuration.fingerprint)
    if missing:
        asked = option(keep_models)
        raise UserError(
            f"{folder} is finished and did not keep {', '.join(missing)} in {MODELS}/; give --fresh beside {asked} to "
            f"make the run again, or leave {asked.split()[0]} out to see its record."
        )


def _carry_out(
    job: Job, seed: int, folder: Path, fingerprint: str, keep_models: str | None
) -> tuple[Record, list[Point]]:
    """Tokens, inception, life, measurement; the record, and the points that it was made of."""
    started, seconds = _now(), dict(job.seconds)
    with clock(seconds, "imports"):
        from clbench.encoder.measure import busy_warnings, cost, peak_memory_bytes
    with clock(seconds, "tokens"):
        tokens = make_tokens(job)
    with clock(seconds, "inception"):
        compressed = make_model(job, seed, tokens)
    random = _random_scores(job, seed, tokens, compressed) if job.spec.random_baseline else {}
    with clock(seconds, "life"):
        points = _life(job, seed, folder, fingerprint, tokens, compressed, keep_models)
    tests = tokens.tests
    with clock(seconds, "measurement"):
        speed, machine = timed(job, compressed, tests[job.trained[0].name])
    with clock(seconds, "data"):
        domains, warnings = _domains(job, random), _warnings(job, tokens, compressed)
    tested = np.concatenate(list(tests.values()))
    chosen = compressed.choosing_seconds
    record = make_record(
        RunParts(
            configuration=configuration(job, seed, fingerprint),
            label_space=job.stream.form.label_space,
            domains=domains,
            inception=compressed.steps,
            points=points,
            cost=cost(compressed.model, round(float(np.mean(tokens.store.lengths[tested]))), tested),
            measured={
                "started": started,
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
                "peak_memory_bytes": peak_memory_bytes(),
                "held_bytes": max(point.held_bytes for point in points),
                "choosing_seconds": None if chosen is None else round(chosen, 3),
                "hardware": machine,
                "versions": versions(),
                **speed.fields(),
            },
            warnings=[*warnings, *busy_warnings(speed)],
            plugins=job.plugins,
        )
    )
    return record, points


def _anew(domain: str) -> str:
    """What a point calls a domain's examples of :attr:`Job.anew`; no domain's name has a space."""
    return f"{domain} anew"


def _life(
    job: Job, seed: int, folder: Path, fingerprint: str, tokens: Tokens, compressed: Compressed, keep_models: str | None
) -> list[Point]:
    """The model's life after inception; its points."""
    from clbench import continual

    evaluate = evaluator(tokens)
    gold = {d.name: d.splits["test"].labels for d in job.data}
    gold |= {_anew(name): pairs.labels for name, pairs in job.anew.items()}
    snapshots = SnapshotWriter(job, seed, fingerprint, compressed, gold, folder, keep_models) if keep_models else None
    inception = at_inception(job, seed, compressed, evaluate)
    first, later = (_with_anew(one, tokens) if job.anew else one for one in (inception, evaluate))
    evaluation = continual.Evaluation(later, first, job.spec.eval_every, gold)
    kept = continual.Checkpoints(folder / CHECKPOINTS, life_key(fingerprint), snapshots)
    sizes = job.life(sum(parameter.numel() for parameter in compressed.model.parameters()))
    strategy = bounded(job.strategy, job.spec.budget, sizes)
    points = continual.live(
        compressed.model, _experiences(job, tokens), strategy, seed=seed, evaluation=evaluation, checkpoints=kept,
        path=compressed.path,
    )  # fmt: skip
    if snapshots:
        snapshots.write_end(points[-1])
    return points


def _with_anew(evaluate: Evaluate, tokens: Tokens) -> continual.Evaluate:
    """``evaluate``, and then, apart, lest a batch of its be another, what the model says of the examples drawn anew."""
    more = evaluator(tokens, ANEW)
    return lambda model: {**evaluate(model), **{_anew(name): said.classes for name, said in more(model).items()}}


def _experiences(job: Job, tokens: Tokens) -> list[Experience]:
    from clbench.continual import Experience

    names = [d.name for d in job.trained]
    return [
        Experience(
            d.name,
            tokens.rows[d.name, "train"], d.splits["train"].labels,
            tokens.rows[d.name, "validation"], d.splits["validation"].labels,
            opened(job, tokens, names[: number + 1]),
        )
        for number, d in enumerate(job.trained)
    ]  # fmt: skip


def _random_scores(job: Job, seed: int, tokens: Tokens, compressed: Compressed) -> dict[str, ScoreLike]:
    """What the model scores on each domain with random weights, before its life begins."""
    from clbench.data.baselines import BaselineScore
    from clbench.encoder.fresh import with_random_weights
    from clbench.metrics import accuracy, balanced_accuracy

    drawn = int.from_bytes(hashlib.sha256(f"{seed}/random weights".encode()).digest()[:8], "little")
    said = evaluator(tokens)(with_random_weights(compressed.model, drawn))
    gold = {d.name: d.splits["test"].labels for d in job.data}
    return {
        name: BaselineScore(accuracy(gold[name], one.classes), balanced_accuracy(gold[name], one.classes))
        for name, one in said.items()
    }


def _domains(job: Job, random: Mapping[str, ScoreLike]) -> list[DomainInfo]:
    """The domains as the record has them, with their baselines; ``random`` is empty where nobody asked for it."""
    from clbench.data.baselines import fittable, majority, of_task_type

    classes = len(job.stream.form.label_space)
    return [
        DomainInfo(
            d, job.stream.is_evaluation_only(d.name), majority(f, classes), of_task_type(f, classes),
            random.get(d.name),
        )
        for d, f in zip(job.data, fittable(job.data), strict=True)
    ]  # fmt: skip


def _warnings(job: Job, tokens: Tokens, compressed: Compressed) -> list[RunWarning]:
    """What a reader of the figures should know."""
    from clbench.compression.checks import head_warnings
    from clbench.encoder.cut import cut_warnings

    checked = head_warnings(compressed.steps, job.trained[0].name, job.recipe.form.name)
    lengths = {part: tokens.store.lengths[found] for part, found in tokens.rows.items()}
    cut = cut_warnings(job.data, job.backbone.tokenizer(), job.max_length, lengths)
    return [*job.warnings, *checked, *job.data_warnings, *cut]


@contextmanager
def _noted(job: Job, seed: int, folder: Path, fingerprint: str) -> Iterator[None]:
    """The folder says what is done in it, until there is a record; a run that is refused leaves nothing of this."""
    experiences = [stage.name for stage in stages(job.strategy, [d.name for d in job.trained])]
    try:
        write_note(folder, configuration(job, seed, fingerprint), experiences, _now())
        yield
    except UserError:
        if not has_lived(folder):
            clear_checkpoints(folder, fingerprint)
        raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def sole_use(folder: Path) -> Iterator[None]:
    """The folder for this process alone: two at work in one would tear each other's checkpoints.

    What a killed process left unfinished in it is removed; and the folder itself, where this run leaves nothing in it.
    """
    from filelock import FileLock, Timeout

    # Not at once: whoever lists the runs holds the lock for a moment, to see whether anyone else does.
    lock = FileLock(folder / LOCK_NAME, timeout=0.3)
    with ExitStack() as stack:
        try:
            stack.enter_context(made(folder))
            stack.enter_context(lock)
        except Timeout as error:
            raise UserError(
                f"{folder} is in use by another clbench process; wait for it, or choose another --out. (Where that has "
                f"died with its machine, some file systems keep its lock: remove {folder / LOCK_NAME}.)"
            ) from error
        except OSError as error:
            raise cannot_write(folder, error, "choose another --out", was_there=False) from error
        stack.callback(remove_lock, folder / LOCK_NAME)
        remove_leftovers(folder, own=True)
        yield
