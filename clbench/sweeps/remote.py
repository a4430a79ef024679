"""A unit on another machine: what it is given, what it asks for meanwhile, and what comes back; no disk is shared.

Which machine, and how bytes travel, is an executor's business. What a unit needs and the machine's own cache lacks it
fetches by content: backbones by their digest, entries of the cache by their key.
"""

from __future__ import annotations

import os
import pickle
import shutil
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from clbench import __version__
from clbench.errors import CannotWrite, UserError
from clbench.runs.worker import worker_job
from clbench.runtime.device import usable_cores
from clbench.runtime.environment import variables
from clbench.schema.registry import VARIABLE, add_plugins, plugins
from clbench.storage.cache import Shared, cached, entry_files, root, sharing
from clbench.sweeps.plan import Unit
from clbench.sweeps.units import TRACE_NAME, Ended, SweepPaths, do_unit
from clbench.sweeps.workload import PassTime, measure_pass_time

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData
    from clbench.encoder.backbone import Backbone
    from clbench.runs.job import Job

# Of clbench's environment variables, those that each machine has for itself.
_OWN = ("CLBENCH_CACHE", VARIABLE)
Entry = tuple[str, str]
# From kind and key to the files of what another machine has, by name; None where none has it.
Fetch = Callable[[str, str], Mapping[str, bytes] | None]
# Kinds of what is fetched that are no entries of the cache.
DATA, BACKBONES = "data", "backbones"


