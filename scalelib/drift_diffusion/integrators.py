"""Steps in time for du/dt = A u with the matrix A of osmosis: what each keeps, and up to where."""

from __future__ import annotations

import math
from typing import Literal, final, get_args

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from scalelib.osmosis.general import SparseSystem, exponential

Integrator = Literal["implicit-euler", "sdirk2", "exponential"]

GAMMA = 1 - math.sqrt(0.5)
"""Diagonal coefficient of the L-stable SDIRK method with two stages and order 2."""

RADIUS = 1 + math.sqrt(2)
"""Radius of absolute monotonicity of that method's stability function."""

LONGEST_EXACT = 1e6
"""Longest step (in squared grid widths) of the exponential: it would take minutes."""

LONGEST = 1e12
"""Longest step of the others: beyond it rounding drowns the identity in I - tau A."""

ROUNDING = 1e-8
"""Relative change of the mass that rounding can explain, for the longest exponential."""


def check_integrator(integrator: str) -> None:
    """Raise unless ``integrator`` is a known name."""
    known = get_args(Integrator)
    if integrator not in known:
        raise ValueError(f"integrator must be one of {known}, found {integrator!r}")


@final
class Propagator:
    """Integrators of one operator; the factors of the last step are kept.

    Parameters
    ----------
    operator : sparse array, shape (n, n)
        Osmosis operator A.
    """

    def __init__(self, operator: scipy.sparse.csr_array) -> None:
        self.operator = operator
        self.largest_rate = float(-operator.diagonal().min())
        self._system: SparseSystem | None = None

    def step(
        self, b: NDArray[np.float64], tau: float, integrator: Integrator
    ) -> NDArray[np.float64]:
        """Advance by one step of length tau."""
        if integrator == "implicit-euler":
            return self._implicit(b, tau)
        if integrator == "sdirk2":
            return self._sdirk2(b, tau)
        return _hold_mass(exponential(self.operator, b, tau), b)

    def _implicit(self, b: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
        if self._system is None or self._system.tau != tau:
            self._system = SparseSystem(self.operator, tau)
        return self._system.direct(b)

    @property
    def positivity_bound(self) -> float:
        r"""Longest step :math:`(1 + \sqrt 2) / \max_i |a_{ii}|` of SDIRK2."""
        return RADIUS / self.largest_rate

    def _sdirk2(self, b: NDArray[np.float64], tau: float) -> NDArray[np.float64]:
        r"""Apply :math:`(I - \gamma \tau A)^{-2} (I + (1 - 2 \gamma) \tau A)`.

        This is :math:`(1 + \sqrt 2) E^2 - \sqrt 2 E` for the implicit step E of length
        :math:`\gamma \tau`, without the difference: below the bound no factor is negative.
        """
        bound = self.positivity_bound
        if tau > bound:
            raise ValueError(
                f"tau must be at most (1 + sqrt 2) / max |a_ii| = {bound:.6g} for positivity of "
                f"'sdirk2', found {tau:.6g}; use more steps, or 'implicit-euler' or 'exponential'"
            )
        # 1 - 2 gamma = 1 / RADIUS. The diagonal is at least -1, so rounding leaves no minus.
        start = b + (tau / bound) * ((self.operator / self.largest_rate) @ b)
        return _hold_mass(self._implicit(self._implicit(start, GAMMA * tau), GAMMA * tau), b)


def _hold_mass(found: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take off what rounding did to the mass, and nothing else."""
    factor = b.sum() / found.sum()
    if not abs(factor - 1) <= ROUNDING:
        raise ArithmeticError(f"mass must be kept up to rounding, found a change by {1 / factor!r}")
    result: NDArray[np.float64] = factor * found
    return result
