"""On what machine, and with what versions, a run took place."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache

from clbench import __version__
from clbench.record.parts import Hardware
from clbench.runtime.device import CPU, Device
from clbench.schema.shipped import ROOT
from clbench.storage.cache import installed_versions

PACKAGES = ("torch", "transformers", "avalanche-lib", "datasets", "tokenizers", "safetensors", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python, clbench and the packages that a result may depend on."""
    found = {"python": platform.python_version(), "clbench": __version__}
    return found | installed_versions(*PACKAGES)


def hardware(device: Device = CPU) -> Hardware:
    """The machine's CPU, cores, memory in bytes, the threads that torch uses (if torch is loaded), and the device."""
    import psutil

    torch = sys.modules.get("torch")
    return Hardware(
        cpu=_cpu(),
        cores=os.cpu_count(),
        memory_bytes=int(psutil.virtual_memory().total),
        threads=torch.get_num_threads() if torch else None,
        **device.identity(),
    )


@cache
def checkout_commit() -> str | None:
    """The commit of the checkout that clbench runs from, with ``+changes`` where it is not what was committed; None
    for an installed package."""
    import subprocess

    if not (ROOT / ".git").exists():
        return None
    # What a run is made of; the board's own pages change while it is built.
    parts = ("clbench", "baselines", "benchmarks")
    asked = (["git", "rev-parse", "HEAD"], ["git", "status", "--porcelain", "--", *parts])
    try:
        commit, changes = (
            subprocess.run(one, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
            for one in asked
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changes else "")


@cache
def _cpu() -> str:
    # Asking takes a second.
    from cpuinfo import get_cpu_info

    try:
        told = get_cpu_info()
        name = told.get("brand_raw")
        # A hosted machine may be called no more than its maker's line of CPUs, whose generations round differently.
        exact = [f"{part} {told[part]}" for part in ("family", "model", "stepping") if part in told]
        name = f"{name}, {' '.join(exact)}" if name and exact else name
    except Exception:  # it parses what a dozen system tools print, and must never cost a finished run its record
        name = None
    return str(name or platform.processor() or platform.machine())
