"""``clbench compare``: models side by side, and which differences are more than chance."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from clbench.errors import UserError


@click.command("compare")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN_OR_SUBMISSION...")
@click.option("--balanced", is_flag=True, help="Curves and tests of balanced accuracy (mean recall) instead.")
@click.option("--out", "folder", default="runs/compare", show_default=True, type=click.Path(path_type=Path),
              help="Where comparison.png, .svg and .html go.")  # fmt: skip
@click.option("--plot/--no-plot", default=True, help="With or without curves, in the terminal and as files.")
@click.option("--pdf", is_flag=True, help="The curves as comparison.pdf as well, fonts embedded.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the figures as FILE, and the tests beside it as FILE-pairs.")  # fmt: skip
@click.option("--latex", "latex_file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write the figures as a LaTeX table, bold where the tests bear it.")  # fmt: skip
@click.option("--figures", metavar="NAMES", help="Of the LaTeX table, such as lifetime_accuracy,forgetting.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--no-check", is_flag=True, help="Trust the stored figures instead of computing them again.")
def command(
    paths: tuple[Path, ...],
    balanced: bool,
    folder: Path,
    plot: bool,
    pdf: bool,
    csv_file: Path | None,
    latex_file: Path | None,
    figures: str | None,
    as_json: bool,
    no_check: bool,
) -> None:
    """Compare models: curves overlaid, figures side by side, and a paired test of every two.

    RUN_OR_SUBMISSION is the folder of a run, its record.json, a folder of runs, the folder of a submission, or a folder
    of submissions. Runs that differ only in their seed are one model. All must have been tested on the same examples
    after the same experiences.
    """
    from clbench.comparison import compare, read_models, report
    from clbench.comparison.latex import latex
    from clbench.plots import overlay, overlay_page, overlay_picture
    from clbench.runtime.console import out, print_json, progress
    from clbench.storage.writing import write_whole

    for name, given, needs in (
        ("--figures", figures is not None and latex_file is None, "--latex"),
        ("--pdf", pdf and not plot, "--plot"),
    ):
        if given:
            raise UserError(f"{name} goes with {needs}; give both or leave {name} out.")
    files: list[Path] = []
    with progress(quiet=as_json) as bars:
        task = bars.add_task("read the records", total=None)
        models = read_models(paths, check=not no_check)
        bars.update(task, visible=False)
        task = bars.add_task("bootstrap", total=1.0)
        comparison = compare(models, balanced=balanced, on_done=lambda share: bars.update(task, completed=share))
        bars.update(task, visible=False)
        if plot:
            task = bars.add_task("draw", total=None)
            drawn = overlay([(model.name, model.records) for model in models])
            files += overlay_picture(drawn, folder / "comparison", balanced=balanced, pdf=pdf)
            page = folder / "comparison.html"
            files.append(overlay_page(drawn, page, report.page_tables(comparison), balanced=balanced))
            bars.update(task, visible=False)
        if csv_file is not None:
            files += report.write_csv(comparison, csv_file)
        if latex_file is not None:
            names = [one for part in (figures or "").split(",") if (one := part.strip())]
            files.append(write_whole(latex_file, latex(comparison, ["clbench", *sys.argv[1:]], names)))
    if as_json:
        print_json(report.as_json(comparison) | {"written": [str(file) for file in files]})
        return
    report.print_comparison(comparison, out(), files, plot=plot)
