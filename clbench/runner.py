"""One run from end to end: domains to pairs, pairs to tokens, recipe to model, model to its life, life to record."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench import __version__
from clbench.cache import cached
from clbench.company import Company
from clbench.errors import UserError
from clbench.keep import FOLDER as MODELS
from clbench.keep import Keeper, check_keep, lacking
from clbench.record import (
    DomainInfo,
    Record,
    RunWarning,
    check_beginning,
    hardware,
    make_record,
    read_record,
    versions,
    write_record,
)
from clbench.runs import CHECKPOINTS, LOCK_NAME, has_lived, write_note
from clbench.schema.changes import change_steps, quick_recipe, quick_strategy, quick_stream, split_settings
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.seeds import check_seed, seeds_of
from clbench.schema.strategy import Si, Strategy, at_rate, override, read_strategy
from clbench.schema.stream import OpenStream, read_stream
from clbench.writing import cannot_write, made, remove_litter, remove_lock

if TYPE_CHECKING:
    from torch import nn

    from clbench.compress import Compressed
    from clbench.data.pairs import DomainData
    from clbench.encoder.backbone import Backbone
    from clbench.encoder.tokens import TokenStore

# (what is being done, how much of it is done, how much there is, what is counted)
OnProgress = Callable[[str, int, int, str], None]
Rows = Mapping[tuple[str, str], np.ndarray]
Evaluate = Callable[["nn.Module"], Mapping[str, np.ndarray]]
# Test pairs that are read at once.
_BATCH = 128


@dataclass(frozen=True)
class Job:
    """What is the same for every seed of a run, read and checked.

    Attributes:
        recipe, stream, strategy, backbone: what was asked for, resolved.
        edition, shift, eval_every: as asked for.
        data: the stream's domains in order.
        seconds: wall time of getting here, by phase.
        teachers: the encoders of teachers that do not start from ``backbone``.
        warnings: about the model; the pairs have their own.
    """

    recipe: OpenRecipe
    stream: OpenStream
    strategy: Strategy
    backbone: Backbone
    edition: str
    shift: float
    eval_every: int | None
    data: list[DomainData]
    seconds: dict[str, float]
    teachers: tuple[Backbone, ...] = ()
    warnings: tuple[RunWarning, ...] = ()

    @property
    def max_length(self) -> int:
        return self.stream.edition(self.edition).max_length

    @property
    def trained(self) -> list[DomainData]:
        """The domains that are trained on, in order."""
        return [d for d in self.data if not self.stream.is_evaluation_only(d.name)]

    @cached_property
    def data_warnings(self) -> tuple[RunWarning, ...]:
        """What is odd about the pairs; see :func:`clbench.data.warnings.data_warnings`."""
        from clbench.data.warnings import data_warnings

        return data_warnings(self.data, self.stream.form.label_space)

    @property
    def task_digest(self) -> str:
        """What determines the task of inception; see :func:`clbench.compress.task_digest`."""
        from clbench.compress import task_digest

        splits = self.trained[0].splits
        return task_digest(splits["train"], splits["validation"], len(self.stream.form.label_space), self.max_length)

    @property
    def observed(self) -> dict[str, Any] | None:
        """What determines the state of a strategy that watches inception; None for one that does not."""
        # As life.path_observer, which is not asked, because importing it takes seconds.
        watches = isinstance(self.strategy, Si)
        return self.strategy.model_dump(mode="json", exclude={"training"}) if watches else None

    def fingerprint(self, seed: int | None = None) -> str:
        """sha256 over everything that determines the run's record, times apart; without a seed, that of all seeds."""
        import torch

        content = {
            "clbench": __version__,
            "torch": torch.__version__,
            "model": self.recipe.describe(),
            "strategy": self.strategy.model_dump(mode="json"),
            "stream": [self.stream.form.name, list(self.stream.form.label_space)],
            "max_length": self.max_length,
            "data": [[d.name, {split: pairs.digest() for split, pairs in d.splits.items()}] for d in self.data],
            "backbone": [self.backbone.digest, self.backbone.learning_rate],
            "eval_every": self.eval_every,
            "seed": seed,
        }
        if self.teachers:
            content["teachers"] = [[teacher.digest, teacher.learning_rate] for teacher in self.teachers]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def folder(self, base: Path = Path("runs")) -> Path:
        """Where the run's seeds lie unless told otherwise."""
        track = f"{self.stream.form.name}.{self.edition}.{self.strategy.name}"
        return base / track / f"{self.recipe.form.name}-{self.fingerprint()[:8]}"


