r"""Symmetric form of implicit osmosis, and conjugate gradients for it.

With the guidance image v and u = v y the implicit Euler step (I - tau A) u = b reads

    (diag(v) + tau K) y = b,     K symmetric, positive semidefinite, K 1 = 0,

with weights 2 v_i v_j / (v_i + v_j) between neighbours (tau in units of the squared grid width).
The residuals of both forms are the same vector. Constants are split off exactly: y = c + z with
c = sum(b) / sum(v) leaves a right-hand side of zero sum, whose solution z shrinks like 1 / tau, so
that no rounding error grows with tau.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from scalelib.osmosis.checkerboard import Checkerboard
from scalelib.transforms import dct2, idct2, laplacian_eigenvalues

JACOBI_WEIGHT = 0.6
"""Damping of the smoothing steps around the cosine preconditioner."""

SINGLE_PRECISION_TAU = 100.0
"""Up to this step, plain conjugate gradients run in float32 inside a float64 correction loop."""

SINGLE_PRECISION_GAIN = 1e-4
"""Residual reduction asked of one float32 round; its condition number stays below 2e3."""

DOUBLE_PRECISION_GAIN = 1e-12
"""Residual reduction asked of one float64 round: what is left is for the next one."""

LONGEST_TAU = 1e12
"""Conjugate gradients see no longer step: beyond it diag(v) drowns in rounding errors of tau K."""


class SymmetricSystem:
    """Matrix diag(v) + tau K for a batch of guidance images, and its form with unit diagonal.

    All images of the batch form one flat vector; weights that would couple two rows or two images
    are zero, so that every operation runs over contiguous memory. New memory costs more than
    arithmetic here, hence the operations in place.

    Parameters
    ----------
    v : Tensor, shape (B, H, W), float64
        Positive guidance images.
    tau : float
        Step divided by the squared grid width.

    Notes
    -----
    Scaled matrix and preconditioner belong to the step min(tau, LONGEST_TAU), ``residual`` to
    tau. For zero-sum right-hand sides the solutions of both are proportional up to a relative
    error of the order of 1 / LONGEST_TAU, which the correction loop of ``solve`` removes.
    """

    def __init__(self, v: Tensor, tau: float) -> None:
        self.shape = v.shape
        self.tau = tau
        self.solved_tau = min(tau, LONGEST_TAU)
        # A = -K diag(1/v) does not change when v is multiplied by a constant.
        self.v = v / v.mean(dim=(-2, -1), keepdim=True)
        inverse = (1 / self.v).view(-1)
        self.weights = [(1, self._weights(inverse, 1, axis=2))]
        if v.shape[1] > 1:
            self.weights.append((v.shape[2], self._weights(inverse, v.shape[2], axis=1)))
        diagonal = self.v.clone().view(-1)
        for shift, w in self.weights:
            diagonal[:-shift].add_(w, alpha=self.solved_tau)
            diagonal[shift:].add_(w, alpha=self.solved_tau)
        self.diagonal = diagonal.view(len(v), -1)
        self.scale = self.diagonal.rsqrt()
        s = self.scale.view(-1)
        self.couplings = [
            (shift, (w * s[shift:]).mul_(s[:-shift]).mul_(-self.solved_tau))
            for shift, w in self.weights
        ]

    def _weights(self, inverse: Tensor, shift: int, axis: int) -> Tensor:
        """Harmonic means of neighbours, zero where the next row or image begins."""
        w = torch.zeros_like(inverse)
        torch.add(inverse[:-shift], inverse[shift:], out=w[:-shift]).reciprocal_().mul_(2)
        w.view(self.shape).select(axis, -1).zero_()
        return w[:-shift]

    @property
    def working_dtype(self) -> torch.dtype:
        """Precision in which plain conjugate gradients run."""
        return torch.float32 if self.tau <= SINGLE_PRECISION_TAU else torch.float64

    def matrix(self, dtype: torch.dtype) -> Callable[[Tensor, Tensor], Tensor]:
        """Return ``multiply(p, out)``, the product of the scaled matrix with vectors (B, H W)."""
        couplings = [(shift, e.to(dtype)) for shift, e in self.couplings]

        def multiply(p: Tensor, out: Tensor) -> Tensor:
            result, flat = out.copy_(p).view(-1), p.view(-1)
            for shift, e in couplings:
                result[:-shift].addcmul_(e, flat[shift:])
                result[shift:].addcmul_(e, flat[:-shift])
            return out

        return multiply

    @cached_property
    def checkerboard(self) -> Checkerboard:
        """Couplings of the scaled matrix between red and black pixels, in ``working_dtype``."""
        dtype = self.working_dtype
        fields = []
        for _, e in self.couplings:
            field = torch.zeros(self.shape, dtype=dtype, device=self.v.device)
            field.view(-1)[: e.numel()] = e
            fields.append(field)
        return Checkerboard(*fields)

    def residual(self, rhs: Tensor, z: Tensor) -> Tensor:
        """Unscaled residual rhs - (v + tau K) z, with K z as differences of neighbours."""
        residual = torch.addcmul(rhs, self.v, z, value=-1)
        r, flat = residual.view(-1), z.view(-1)
        for shift, w in self.weights:
            flux = (flat[shift:] - flat[:-shift]).mul_(w)
            r[:-shift].add_(flux, alpha=self.tau)
            r[shift:].sub_(flux, alpha=self.tau)
        return residual

    def cosine(self) -> Callable[[Tensor], Tensor]:
        r"""Return the DCT preconditioner between two damped Jacobi steps.

        The inner solve replaces all weights by their harmonic mean c, which the DCT
        diagonalises: mean(v) + tau c lambda. A preconditioner needs no accuracy, so it runs in
        float32; the iteration around it does not rely on its exact symmetry.
        """
        multiply = self.matrix(torch.float32)
        inverse_scale = self.diagonal.sqrt().float()
        eigenvalues = laplacian_eigenvalues(self.shape[1:]).to(self.v.device)
        divisor = (1 + self.solved_tau * self._harmonic_mean() * eigenvalues).float()
        z = torch.empty_like(inverse_scale)
        product = torch.empty_like(inverse_scale)

        def precondition(r: Tensor) -> Tensor:
            r = r.float()
            torch.mul(r, JACOBI_WEIGHT, out=z)
            inner = torch.sub(r, multiply(z, product), out=product).mul_(inverse_scale)
            inner = idct2(dct2(inner.view(self.shape)).div_(divisor))
            z.addcmul_(inner.view_as(z), inverse_scale)
            r.sub_(multiply(z, product))
            return z.add_(r, alpha=JACOBI_WEIGHT).double()

        return precondition

    def _harmonic_mean(self) -> Tensor:
        """Harmonic mean (B, 1, 1) of the weights: 2 / (1/v_i + 1/v_j) makes it a mean of 1/v."""
        batch, height, width = self.shape
        inverse = 1 / self.v
        resistance = inverse.new_zeros(batch)
        for n, axis in ((height, 1), (width, 2)):
            ends = inverse.select(axis, 0).sum(dim=1) + inverse.select(axis, n - 1).sum(dim=1)
            resistance += inverse.sum(dim=(1, 2)) - ends / 2
        count = height * (width - 1) + width * (height - 1)
        # A single pixel has no neighbours, and no use for the value.
        return torch.where(resistance > 0, count / resistance, 1.0).view(-1, 1, 1)


def solve(
    system: SymmetricSystem, b: Tensor, rtol: float, *, cosine: bool
) -> tuple[Tensor, Tensor, int]:
    """Solve (v + tau K) y = b by conjugate gradients, in the unknown u = v y.

    Parameters
    ----------
    system : SymmetricSystem
        Matrix for B guidance images.
    b : Tensor, shape (B, H, W), float64
        Images at the old time level.
    rtol : float
        Aim for the true residual, relative to the norm of ``b``.
    cosine : bool
        Precondition by the DCT; else only by the diagonal.

    Returns
    -------
    u : Tensor, shape (B, H, W)
        Images at the new time level, with the mass of ``b``.
    residual : Tensor, shape (B,)
        True relative residual. Above ``rtol`` only if rounding keeps it from falling further.
    iterations : int
        Conjugate gradient iterations, the most that any image of the batch took.
    """
    total = system.v.sum(dim=(1, 2), keepdim=True)
    constant = b.sum(dim=(1, 2), keepdim=True) / total
    rhs = b - constant * system.v
    size = _norm(b)
    # For short times the old state is a good guess, for long ones the constant is a better one.
    long = cosine or system.tau > SINGLE_PRECISION_TAU
    z = torch.zeros_like(b) if long else b / system.v - constant
    r = system.residual(rhs, z)
    residual = _norm(r) / size
    precondition = system.cosine() if cosine else None
    iterations = 0
    while True:
        previous = residual
        # At least a tenth of what is left, so that a round which fails to halve it met rounding.
        goal = torch.where(residual > rtol, 0.1 * residual, rtol).clamp(max=rtol)
        correction, used = _correction(system, r, goal * size, precondition)
        iterations += used
        z.add_(correction, alpha=system.solved_tau / system.tau)
        r = system.residual(rhs, z)
        # Constants are in the kernel of K: moving them to the exact mass costs nothing.
        shift = r.sum(dim=(1, 2), keepdim=True) / total
        z += shift
        r.addcmul_(shift, system.v, value=-1)
        residual = _norm(r) / size
        if not bool(((residual > rtol) & (residual < 0.5 * previous)).any()):
            return z.add_(constant).mul_(system.v), residual, iterations


def _norm(r: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(r, dim=(1, 2))
    return norm


def _correction(
    system: SymmetricSystem,
    r: Tensor,
    target: Tensor,
    precondition: Callable[[Tensor], Tensor] | None,
) -> tuple[Tensor, int]:
    """Approximate solution for the residual ``r``, and the iterations it took.

    Its *updated* residual meets ``target`` in every image, or what its precision allows: the
    caller computes the true residual in float64 and comes back.
    """
    dtype = torch.float64 if precondition else system.working_dtype
    single = dtype == torch.float32
    size = _norm(r)
    goal = torch.where(size > 0, target / size, 1.0)
    goal = goal.clamp(min=SINGLE_PRECISION_GAIN if single else DOUBLE_PRECISION_GAIN)
    size = torch.where(size > 0, size, 1.0)[:, None]
    goal, diagonal = (goal**2).to(dtype), system.diagonal.to(dtype)
    r = (r.reshape(len(r), -1) * system.scale).div_(size).to(dtype)
    limit = 1000 + 100 * sum(system.shape[1:])
    if precondition:
        multiply = system.matrix(dtype)
        x, iterations = _conjugate_gradients(multiply, r, diagonal, goal, limit, precondition)
    else:
        board = system.checkerboard
        red, black = board.split(r)
        rest, multiply = board.subtract_black(red, black), board.reduced(red)
        # The black residual vanishes; dummies have residual 0, so that their diagonal is free.
        red_diagonal = board.split(diagonal)[0]
        x, iterations = _conjugate_gradients(multiply, rest, red_diagonal, goal, limit)
        x = board.join(x, board.subtract_red(black, x))
    return x.double().mul_(system.scale).mul_(size).view(system.shape), iterations


def _conjugate_gradients(
    multiply: Callable[[Tensor, Tensor], Tensor],
    r: Tensor,
    diagonal: Tensor,
    goal: Tensor,
    limit: int,
    precondition: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, int]:
    """Conjugate gradients for each image (B, n), until |diagonal^(1/2) r|^2 <= ``goal`` for all.

    ``r`` is the right-hand side and becomes the updated residual.
    """
    # |unscaled r|^2 >= min(diagonal) |r|^2 saves the exact norm while it is still large.
    smallest = torch.where(diagonal > 0, diagonal, torch.inf).amin(dim=1)
    x, q, work = torch.zeros_like(r), torch.empty_like(r), torch.empty_like(r)
    z = precondition(r) if precondition else r
    p = z.clone()
    rz = torch.linalg.vecdot(r, z)
    iterations = 0
    while iterations < limit:
        iterations += 1
        pq = torch.linalg.vecdot(p, multiply(p, q))
        alpha = torch.where(pq > 0, rz / pq, 0)[:, None]  # 0/0 where an image is solved exactly
        x.addcmul_(alpha, p)
        r.addcmul_(alpha, q, value=-1)
        rr = torch.linalg.vecdot(r, r)
        if bool((rr * smallest <= goal).all()):
            torch.mul(r, diagonal, out=work)
            if bool((torch.linalg.vecdot(r, work) <= goal).all()):
                break
        if precondition:
            z = precondition(r)
            # Flexible form: makes p and the last direction conjugate whatever z is.
            beta = -torch.linalg.vecdot(z, q) / pq
            rz = torch.linalg.vecdot(r, z)
        else:
            beta = rr / rz
            rz = rr
        p.mul_(torch.where(pq > 0, beta, 0)[:, None]).add_(z)
    return x, iterations
