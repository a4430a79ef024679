"""Where a model computes, and in which precision."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from clbench.errors import UserError

if TYPE_CHECKING:
    import torch

# What --device, --precision, --deterministic and --micro-batch leave for this process and for those that it starts.
VARIABLES = {
    "device": "CLBENCH_DEVICE", "precision": "CLBENCH_PRECISION", "deterministic": "CLBENCH_DETERMINISTIC",
    "micro_batch": "CLBENCH_MICRO_BATCH",
}  # fmt: skip
# Without it cuBLAS may split a product differently each time; it is read when the first one is computed.
_WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
# oneDNN, which multiplies bfloat16 on a CPU, keeps what it has compiled for so many shapes; with 4,096 a life took 300
# MiB more, and no less time. It is read at the first product.
_KEPT_SHAPES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "512")


@dataclass(frozen=True)
class Device:
    """A device of this machine.

    Attributes:
        name: as torch has it: ``cpu``, ``cuda:0``, ``mps``.
        precision: ``float32``, or ``bfloat16``: weights, optimizer and losses in float32, products in bfloat16 (torch's
            autocast).
        card: what the card calls itself; empty for a CPU.
        deterministic: whether a GPU is held to what gives the same bits twice; a CPU always is.
        micro_batch: examples whose activations are held at once in training, the others' being computed again; ``auto``
            for as many as there is memory for, null for all.
    """

    name: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"
    card: str = ""
    deterministic: bool = False
    micro_batch: int | Literal["auto"] | None = None

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.name.partition(":")[0]

    @property
    def torch(self) -> torch.device:
        import torch

        return torch.device(self.name)

    @property
    def compiles_shapes(self) -> bool:
        """Whether a product takes far longer the first time that its shape is seen."""
        return self.kind == "cpu" and self.precision == "bfloat16"

    def autocast(self) -> Any:
        """Within it products are computed in the device's precision."""
        import torch

        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.kind, torch.bfloat16)

    def identity(self) -> dict[str, str]:
        """What of it determines a result; nothing for float32 on a CPU, which every result was made on before."""
        if self == CPU:
            return {}
        found = {"device": self.kind, "precision": self.precision}
        found |= {"card": self.card} if self.card else {}
        found |= {} if self.micro_batch is None else {"micro_batch": str(self.micro_batch)}
        return found | ({"deterministic": "yes"} if self.deterministic else {})


CPU = Device()


