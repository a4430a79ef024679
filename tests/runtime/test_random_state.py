"""Who draws within ``random_state_kept`` leaves no trace in the global generators."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from clbench.runtime import events
from clbench.runtime.events import Event, listening
from clbench.runtime.random_state import random_state_kept


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), torch.rand(()).item()


def seeded() -> None:
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)


def test_every_generator_is_put_back() -> None:
    seeded()
    undisturbed = drawn()
    seeded()
    with random_state_kept():
        assert drawn() == undisturbed
    assert drawn() == undisturbed


def test_also_after_an_error() -> None:
    seeded()
    undisturbed = drawn()
    seeded()
    with pytest.raises(ZeroDivisionError), random_state_kept():
        _ = drawn()[0] / 0
    assert drawn() == undisturbed


def test_nothing_is_imported_for_it() -> None:
    program = (
        "import sys; from clbench.runtime.random_state import random_state_kept\n"
        "with random_state_kept(): pass\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_listener_that_draws_changes_nothing() -> None:
    def listener(event: Event) -> None:
        heard.append(drawn())

    heard: list[tuple[float, float, float]] = []
    seeded()
    undisturbed = drawn()
    seeded()
    with listening(listener):
        events.start("teach")
        events.end("teach")
    assert drawn() == undisturbed
    assert heard == [undisturbed, undisturbed]