def prepare(
    model: str | Path,
    stream: str | Path,
    *,
    edition: str | None = None,
    strategy: str | Path = "naive",
    settings: Mapping[str, Any] | None = None,
    quick: bool = False,
    backbone: str | Path | None = None,
    data_dir: Path | str | None = None,
    eval_every: int | None = None,
    shift: float = 1.0,
    labels: Sequence[str] | None = None,
    data: list[DomainData] | None = None,
    on_progress: OnProgress | None = None,
) -> Job:
    """Read and check all that a run needs; the arguments are those of :func:`run`.

    Args:
        data: the edition's domains, where they have been loaded for another run already.

    Raises:
        UserError: whatever of it is wrong.
    """
    seconds: dict[str, float] = {}
    tell = on_progress or _silent
    recipe = read_recipe(model)
    recipe = recipe if labels is None else recipe.labelled(labels)
    opened = read_stream(stream)
    form = read_strategy(strategy)
    edition = edition or opened.usual_edition(Path(data_dir) if data_dir else None)
    if quick:
        opened, edition = quick_stream(opened, edition)
        recipe, form = quick_recipe(recipe), quick_strategy(form)
    steps, others = split_settings(settings or {})
    recipe, form = change_steps(recipe, steps), override(form, others)
    size = opened.edition(edition)
    if eval_every is not None and eval_every < 1:
        raise UserError(f"--eval-every should be a number of optimizer steps, 1 or more, but is {eval_every}.")
    with _clock(seconds, "imports"):
        from clbench.compress import check_recipe, teachers_of
        from clbench.data.load import load
        from clbench.encoder.backbone import starting_backbone
    with _clock(seconds, "backbone"):
        start = starting_backbone(recipe, backbone, size.backbone, opened.field(edition, "backbone"))
        asked = f"the edition {edition} of {opened.form.name}"
        warnings = check_recipe(recipe, start, opened.form.label_space, size.max_length, asked)
        teachers = teachers_of(recipe, start)
    form = form.model_copy(update={"training": at_rate(form.training, recipe.form.learning_rate(start.learning_rate))})
    names: list[str] = []

    def on_domain(name: str) -> None:
        tell("read the domains", len(names), len(opened.domains), "domains")
        names.append(name)

    if data is None:
        folder = Path(data_dir) if data_dir else None
        with _clock(seconds, "data"):
            data = load(opened, edition, data_dir=folder, shift=shift, on_domain=on_domain)
    tell("read the domains", len(names), len(names), "domains")
    job = Job(recipe, opened, form, start, edition, shift, eval_every, data, seconds, teachers, warnings)
    check_beginning(_configuration(job, 0, ""), opened.form.label_space, data)
    return job


