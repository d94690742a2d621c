"""Device and precision as values, decided once; and the one place where several processes agree."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from danlu.errors import DanluError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` → the first GPU (CUDA, then Apple's), else the CPU; a device that is not there is an error."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as reason:
        here = ", ".join(["cpu"] + [f"cuda:{i}" for i in range(torch.cuda.device_count())])
        raise DanluError("DL240", where=f"--device {name}", here=here, reason=str(reason).splitlines()[0]) from None
    return device


@dataclass(frozen=True)
class Precision:
    """The number format of forward and loss; weights and optimizer stay float32."""

    name: str = "fp32"  # fp32, bf16, fp16
    device: str = "cpu"

    def autocast(self) -> AbstractContextManager[Any]:
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device, DTYPES[self.name])

    def scaler(self) -> torch.amp.GradScaler | None:
        """float16 loses small gradients, so the loss is scaled; bfloat16 and float32 need nothing."""
        return torch.amp.GradScaler(self.device) if self.name == "fp16" else None


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that tensors took on a GPU since the last call; elsewhere the process's largest memory so far."""
    if device.type == "cuda":
        peak = int(torch.cuda.max_memory_allocated(device))
        torch.cuda.reset_peak_memory_stats(device)
        return peak
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux


def cpu_has_fast_bf16() -> bool:
    """AMX or AVX512-bf16 is there; elsewhere a CPU only imitates bfloat16, and is slower for it."""
    asked = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # private in torch, so each may be missing
    return any(getattr(torch.cpu, name, bool)() for name in asked)


def has_heavy_layers(model: nn.Module) -> bool:
    """Convolutions or attention: the layers for which a lower precision can pay on a CPU."""
    heavy = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention, nn.TransformerEncoderLayer)
    return any(isinstance(m, heavy) or "attention" in type(m).__name__.lower() for m in model.modules())


def agree(value: Any) -> Any:
    """The same decision in every process: rank 0's; with one process, the value itself."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0)
    return box[0]


@contextmanager
def kept_randomness(seed: int | None = None) -> Iterator[None]:
    """Put torch's, numpy's and Python's random states back afterwards; within, start from ``seed`` if given."""
    import random

    import numpy as np

    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    if seed is not None and cuda is None and not torch.backends.mps.is_available():
        torch.default_generator.manual_seed(seed)  # torch.manual_seed also takes down for idle devices who called: 8 ms
        np.random.seed(seed % 2**32)
        random.seed(seed)
    elif seed is not None:
        seed_everything(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def seed_everything(seed: int) -> None:
    """One seed for torch (every device), numpy and Python."""
    import random

    import numpy as np

    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
