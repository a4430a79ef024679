"""Processes for many models at once: none outlives who asked for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest

from clbench.runtime import pool

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


_STUDY = """
import os
import sys
import time
from pathlib import Path


def work(folder, number):
    Path(folder, f"{number}.txt").write_text(str(os.getpid()))
    try:
        time.sleep(600)
    except BaseException as error:
        Path(folder, f"{number}.end").write_text(type(error).__name__)
        raise


if __name__ == "__main__":
    from clbench.runtime import pool as room
    from clbench.runtime.pool import finished, workers

    room._PATIENCE = 600.0  # nobody is killed: all end by themselves
    with workers(2) as pool:
        for _ in finished([pool.submit(work, sys.argv[1], number) for number in range(1, 9)], "lives", "lives"):
            pass
"""


@pytest.mark.parametrize("whole", [False, True])
def test_an_interrupted_study_ends_at_once(whole: bool, tmp_path: Path) -> None:
    """Ctrl-C reaches main alone, or as a terminal sends it the whole group; what waits is not carried out."""
    (tmp_path / "program.py").write_text(_STUDY)
    program = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), str(tmp_path)], stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    told = [tmp_path / "1.txt", tmp_path / "2.txt"]
    _wait(lambda: all(one.exists() and one.read_text() != "" for one in told))
    pids = [int(one.read_text()) for one in told]
    (os.killpg if whole else os.kill)(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=120)
    assert program.returncode == -signal.SIGINT
    assert err.count("Traceback") == 1, err  # the program's own
    assert "_do(" not in err
    assert not any(map(psutil.pid_exists, pids))
    assert sorted(path.name for path in tmp_path.glob("*.txt")) == ["1.txt", "2.txt"]
    assert [(tmp_path / f"{number}.end").read_text() for number in (1, 2)] == 2 * ["KeyboardInterrupt"]


def test_an_idle_worker_begins_nothing_after_ctrl_c(tmp_path: Path) -> None:
    with pool.workers(1) as found:
        os.kill(found.submit(os.getpid).result(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            found.submit((tmp_path / "begun").mkdir).result()
    assert not (tmp_path / "begun").exists()


def test_who_asks_for_no_more_results_ends_what_waits() -> None:
    jobs: list[Future[int]] = [Future() for _ in range(3)]
    jobs[0].set_result(7)
    results = pool.finished(jobs, "lives", "lives")
    assert next(results) == 7
    results.close()  # type: ignore[attr-defined]
    assert [job.cancelled() for job in jobs] == [False, True, True]


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
