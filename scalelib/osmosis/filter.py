"""Linear osmosis filtering: drift-diffusion of positive images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, final

import scipy.sparse
import torch
from torch import Tensor

from scalelib import _check
from scalelib.osmosis import krylov, stencil
from scalelib.osmosis.general import SparseSystem, exponential, steady_vector, strong_parts
from scalelib.osmosis.symmetric import SymmetricSystem, solve

__all__ = ["ConvergenceError", "Osmosis"]

Solver = Literal["auto", "cg", "dct-cg", "bicgstab", "direct"]
_SYMMETRIC = ("cg", "dct-cg")
_GENERAL = ("bicgstab", "direct")

CROSSOVER = 30.0
"""Step (in squared grid widths) above which the preconditioned solvers are the faster ones."""

CHUNK = 2**18
"""Pixels solved together on the CPU: enough for two threads, and memory stays bounded."""

CONTRAST = 1e30
"""Largest over smallest grey value for which the symmetric form stays in the range of float32."""

LONGEST_EXACT = 1e5
"""Longest time (in squared grid widths) of the exponential: it would take minutes."""


class ConvergenceError(RuntimeError):
    """A linear solver did not reach the residual it was asked for."""


@final
class Osmosis:
    r"""Linear osmosis, by implicit Euler steps.

    .. math:: \partial_t u = \Delta u - \mathrm{div}(d\, u), \qquad
              (I - \tau A)\, u^{k+1} = u^k

    with reflecting boundaries: equation (26) of the 2023 paper. The drift vector field d is the
    canonical one of a guidance image, :math:`d = \nabla \ln v`, or any field at the cell
    interfaces.

    Parameters
    ----------
    guidance : Tensor, shape (..., C, H, W), float32 or float64
        Guidance image v, one for all images or one per image: its shape broadcasts with that of
        the images. Exactly one of ``guidance`` and ``drift`` is given.
    offset : float
        Added to the images and to the guidance, and taken off the result, in grey values. With
        it both must be positive. The evolution depends on it.
    drift : (Tensor, Tensor)
        Fields dy (..., H-1, W) and dx (..., H, W-1) at the cell interfaces, in 1 / pixel, with
        :math:`|d|\, h \le 2`.
    spacing : float
        Grid width h.
    solver : {"auto", "cg", "dct-cg", "bicgstab", "direct"}
        ``"cg"``: conjugate gradients on the symmetric form, scaled by the diagonal, after every
        second pixel has been eliminated.
        ``"dct-cg"``: all pixels, with a cosine preconditioner between two damped Jacobi steps; its
        iteration count hardly depends on the step and on the image size.
        ``"bicgstab"``: the solver of the paper, without preconditioner.
        ``"direct"``: sparse factorisation, reused while the step stays the same.
        ``"auto"``: with a guidance image ``"cg"`` for :math:`\tau / h^2 \le 30` and ``"dct-cg"``
        above; with a general drift field, which has no symmetric form, ``"bicgstab"`` and
        ``"direct"`` in the same way.
    rtol : float
        True residual of every solve, relative to the norm of the old time level with its offset,
        in (0, 1): a large offset asks for a smaller one.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, the guidance with its offset is not
        positive, the drift is too large for the grid, or the solver needs a guidance image.

    Notes
    -----
    Sources: Weickert, Hagenburg, Breuß and Vogel, Linear osmosis models for visual computing,
    EMMCVPR 2013 (model, Proposition 1: mass, positivity, steady state); Vogel, Hagenburg, Weickert
    and Setzer, A fully discrete theory for linear osmosis filtering, SSVM 2013 (discretisation,
    Theorem 1: implicit Euler keeps all of it for every step). The symmetric form and its
    preconditioner are ours.

    Keeps: the mean grey value, positivity, and the steady state
    :math:`w = (\mu_f / \mu_v)\, v`; relative entropy with respect to w decreases. Breaks: the
    maximum-minimum principle, and every permutation that does not also act on the guidance.

    Computes in float64 without gradients and returns dtype and device of the image. The residual
    of the symmetric form is evaluated with the constants split off; rounding u itself to float64
    moves (I - tau A) u by about :math:`10^{-16}\, \tau / h^2` of its norm, whatever the solver.

    Examples
    --------
    >>> import torch
    >>> from scalelib import Osmosis
    >>> v = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)
    >>> osmosis = Osmosis(guidance=v)
    >>> osmosis.step(torch.full_like(v, 2.0), tau=1e12)
    tensor([[[1.0000, 3.0000]]], dtype=torch.float64)
    """

    def __init__(
        self,
        guidance: Tensor | None = None,
        offset: float = 0.0,
        drift: tuple[Tensor, Tensor] | None = None,
        spacing: float = 1.0,
        solver: Solver = "auto",
        rtol: float = 1e-8,
    ) -> None:
        if (guidance is None) == (drift is None):
            found = "neither" if guidance is None else "both"
            raise ValueError(f"exactly one of guidance and drift must be given, found {found}")
        self.offset = _check.number("offset", offset)
        self.spacing = stencil.check_spacing(spacing)
        self.rtol = _check.number("rtol", rtol, low=0, high=1)
        self.solver = _check_solver(solver, has_guidance=guidance is not None)
        self._v: Tensor | None = None
        if guidance is not None:
            self._dtype = _check.image("guidance", guidance).dtype
            self._v = stencil.add_offset("guidance", guidance, self.offset)
            self._rates = stencil.guidance_rates(self._v, self.spacing)
        elif drift is not None:
            dy, dx = stencil.check_drift(drift)
            self._dtype = dy.dtype
            self._rates = stencil.drift_rates(dy, dx, self.spacing)
        if self.solver not in _GENERAL and self._v is not None:
            _check_contrast(self._v)
        self._shape = stencil.image_shape(self._rates)
        self._systems: dict[int, SparseSystem] = {}

    def operator(self) -> scipy.sparse.csr_array:
        r"""Matrix A of the semi-discrete equation du/dt = A u.

        Returns
        -------
        scipy.sparse.csr_array, shape (H W, H W), float64
            Pixels are stacked row by row. Columns sum to 0, off-diagonal entries are nonnegative,
            and A (v + offset) = 0.

        Raises
        ------
        ValueError
            If there is more than one guidance image or drift field.
        """
        count = self._shape[:-2].numel()
        if count != 1:
            raise ValueError(f"operator needs one guidance image or drift field, found {count}")
        return stencil.sparse_operator(self._rates)

    @torch.no_grad()
    def step(self, u: Tensor, tau: float) -> Tensor:
        r"""One implicit Euler step.

        .. math:: (I - \tau A)\, u^{k+1} = u^k

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Images; with the offset they must be positive.
        tau : float
            Step in diffusion time (pixel^2), positive; there is no upper bound.

        Returns
        -------
        Tensor, broadcast shape of ``u`` and the guidance

        Raises
        ------
        TypeError, ValueError
            If ``u`` is no finite, positive image of the right size, or ``tau`` is not positive.
        ConvergenceError
            If the solver does not reach ``rtol``, or loses positivity because of it.
        """
        tau = _check.number("tau", tau, low=0)
        return self._result(self._advance(self._positive(u), tau), u)

    @torch.no_grad()
    def trajectory(self, u: Tensor, times: Sequence[float] | Tensor, steps: int = 1) -> Tensor:
        """Evolve to each of several diffusion times.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Images at time 0; with the offset they must be positive.
        times : sequence of float or Tensor, shape (m,)
            Diffusion times, positive and strictly increasing.
        steps : int
            Implicit Euler steps of equal size per interval.

        Returns
        -------
        Tensor, shape (m, *broadcast shape of ``u`` and the guidance)

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or range.
        ConvergenceError
            If the solver does not reach ``rtol``, or loses positivity because of it.
        """
        schedule = _check.increasing_schedule("times", times)
        steps = _check.integer("steps", steps, low=1)
        state = self._positive(u)
        result = u.new_empty((len(schedule), *state.shape))
        before = 0.0
        for j, time in enumerate(schedule.tolist()):
            for _ in range(steps):
                state = self._advance(state, (time - before) / steps)
            result[j] = self._result(state, u)
            before = time
        return result

    @torch.no_grad()
    def exact(self, u: Tensor, time: float) -> Tensor:
        r"""Semigroup :math:`e^{tA} u`, exact in time: a reference for the implicit scheme.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Images at time 0; with the offset they must be positive.
        time : float
            Diffusion time t, positive. The cost grows in proportion to :math:`t / h^2`, which
            must be less than 1e5.

        Returns
        -------
        Tensor, broadcast shape of ``u`` and the guidance

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or range.

        Notes
        -----
        By :func:`scipy.sparse.linalg.expm_multiply` (Al-Mohy and Higham, SIAM J. Sci. Comput.
        33(2), 2011), image by image, on the CPU.
        """
        time = _check.number("time", time, low=0)
        _check.number("time / spacing^2", time / self.spacing**2, high=LONGEST_EXACT)

        def evolve(b: Tensor, index: int) -> Tensor:
            return torch.from_numpy(exponential(self._operator_of(index), b.numpy(), time))

        return self._result(self._each(self._positive(u), evolve), u)

    @torch.no_grad()
    def exact_trajectory(
        self, u: Tensor, times: Sequence[float] | Tensor, rtol: float = 1e-8
    ) -> Tensor:
        r"""Semigroup :math:`e^{tA} u` at each of several times, exact up to ``rtol``.

        .. math:: \| \tilde u(t) - e^{tA} u \|_v \le \text{rtol}\, \| e^{tA} u \|_v, \qquad
                  \| x \|_v^2 = \sum_i \frac{x_i^2}{v_i}

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Images at time 0; with the offset they must be positive.
        times : sequence of float or Tensor, shape (m,)
            Diffusion times, positive and strictly increasing. The cost grows with the logarithm of
            the last over the first one, and hardly with their number.
        rtol : float
            Largest error, in (0, 1), relative to the image at the same time; guidance and images
            have their offset in it. The error is estimated, image by image.

        Returns
        -------
        Tensor, shape (m, *broadcast shape of ``u`` and the guidance)

        Raises
        ------
        TypeError, ValueError
            If an argument has the wrong type, shape or range, or the filter was given a general
            drift field or one of the solvers that do not use the symmetric form.
        ConvergenceError
            If ``rtol`` is out of reach, or an image loses positivity because of it.

        Notes
        -----
        By shift-and-invert Lanczos: the operator is symmetric in the inner product of
        :math:`\| \cdot \|_v`, since :math:`A\, \mathrm{diag}(v)` is symmetric, and implicit steps
        of one length span the space onto which it is projected. Source: van den Eshof and
        Hochbruck, SIAM J. Sci. Comput. 27(4), 2006. Keeps the mean grey value.
        The accuracy of the solves follows from this ``rtol``, not from that of the filter.

        Examples
        --------
        >>> import torch
        >>> from scalelib import Osmosis
        >>> v = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)
        >>> Osmosis(guidance=v).exact_trajectory(torch.full_like(v, 2.0), [0.1, 1.0, 1e8])
        tensor([[[[1.8187, 2.1813]]],
        <BLANKLINE>
        <BLANKLINE>
                [[[1.1353, 2.8647]]],
        <BLANKLINE>
        <BLANKLINE>
                [[[1.0000, 3.0000]]]], dtype=torch.float64)
        """
        schedule = _check.increasing_schedule("times", times)
        for t in (float(schedule[0]), float(schedule[-1])):
            _check.number("times / spacing^2", t / self.spacing**2, low=1e-300, high=1e300)
        rtol = _check.number("rtol", rtol, low=0, high=1)
        v = self._symmetric_guidance()
        state = self._positive(u)
        unit = _unit(state)
        result = self._evolve(v, state / unit, schedule / self.spacing**2, rtol).mul_(unit)
        smallest = float(result.min())
        if not smallest > 0:
            raise ConvergenceError(
                f"exact_trajectory lost positivity at rtol = {rtol:g}, found minimum "
                f"{smallest:.6g}; lower rtol"
            )
        return self._result(result, u)

    def _symmetric_guidance(self) -> Tensor:
        """Guidance image, if the filter may use the symmetric form."""
        if self._v is None:
            raise ValueError(
                "exact_trajectory needs a guidance image, found a general drift field: it has no "
                "symmetric form; use exact, time by time"
            )
        if self.solver in _GENERAL:
            raise ValueError(
                f"exact_trajectory needs a solver of the symmetric form, 'auto' or one of "
                f"{_SYMMETRIC}, found {self.solver!r}"
            )
        return self._v

    def _evolve(self, v: Tensor, b: Tensor, times: Tensor, rtol: float) -> Tensor:
        """Float64 images with the offset at all times, chunk by chunk."""
        cosine_from = {"auto": CROSSOVER, "cg": math.inf, "dct-cg": 0.0}[self.solver]
        images, parts = b.view(-1, *b.shape[-2:]), self._chunks(v, b)
        result = b.new_empty(len(times), *images.shape)
        for rows, local in parts:
            times = times.to(b.device)
            states, error = krylov.evolve(local, images[rows], times, rtol, cosine_from)
            if not float(error.max()) <= rtol:  # NaN fails too
                raise ConvergenceError(
                    f"exact_trajectory reached the estimated relative error "
                    f"{float(error.max()):.3g}, expected at most rtol = {rtol:g}"
                )
            result[:, rows] = states
        return result.view(len(times), *b.shape)

    @torch.no_grad()
    def steady_state(self, u: Tensor) -> Tensor:
        r"""Limit of the evolution for :math:`t \to \infty`.

        .. math:: w = \frac{\mu_f}{\mu_v}\, v

        for a guidance image v (both with the offset, which is taken off the result); for a general
        drift field the positive null vector of A with the mean of the image.

        Parameters
        ----------
        u : Tensor, shape (..., C, H, W), float32 or float64
            Images; with the offset they must be positive.

        Returns
        -------
        Tensor, broadcast shape of ``u`` and the guidance

        Raises
        ------
        TypeError, ValueError
            If ``u`` is no finite, positive image of the right size, or if a drift of size
            :math:`|d|\, h = 2` separates the image into parts.
        """
        f = self._positive(u)
        if self._v is not None:
            means = (x.mean(dim=(-2, -1), keepdim=True) for x in (f, self._v))
            w = self._v * torch.div(*means)
        else:
            w = self._each(f, self._null_vector)
        return self._result(w, u)

    def _null_vector(self, b: Tensor, index: int) -> Tensor:
        operator = self._operator_of(index)
        parts = strong_parts(operator)
        if parts > 1:
            raise ValueError(
                "drift must let every pixel reach every other one, found |d| h = 2 at interfaces "
                f"that separate the image into {parts} parts"
            )
        w = torch.from_numpy(steady_vector(operator))
        if not bool((w.isfinite() & (w > 0)).all()):
            raise ValueError(
                "drift must have a steady state in the range of float64, found a ratio of its "
                "grey values beyond 1e308"
            )
        return w * (b.sum() / w.sum())

    def _positive(self, u: Tensor) -> Tensor:
        """Float64 images with the offset, broadcast against the guidance or the drift."""
        name = "drift" if self._v is None else "guidance"
        device = self._rates.right.device
        if isinstance(u, Tensor) and u.device != device:
            raise ValueError(f"u must be on the device {device} of {name}, found {u.device}")
        u = _check.image("u", u)
        if u.dtype != self._dtype:
            raise TypeError(f"u must have the dtype {self._dtype} of {name}, found {u.dtype}")
        shape = stencil.broadcast_shape(u, self._shape, name)
        return stencil.add_offset("u", u, self.offset).expand(shape).contiguous()

    def _result(self, state: Tensor, u: Tensor) -> Tensor:
        result = (state - self.offset).to(u)
        if not bool(result.isfinite().all()):
            raise ValueError(
                f"u must leave room for the result in {u.dtype}, "
                f"found a maximum of {float(state.max()):.6g}"
            )
        return result

    def _advance(self, b: Tensor, tau: float) -> Tensor:
        """One implicit step of float64 images with the offset, checked."""
        length = _check.number("tau / spacing^2", tau / self.spacing**2, low=0, high=1e301)
        solver = self.solver
        if solver == "auto":
            long = length > CROSSOVER
            solver = (_GENERAL if self._v is None else _SYMMETRIC)[long]
        unit = _unit(b)
        b = b / unit
        if self._v is not None and solver in _SYMMETRIC:
            u = self._solve_symmetric(self._v, b, tau, cosine=solver == "dct-cg")
        else:
            u = self._each(b, lambda image, index: self._solve_sparse(image, index, tau, solver))
        u.mul_(unit)
        smallest = float(u.min())
        if not smallest > 0:
            raise ConvergenceError(
                f"solver {solver!r} lost positivity at rtol = {self.rtol:g}, found minimum "
                f"{smallest:.6g}; lower rtol, or use solver='direct', which keeps signs"
            )
        return u

    def _solve_symmetric(self, v: Tensor, b: Tensor, tau: float, cosine: bool) -> Tensor:
        images = b.view(-1, *b.shape[-2:])
        result = torch.empty_like(images)
        for rows, local in self._chunks(v, b):
            system = SymmetricSystem(local, tau / self.spacing**2)
            solved, residual, _ = solve(system, images[rows], self.rtol, cosine=cosine)
            self._check_residual(float(residual.max()), "dct-cg" if cosine else "cg", tau)
            result[rows] = solved
        return result.view(b.shape)

    def _chunks(self, v: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Parts of the images (..., H, W), flat, each with its guidance images (B, H, W)."""
        height, width = b.shape[-2:]
        count = b.shape[:-2].numel()
        guidance = v.reshape(-1, height, width)
        if len(guidance) > 1:
            guidance = v.expand(b.shape).reshape(-1, height, width)
        size = count if b.is_cuda else max(1, CHUNK // (height * width))
        for k in range(0, count, size):
            rows = slice(k, min(k + size, count))
            shared = len(guidance) == 1
            local = guidance.expand(rows.stop - k, -1, -1) if shared else guidance[rows]
            yield rows, local.contiguous()

    def _solve_sparse(self, b: Tensor, index: int, tau: float, solver: str) -> Tensor:
        system = self._systems.get(index)
        if system is None or system.tau != tau:
            system = self._systems[index] = SparseSystem(self._operator_of(index), tau)
        old = b.numpy()
        new = system.direct(old) if solver == "direct" else system.bicgstab(old, self.rtol)
        self._check_residual(system.residual(new, old), solver, tau)
        return torch.from_numpy(new)

    def _check_residual(self, found: float, solver: str, tau: float) -> None:
        if not found <= self.rtol:  # NaN fails too
            raise ConvergenceError(
                f"solver {solver!r} reached the relative residual {found:.3g} "
                f"at tau = {tau:g}, expected at most rtol = {self.rtol:g}"
            )

    def _each(self, b: Tensor, solve_one: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Apply a SciPy solve to every image, with the number of its guidance or drift."""
        batch = b.shape[:-2]
        numbers = torch.arange(self._shape[:-2].numel()).view(self._shape[:-2]).expand(batch)
        images = b.reshape(-1, b.shape[-2] * b.shape[-1]).cpu()
        solved = [
            solve_one(image, int(index))
            for image, index in zip(images, numbers.flatten(), strict=True)
        ]
        return torch.stack(solved).view(b.shape).to(b.device)

    def _operator_of(self, index: int) -> scipy.sparse.csr_array:
        rates = stencil.Rates(*(r.flatten(0, -3)[index] if r.ndim > 2 else r for r in self._rates))
        return stencil.sparse_operator(rates)


def _unit(b: Tensor) -> Tensor:
    """Return a power of two per image, so that norms neither over- nor underflow."""
    return torch.exp2(b.amax(dim=(-2, -1), keepdim=True).log2().floor())


def _check_contrast(v: Tensor) -> None:
    contrast = float((v.amax(dim=(-2, -1)) / v.amin(dim=(-2, -1))).max())
    if contrast > CONTRAST:
        raise ValueError(
            f"guidance + offset must have a ratio of largest to smallest grey value of at most "
            f"{CONTRAST:g} for the symmetric form, found {contrast:.3g}; use one of {_GENERAL}"
        )


def _check_solver(solver: str, *, has_guidance: bool) -> str:
    known = ("auto", *_SYMMETRIC, *_GENERAL)
    if solver not in known:
        raise ValueError(f"solver must be one of {known}, found {solver!r}")
    if solver in _SYMMETRIC and not has_guidance:
        raise ValueError(
            f"solver {solver!r} needs a guidance image, found a general drift field: it has no "
            f"symmetric form; use one of {_GENERAL}"
        )
    return solver
