"""Every name that clbench takes from Avalanche, so that its import has one place and one set of precautions."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import warnings
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

from clbench.runtime import torchvision_ops

# Writes ~/.avalanche/config.json when it is imported: where Avalanche's own data sets lie, which clbench has none of.
_WRITES = "avalanche.benchmarks.datasets.dataset_utils"


def _home_serves() -> bool:
    """Whether Avalanche can read its configuration in the home folder, or write it there."""
    folder = Path(os.path.expanduser("~/.avalanche"))
    if not folder.is_absolute():  # the system knows no home folder: it would lie in the working directory
        return False
    try:
        if (folder / "config.json").exists():
            (folder / "config.json").read_bytes()
            return True
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:  # the rights may be there and the disk read-only or full
            file.write(b"{}")
    except OSError:
        return False
    return True


def _import_with_another_home() -> None:
    """Import the module that writes, and it alone, with a home folder that is gone afterwards.

    What else Avalanche imports, Hugging Face's libraries among it, remembers the home folder that it sees.
    """
    found = find_spec("avalanche")
    if found is None or found.origin is None:
        return  # the import below says that it is not installed
    file = Path(found.origin).parent.joinpath(*_WRITES.split(".")[1:]).with_suffix(".py")
    spec = spec_from_file_location(_WRITES, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # On Windows the home folder has another name.
    before = {name: os.environ.get(name) for name in ("HOME", "USERPROFILE")}
    with tempfile.TemporaryDirectory() as home:
        try:
            os.environ.update(dict.fromkeys(before, home))
            # Another version may not have the file: then its own import says what is wrong, if anything is.
            with contextlib.suppress(FileNotFoundError):
                spec.loader.exec_module(module)
                sys.modules[_WRITES] = module
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


if _WRITES not in sys.modules and not _home_serves():
    _import_with_another_home()
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