def sent(part: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on a device; a GPU fetches it from pinned memory when it comes to it, and the host goes on."""
    if device.type != "cuda" or part.device.type != "cpu":
        return part.to(device)
    return part.pin_memory().to(device, non_blocking=True)


def ask(option: str, value: str) -> None:
    """Let ``auto`` mean something else from now on, in this process and in those that it starts.

    Args:
        option: a key of :data:`VARIABLES`.
        value: as the command line has it; ``1`` for deterministic.
    """
    os.environ[VARIABLES[option]] = value


def choose(
    device: str = "auto", precision: str = "auto", deterministic: bool = False, micro_batch: str | None = None
) -> Device:
    """The device that ``--device``, ``--precision``, ``--deterministic`` and ``--micro-batch`` mean.

    ``auto`` is what the environment asks for (``CLBENCH_DEVICE``, ``CLBENCH_PRECISION``, ``CLBENCH_DETERMINISTIC``),
    else the first GPU, or the CPU without one; and bfloat16 on a GPU that multiplies it, float32 elsewhere.

    Raises:
        UserError: this machine or this torch has no such device, or the device no such precision.
    """
    device = (os.environ.get(VARIABLES["device"]) or device) if device == "auto" else device
    precision = (os.environ.get(VARIABLES["precision"]) or precision) if precision == "auto" else precision
    if precision not in ("auto", "float32", "bfloat16"):
        raise UserError(f"--precision should be auto, float32 or bfloat16, but is {precision}.")
    deterministic = _asked_for(VARIABLES["deterministic"]) or deterministic
    parts = _micro_batch(micro_batch or os.environ.get(VARIABLES["micro_batch"]))
    if device == "cpu" and precision in ("auto", "float32"):
        return CPU if parts is None else Device(micro_batch=parts)  # torch is not asked
    kind, colon, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and (kind != "cuda" or not number.isdecimal())):
        raise UserError(f"--device should be auto, cpu, cuda, cuda:N or mps, but is {device}.")
    import torch

    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    name, card, fast = kind, "", False
    if kind == "cuda":
        name, card = _card(device, int(number or 0))
        # What is not told where to go (streams, events, captures, the next question) goes there.
        torch.cuda.set_device(name)
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif kind == "mps" and not torch.backends.mps.is_available():
        raise UserError("--device mps needs a Mac with Apple silicon and a torch that was built for it; give cpu.")
    if kind == "mps" and parts is not None:
        # torch computes a part once more with the dropout masks of before on a CPU and on CUDA alone.
        raise UserError("--micro-batch is not there for mps; leave it out, or give --device cpu.")
    if precision == "bfloat16" and kind == "cuda" and not fast:
        raise UserError(f"--precision bfloat16: {card} does not multiply it; give float32.")
    low = precision == "bfloat16" or (precision == "auto" and fast)
    held = kind == "cuda" and deterministic
    if kind == "cuda":
        _prepare(held)
    elif low:
        os.environ.setdefault(*_KEPT_SHAPES)
    return Device(name, "bfloat16" if low else "float32", card, held, parts)


def _asked_for(variable: str) -> bool:
    """Whether a variable that is 1 or 0 is 1."""
    told = os.environ.get(variable, "") or "0"
    if told not in ("0", "1"):
        raise UserError(f"{variable} should be 1 or 0, but is {told}.")
    return told == "1"


def _micro_batch(asked: str | None) -> int | Literal["auto"] | None:
    if not asked or asked == "auto":
        return "auto" if asked else None
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"--micro-batch should be auto or a number of examples, 1 or more, but is {asked}.")
    return int(asked)


def usual_workers() -> int:
    """Processes that compute beside each other unless told otherwise: one a core, or one where a GPU does it."""
    return usable_cores() if choose().kind == "cpu" else 1


def usable_cores() -> int:
    """Those that this process may use: of a batch job or a container, not all of the machine's."""
    from joblib import cpu_count

    return int(cpu_count())


def visible_gpus() -> list[str]:
    """What CUDA calls the GPUs that several processes may share out; none where ``--device`` names one of them, or
    another kind."""
    asked = os.environ.get(VARIABLES["device"]) or "auto"
    if asked not in ("auto", "cuda") or choose().kind != "cuda":
        return []
    import torch

    named = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    return (named or [str(number) for number in range(torch.cuda.device_count())])[: torch.cuda.device_count()]


def _card(asked: str, number: int) -> tuple[str, str]:
    import torch

    if not torch.cuda.is_available():
        why = "this torch was built without CUDA" if torch.version.cuda is None else "no GPU with a driver is there"
        raise UserError(f"--device {asked}: {why}; give cpu, or install a torch that has it.")
    count = torch.cuda.device_count()
    if number >= count:
        there = "cuda:0" if count == 1 else f"cuda:0 to cuda:{count - 1}"
        raise UserError(f"--device {asked} is not there: this machine has {there}.")
    return f"cuda:{number}", torch.cuda.get_device_name(number)


def _prepare(deterministic: bool) -> None:
    import torch

    # cuDNN's attention plans anew for every shape, and here almost every batch is of a new one.
    torch.backends.cuda.enable_cudnn_sdp(False)
    # Read once, at the first product, whether that is to be deterministic or not.
    os.environ.setdefault(*_WORKSPACE)
    torch.use_deterministic_algorithms(deterministic)
