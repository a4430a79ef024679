"""Fixtures that several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A deadline is an assertion on seconds, which a busy machine fails.
settings.register_profile("clbench", settings.default, deadline=None)
settings.load_profile("clbench")

ROOT = Path(__file__).resolve().parent.parent

# Of the same name in several folders, they cannot be looked through for examples in docstrings.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]


# Folders and files whose tests take long, each a good part of a minute.
_LONG = (
    "sweeps", "studies", "pretrain", "plugins", "test_wheel.py", "test_sweep_command.py", "test_encoder_hub.py",
    "test_board_render.py", "test_board_end_to_end.py", "test_runner.py",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long comes first, in the part of each of xdist's workers: they take single tests from each other's
    end, so that none waits for another's last long one."""
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    long = [path for path in files if {path.name, path.parent.name} & set(_LONG)]
    rest = [item for path in files if path not in long for item in files[path]]
    size, order = -(-len(items) // workers), []
    for number in range(workers):
        part = [item for path in long[number::workers] for item in files[path]]
        filled = max(0, size - len(part))
        order += [*part, *rest[:filled]]
        rest = rest[filled:]
    items[:] = [*order, *rest]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real examples (``<domain>/{train,validation,test}.jsonl.gz``), or a skip where there is none."""
    folder = Path(os.environ.get("CLBENCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no folder of real examples; set CLBENCH_TEST_DATA")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache."""
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def small_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder: a real BERT of 4 layers x 32, random weights, a WordPiece of generated examples."""
    return _backbone(tmp_path_factory.mktemp("backbone"), 4)


@pytest.fixture(scope="session")
def deep_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with 12 layers, for recipes that name layers."""
    return _backbone(tmp_path_factory.mktemp("deep"), 12)


def _backbone(folder: Path, layers: int) -> Path:
    import torch
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing

    from clbench.data.generators import generate
    from clbench.runtime import torchvision_ops
    from clbench.testing.worlds import vocabulary

    torchvision_ops.define()
    from transformers import BertConfig, BertModel

    pairs = generate("mnli", sizes={"train": 300, "validation": 20, "test": 20})["train"]
    tokenizer = BertWordPieceTokenizer(vocabulary([*pairs.first, *pairs.second], size=600), lowercase=True)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = BertProcessing(*ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=600, hidden_size=32, num_hidden_layers=layers, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=128,
        initializer_range=0.3,  # large, so that even a model that has learned little tells examples apart
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_stream(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of three generated domains and one for evaluation only, with few examples each."""
    path = tmp_path_factory.mktemp("streams") / "small.yaml"
    path.write_text(
        """
name: small
title: A small stream
description: For tests.
label_space: [not_entailment, entailment]
domains: [mnli, snli, hans]
evaluation_only: [rte]
editions:
  embedded: {source: generated, train: 96, validation: 40, test: 60, max_length: 64, backbone: clbench-tiny-12l}
"""
    )
    return path
