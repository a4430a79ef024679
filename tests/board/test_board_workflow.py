"""What the board's workflows do in a shell, done: with a git repository, and a clbench that writes down its calls."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

WORKFLOWS = Path(__file__).resolve().parents[2] / ".github" / "workflows"


def steps(name: str, job: str) -> dict[str, str]:
    """The shell lines of a job's named steps."""
    content: Any = yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())
    return {step["name"]: step["run"] for step in content["jobs"][job]["steps"] if "run" in step}


class Checkout:
    """A pull request's checkout, ``origin/main`` being what it is merged into."""

    def __init__(self, place: Path) -> None:
        self.place, self.calls = place / "checkout", place / "calls"
        self.place.mkdir(parents=True)
        stub = place / "venv" / "bin" / "clbench"
        stub.parent.mkdir(parents=True)
        stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {self.calls}\n')
        stub.chmod(0o755)
        self.git("init", "-q", "-b", "main")
        self.write("leaderboard/submissions/old/submission.json", "old")
        self.write("leaderboard/attestations/old.json", "{}")
        self.commit()
        self.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.git("checkout", "-q", "-b", "theirs")

    def git(self, *words: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
        return subprocess.run(
            ["git", *identity, *words], cwd=self.place, check=True, capture_output=True, text=True
        ).stdout.strip()

    def write(self, name: str, text: str) -> None:
        (self.place / name).parent.mkdir(parents=True, exist_ok=True)
        (self.place / name).write_text(text)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", "c")

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = script.replace("${{ github.base_ref }}", "main")
        assert "${{" not in script
        # A `python`, as the workflow's set-up gives one: a system may have python3 alone.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script], cwd=self.place,
            env=os.environ | {"PATH": path} | environment, capture_output=True, text=True,
        )  # fmt: skip

    @property
    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_pull_request_writes_no_attestation(checkout: Checkout) -> None:
    script = steps("submissions", "verify")["attestations are the board's own"]
    checkout.write("leaderboard/submissions/new/submission.json", "{}")
    checkout.commit()
    assert checkout.run(script).returncode == 0
    checkout.write("leaderboard/attestations/new.json", '{"level": "fresh"}')
    checkout.commit()
    done = checkout.run(script)
    assert done.returncode == 1
    assert "leave it out of the pull request" in done.stdout


def test_what_is_new_is_verified_and_run_again(checkout: Checkout) -> None:
    named = steps("submissions", "verify")
    checkout.write("leaderboard/submissions/new name/submission.json", "{}")
    checkout.write("leaderboard/submissions/new name/record-0.json", "{}")
    checkout.write("leaderboard/submissions/stray.json", "{}")
    checkout.commit()
    for name in ("verify what is new or changed", "one seed of each again"):
        done = checkout.run(named[name])
        assert done.returncode == 0, done.stderr
    paths = ["leaderboard/submissions/new name", "leaderboard/submissions/stray.json"]
    base = checkout.git("merge-base", "origin/main", "HEAD")
    assert checkout.called == [
        f"verify --only-submissions {' '.join(paths)}",
        *(f"verify --only-submissions --rerun --fresh {base} --attest ../seen {path}" for path in paths),
    ]


def test_a_pull_request_adds_a_submission_and_nothing_else(checkout: Checkout) -> None:
    script = steps("submissions", "verify")["a submission adds itself and changes nothing else"]
    checkout.write("clbench/code.py", "pass")
    checkout.write("leaderboard/README.md", "the board, rendered otherwise")
    checkout.commit()
    assert checkout.run(script).returncode == 0  # code may change the board's pages
    checkout.write("leaderboard/submissions/new/submission.json", "{}")
    checkout.commit()
    done = checkout.run(script)
    assert (done.returncode, done.stdout.split("\n")[0]) == (1, "clbench/code.py")
    checkout.git("rm", "-q", "clbench/code.py")
    checkout.commit()
    assert checkout.run(script).returncode == 0


@pytest.mark.parametrize("deed", ["change", "remove", "rename"])
def test_what_is_on_the_board_is_nobody_elses_to_change(deed: str, checkout: Checkout) -> None:
    script = steps("submissions", "verify")["a submission adds itself and changes nothing else"]
    old = "leaderboard/submissions/old/submission.json"
    if deed == "change":
        checkout.write(old, "other")
    elif deed == "remove":
        checkout.git("rm", "-q", old)
    else:
        checkout.write("leaderboard/submissions/mine/x", "x")
        checkout.git("mv", old, "leaderboard/submissions/mine/submission.json")
    checkout.commit()
    done = checkout.run(script)
    assert done.returncode == 1
    assert "ask a maintainer" in done.stdout


