"""Implicit osmosis for any drift field, image by image, on top of SciPy's sparse solvers."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
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
        """Solve by a sparse factorisation, computed at the first call."""
        if self._factors is None:
            self._factors = _factorise(self.matrix)
        found: Vector = self._factors.solve(b)
        # Columns of the matrix sum to 1 up to tau times rounding: hold the mass.
        found *= b.sum() / found.sum()
        return found

    def bicgstab(self, b: Vector, rtol: float) -> Vector:
        """Solve by unpreconditioned BiCGSTAB from the old time level.

        The updated residual of the method drifts from the true one: it starts again while that
        helps. The caller checks the true residual.
        """
        u, residual, previous = b, self.residual(b, b), np.inf
        with np.errstate(over="ignore", invalid="ignore"):  # breakdown: the residual tells
            while rtol < residual < 0.5 * previous:
                previous = residual
                u, _ = scipy.sparse.linalg.bicgstab(
                    self.matrix, b, x0=u, rtol=rtol, atol=0.0, maxiter=100 * b.size
                )
                residual = self.residual(u, b)
        return np.asarray(u)

    def residual(self, u: Vector, b: Vector) -> float:
        """Return the true relative residual of ``u``."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(np.linalg.norm(b - self.matrix @ u) / np.linalg.norm(b))


def exponential(operator: scipy.sparse.csr_array, b: Vector, time: float) -> Vector:
    """Apply exp(time A) to ``b``."""
    generator = time * operator
    trace = float(generator.trace())
    return np.asarray(scipy.sparse.linalg.expm_multiply(generator, b, traceA=trace))


def steady_vector(operator: scipy.sparse.csr_array) -> Vector:
    """Positive null vector of A, at most 1; zero or not finite where float64 cannot hold it.

    Fixes one pixel to 1 and solves for the others, which is an M-matrix system if every pixel can
    be reached from every other one. It is well conditioned if the steady state is large at that
    pixel: a long implicit step points there, and each solution points to a better one.
    """
    size = operator.shape[0]
    rate = max(1.0, float(-operator.diagonal().min()))
    w = SparseSystem(operator, size / rate).direct(np.ones(size))
    for _ in range(4):
        fixed = int(np.argmax(w))
        if w[fixed] == 1:
            break
        w = _null_vector(operator, fixed)
    result: Vector = w / w.max()
    return result


def _null_vector(operator: scipy.sparse.csr_array, fixed: int) -> Vector:
    others = np.delete(np.arange(operator.shape[0]), fixed)
    w: Vector = np.ones(operator.shape[0])
    reduced, inflow = -operator[others][:, others], operator[others][:, [fixed]]
    w[others] = _factorise(reduced).solve(inflow.toarray().ravel())
    return w


def strong_parts(operator: scipy.sparse.csr_array) -> int:
    """Return the number of sets of pixels that can all reach each other."""
    graph = operator.copy()
    graph.eliminate_zeros()  # a stored zero counts as an edge
    return int(scipy.sparse.csgraph.connected_components(graph, connection="strong")[0])


def _factorise(matrix: scipy.sparse.csr_array) -> scipy.sparse.linalg.SuperLU:
    """LU factors without pivoting, of which a column diagonally dominant matrix has no need.

    Without it the factors of an M-matrix keep positive vectors positive.
    """
    return scipy.sparse.linalg.splu(
        matrix.tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
