"""What scalelib is compared with: SciPy's BiCGSTAB and a cosine transform built on the FFT."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """Solution of a linear system with its iteration count and true relative residual."""

    u: Vector
    iterations: int
    residual: float


def implicit_matrix(operator: scipy.sparse.csr_array, tau: float) -> scipy.sparse.csr_array:
    """Matrix I - tau A of an implicit Euler step."""
    return (scipy.sparse.eye_array(operator.shape[0]) - tau * operator).tocsr()


def bicgstab(
    matrix: scipy.sparse.csr_array, b: Vector, rtol: float, *, from_old_level: bool
) -> Vector:
    """Unpreconditioned BiCGSTAB of SciPy, from the old time level or from zero."""
    start = b if from_old_level else None
    u, info = scipy.sparse.linalg.bicgstab(matrix, b, x0=start, rtol=rtol, atol=0.0)
    if info:
        raise RuntimeError(f"bicgstab did not converge, found info = {info}")
    return np.asarray(u)


def bicgstab_counted(
    matrix: scipy.sparse.csr_array, b: Vector, rtol: float, *, from_old_level: bool
) -> Solution:
    """Solve as :func:`bicgstab` does, and count."""
    steps: list[None] = []
    u, info = scipy.sparse.linalg.bicgstab(
        matrix,
        b,
        x0=b if from_old_level else None,
        rtol=rtol,
        atol=0.0,
        callback=lambda _: steps.append(None),
    )
    if info:
        raise RuntimeError(f"bicgstab did not converge, found info = {info}")
    residual = float(np.linalg.norm(b - matrix @ u) / np.linalg.norm(b))
    return Solution(np.asarray(u), len(steps), residual)


def fft_dct2(u: Tensor) -> Tensor:
    """Orthonormal DCT-II of both axes by complex FFTs (Makhoul 1980), one axis after the other."""
    return _dct(_dct(u).transpose(-1, -2)).transpose(-1, -2)


def fft_idct2(coefficients: Tensor) -> Tensor:
    """Inverse of :func:`fft_dct2`."""
    return _idct(_idct(coefficients).transpose(-1, -2)).transpose(-1, -2)


def _dct(u: Tensor) -> Tensor:
    n = u.shape[-1]
    # Even samples, then the odd ones backwards: a DCT-II becomes a DFT with a phase.
    reordered = torch.cat([u[..., ::2], u[..., 1::2].flip(-1)], dim=-1)
    spectrum = torch.fft.fft(reordered, dim=-1)
    angle = _angles(u)
    result = spectrum.real * torch.cos(angle) + spectrum.imag * torch.sin(angle)
    result[..., 0] *= math.sqrt(1 / n)
    result[..., 1:] *= math.sqrt(2 / n)
    return result


def _idct(coefficients: Tensor) -> Tensor:
    n = coefficients.shape[-1]
    real = coefficients.clone()
    real[..., 0] *= math.sqrt(n)
    real[..., 1:] *= math.sqrt(n / 2)
    mirrored = real.flip(-1)[..., :-1]
    imaginary = torch.cat([torch.zeros_like(real[..., :1]), -mirrored], dim=-1)
    angle = _angles(coefficients)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    spectrum = torch.complex(real * cosine - imaginary * sine, real * sine + imaginary * cosine)
    reordered = torch.fft.irfft(spectrum, n=n, dim=-1)
    result = torch.empty_like(reordered)
    half = (n + 1) // 2
    result[..., ::2] = reordered[..., :half]
    result[..., 1::2] = reordered[..., half:].flip(-1)
    return result


def _angles(u: Tensor) -> Tensor:
    n = u.shape[-1]
    return torch.arange(n, dtype=u.dtype, device=u.device) * (math.pi / (2 * n))