@dataclass(frozen=True)
class Kit:
    """What a machine needs to know for a unit, data and weights apart.

    Attributes:
        job: the unit's :class:`~clbench.runs.job.Job` without its data, pickled.
        data: key of the data, see :func:`packed_data`.
        device: the identity of the device that the sweep is planned for.
        plugins: what ``--plugin`` has named: the files' names and contents, and modules' names with None.
        settings: environment variables of clbench's that hold for the whole sweep.
        sweep: its name, see :class:`clbench.sweeps.units.SweepPaths`.
    """

    job: bytes
    data: str
    device: Mapping[str, str]
    plugins: tuple[tuple[str, bytes | None], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    sweep: str | None = None


@dataclass(frozen=True)
class Returned:
    """What comes back of a unit.

    Attributes:
        ended: how it ended.
        files: what it left in its run's folder, by name; empty for a unit that is no run.
        folder: what that folder was called there, for sentences.
        entries: of the cache that it asked for, with their sizes in bytes.
    """

    ended: Ended
    files: Mapping[str, bytes] = field(default_factory=dict)
    folder: str = ""
    entries: Mapping[Entry, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """A machine as it describes itself.

    Attributes:
        host: its name.
        versions: of what has to be the same on all.
        gpu_bytes: memory of its first GPU; 0 without one.
        cores: that it has.
    """

    host: str
    versions: Mapping[str, str]
    gpu_bytes: int = 0
    cores: int = 1


def this_machine() -> Machine:
    """The machine that this runs on."""
    import platform

    import torch
    import transformers

    versions = {
        "clbench": __version__, "torch": torch.__version__, "transformers": transformers.__version__,
        "Python": ".".join(platform.python_version_tuple()[:2]),
    }  # fmt: skip
    return Machine(socket.gethostname(), versions, _gpu_bytes(), usable_cores())


def check_machine(other: Machine) -> None:
    """Refuse a machine on which a run might have another result.

    Raises:
        UserError: it has another version of something.
    """
    own = this_machine().versions
    for name, version in own.items():
        theirs = other.versions.get(name)
        if theirs != version:
            raise UserError(
                f"machine {other.host} has {name} {theirs}, but this one {version}; install the same on all, since "
                "records of one sweep should be made by one version."
            )


def _gpu_bytes() -> int:
    """Memory of the first GPU, asked of the driver: a process that was given no GPU cannot ask CUDA."""
    import subprocess

    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.split()
        return int(told[0]) << 20
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return 0


def kit_of(unit: Unit, sweep: str | None = None) -> tuple[Kit, Job]:
    """What a machine is given with a unit, and the job that it was made of, data included."""
    job = worker_job(unit.spec)
    bare = pickle.dumps(replace(job, data=[]))
    files = tuple((one, Path(one).read_bytes() if one.endswith(".py") else None) for one in plugins())
    settings = {name: value for name, value in os.environ.items() if name.startswith("CLBENCH_") and name not in _OWN}
    return Kit(bare, data_key(job), job.device.identity(), files, settings, sweep), job


def data_key(job: Job) -> str:
    """What determines a job's data; by content, since a machine's process may serve another sweep next."""
    spec = job.spec
    content = [(one.name, {split: pairs.digest() for split, pairs in one.splits.items()}) for one in job.data]
    return repr((spec.stream, job.edition, spec.data_dir and str(spec.data_dir), spec.shift, content))


def packed_data(job: Job) -> dict[str, bytes]:
    """A job's data as files."""
    return {"data.pickle": pickle.dumps(job.data)}


def packed_backbone(backbone: Backbone) -> dict[str, bytes]:
    """The files of a backbone that its digest is over, by name."""
    from clbench.encoder.hf_folder import FILES

    return {name: path.read_bytes() for name in FILES if (path := backbone.folder / name).is_file()}


def do_remote_unit(unit: Unit, kit: Kit, fetch: Fetch) -> tuple[Returned, dict[Entry, dict[str, bytes]]]:
    """Do a unit on this machine, which need have no file of the user's.

    Returns:
        What comes back, and the files of the entries that it has asked for, by name.
    """
    paths, shared = SweepPaths.of(root() / "runs", kit.sweep), Shared(fetch)
    folder: Path | None = None
    try:
        # For the time of a unit: the process may serve another sweep next.
        with variables(kit.settings, [VARIABLE]), ExitStack() as stack:
            job = _job(kit, fetch, stack)
            folder = job.folder(paths.base) / f"seed-{unit.seed}" if unit.kind == "run" else None
            stack.enter_context(sharing(shared))
            ended = do_unit(unit, paths, job)
    except UserError as error:
        ended = Ended(str(error), isinstance(error, CannotWrite))
    entries = {entry: files for entry in shared.used if (files := entry_files(*entry))}
    sizes = {entry: sum(map(len, files.values())) for entry, files in entries.items()}
    if folder is None:
        return Returned(ended, entries=sizes), entries
    files = _left_in(folder, ended)
    return Returned(ended, files, str(folder), sizes), entries


def timed(unit: Unit, kit: Kit, fetch: Fetch) -> PassTime:
    """What a pass over examples takes on this machine, see :func:`clbench.sweeps.workload.measure_pass_time`."""
    from clbench.runtime.threads import one_thread

    with variables(kit.settings, [VARIABLE]), ExitStack() as stack, one_thread():
        return measure_pass_time(_job(kit, fetch, stack))


def deliver(returned: Returned, folder: Path) -> Ended:
    """Put what a run left on another machine into its folder here, the record last.

    Returns:
        How it ended, with this machine's folder in the sentence.

    Raises:
        UserError: the folder is in use, or cannot be written.
    """
    from clbench.record import RECORD_NAME, read_record
    from clbench.runs.folders import clear_checkpoints
    from clbench.runs.runner import sole_use
    from clbench.storage.writing import cannot_write, unfinished

    # A name that leads out of the folder is nobody's.
    told = [name for name in returned.files if not {"", "..", "."} & set(name.split("/"))]
    names = sorted(told, key=lambda name: (name == RECORD_NAME, name))
    if names:
        try:
            with sole_use(folder), unfinished(folder) as place:
                for name in names:
                    for parent in (place / name, folder / name):
                        parent.parent.mkdir(parents=True, exist_ok=True)
                    (place / name).write_bytes(returned.files[name])
                    os.replace(place / name, folder / name)
                if RECORD_NAME in names:
                    clear_checkpoints(folder, read_record(folder, check=False).configuration.fingerprint)
                    (folder / TRACE_NAME).unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(folder, error, "choose another --out") from error
    said = returned.ended.sentence
    return replace(returned.ended, sentence=said and said.replace(returned.folder or str(folder), str(folder)))


def _left_in(folder: Path, ended: Ended) -> dict[str, bytes]:
    """The files of a run's folder that are worth bringing back; a finished run leaves nothing here."""
    if ended.sentence is not None:
        trace = folder / TRACE_NAME
        return {TRACE_NAME: trace.read_bytes()} if trace.is_file() else {}
    # A tracker's files may lie in a folder of their own.
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    shutil.rmtree(folder, ignore_errors=True)
    return {name: content for name, content in found.items() if not any(p.startswith(".") for p in name.split("/"))}


def _job(kit: Kit, fetch: Fetch, stack: ExitStack) -> Job:
    """The kit's job on this machine, its plug-ins, data, device and backbones here."""
    from clbench.encoder.backbone import opened_elsewhere
    from clbench.runtime.device import choose

    os.environ.pop(VARIABLE, None)
    add_plugins([one if content is None else str(_plugin(one, content)) for one, content in kit.plugins])
    job: Job = pickle.loads(kit.job)
    spec = job.spec
    device = choose(spec.device, spec.precision, spec.deterministic, spec.micro_batch)
    if device.identity() != dict(kit.device):
        raise UserError(
            f"machine {socket.gethostname()} would compute on {_told(device.identity())}, but the sweep is planned for "
            f"{_told(kit.device)}; name it with --device and --precision, or leave that machine out."
        )
    here = {one.name: _here(one, fetch) for one in (job.backbone, *job.teachers)}
    stack.enter_context(opened_elsewhere(here))
    return replace(
        job, data=_data(kit.data, fetch), device=device, backbone=here[job.backbone.name],
        teachers=tuple(here[one.name] for one in job.teachers),
    )  # fmt: skip


def _told(identity: Mapping[str, str]) -> str:
    return " ".join(identity.values()) or "cpu float32"


def _plugin(named: str, content: bytes) -> Path:
    import hashlib

    def build(folder: Path) -> None:
        (folder / Path(named).name).write_bytes(content)

    name = {"name": Path(named).name, "sha256": hashlib.sha256(content).hexdigest()}
    return cached("plugins", name, build) / Path(named).name


# The data of the last two streams: a process does many units of one.
_DATA: dict[str, list[DomainData]] = {}


def _data(key: str, fetch: Fetch) -> list[DomainData]:
    if key not in _DATA:
        files = fetch(DATA, key)
        if files is None:
            raise UserError("the sweep's data are lost, since the machine that began it is gone; begin it again.")
        if len(_DATA) > 1:
            _DATA.clear()
        _DATA[key] = pickle.loads(files["data.pickle"])
    return _DATA[key]


def _here(backbone: Backbone, fetch: Fetch) -> Backbone:
    """The same backbone with a folder of this machine: its own where the files are the same, else a fetched one."""
    if _same(backbone.folder, backbone.digest):
        return backbone

    def build(folder: Path) -> None:
        files = fetch(BACKBONES, backbone.digest)
        if not files:
            raise UserError(f"backbone {backbone.name} is lost, since the machine that began the sweep is gone.")
        for name, content in files.items():
            (folder / Path(name).name).write_bytes(content)

    return replace(backbone, folder=cached(BACKBONES, {"digest": backbone.digest}, build))


@lru_cache(maxsize=16)
def _same(folder: Path, digest: str) -> bool:
    from clbench.encoder.hf_folder import digest_of

    return folder.is_dir() and digest_of(folder) == digest
