"""On what machine, and with what versions, a run took place."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache

from clbench import __version__
from clbench.record.parts import Hardware
from clbench.runtime.device import CPU, Device
from clbench.storage.cache import installed

PACKAGES = ("torch", "transformers", "avalanche-lib", "datasets", "tokenizers", "safetensors", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python, clbench and the packages that a result may depend on."""
    found = {"python": platform.python_version(), "clbench": __version__}
    return found | {name: installed(name) for name in PACKAGES}


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
def _cpu() -> str:
    # Asking takes a second.
    from cpuinfo import get_cpu_info

    try:
        name = get_cpu_info().get("brand_raw")
    except Exception:  # it parses what a dozen system tools print, and must never cost a finished run its record
        name = None
    return str(name or platform.processor() or platform.machine())
