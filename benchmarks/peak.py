"""Print the peak memory of one trajectory: python -m benchmarks.peak NAME COUNT STEPS DEVICE."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.inputs import noise_batch
from benchmarks.trajectories import processes
from scalelib import Osmosis
from scalelib.schedules import log_blur

NOTHING = "nothing"
"""Name for a run without trajectory: what imports, image and result take."""


def main(name: str, count: int, steps: int, device: str) -> None:
    """Run once; with NOTHING only the result is allocated and written."""
    u = noise_batch(count, 3, 64, 64, device=device)
    if name == NOTHING:
        u.new_empty((steps, *u.shape)).fill_(0)
    else:
        _trajectory(name, steps, u)
    print(peak(device))


def _trajectory(name: str, steps: int, u: Tensor) -> None:
    if name == "Osmosis":
        guidance = noise_batch(*u.shape[1:], device=str(u.device))
        Osmosis(guidance=guidance, offset=6.0).trajectory(u, log_blur(steps, sigma_max=20))
        return
    process = processes(steps, (64, 64))[name]
    generator = torch.Generator(u.device).manual_seed(0)
    process.trajectory(u, range(1, steps + 1), generator=generator)


def peak(device: str) -> int:
    """Highest use of memory so far, in bytes."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux a new program inherits that of the program that started it.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # noqa: PLC0415 - not on Windows, where the rest of the benchmarks runs

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
