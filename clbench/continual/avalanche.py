"""Every name that clbench takes from Avalanche, so that its import has one place and one set of precautions."""

from __future__ import annotations

import warnings

from clbench.runtime import torchvision_ops

torchvision_ops.define()

with warnings.catch_warnings():
    # GEM's solver, which clbench does not use, warns that no backend is installed.
    warnings.simplefilter("ignore")
    from avalanche.benchmarks import benchmark_from_datasets
    from avalanche.benchmarks.utils import DataAttribute, TaskAwareSupervisedClassificationDataset
    from avalanche.benchmarks.utils.data_attribute import TaskLabels
    from avalanche.benchmarks.utils.data_loader import GroupBalancedInfiniteDataLoader, MultiDatasetDataLoader
    from avalanche.benchmarks.utils.flat_data import ConstantSequence
    from avalanche.training.plugins import (
        AGEMPlugin,
        EWCPlugin,
        LwFPlugin,
        ReplayPlugin,
        SupervisedPlugin,
        SynapticIntelligencePlugin,
    )
    from avalanche.training.storage_policy import ClassBalancedBuffer, ReservoirSamplingBuffer
    from avalanche.training.supervised import Cumulative, JointTraining, Naive
    from avalanche.training.utils import ParamData

__all__ = [
    "AGEMPlugin",
    "ClassBalancedBuffer",
    "ConstantSequence",
    "Cumulative",
    "DataAttribute",
    "EWCPlugin",
    "GroupBalancedInfiniteDataLoader",
    "JointTraining",
    "LwFPlugin",
    "MultiDatasetDataLoader",
    "Naive",
    "ParamData",
    "ReplayPlugin",
    "ReservoirSamplingBuffer",
    "SupervisedPlugin",
    "SynapticIntelligencePlugin",
    "TaskAwareSupervisedClassificationDataset",
    "TaskLabels",
    "benchmark_from_datasets",
]
