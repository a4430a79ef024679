"""Processes for many models at once: none outlives who asked for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_PROGRAM = """
import os
import sys
import time
from pathlib import Path


def work(folder, number):
    Path(folder, f"{number}.txt").write_text(str(os.getpid()))
    time.sleep(600)


if __name__ == "__main__":
    from clbench.runtime.pool import workers

    with workers(1) as pool:
        for job in [pool.submit(work, sys.argv[1], number) for number in range(3)]:
            job.result()
"""


def test_a_worker_ends_with_the_process_that_was_killed(tmp_path: Path) -> None:
    """In the middle of a job, with others waiting."""
    (tmp_path / "program.py").write_text(_PROGRAM)
    program = subprocess.Popen([sys.executable, str(tmp_path / "program.py"), str(tmp_path)])
    told = tmp_path / "0.txt"
    _wait(lambda: told.exists() and told.read_text() != "")
    worker = psutil.Process(int(told.read_text()))
    program.send_signal(signal.SIGKILL)
    program.wait()
    worker.wait(60)
    assert sorted(path.name for path in tmp_path.glob("*.txt")) == ["0.txt"]


def _wait(until: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    """A process of a sweep does not run again what made it."""
    script = tmp_path / "go.py"
    script.write_text(
        "import os\n"
        "from clbench.sweeps.executors.local import Local\n"
        "print('begun')\n"
        "with Local(1) as pool:\n"
        "    assert pool.workers[0]._process().submit(os.getpid).result() != os.getpid()\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "begun\n"), done.stderr
