r"""Exponential of the osmosis operator for many times at once, by shift-and-invert Lanczos.

With a guidance image v, A = -K diag(1/v) is symmetric in the inner product sum(x y / v). In the
variable x / sqrt(v) it is symmetric in the usual one, and so is the implicit step

    E = (I - gamma A)^-1,     exp(t A) = exp(-t / gamma (E^-1 - I)).

E is projected onto the space of x, E x, E^2 x, ...: a few steps of one length gamma serve all times
of a window, however stiff A is. Windows grow with time, since the evolution slows down. Only
deviations from the steady state are evolved; they keep a zero sum. Source: van den Eshof and
Hochbruck, Preconditioning Lanczos approximations to the matrix exponential, SIAM J. Sci. Comput.
27(4), 2006; windows, accuracy of the solves and estimate of the error are ours.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import torch
from torch import Tensor

from scalelib.osmosis.symmetric import SymmetricSystem, solve

RATIO = 10.0
"""Last over first time of a window: of 3, 10 and 100 the cheapest at 1e-3, 1e-6 and 1e-9."""

STEP = 0.07
"""Implicit step over the length of a window: within a step or two of the least dimension."""

LARGEST_DIMENSION = 64
"""A relative accuracy of 1e-9 takes about 20."""

SOLVE_SHARE = 0.05
"""Part of the error of a window that a single solve may cause: 64 of them cause 0.4."""

FINEST_SOLVE = 1e-15
"""Smallest residual asked of a solve: below it there is nothing but rounding."""

STAGNANT = 12
"""Changes in a row, as small as errors of the solves, that end the series: slow modes come late."""

ROUNDING = 1e-14
"""Least noise in changes of a vector of length 1: no ratio can be taken of them."""


def evolve(
    v: Tensor, f: Tensor, times: Tensor, rtol: float, cosine_from: float
) -> tuple[Tensor, Tensor]:
    """Apply exp(t A) to images, for all times.

    Parameters
    ----------
    v, f : Tensor, shape (B, H, W), float64
        Positive guidance images, and positive images of moderate size.
    times : Tensor, shape (m,), float64
        Times in squared grid widths, positive and increasing.
    rtol : float
        Aim for an error, in the norm sqrt(sum(x^2 / v)), of this part of that of the steady state,
        which is the smallest that an image reaches.
    cosine_from : float
        Shortest implicit step, in squared grid widths, that is preconditioned by the DCT.

    Returns
    -------
    states : Tensor, shape (m, B, H, W)
        Images with the mass of ``f``.
    error : Tensor, shape (B,)
        Estimated relative error. Above ``rtol`` only if it could not be reached; the states after
        that time are not computed and hold NaN.
    """
    root = (v / v.mean(dim=(1, 2), keepdim=True)).sqrt()
    level = f.sum(dim=(1, 2), keepdim=True) / root.square().sum(dim=(1, 2), keepdim=True)
    size = _norm((level * root).flatten(1))
    x = _without((f / root - level * root).flatten(1), root.flatten(1))
    spans = list(windows(times.tolist()))
    states = f.new_full((len(times), *f.shape), torch.nan)
    error, start, allowed = torch.zeros_like(size), 0.0, rtol * size / len(spans)
    for span in spans:
        deviations, found = _window(root, x, times[span] - start, allowed, cosine_from)
        error += found  # the evolution does not increase what earlier windows left
        if not bool((error <= rtol * size).all()):
            break
        states[span] = (deviations.view(-1, *f.shape) + level * root) * root
        x, start = deviations[-1], float(times[span][-1])
    return states, error / size


def windows(times: list[float]) -> Iterator[slice]:
    """Split increasing times: the first one alone, then all up to ``RATIO`` times the last end."""
    first, end = 0, 0.0
    while first < len(times):
        stop = bisect.bisect_right(times, max(RATIO * end, times[first]))
        yield slice(first, stop)
        first, end = stop, times[stop - 1]


def _window(
    root: Tensor, x: Tensor, durations: Tensor, allowed: Tensor, cosine_from: float
) -> tuple[Tensor, Tensor]:
    """Deviations (m, B, n) after all durations, and an estimate (B,) of their largest error."""
    size = _norm(x)
    if bool((size <= allowed).all()):  # a deviation never grows
        return x.new_zeros(len(durations), *x.shape), size
    length = float(durations[-1])
    space = Lanczos(root, x, STEP * length, cosine_from)
    goal = SOLVE_SHARE * STEP * allowed / torch.where(size > 0, size, torch.inf)
    goal = torch.where(size > 0, goal, torch.inf)
    weights = x.new_zeros(len(x), len(durations), 0)
    changes: list[Tensor] = []
    while True:
        space.extend(goal)
        before, weights = weights, space.exponential(durations)
        changes.append(_change(before, weights))
        # The exponential depends on E with a derivative of at most length / gamma.
        noise = space.solve_error / STEP
        left = size * torch.where(space.exhausted, 0.0, limit_error(changes, noise))
        solved = size * noise
        enough = bool((left <= torch.maximum(allowed - solved, solved)).all())
        if enough or len(changes) == LARGEST_DIMENSION:
            return space.combine(weights, size), left + solved


def _change(before: Tensor, after: Tensor) -> Tensor:
    """Largest distance over all times: the directions are orthonormal, so that weights tell it."""
    change = after.clone()
    change[:, :, :-1] -= before
    largest: Tensor = torch.linalg.vector_norm(change, dim=2).amax(dim=1)
    return largest


def limit_error(changes: list[Tensor], noise: Tensor) -> Tensor:
    """Distance to the limit, from the changes by 1, 2, ... more dimensions.

    The changes are continued as a geometric series. Its ratio is the larger one of the last two,
    and three changes must be known: a first guess may fade to 0 while slow modes are to come.
    Changes below ``noise``, what errors of the solves cause, stagnate and have no such ratio.
    """
    if len(changes) < 3:
        return torch.full_like(changes[-1], torch.inf)
    earlier, previous, last = changes[-3:]
    ratio = torch.where(last > 0, torch.maximum(last / previous, previous / earlier), 0.0)
    error = torch.where(ratio < 1, torch.maximum(last, ratio * previous) / (1 - ratio), torch.inf)
    floor = noise.clamp(min=ROUNDING)
    ended = torch.maximum(torch.maximum(last, previous), earlier) <= ROUNDING
    if len(changes) >= STAGNANT:
        ended |= torch.stack(changes[-STAGNANT:]).amax(dim=0) <= floor
    return torch.where(ended, torch.minimum(error, floor), error)


class Lanczos:
    """Orthonormal basis of x, E x, E^2 x, ... for B images, and E projected onto it.

    Parameters
    ----------
    root : Tensor, shape (B, H, W)
        Square root of the guidance.
    x : Tensor, shape (B, n)
        Deviations from the steady state, over ``root``.
    gamma : float
        Length of the implicit step E.
    cosine_from : float
        Shortest step that is preconditioned by the DCT.
    """

    def __init__(self, root: Tensor, x: Tensor, gamma: float, cosine_from: float) -> None:
        self.gamma = gamma
        self.cosine = gamma > cosine_from
        self.root = root
        self.system = SymmetricSystem(root.square(), gamma)
        self.smallest = root.flatten(1).amin(dim=1)
        self.basis = [_unit(x, 0.0)]
        self.projected = x.new_zeros(len(x), 0, 0)
        self.solve_error = x.new_zeros(len(x))

    def extend(self, goal: Tensor) -> None:
        """Add one dimension; errors of the solve are at most ``goal`` (B,), if rounding permits."""
        image = self._implicit_step(self.basis[-1], goal)
        size, m = _norm(image), len(self.basis)
        self.projected = torch.nn.functional.pad(self.projected, (0, 1, 0, 1))
        for _ in range(2):  # orthogonal to working precision
            image = _without(image, self.root.flatten(1))
            for i, direction in enumerate(self.basis):
                part = torch.linalg.vecdot(direction, image)
                self.projected[:, i, m - 1] += part
                image = torch.addcmul(image, part[:, None], direction, value=-1)
        self.basis.append(_unit(image, 1e-15 * size))

    @property
    def exhausted(self) -> Tensor:
        """Images (B,) whose space holds its image under E, so that nothing is left to add."""
        return ~self.basis[-1].any(dim=1)

    def _implicit_step(self, x: Tensor, goal: Tensor) -> Tensor:
        b = self.root * x.view(self.root.shape)
        # E does not increase the norm over root, which is at most that of b over its minimum.
        factor = _norm(b.flatten(1)) / self.smallest
        relative = torch.where(factor > 0, goal / factor, torch.inf)
        rtol = min(max(float(relative.min()), FINEST_SOLVE), 0.1)
        solved, residual, _ = solve(self.system, b, rtol, cosine=self.cosine)
        found = torch.where(factor > 0, factor * residual, 0.0)
        self.solve_error = torch.hypot(self.solve_error, found)
        return (solved / self.root).flatten(1)

    def exponential(self, durations: Tensor) -> Tensor:
        """Weights (B, m, dimension) of the directions for an ``x`` of length 1."""
        values, vectors = torch.linalg.eigh(self.projected, UPLO="U")
        # Eigenvalues of E lie in (0, 1]; errors of a solve may move small ones below 0.
        rates = (1 / values.clamp(1e-300, 1) - 1) / self.gamma
        fades = torch.exp(-durations[:, None] * rates[:, None, :])
        weights: Tensor = (fades * vectors[:, :1, :]) @ vectors.mT
        return weights

    def combine(self, weights: Tensor, size: Tensor) -> Tensor:
        """Deviations (m, B, n) with the given weights, for an ``x`` of length ``size``."""
        directions = torch.stack(self.basis[: weights.shape[2]], dim=1)
        return torch.bmm(size[:, None, None] * weights, directions).transpose(0, 1)


def _norm(x: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, dim=1)
    return norm


def _unit(x: Tensor, negligible: Tensor | float) -> Tensor:
    """Rows of ``x`` with length 1; zero where the space holds them already."""
    size = _norm(x)
    return torch.where(size > negligible, 1 / size, 0.0)[:, None] * x


def _without(x: Tensor, direction: Tensor) -> Tensor:
    """Part of ``x`` that is orthogonal to a direction: sqrt(v) takes away what has a sum."""
    part = torch.linalg.vecdot(direction, x) / torch.linalg.vecdot(direction, direction)
    rest: Tensor = x - part[:, None] * direction
    return rest
