r"""Red and black pixels: half of the unknowns of a 5-point matrix, eliminated exactly.

Neighbours have different colours, so that a matrix with unit diagonal reads

    ( I    E ) (x_red  )   (r_red  )
    ( E^T  I ) (x_black) = (r_black)

and x_black = r_black - E^T x_red leaves (I - E E^T) x_red = r_red - E r_black. Conjugate gradients
need half as many iterations for it, on vectors of half the length (Golub and Van Loan, Matrix
Computations, 4th ed., Section 11.5.9 on cyclic reduction of two-colour orderings).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Checkerboard:
    """Images (B, H, W) as two fields (B, H ceil(W/2)); an odd width is filled by a dummy column.

    Row r holds its red pixels at the columns 2j + (r mod 2).

    Parameters
    ----------
    across : Tensor, shape (B, H, W)
        Entry of the matrix between (r, c) and (r, c + 1); zero in the last column.
    along : Tensor, shape (B, H, W), or None
        Entry between (r, c) and (r + 1, c); zero in the last row. None for images of one row.
    """

    def __init__(self, across: Tensor, along: Tensor | None = None) -> None:
        self.shape = across.shape
        half = (self.shape[2] + 1) // 2
        even, odd = self._columns(across)
        # (shift, weights): red pixel k and black pixel k + shift of the flat fields.
        later, earlier = odd.clone(), odd.clone()
        later[:, ::2] = 0
        earlier[:, 1::2] = 0
        couplings = [(0, even.contiguous()), (1, later), (-1, earlier)]
        if along is not None:
            red, black = self._colours(along)
            couplings += [(half, red), (-half, black)]
        self._couplings = [
            (shift, field.reshape(-1)[: field.numel() - abs(shift)]) for shift, field in couplings
        ]

    def split(self, field: Tensor) -> tuple[Tensor, Tensor]:
        """Red and black values of ``field`` of shape (B, H W), each of shape (B, H ceil(W/2))."""
        red, black = self._colours(field.view(self.shape))
        return red.flatten(1), black.flatten(1)

    def join(self, red: Tensor, black: Tensor) -> Tensor:
        """Inverse of :meth:`split`."""
        batch, height, width = self.shape
        red, black = red.view(batch, height, -1), black.view(batch, height, -1)
        pairs = torch.stack([red, black], dim=-1)
        pairs[:, 1::2] = pairs[:, 1::2].flip(-1)
        return pairs.flatten(2)[:, :, :width].reshape(batch, -1)

    def subtract_black(self, red: Tensor, black: Tensor) -> Tensor:
        """Subtract E ``black`` from ``red``, in place: right-hand side of the reduced system."""
        return self._couple(black, red, 1, sign=-1)

    def subtract_red(self, black: Tensor, red: Tensor) -> Tensor:
        """Subtract E^T ``red`` from ``black``, in place: the black part of a solution."""
        return self._couple(red, black, -1, sign=-1)

    def reduced(self, like: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return ``multiply(p, out)`` with I - E E^T, for fields like ``like``."""
        work = torch.empty_like(like)

        def multiply(p: Tensor, out: Tensor) -> Tensor:
            self._couple(p, work.zero_(), -1, sign=1)
            return self.subtract_black(out.copy_(p), work)

        return multiply

    def _couple(self, source: Tensor, target: Tensor, direction: int, *, sign: int) -> Tensor:
        s, t = source.view(-1), target.view(-1)
        for shift, weights in self._couplings:
            step, count = direction * shift, len(weights)
            if step >= 0:
                t[:count].addcmul_(weights, s[step:], value=sign)
            else:
                t[-step:].addcmul_(weights, s[:count], value=sign)
        return target

    def _columns(self, field: Tensor) -> tuple[Tensor, Tensor]:
        if field.shape[2] % 2:
            field = torch.nn.functional.pad(field, (0, 1))
        return field[:, :, ::2], field[:, :, 1::2]

    def _colours(self, field: Tensor) -> tuple[Tensor, Tensor]:
        even, odd = self._columns(field)
        red, black = even.clone(), odd.clone()
        red[:, 1::2], black[:, 1::2] = odd[:, 1::2], even[:, 1::2]
        return red, black
