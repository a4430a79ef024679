"""``clbench reproduce``: a study as one command, its table and what its numbers decide."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clbench.cli.backbone import backbone_option
from clbench.cli.device import with_device
from clbench.cli.track import with_track
from clbench.errors import UserError
from clbench.runtime.console import out, print_json, progress

if TYPE_CHECKING:
    from clbench.studies.layer_map_questions import Question
    from clbench.studies.verdict import Answer, CorrectedAnswer


@click.group("reproduce")
def command() -> None:
    """Studies that clbench makes repeatable."""


def _study(name: str, seeds: str) -> Callable[[Callable[..., None]], click.Command]:
    """A study's command with the options that all of them have."""
    options = [
        click.option(
            "--edition", help="embedded (offline), lite or full [default: embedded, or with --data-dir lite]."
        ),
        click.option(
            "--data-dir", type=click.Path(path_type=Path), help="Real examples: DOMAIN/{train,validation,test}.*"
        ),
        click.option("--seeds", default=seeds, show_default=True, help="One seed, or several: 0-2, or 0,4,7-9."),
        click.option(
            "--workers", type=click.IntRange(1),
            help="Processes of one thread each [default: one a core, or 1 with a GPU].",
        ),
        click.option(
            "--out", "folder", default=f"runs/reproduce-{name}", show_default=True, type=click.Path(path_type=Path),
            help="Where tables, pictures and runs go.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of tables."),
    ]  # fmt: skip

    def decorate(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def usual(*, edition: str | None, data_dir: Path | None, **others: Any) -> None:
            edition = edition or ("embedded" if data_dir is None else "lite")
            function(edition=edition, data_dir=data_dir, **others)

        for option in reversed(options):
            usual = option(usual)
        return command.command(name)(usual)

    return decorate


_QUICK = click.option(
    "--quick", is_flag=True, help="At most 200 examples a domain and one epoch, to see that it works."
)


@_study("layerdrop", seeds="0-2")
@click.option("--domains", default="qqp,snli,sick,scitail", show_default=True, help="Fine-tuned on one at a time.")
@click.option("--plain", default="clbench-tiny-12l", show_default=True, help="Backbone pre-trained without LayerDrop.")
@click.option(
    "--dropped", default="clbench-tiny-12l-layerdrop", show_default=True, help="Its twin, pre-trained with it."
)
@click.option("--lives/--no-lives", default=True, show_default=True, help="With or without lives through nli-shift.")
def layerdrop(
    domains: str,
    edition: str,
    data_dir: Path | None,
    seeds: str,
    plain: str,
    dropped: str,
    lives: bool,
    workers: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Does LayerDrop help in fine-tuning alone, or has it to be there in pre-training?

    Two backbones that differ in LayerDrop alone are fine-tuned with it and without it; then layers are dropped, with no
    training after: accuracy against depth, and the lives of the four models through nli-shift. Interrupted, the same
    command resumes.
    """
    from clbench.schema.seeds import parse_seeds
    from clbench.studies import layerdrop as room

    wanted = _names("--domains", domains)
    plan = room.Settings(
        plain, dropped, wanted, edition, data_dir, tuple(parse_seeds(seeds)), lives, _workers(workers)
    )  # fmt: skip
    with progress(quiet=as_json):
        outcome = room.study(plan, folder)
    from rich.table import Table

    shown: list[Any] = []
    for figure in ("accuracy", "balanced_accuracy"):
        title = f"{figure.replace('_', ' ')} in %, mean over {', '.join(wanted)}; every other layer dropped"
        depths = [f"{depth} layers" for depth in outcome.depths]
        shown.append(Table("LayerDrop in", *depths, title=title, title_justify="left"))
        shown[-1].columns[0].no_wrap = True
        for row in room.table(outcome, figure):
            shown[-1].add_row(*row)
    if outcome.lives:
        shown.append(Table(title="lives through nli-shift, naive, in %", title_justify="left"))
        shown[-1].add_column("recipe", no_wrap=True)
        for name in room.LIFE_FIGURES:
            shown[-1].add_column(name.replace("_", " "))
        for recipe, _, *figures in room.life_table(outcome, room.LIFE_FIGURES):
            shown[-1].add_row(recipe, *figures)
    _tell(shown, outcome.answers, room.write(outcome, plan, folder), as_json)


@_study("seven-configurations", seeds="0-4")
@backbone_option("One of 12 layers [default: the edition's own].")
def seven_configurations(
    edition: str,
    data_dir: Path | None,
    backbone: str | None,
    seeds: str,
    workers: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """The study that clbench grew from: seven configurations on MRPC and RTE.

    A table in the terminal, as Markdown, CSV, HTML and PNG, and what its numbers say to the study's questions.
    Interrupted, the same command resumes.
    """
    from clbench.schema.seeds import parse_seeds
    from clbench.studies import seven_configurations as room

    plan = room.Settings(edition, data_dir, backbone, tuple(parse_seeds(seeds)), _workers(workers))
    with progress(quiet=as_json):
        outcome = room.study(plan)
    from rich.table import Table

    head, cells, _ = room.shown(outcome)
    shown = Table(*head, title=room.caption(outcome, plan), title_justify="left", title_style="dim")
    for row in cells:
        shown.add_row(*row)
    _tell([shown], outcome.answers, room.write(outcome, plan, folder), as_json)


@_study("dropout-gating", seeds="0-4")
@click.option("--stream", default="nli-shift", show_default=True, help="A stream's name, or its YAML file.")
@click.option("--strategy", default="naive", show_default=True, help="A strategy's name, or its YAML file.")
@backbone_option("A name, a YAML file, a folder or a hub id [default: the edition's own].")
@_QUICK
def dropout_gating(
    stream: str,
    edition: str,
    data_dir: Path | None,
    strategy: str,
    backbone: str | None,
    quick: bool,
    seeds: str,
    workers: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Does dropout make a model forget less? Stability against plasticity by rate, 0 to 0.5, held through life.

    Interrupted, the same command resumes.
    """
    from clbench.schema.seeds import parse_seeds
    from clbench.schema.spec import RunSpec
    from clbench.studies import dropout_gating as room

    spec = RunSpec(
        model=room.RATES[0.0], stream=stream, edition=edition, strategy=strategy, backbone=backbone, data_dir=data_dir,
        quick=quick,
    )  # fmt: skip
    plan = room.Settings(spec, tuple(parse_seeds(seeds)), _workers(workers))
    with progress(quiet=as_json):
        outcome = room.study(plan, folder)
    from rich.table import Table

    shown = Table("dropout", *room.FIGURES.values(), title="in %, mean and 95% interval", title_justify="left")
    for row in room.table(outcome):
        shown.add_row(*row)
    _tell([shown], outcome.answers, room.write(outcome, plan, folder), as_json)


@_study("layer-maps", seeds="0-4")
@click.option("--maps", help="Layer maps, skip among them, separated by commas [default: all].")
@click.option("--depths", default="6,3", show_default=True, help="Layers of the students.")
@click.option("--streams", default="nli-shift,paraphrase-shift", show_default=True, help="In which they live.")
@click.option("--strategies", default="naive,replay", show_default=True, help="How they go on learning.")
@click.option(
    "--epochs",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Of an experience; shipped strategies have 3.",
)
@backbone_option("One of 12 layers [default: the edition's own].")
@_QUICK
def layer_maps(
    maps: str | None,
    depths: str,
    streams: str,
    strategies: str,
    epochs: int,
    edition: str,
    data_dir: Path | None,
    backbone: str | None,
    quick: bool,
    seeds: str,
    workers: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Which of the teacher's layers to learn from, and is choosing them worth its cost?

    Every layer map at inception of the streams and over lives through them, what choosing it costs, a Pareto plot, and
    paired tests with Holm's correction. Interrupted, the same command resumes.
    """
    from clbench.schema.seeds import parse_seeds
    from clbench.schema.spec import RunSpec
    from clbench.studies import layer_maps as room

    settings = {"training.epochs": epochs}
    spec = RunSpec(edition=edition, backbone=backbone, data_dir=data_dir, quick=quick, settings=settings)
    named = _names("--maps", maps or ",".join(room.MAPS), room.MAPS)
    if "skip" not in named:
        raise UserError(f"--maps should list skip, with which the others are compared, but is '{maps}'.")
    students = tuple(int(one) for one in _names("--depths", depths, ("6", "3")))
    lives = _names("--streams", streams), _names("--strategies", strategies)
    plan = room.Settings(spec, named, students, *lives, tuple(parse_seeds(seeds)), _workers(workers))
    with progress(quiet=as_json):
        outcome = room.study(plan, folder)
    from rich.table import Table

    shown = []
    for depth in students:
        title = f"{depth} layers, in %, mean and 95% interval; what choosing cost a student"
        shown.append(Table(*room.HEAD, title=title, title_justify="left"))
        shown[-1].columns[0].no_wrap = True
        for row in room.table(outcome, depth):
            shown[-1].add_row(*row)
    _tell(shown, outcome.questions, room.write(outcome, plan, folder), as_json)


@_study("tickets", seeds="0-4")
@click.option("--stream", default="nli-shift", show_default=True, help="A stream's name, or its YAML file.")
@click.option("--strategy", default="naive", show_default=True, help="A strategy's name, or its YAML file.")
@backbone_option("A name, a YAML file, a folder or a hub id [default: the edition's own].")
@_QUICK
@click.option(
    "--epochs", type=click.IntRange(1), help="Of an experience after inception [default: the strategy's own]."
)
@click.option("--tolerance", type=click.FloatRange(0, 1), default=0.02, show_default=True,
              help="How far validation accuracies at inception may lie from each other's aim.")  # fmt: skip
def tickets(
    stream: str,
    edition: str,
    data_dir: Path | None,
    strategy: str,
    backbone: str | None,
    quick: bool,
    epochs: int | None,
    tolerance: float,
    seeds: str,
    workers: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Does a sub-network chosen for one task generalise worse beyond it, and forget more?

    Lottery and magnitude tickets, layers pruned and a distilled student against the whole model, all brought to the
    same validation accuracy at inception. Interrupted, the same command resumes.
    """
    from clbench.schema.seeds import parse_seeds
    from clbench.schema.spec import RunSpec
    from clbench.studies import tickets as room

    settings = {} if epochs is None else {"training.epochs": epochs}
    spec = RunSpec(
        model=room.WHOLE, stream=stream, edition=edition, strategy=strategy, backbone=backbone, data_dir=data_dir,
        quick=quick, settings=settings,
    )  # fmt: skip
    plan = room.Settings(spec, tuple(parse_seeds(seeds)), _workers(workers), tolerance)
    with progress(quiet=as_json):
        outcome = room.study(plan, folder)
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    # Too many columns for a terminal: what they begin with, and what becomes of them.
    shown, begin = [], room.HEAD.index("forgetting")
    for title, part in ((room.caption(plan), slice(2, begin)), ("their lives", slice(begin, None))):
        shown.append(Table("model (seeds)", *room.HEAD[part], title=title, title_justify="left", title_style="dim",
                           box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False))  # fmt: skip
        shown[-1].columns[0].no_wrap = True
        for row in room.table(outcome):
            shown[-1].add_row(f"{row[0]} ({row[1]})", *row[part])
    _tell(shown, outcome.answers, room.write(outcome, plan, folder), as_json, outcome.left_out())


def _names(option: str, text: str, known: Sequence[str] = ()) -> tuple[str, ...]:
    """What a user lists with commas between, each once.

    Raises:
        UserError: it lists nothing, something twice, or something that is not known.
    """
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    wrong = [name for name in found if known and name not in known]
    if not found or len(set(found)) < len(found) or wrong:
        of = f" of {', '.join(known)}" if known else ""
        raise UserError(f"{option} should list names{of}, once each and with commas between, but is '{text}'.")
    return found


def _workers(asked: int | None) -> int:
    from clbench.runtime.device import usual_workers

    return asked or usual_workers()


def _tell(
    tables: Sequence[Any],
    answers: Sequence[Answer | Question | CorrectedAnswer],
    files: Sequence[Path],
    as_json: bool,
    more: Sequence[str] = (),
) -> None:
    """Tables, answers and files for people; the study's own JSON file, ``study.json``, for scripts."""
    if as_json:
        (described,) = (file for file in files if file.name == "study.json")
        print_json(json.loads(described.read_text(encoding="utf-8")))
        return
    show = out()
    for table in tables:
        show.print(table)
    for sentence in (*(one.sentence() for one in answers), *more):
        show.print(f"- {sentence}")
    for file in files:
        show.print(str(file), style="dim", soft_wrap=True)


with_track(with_device(command), "reproduce")
