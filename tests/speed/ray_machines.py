"""A sweep on three machines of a Ray cluster beside the same one under ``local``: equal records, and the time of both.

    sudo python tests/speed/ray_machines.py
    sudo python tests/speed/ray_machines.py --kill

The machines are network namespaces of this one, each with an address, a /tmp, a /dev/shm and a cache of its own, one
core each (Linux, root, iproute2). ``local`` has as many processes. ``--kill`` ends one machine's processes once two
runs are over. Printed are seconds and their ratio, which records differ, and what the sweep says of the machine that
was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from clbench.record import count_records, read_record

BRIDGE, NET = "clbench0", "10.77.0"
SWEEP: dict[str, Any] = {
    "name": "machines", "recipes": ["pkd-skip-3l", "finetune-3l"], "strategies": ["naive", "replay", "ewc"],
    "settings": {name: {"training.epochs": 1} for name in ("naive", "replay", "ewc")}, "seeds": "0-1",
}  # fmt: skip
STREAM: dict[str, Any] = {
    "name": "short", "title": "Short", "description": "For the clock.", "label_space": ["not_entailment", "entailment"],
    "domains": ["mnli", "snli", "hans"],
}  # fmt: skip


def shell(*words: str) -> None:
    subprocess.run(words, check=True)


def inside(number: int, folder: Path, *words: str) -> list[str]:
    """A command on machine ``number``: its own network, /tmp and /dev/shm."""
    own = folder / f"machine-{number}"
    for name in ("tmp", "shm", "cache"):
        (own / name).mkdir(parents=True, exist_ok=True)
    mounts = f'mount --bind {own}/tmp /tmp && mount --bind {own}/shm /dev/shm && exec "$@"'
    return ["ip", "netns", "exec", f"clbench{number}", "unshare", "-m", "sh", "-c", mounts, "sh", *words]


@contextmanager
def network(count: int) -> Iterator[None]:
    try:
        shell("ip", "link", "add", BRIDGE, "type", "bridge")
        shell("ip", "addr", "add", f"{NET}.1/24", "dev", BRIDGE)
        shell("ip", "link", "set", BRIDGE, "up")
        for number in range(count):
            name = f"clbench{number}"
            shell("ip", "netns", "add", name)
            shell("ip", "link", "add", f"{name}o", "type", "veth", "peer", "name", "eth0", "netns", name)
            shell("ip", "link", "set", f"{name}o", "master", BRIDGE, "up")
            shell("ip", "-n", name, "addr", "add", f"{NET}.{number + 2}/24", "dev", "eth0")
            shell("ip", "-n", name, "link", "set", "eth0", "up")
            shell("ip", "-n", name, "link", "set", "lo", "up")
        yield
    finally:
        for number in range(count):
            subprocess.run(["ip", "netns", "del", f"clbench{number}"], check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], check=False)


@contextmanager
def machines(count: int, folder: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    ray = [str(Path(sys.executable).parent / "ray"), "start", "--block", "--num-cpus", "1", "--disable-usage-stats"]
    started = []
    try:
        for number in range(count):
            place = ["--head", "--port", "6379", "--include-dashboard", "false"] if number == 0 else []
            place += [] if number == 0 else ["--address", f"{NET}.2:6379"]
            words = [*ray, *place, "--node-ip-address", f"{NET}.{number + 2}"]
            cache = {"CLBENCH_CACHE": str(folder / f"machine-{number}" / "cache")}
            log = (folder / f"machine-{number}.log").open("w")
            started.append(
                subprocess.Popen(inside(number, folder, *words), env=os.environ | cache, stdout=log, stderr=log)
            )
            time.sleep(15 if number == 0 else 5)
        yield started
    finally:
        for one in started:
            end(one)


def end(machine: subprocess.Popen[bytes]) -> None:
    try:
        everybody = [*psutil.Process(machine.pid).children(recursive=True), psutil.Process(machine.pid)]
    except psutil.NoSuchProcess:
        return
    for process in everybody:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    machine.wait()


def timed(command: list[str], cache: Path, log: Path) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    with log.open("w") as told:
        found = subprocess.run(
            command, env=os.environ | {"CLBENCH_CACHE": str(cache)}, stdout=subprocess.PIPE, stderr=told, check=False
        )
    seconds = time.perf_counter() - began
    if found.returncode:
        print(f"exit code {found.returncode}: {log.read_text()}")
    try:
        return seconds, json.loads(found.stdout or b"{}")
    except ValueError:
        print(f"this is no JSON: {found.stdout[:500]!r}")
        return seconds, {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=400, help="to train on, a domain")
    parser.add_argument("--kill", action="store_true")
    given = parser.parse_args()
    # Ray's token lies in the home directory, which these machines share, and each would write its own.
    os.environ["RAY_AUTH_MODE"] = "disabled"
    with ExitStack() as stack:
        # Not below /tmp, which every machine has of its own.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp")))
        edition = {"source": "generated", "train": given.pairs, "validation": 100, "test": 200, "max_length": 96,
                   "backbone": "clbench-tiny-12l"}  # fmt: skip
        (folder / "short.yaml").write_text(yaml.safe_dump(STREAM | {"editions": {"embedded": edition}}))
        (folder / "machines.yaml").write_text(yaml.safe_dump(SWEEP | {"streams": ["short.yaml"]}))
        sweep = [sys.executable, "-m", "clbench.cli.main", "sweep", str(folder / "machines.yaml"), "--json", "--quiet"]
        local = [*sweep, "--out", str(folder / "local"), "--workers", str(given.machines)]
        by_local, _ = timed(local, folder / "cache-local", folder / "local.log")
        print(f"local: {by_local:.0f} s", flush=True)
        stack.enter_context(network(given.machines))
        started = stack.enter_context(machines(given.machines, folder))
        remote = inside(0, folder, *sweep, "--out", str(folder / "ray"), "--ray", f"{NET}.2:6379")
        if given.kill:
            stack.enter_context(killed(started[-1], folder / "ray"))
        by_ray, _ = timed(remote, folder / "machine-0" / "cache", folder / "ray.log")
        print(f"ray: {by_ray:.0f} s; throughput of ray / local: {by_local / by_ray:.2f}")
        print((folder / "ray.log").read_text().strip())
        compare(folder)


@contextmanager
def killed(machine: subprocess.Popen[bytes], runs: Path) -> Iterator[None]:
    """End a machine once two runs are over."""
    import threading

    def watch() -> None:
        while count_records(runs) < 2:
            time.sleep(0.1)
        print("one machine is ended", flush=True)
        end(machine)

    threading.Thread(target=watch, daemon=True).start()
    yield


def compare(folder: Path) -> None:
    there = sorted(path.relative_to(folder / "local") for path in (folder / "local").rglob("record.json"))
    same = 0
    for path in there:
        one, other = folder / "local" / path, folder / "ray" / path
        if other.exists() and read_record(one).without_times() == read_record(other).without_times():
            same += 1
        else:
            print(f"another record: {path}")
    print(f"{same} of {len(there)} records are equal but for times")


if __name__ == "__main__":
    main()
