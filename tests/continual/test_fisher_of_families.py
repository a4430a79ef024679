"""The Fisher information of encoders of any family is that of single examples, also where a module reads no tokens."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification

from clbench.continual import fisher
from clbench.continual.fisher import fisher_diagonal
from clbench.encoder.classifier import Classifier
from clbench.encoder.tokens import TokenStore

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "testing"))
from test_encoder_families import small


@pytest.mark.parametrize("model_type", ["bert", "roberta", "albert", "modernbert", "mpnet", "deberta-v2"])
def test_fisher(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(small(model_type, num_labels=2)).eval()
    # 24 examples of 8 tokens: as many rows as MPNet's relative positions have for 24 tokens, and others.
    lengths = np.array([8] * 24 + [24] * 24 + [5, 9])
    ids = np.random.default_rng(0).integers(5, 100, lengths.sum())
    store = TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2)
    model = Classifier(hf, store, packed=model_type not in ("mpnet", "deberta-v2"))
    rows, labels = torch.arange(50), torch.arange(50) % 2
    alone = Mock(side_effect=fisher._pair_by_pair)
    monkeypatch.setattr(fisher, "_pair_by_pair", alone)
    found = fisher_diagonal(model, rows, labels)
    # All examples go one by one only where a module is used in a way that no rule knows.
    assert (alone.call_count > 1) == (model_type in ("albert", "mpnet", "deberta-v2"))
    expected = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for row in range(50):
        model.zero_grad()
        cross_entropy(model(rows[row : row + 1]), labels[row : row + 1]).backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                expected[name] += parameter.grad.square() / 50
    rounding = 1e-11 * max(float(value.max()) for value in expected.values())
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4 * float(value.max()) + rounding, msg=name)