def run(
    model: str | Path = "pkd-skip-6l",
    stream: str | Path = "nli-shift",
    *,
    edition: str | None = None,
    strategy: str | Path = "naive",
    settings: Mapping[str, Any] | None = None,
    quick: bool = False,
    backbone: str | Path | None = None,
    seed: int = 0,
    data_dir: Path | str | None = None,
    eval_every: int | None = None,
    shift: float = 1.0,
    labels: Sequence[str] | None = None,
    out: Path | str | None = None,
    fresh: bool = False,
    keep_models: str | None = None,
    on_progress: OnProgress | None = None,
) -> Record:
    """Compress a model, take it through a stream, and return the record that this leaves.

    A run that was broken off goes on where it stood; one that is finished is only read.

    Args:
        model: a recipe's name, the path of its YAML file, or a checkpoint's folder.
        stream: a stream's name, or the path of its YAML file.
        edition: ``embedded``, ``lite`` or ``full``, or another that the stream has; the stream's usual one unless
            given, see :meth:`clbench.schema.stream.OpenStream.usual_edition`.
        strategy: a strategy's name, or the path of its YAML file.
        settings: changes of the strategy's hyper-parameters, such as ``{"lambda": 100, "training.epochs": 1}``, and of
            the recipe's steps, such as ``{"finetune.epochs": 1}``, see :func:`clbench.schema.changes.change_steps`;
            text is read as ``--set`` reads it.
        quick: at most 200 pairs to train on, 50 to validate and 100 to test, and one epoch everywhere. The edition of
            the record is then called ``EDITION-quick``, and stands in no track.
        backbone: the encoder to start from, the recipe's or else the edition's own unless given: a name, a YAML file,
            a checkpoint folder or a hub id.
        seed: of everything random; the data do not depend on it.
        data_dir: for real editions, a folder with the domains' files instead of the hub.
        eval_every: optimizer steps between evaluations inside an experience; None for none.
        shift: for generated editions, 0 to 1, how far each domain is shifted from the first.
        labels: of a checkpoint, the labels of its head's rows in their order, where its config.json does not name them.
        out: the run's folder, ``runs/STREAM.EDITION.STRATEGY/MODEL-FINGERPRINT/seed-N`` unless given.
        fresh: forget what an earlier run left in the folder.
        keep_models: ``end`` writes the model at the end of its life into the run's folder, as ``models/end``, a Hugging
            Face folder; ``every`` also the model after each experience, as ``models/after-0-mnli`` and so on. The
            record is the same with and without.
        on_progress: called with what is being done, how much is done, how much there is, and what is counted.

    Raises:
        UserError: whatever a user can mend, in one sentence.
    """
    check_seed(seed)
    job = prepare(
        model, stream, edition=edition, strategy=strategy, settings=settings, quick=quick, backbone=backbone,
        data_dir=data_dir, eval_every=eval_every, shift=shift, labels=labels, on_progress=on_progress,
    )  # fmt: skip
    folder = Path(out) if out else job.folder() / f"seed-{seed}"
    return run_seed(job, seed, folder, fresh=fresh, keep_models=keep_models, on_progress=on_progress)


def run_seed(
    job: Job,
    seed: int,
    folder: Path,
    *,
    fresh: bool = False,
    keep_models: str | None = None,
    on_progress: OnProgress | None = None,
    company: Company | None = None,
) -> Record:
    """The run of one seed, in ``folder``: read where it is finished, gone on with where it was broken off.

    Args:
        fresh, keep_models: as :func:`run` has them.
        company: the processes beside this one, if any.

    Raises:
        UserError: as :func:`run`; or the folder holds another run, or another process works in it.
    """
    check_keep(keep_models, job)
    fingerprint = job.fingerprint(seed)
    if fresh:
        forget(folder)
    with _sole(folder):
        if (folder / "record.json").exists():
            record = read_record(folder)
            told = record.configuration
            if (told.fingerprint, told.edition) != (fingerprint, job.edition):
                raise UserError(f"{folder} holds the record of another run; choose another --out, or give --fresh.")
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            _check_kept(record, folder, keep_models)
            return record
        tell = on_progress or _silent
        with _noted(job, seed, folder, fingerprint):
            record = _carry_out(job, seed, folder, fingerprint, tell, company or Company(), keep_models)
        # The record comes last: where it is, everything is.
        from clbench.plots import forgetting_curve

        forgetting_curve([record], folder / "forgetting")
        write_record(folder, record)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return record


def forget(folder: Path) -> None:
    """Remove what an earlier run has left in ``folder``: its record, or how far it had come.

    Raises:
        UserError: another process works in it, or it cannot be written.
    """
    if folder.exists():
        with _sole(folder):
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            shutil.rmtree(folder / MODELS, ignore_errors=True)
            (folder / "record.json").unlink(missing_ok=True)


