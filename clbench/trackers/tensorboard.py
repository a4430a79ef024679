"""TensorBoard: event files in the run's folder, for ``tensorboard --logdir runs``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clbench.schema.tracker import Outcome, TrackedRun, Tracker

FOLDER = "tensorboard"
# How our files end, lest those of somebody else be taken for an earlier session's.
_OURS = ".clbench"


class Session:
    """Scalars as they come; in the end the hyper-parameters with the figures, tables as text, and pictures."""

    id = FOLDER  # the folder is the session

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = run.folder / FOLDER
        if run.resumes is None and folder.is_dir():
            for old in folder.glob(f"events.out.tfevents.*{_OURS}"):
                old.unlink()
        self.config = _flat(run.config)
        self.writer = SummaryWriter(str(folder), filename_suffix=_OURS)

    def log(self, values: Mapping[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name.replace(" ", "_"), value, step)
        if any(name.startswith("accuracy/") for name in values):
            self.writer.flush()  # evaluation points are few, and looked at while the run goes on

    def finish(self, outcome: Outcome) -> None:
        from matplotlib.image import imread
        from torch.utils.tensorboard.summary import hparams

        if outcome.failed is not None:
            self.writer.add_text("failed", outcome.failed)
        elif (file := self.writer.file_writer) is not None:
            for part in hparams(self.config, dict(outcome.figures)):
                file.add_summary(part)
        for name, value in outcome.figures.items():
            self.writer.add_scalar(name if "/" in name else f"figures/{name}", value, 0)
        for name, table in outcome.tables.items():
            self.writer.add_text(name, table.markdown())
        for name, picture in outcome.pictures.items():
            self.writer.add_image(name, imread(picture)[..., :3], dataformats="HWC")
        for file in outcome.files:
            self.writer.add_text("files", str(file))
        self.writer.close()


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, bool | str | float | int]:
    """One level of names: TensorBoard's hyper-parameters are no tree."""
    flat: dict[str, bool | str | float | int] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[before + name] = value if isinstance(value, bool | int | float) else str(value)
    return flat


TENSORBOARD = Tracker("tensorboard", "tensorboard", Session)
