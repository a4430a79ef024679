"""What a record and an attestation say of the code that ran."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from clbench.record import provenance


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in the place of clbench's own."""
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    provenance.checkout_commit.cache_clear()
    return tmp_path


def git(place: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t"]
    done = subprocess.run(["git", *identity, *words], cwd=place, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_checkout_tells_its_commit_and_whether_the_code_is_another(checkout: Path) -> None:
    asked = provenance.checkout_commit
    assert asked() is None  # an installed package has no repository
    git(checkout, "init", "-q")
    for name in ("clbench/a.py", "baselines/a.yaml", "leaderboard/README.md"):
        (checkout / name).parent.mkdir(exist_ok=True)
        (checkout / name).write_text("1")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "c")
    commit = git(checkout, "rev-parse", "HEAD")
    for name, changed in (("leaderboard/README.md", False), ("baselines/a.yaml", True)):
        asked.cache_clear()
        assert asked() == commit
        (checkout / name).write_text("2")
        asked.cache_clear()
        assert asked() == commit + ("+changes" if changed else "")
    git(checkout, "commit", "-qam", "d")
    (checkout / "clbench" / "new.py").write_text("3")
    asked.cache_clear()
    assert asked() == git(checkout, "rev-parse", "HEAD") + "+changes"
    asked.cache_clear()
