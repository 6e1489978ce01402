"""What a run leaves behind: a table on the screen and a JSON file."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch

import scalelib
from benchmarks.harness import Result
from scalelib._files import replace

COLUMNS = "{:<68} {:<36} {:>8} {:>16} {:>7}  {}"


def environment() -> dict[str, Any]:
    """Machine and versions that the times depend on."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "scalelib": scalelib.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "blas": {
            "torch": "MKL" if torch.backends.mkl.is_available() else "other",
            "numpy": _blas(np),
            "scipy": _blas(scipy),
        },
    }


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write to a temporary name beside ``path`` and move into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=2) + "\n"
    replace(path, lambda stream: stream.write(text.encode("utf-8")))


def heading() -> str:
    """Names of the columns, underlined."""
    names = COLUMNS.format("setting", "quantity", "median", "min to max", "target", "")
    return f"{names.rstrip()}\n{'-' * 145}"


def line(result: Result, *, verdict: bool) -> str:
    """One row of the table."""
    low, high = _short(min(result.values)), _short(max(result.values))
    words = {True: "reached", False: "MISSED", None: ""}
    row = COLUMNS.format(
        result.setting,
        result.quantity,
        _short(result.median),
        f"{low} to {high}" if len(result.values) > 1 else "",
        _target(result),
        words[result.reached] if verdict else "",
    )
    return row.rstrip()


def _target(result: Result) -> str:
    if result.at_least is not None:
        return f">= {result.at_least:g}"
    return "" if result.at_most is None else f"<= {result.at_most:g}"


def _short(x: float) -> str:
    return f"{x:.3g}" if abs(x) < 1000 else f"{x:.0f}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")]
    return names[0] if names else platform.processor()


def _blas(package: Any) -> str:
    try:
        found = package.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (KeyError, TypeError):
        return "unknown"
    return f"{found.get('name')} {found.get('version')}"
