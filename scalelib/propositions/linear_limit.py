r"""Osmosis with a large offset: its linear limit, and what is left of first order.

With the offset c on image and guidance, u = v + q, where q obeys :math:`\partial_t q = A_c q` and
:math:`q(0) = f - v`. Between neighbours p and r

.. math:: (A_c q)_p = (\Delta q)_p
          - \sum_{r \sim p} \frac{(v_r - v_p)\, \bar q_{pr}}{c + \bar v_{pr}}, \qquad
          \bar q_{pr} = \tfrac12 (q_p + q_r),

so that :math:`A_c = \Delta + B / (c + \mu_v) + O(c^{-2})` with the matrix B of
:func:`interface_drift`.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from scalelib import _check
from scalelib.osmosis import Osmosis
from scalelib.propositions.evolutions import diffuse

__all__ = ["first_order", "interface_drift", "linear_limit"]


def linear_limit(f: Tensor, v: Tensor, t: float) -> Tensor:
    r"""Limit of osmosis for large offsets, :math:`v + e^{t\Delta}(f - v)`.

    Parameters
    ----------
    f, v : Tensor, shape (..., C, H, W)
        Image and guidance image; their means may differ.
    t : float
        Diffusion time in pixel^2.

    Returns
    -------
    Tensor, broadcast shape of ``f`` and ``v``

    Examples
    --------
    >>> v = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)
    >>> linear_limit(torch.full_like(v, 5.0), v, 100.0)
    tensor([[[4.0000, 6.0000]]], dtype=torch.float64)
    """
    return v + diffuse(f - v, t)


def interface_drift(v: Tensor) -> scipy.sparse.csr_array:
    r"""Matrix of :math:`(B q)_p = -\sum_{r \sim p} (v_r - v_p)\, \bar q_{pr}`.

    Parameters
    ----------
    v : Tensor, shape (1, H, W), float64
        Guidance image; a constant added to it does not matter.

    Returns
    -------
    scipy.sparse.csr_array, shape (H W, H W), float64
        Pixels are stacked row by row. Columns sum to 0.

    Raises
    ------
    TypeError, ValueError
        If ``v`` is no finite image of one channel.

    Examples
    --------
    >>> interface_drift(torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)).toarray()
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    grey = _check.image("v", v)
    if grey.shape[:-2].numel() != 1:
        raise ValueError(f"v must be one image of one channel, found shape {tuple(v.shape)}")
    height, width = grey.shape[-2:]
    grid, pixels = grey.numpy().reshape(height, width), np.arange(height * width)
    number = pixels.reshape(height, width)
    p = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    r = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    half = (grid.ravel()[r] - grid.ravel()[p]) / 2
    rows, columns = np.concatenate([p, p, r, r]), np.concatenate([p, r, p, r])
    entries = np.concatenate([-half, -half, half, half])
    shape = (height * width, height * width)
    return scipy.sparse.csr_array((entries, (rows, columns)), shape=shape)


def first_order(f: Tensor, v: Tensor, t: float) -> Tensor:
    r"""Coefficient of :math:`1 / (c + \mu_v)` in the distance of osmosis to its linear limit.

    .. math:: E(t) = \int_0^t e^{(t-s)\Delta}\, B\, e^{s\Delta} (f - v)\, \mathrm{d}s

    Parameters
    ----------
    f, v : Tensor, shape (1, H, W), float64
        Image and guidance image.
    t : float
        Diffusion time in pixel^2, positive. The cost grows in proportion to it.

    Returns
    -------
    Tensor, shape (1, H, W), float64

    Notes
    -----
    Variation of constants: E is one half of the exponential of a matrix of twice the size (Van
    Loan, IEEE Trans. Automatic Control 23(3), 1978, Theorem 1).

    Examples
    --------
    >>> v = torch.tensor([[[1.0, 3.0]]], dtype=torch.float64)
    >>> first_order(torch.full_like(v, 5.0), v, 100.0)
    tensor([[[-3.0000,  3.0000]]], dtype=torch.float64)
    """
    laplacian = Osmosis(guidance=torch.ones_like(v)).operator()
    whole = scipy.sparse.block_array([[laplacian, interface_drift(v)], [None, laplacian]])
    start = np.concatenate([np.zeros(v.numel()), (f - v).numpy().ravel()])
    trace = t * 2 * float(laplacian.diagonal().sum())
    found = scipy.sparse.linalg.expm_multiply(t * whole.tocsr(), start, traceA=trace)
    return torch.from_numpy(found[: v.numel()].copy()).view_as(v)
