"""Implicit osmosis for any drift field, image by image, on top of SciPy's sparse solvers."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from numpy.typing import NDArray

Vector = NDArray[np.float64]


class SparseSystem:
    """Matrix I - tau A of one image, factorised at most once.

    Parameters
    ----------
    operator : sparse array, shape (n, n)
        Osmosis operator A.
    tau : float
        Step, in diffusion time.
    """

    def __init__(self, operator: scipy.sparse.csr_array, tau: float) -> None:
        self.tau = tau
        self.matrix = (scipy.sparse.eye_array(operator.shape[0]) - tau * operator).tocsr()
        self._factors: scipy.sparse.linalg.SuperLU | None = None

    def direct(self, b: Vector) -> Vector:
        """Solve by a sparse factorisation, computed at the first call.

        Columns are diagonally dominant (they sum to 1, off-diagonals are not positive), so no
        pivoting is needed; without it the factors of this M-matrix keep positive vectors positive.
        """
        if self._factors is None:
            self._factors = scipy.sparse.linalg.splu(
                self.matrix.tocsc(),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        found: Vector = self._factors.solve(b)
        return found

    def bicgstab(self, b: Vector, rtol: float) -> Vector:
        """Solve by unpreconditioned BiCGSTAB from the old time level.

        The updated residual of the method drifts from the true one: it starts again while that
        helps. The caller checks the true residual.
        """
        u, residual, previous = b, self.residual(b, b), np.inf
        while rtol < residual < 0.5 * previous:
            previous = residual
            u, _ = scipy.sparse.linalg.bicgstab(
                self.matrix, b, x0=u, rtol=rtol, atol=0.0, maxiter=100 * b.size
            )
            residual = self.residual(u, b)
        return np.asarray(u)

    def residual(self, u: Vector, b: Vector) -> float:
        """Return the true relative residual of ``u``."""
        return float(np.linalg.norm(b - self.matrix @ u) / np.linalg.norm(b))


def exponential(operator: scipy.sparse.csr_array, b: Vector, time: float) -> Vector:
    """Apply exp(time A) to ``b``."""
    generator = time * operator
    trace = float(generator.trace())
    return np.asarray(scipy.sparse.linalg.expm_multiply(generator, b, traceA=trace))


def steady_vector(operator: scipy.sparse.csr_array) -> Vector:
    """Positive null vector of A, up to its scale.

    Fixes the last pixel to 1 and solves for the others, which is an M-matrix system if every
    pixel can be reached from every other one.
    """
    reduced = -operator[:-1, :-1].tocsc()
    inflow = operator[:-1, [-1]].toarray().ravel()
    factors = scipy.sparse.linalg.splu(
        reduced,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.append(factors.solve(inflow), 1.0)