def make_tokens(job: Job) -> None:
    """See to it that the job's tokens are in the cache, for all that share its stream and backbone."""
    _tokens(job, _silent)


def make_inception(job: Job, seed: int, on_progress: OnProgress | None = None, company: Company | None = None) -> None:
    """See to it that a run's inception is in the cache, for all strategies that share it: the model and what it says.

    Raises:
        UserError: as :func:`run`.
    """
    company = company or Company()
    tell = _in_company(on_progress or _silent, company)
    store, rows = _tokens(job, tell)
    compressed = _inception(job, seed, store, rows, tell)
    _inception_says(job, compressed, _evaluator(store, _tests(job, rows), company.step))(compressed.model)


def _check_kept(record: Record, folder: Path, keep_models: str | None) -> None:
    """Refuse to read a finished run that did not keep the models which are asked for now."""
    if keep_models is None:
        return
    experiences = [(point.experience, point.name) for point in record.points if point.final]
    missing = lacking(folder, keep_models, experiences, record.configuration.fingerprint)
    if missing:
        raise UserError(
            f"{folder} is finished and did not keep {', '.join(missing)} in {MODELS}/; give --fresh beside "
            f"--keep-models {keep_models} to make the run again, or leave --keep-models out to see its record."
        )


def _carry_out(
    job: Job,
    seed: int,
    folder: Path,
    fingerprint: str,
    tell: OnProgress,
    company: Company,
    keep_models: str | None,
) -> Record:
    """Tokens, inception, life, measurement."""
    started, seconds = _now(), dict(job.seconds)
    tell = _in_company(tell, company)
    with _clock(seconds, "imports"):
        from clbench import compress, life
        from clbench.data.baselines import fittable, majority, word_overlap
        from clbench.encoder.cut import cut_warnings
        from clbench.encoder.measure import busy_warnings, cost, measure, peak_memory_bytes
        from clbench.encoder.quantize import evaluated
    classes = len(job.stream.form.label_space)

    with _clock(seconds, "tokens"):
        store, rows = _tokens(job, tell)
    experiences = [
        life.Experience(
            d.name,
            rows[d.name, "train"], d.splits["train"].labels,
            rows[d.name, "validation"], d.splits["validation"].labels,
        )
        for d in job.trained
    ]  # fmt: skip
    with _clock(seconds, "inception"):
        compressed = _inception(job, seed, store, rows, tell)

    tests = _tests(job, rows)
    evaluate = _evaluator(store, tests, company.step)
    gold = {d.name: d.splits["test"].labels for d in job.data}
    keeper = Keeper(job, seed, fingerprint, compressed, gold, folder, keep_models) if keep_models else None
    with _clock(seconds, "life"):
        points = life.live(
            compressed.model, experiences, job.strategy, seed=seed, evaluate=evaluate,
            evaluate_inception=_inception_says(job, compressed, evaluate),
            folder=folder / CHECKPOINTS, fingerprint=fingerprint, eval_every=job.eval_every,
            on_progress=lambda name, done, total: tell(f"live through {name}", done, total, "steps"),
            path=compressed.path, keeper=keeper,
        )  # fmt: skip
        if keeper:
            keeper.write_end(points[-1])

    with _clock(seconds, "measurement"):
        with company.hold():
            speed = measure(evaluated(compressed.model), tests[experiences[0].name])
            machine = hardware()
        domains = [
            DomainInfo(d, job.stream.is_evaluation_only(d.name), majority(f, classes), word_overlap(f, classes))
            for d, f in zip(job.data, fittable(job.data), strict=True)
        ]
    with _clock(seconds, "data"):
        checked = compress.head_warnings(compressed.steps, experiences[0].name, job.recipe.form.name)
        lengths = {part: store.lengths[found] for part, found in rows.items()}
        cut = cut_warnings(job.data, job.backbone.tokenizer(), job.max_length, lengths)
        warnings = [*job.warnings, *checked, *job.data_warnings, *cut, *busy_warnings(speed)]
    tested = np.concatenate(list(tests.values()))
    length = round(float(np.mean(store.lengths[tested])))
    return make_record(
        configuration=_configuration(job, seed, fingerprint),
        label_space=job.stream.form.label_space,
        domains=domains,
        inception=compressed.steps,
        points=points,
        cost=cost(compressed.model, length, tested),
        measured={
            "started": started,
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "peak_memory_bytes": peak_memory_bytes(),
            "hardware": machine,
            "versions": versions(),
            **speed.fields(),
        },
        warnings=warnings,
    )


