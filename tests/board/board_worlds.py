"""A board of made-up submissions, among them a hostile one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from submission_worlds import handed_in, honest

ESCAPE = "\x1b]0;owned\x07"
EVIL = "</script><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>|`[x](javascript:alert(1))@me"


def small_board(folder: Path, stream: Path) -> Path:
    """Submissions in two tracks: five under ``naive``, one under ``replay``; ``evil`` has markup in every string."""
    place = folder / "submissions"
    for name, model, right, seeds in (
        ("large", "finetune-12l", 0.95, (0, 1, 2)),
        ("middle", "kd-6l", 0.80, (0, 1, 2)),
        ("middle-too", "pkd-skip-6l", 0.80, (3, 4, 5)),
        ("small", "kd-3l", 0.65, (0,)),
    ):
        handed_in(place, [honest(stream, seed, model, right=right) for seed in seeds], name)
    handed_in(place, [honest(stream, 0, "kd-6l", "replay", 0.7)], "remembering", link="https://example.org/a?b=c&d")
    hostile(place, stream)
    return place


def hostile(place: Path, stream: Path) -> Path:
    """A submission whose strings all try to become something else; every one of them passes the forms."""
    folder = handed_in(place, [honest(stream, 0, "finetune-3l", right=0.6)], "evil", licence=EVIL[:100])
    file = folder / "record-0.json"
    record = json.loads(file.read_text())
    record["configuration"]["model"] |= {"name": EVIL, "title": ESCAPE + EVIL, "citation": EVIL}
    record["configuration"]["backbone"]["name"] = EVIL
    record["measured"]["hardware"]["cpu"] = ESCAPE + EVIL
    record["measured"]["versions"] = {EVIL: ESCAPE}
    text = json.dumps(record)
    file.write_text(text)
    content = json.loads((folder / "submission.json").read_text())
    content |= {"author": f"=cmd()|{EVIL[:80]}", "model": EVIL, "records": {file.name: _sha256(text)}}
    (folder / "submission.json").write_text(json.dumps(content))
    return folder


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