def test_nothing_new_calls_nothing(checkout: Checkout) -> None:
    checkout.write("leaderboard/README.md", "text")
    checkout.commit()
    assert checkout.run(steps("submissions", "verify")["verify what is new or changed"]).returncode == 0
    assert checkout.called == []


def test_after_a_merge_what_came_with_it_is_attested(checkout: Checkout) -> None:
    named = steps("attest", "verify")
    before = checkout.git("rev-parse", "HEAD")
    checkout.write("leaderboard/submissions/new/submission.json", "{}")
    checkout.commit()
    sha = checkout.git("rev-parse", "HEAD")
    environment = {"NAMES": "", "BEFORE": before, "OPTIONS": "", "GITHUB_SHA": sha}
    for name in ("which submissions", "run them again"):
        done = checkout.run(named[name], **environment)
        assert done.returncode == 0, done.stderr
    words = f"verify --only-submissions --rerun --fresh {sha} --attest leaderboard/attestations --commit {sha}"
    assert checkout.called == [f"{words} leaderboard/submissions/new"]
    for name in ("which submissions", "run them again"):
        checkout.run(named[name], **environment | {"NAMES": "old new", "OPTIONS": "--every-seed"})
    words = words.replace(" --attest", " --every-seed --attest")
    assert checkout.called[1:] == [f"{words} leaderboard/submissions/{name}" for name in ("old", "new")]


def test_strangers_work_may_write_nothing() -> None:
    """The job that carries submissions out has no right to write; the one that writes carries nothing out."""
    content: Any = yaml.safe_load((WORKFLOWS / "attest.yml").read_text())
    assert content["permissions"] == {"contents": "read"}
    assert "permissions" not in content["jobs"]["verify"]
    assert "verify" not in " ".join(steps("attest", "board").values())


def test_a_pull_request_brings_no_module_of_pythons(checkout: Checkout) -> None:
    """``python -m`` looks into the folder that it stands in first, and there the pull request's files lie."""
    checkout.write("venv.py", "raise SystemExit('the code of a stranger')")
    for name in ("submissions", "attest"):
        for job in yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())["jobs"]:
            for script in steps(name, job).values():
                lines = [line.strip() for line in script.splitlines() if "python" in line]
                assert all("python -I -m " in line for line in lines)
                for line in lines:
                    if "-m venv" in line:
                        done = checkout.run(line.replace("../venv", "--help"))
                        assert done.returncode == 0, done.stderr


def test_only_what_a_run_wrote_goes_on_to_the_board(checkout: Checkout) -> None:
    checkout.write("leaderboard/attestations/kept.json", "{}")
    checkout.commit()
    checkout.write("leaderboard/attestations/old.json", '{"again": 1}')
    checkout.write("leaderboard/attestations/new.json", "{}")
    assert checkout.run(steps("attest", "verify")["what was written"]).returncode == 0
    assert sorted(path.name for path in (checkout.place / "attested").iterdir()) == ["new.json", "old.json"]


@pytest.mark.parametrize("written", [True, False])
def test_two_runs_of_attest_lose_nothing_of_each_other(written: bool, checkout: Checkout, tmp_path: Path) -> None:
    origin, other = tmp_path / "origin", tmp_path / "other"
    checkout.git("checkout", "-q", "main")
    checkout.write("leaderboard/README.md", "")
    checkout.write("leaderboard/board.csv", "")
    checkout.commit()
    checkout.git("clone", "-q", "--bare", ".", str(origin))
    checkout.git("remote", "add", "origin", str(origin))
    checkout.git("clone", "-q", str(origin), str(other))
    theirs = Checkout.__new__(Checkout)
    theirs.place = other
    theirs.write("leaderboard/attestations/theirs.json", "{}")
    theirs.commit()
    theirs.git("push", "-q")
    if written:
        checkout.write("attested/mine.json", "{}")
    script = "git config" + steps("attest", "board")["the board with them"].partition("git config")[2]
    done = checkout.run(script, GITHUB_SHA="c0ffee")
    assert done.returncode == 0, done.stderr
    theirs.git("pull", "-q")
    found = sorted(path.name for path in (other / "leaderboard" / "attestations").iterdir())
    assert found == [*(["mine.json"] if written else []), "old.json", "theirs.json"]
    assert not (other / "attested").exists()