def _inception(job: Job, seed: int, store: TokenStore, rows: Rows, tell: OnProgress) -> Compressed:
    """The recipe's model on the first domain, its last training watched where the strategy asks for it."""
    from clbench import compress, life

    first = job.trained[0]
    task = compress.Task(
        store,
        rows[first.name, "train"], first.splits["train"].labels,
        rows[first.name, "validation"], first.splits["validation"].labels,
        len(job.stream.form.label_space), digest=job.task_digest, label_space=tuple(job.stream.form.label_space),
        domain=first.name,
    )  # fmt: skip
    for name in compress.training_steps(job.recipe):
        tell(name, 0, 0, "pairs")
    return compress.build(
        job.recipe, job.backbone, task, seed=seed, observer=life.path_observer(job.strategy), observed=job.observed,
        on_step=lambda name, done, total: tell(name, done, total, "pairs"),
    )  # fmt: skip


def _inception_says(job: Job, compressed: Compressed, evaluate: Evaluate) -> Evaluate:
    """``evaluate`` for the model at inception: every strategy asks the same of it, so its answers are in the cache."""
    content = {"model": compressed.key, "test": [d.splits["test"].digest() for d in job.data]}

    def say(model: nn.Module) -> Mapping[str, np.ndarray]:
        def build(folder: Path) -> None:
            for number, found in enumerate(evaluate(model).values()):
                np.save(folder / f"{number}.npy", found)

        folder = cached("predictions", content | {"max_length": job.max_length}, build)
        return {d.name: np.load(folder / f"{number}.npy") for number, d in enumerate(job.data)}

    return say


def _tests(job: Job, rows: Rows) -> dict[str, np.ndarray]:
    return {d.name: rows[d.name, "test"] for d in job.data}


def _in_company(tell: OnProgress, company: Company) -> OnProgress:
    """Progress is told after every step of training, which is where a run looks at what the others do."""

    def told(what: str, done: int, total: int, unit: str) -> None:
        company.step()
        tell(what, done, total, unit)

    return told


def _configuration(job: Job, seed: int, fingerprint: str) -> dict[str, Any]:
    kinds = {str(d.source["kind"]) for d in job.data}
    kind = {"generator": "generated"}.get(next(iter(kinds)), next(iter(kinds))) if len(kinds) == 1 else "mixed"
    return {
        "model": job.recipe.describe(),
        "stream": job.stream.form.model_dump(mode="json"),
        "edition": job.edition,
        "strategy": job.strategy.model_dump(mode="json"),
        "backbone": {
            "name": job.backbone.name, "digest": job.backbone.digest, "source": job.backbone.source,
            "learning_rate": job.backbone.learning_rate,
        },
        "seed": seed,
        "eval_every": job.eval_every,
        "shift": job.shift,
        "max_length": job.max_length,
        "data_source": kind,
        "fingerprint": fingerprint,
    }  # fmt: skip


