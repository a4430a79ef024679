"""``clbench`` as a process of its own that can be interrupted and killed.

It is forked from one that has imported torch, transformers and Avalanche, as a sweep's workers are: a test that starts
five processes would otherwise wait for five times their import.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from clbench.runtime.pool import context


class Command:
    """A running command; its output goes to files in ``place``.

    Args:
        arguments: of ``clbench``.
        place: a folder for its output; it may be used again.
        environment: variables that it has beside those of the tests.
        largest_file: bytes that no file which it writes may exceed; the operating system refuses what is beyond.
    """

    def __init__(
        self, arguments: Sequence[str], place: Path, environment: Mapping[str, str], largest_file: int | None = None
    ) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.out, self.err = place / "stdout.txt", place / "stderr.txt"
        self._process = context().Process(  # type: ignore[attr-defined]
            target=_run,
            args=(list(arguments), dict(os.environ) | dict(environment), self.out, self.err, largest_file),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the process, which leads a group of its own."""
        return int(self._process.pid)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def poll(self) -> int | None:
        """Its exit code, as a shell's but negative for a signal; None while it runs."""
        code: int | None = self._process.exitcode
        return code

    def wait(self, timeout: float = 300) -> int:
        """Its exit code, once it is over."""
        self._process.join(timeout)
        code = self.poll()
        assert code is not None, f"it still runs after {timeout} s: {self.err.read_text()}"
        return code


def _run(arguments: list[str], environment: dict[str, str], out: Path, err: Path, largest_file: int | None) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    # Whoever runs the tests in the background may have told all its children to overhear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w") for number in (1, 2))
    if largest_file is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    from clbench.cli.main import main

    main(arguments)
