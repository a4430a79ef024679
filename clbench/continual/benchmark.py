"""Domains as an Avalanche benchmark whose examples are row numbers, and batches cut from tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from clbench.continual import avalanche
from clbench.encoder.batches import like_length
from clbench.encoder.head import OpenClasses
from clbench.encoder.tokens import rows_on
from clbench.runtime.device import sent


@dataclass(frozen=True)
class Experience:
    """One domain as a strategy meets it; rows are places in the model's token store.

    Attributes:
        name: the domain's name.
        train_rows, train_labels: int64 arrays of shape (N,).
        validation_rows, validation_labels: int64 arrays of shape (M,); they choose epochs and are never trained on.
        opened: the classes that are told apart once the model has come to this domain; None for all, of every domain.
    """

    name: str
    train_rows: np.ndarray
    train_labels: np.ndarray
    validation_rows: np.ndarray
    validation_labels: np.ndarray
    opened: OpenClasses | None = None


def dataset(rows: Tensor, labels: Tensor) -> Any:
    """An AvalancheDataset of (row, label, task 0), the form that every Avalanche plugin understands.

    Rows and labels stand in it a second time as attributes: Avalanche carries those along through its subsets and
    concatenations, and they can be read back without making an example of each.

    Args:
        rows: int64 (N,).
        labels: int64 (N,).
    """
    return avalanche.TaskAwareSupervisedClassificationDataset(
        [TensorDataset(rows, labels)],
        data_attributes=[
            avalanche.DataAttribute(labels.tolist(), "targets"),
            avalanche.TaskLabels(avalanche.ConstantSequence(0, len(labels))),
            avalanche.DataAttribute(rows.tolist(), "rows"),
        ],
    )


def contents(data: Any) -> tuple[Tensor, Tensor]:
    """Rows and labels, int64 (N,) each, of a dataset that :func:`dataset` began, however cut and joined since."""
    rows, labels = (torch.from_numpy(np.fromiter(part, np.int64, len(data))) for part in (data.rows, data.targets))
    return rows, labels


def benchmark(experiences: Sequence[Experience]) -> Any:
    """The experiences' training parts as an Avalanche benchmark with one stream, ``train_stream``."""
    return avalanche.benchmark_from_datasets(
        train=[dataset(torch.from_numpy(e.train_rows), torch.from_numpy(e.train_labels)) for e in experiences]
    )


class RowLoader:
    """The batches of one of Avalanche's loaders, indexed from tensors instead of collated example by example.

    Which examples come, how often, and how many of each dataset make a batch stays the business of the loader's own
    sampler. Where lengths are known, near batches trade examples until each holds some of like length.

    Args:
        loader: a DataLoader over one dataset, or one of Avalanche's loaders over several (replay, A-GEM).
        lengths: tokens of every row of the store, (R,); None leaves the batches as they are drawn.
        device: where the batches are wanted.
        most: batches, the first of those that the loader draws; None for all.
    """

    def __init__(
        self,
        loader: Any,
        lengths: np.ndarray | None = None,
        device: torch.device | None = None,
        most: int | None = None,
    ) -> None:
        self.loader, self.device, self.most = loader, device or torch.device("cpu"), most
        joined = isinstance(loader, avalanche.MultiDatasetDataLoader)
        parts = [contents(data) for data in (loader.datasets if joined else [loader.dataset])]
        self.rows = torch.cat([rows for rows, _ in parts])
        self.labels = torch.cat([labels for _, labels in parts])
        self.lengths = None if lengths is None else lengths[self.rows.numpy()]
        self.begins = np.cumsum([len(rows) for rows, _ in parts])[:-1].tolist()

    def __len__(self) -> int:
        return len(self.loader) if self.most is None else min(len(self.loader), self.most)

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Batches as Avalanche has them: [rows, labels, task labels], int64 (B,) each."""
        loader: Any = self.loader if isinstance(self.loader, DataLoader) else self.loader._get_loader()
        drawn = loader.batch_sampler if self.most is None else islice(loader.batch_sampler, self.most)
        for places in drawn if self.lengths is None else like_length(drawn, self.lengths, self.begins):
            at = torch.as_tensor(places)
            task = torch.zeros(len(places), dtype=torch.int64, device=self.device)
            yield [rows_on(self.device, self.rows[at]), sent(self.labels[at], self.device), task]