def _tokens(job: Job, tell: OnProgress) -> tuple[TokenStore, Rows]:
    """Every pair of the run in one token store, and the rows of each domain's splits."""
    from clbench.encoder.tokens import TokenStore, pack

    tokenizer = job.backbone.tokenizer()
    ids, lengths, seconds, rows = [], [], [], {}
    begin = 0
    parts = [(d.name, split, pairs) for d in job.data for split, pairs in d.splits.items()]
    for number, (name, split, pairs) in enumerate(parts):
        tell("tokenise", number, len(parts), "parts")

        def build(folder: Path, pairs: Any = pairs) -> None:
            packed = pack(tokenizer, pairs.first, pairs.second, job.max_length)
            np.save(folder / "ids.npy", packed.ids.numpy().astype(np.int32))
            np.save(folder / "lengths.npy", packed.lengths)
            np.save(folder / "seconds.npy", packed.seconds)

        content = {"backbone": job.backbone.digest, "pairs": pairs.digest(), "max_length": job.max_length}
        folder = cached("tokens", content, build)
        ids.append(np.load(folder / "ids.npy"))
        lengths.append(np.load(folder / "lengths.npy"))
        seconds.append(np.load(folder / "seconds.npy"))
        rows[name, split] = begin + np.arange(len(pairs))
        begin += len(pairs)
    tell("tokenise", len(parts), len(parts), "parts")
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
    return TokenStore(np.concatenate(ids), offsets, np.concatenate(seconds)), rows


def _evaluator(store: TokenStore, tests: Mapping[str, np.ndarray], pause: Callable[[], None]) -> Evaluate:
    """From a model to the predicted class of every test pair of each domain; pairs of like length are read together.

    ``pause`` is called between batches.
    """
    import torch

    from clbench.encoder.bert import predict
    from clbench.encoder.quantize import evaluated

    rows = np.concatenate(list(tests.values()))
    order = np.argsort(store.lengths[rows], kind="stable")
    cuts = np.cumsum([len(part) for part in tests.values()])[:-1]

    def evaluate(model: nn.Module) -> dict[str, np.ndarray]:
        found = np.empty(len(rows), dtype=np.int64)
        asked = evaluated(model)
        for begin in range(0, len(rows), _BATCH):
            pause()
            part = order[begin : begin + _BATCH]
            found[part] = predict(asked, torch.from_numpy(rows[part]), batch_size=_BATCH).argmax(-1).numpy()
        return dict(zip(tests, np.split(found, cuts), strict=True))

    return evaluate


def parse_seeds(text: str) -> list[int]:
    """Seeds as a user writes them: ``3``, ``0-2``, ``0,4,7-9``; ascending, each once.

    >>> parse_seeds("0-2,7")
    [0, 1, 2, 7]

    Raises:
        UserError: the text is no list of seeds.
    """
    try:
        return seeds_of(text)
    except ValueError as error:
        raise UserError(f"--seeds {error}.") from error


def for_seeds(job: Job, seeds: Sequence[int], out: Path | None) -> dict[int, Path]:
    """The folder of each seed: in ``out`` (``out`` itself for a single seed), or where :meth:`Job.folder` says."""
    if out is not None and len(seeds) == 1:
        return {seeds[0]: out}
    base = out or job.folder()
    return {seed: base / f"seed-{seed}" for seed in seeds}


@contextmanager
def _noted(job: Job, seed: int, folder: Path, fingerprint: str) -> Iterator[None]:
    """The folder says what is done in it, until there is a record; a run that is refused leaves nothing of this."""
    names = [d.name for d in job.trained]
    experiences = [names[0], "joint"] if job.strategy.method == "joint" else names
    try:
        write_note(folder, _configuration(job, seed, fingerprint), experiences, _now())
        yield
    except UserError:
        if not has_lived(folder):
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextmanager
def _sole(folder: Path) -> Iterator[None]:
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
                f"{folder} is in use by another clbench process; wait for it, or choose another --out."
            ) from error
        except OSError as error:
            raise cannot_write(folder, error, "choose another --out", was_there=False) from error
        stack.callback(remove_lock, folder / LOCK_NAME)
        remove_litter(folder, own=True)
        yield


@contextmanager
def _clock(seconds: dict[str, float], phase: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[phase] = seconds.get(phase, 0.0) + time.perf_counter() - begin


def _silent(what: str, done: int, total: int, unit: str) -> None:
    """Progress that nobody watches."""
