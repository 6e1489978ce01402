"""Every formula of the osmosis stencil, changed by a per cent, is noticed by dense matrices."""

import numpy as np
import pytest
import torch
from mutants import mutants

from scalelib.osmosis import stencil

SPACING = 0.7
EQUIVALENT = {
    "_log_difference: v ->": "only ratios of the guidance image count",
    "guidance_rates: v ->": "only ratios of the guidance image count",
    "guidance_rates: spacing -> -": "the grid width is squared",
    "drift_rates: spacing -> -": "the grid width is squared",
    "guidance_rates: -1 -> 1 (": "the same axis of an image",
    "guidance_rates: 1 -> -1 (": "the same axis of an image",
    "sparse_operator: torch.arange(": "an index, rounded down",
    "sparse_operator: torch.cat([target": "an index, rounded down",
    "sparse_operator: torch.cat([source": "an index, rounded down",
}
"""Changes that change no number, and why. Nothing else may go unnoticed."""


def noticed(wrong):
    """Whether a change leaves the matrix, or makes the stencil fail."""
    try:
        return wrong()
    except (
        ArithmeticError,
        IndexError,
        RuntimeError,
        TypeError,
        ValueError,
        pytest.fail.Exception,
    ):
        return True


def differs(found, expected):
    found, expected = np.asarray(found), np.asarray(expected)
    return found.shape != expected.shape or not np.allclose(found, expected, rtol=1e-12, atol=1e-13)


@pytest.fixture
def v(reference):
    return reference.positive(4, 3, seed=3)


def missed(name, functions, wrong):
    """Fail with every change that was not noticed and is no equivalent one; print the score."""
    total, alive = 0, []
    for text, module in mutants(stencil, functions):
        total += 1
        alive += [] if noticed(lambda module=module: wrong(module)) else [text]
    print(f"{name}: {total - len(alive)} of {total} changes noticed")
    assert total
    alive = [text for text in alive if not text.startswith(tuple(EQUIVALENT))]
    assert not alive, "\n".join(["not noticed:", *alive])


def test_the_canonical_drift(v, reference):
    expected = reference.canonical(v, SPACING)

    def wrong(module):
        found = module.canonical_drift(v, SPACING)
        return any(differs(x, y) for x, y in zip(found, expected, strict=True))

    assert not wrong(stencil)
    missed("drift", ["_log_difference"], wrong)


def test_the_rates_of_a_guidance_image(v, reference):
    expected = reference.guided_operator(v, SPACING)

    def wrong(module):
        rates = module.guidance_rates(v, SPACING)
        return differs(stencil.sparse_operator(rates).toarray(), expected)

    assert not wrong(stencil)
    missed("guidance", ["guidance_rates"], wrong)


def test_the_rates_of_a_drift_field(reference):
    generator = torch.Generator().manual_seed(0)
    dy, dx = (2 * torch.rand(s, generator=generator).double() - 1 for s in ((3, 3), (4, 2)))
    expected = reference.dense_operator(dy, dx, SPACING)

    limit = 2 / SPACING
    beyond = torch.nextafter(torch.tensor(2.0), torch.tensor(3.0)).expand(3, 3)  # float32

    def wrong(module):
        rates = module.drift_rates(dy, dx, SPACING)
        if differs(stencil.sparse_operator(rates).toarray(), expected):
            return True
        module.drift_rates(
            torch.full((3, 3), limit, dtype=torch.float64), dx, SPACING
        )  # must not raise
        rounded = [module.drift_rates(sign * beyond, dx.float(), 1.0) for sign in (1, -1)]
        if any(float(min(rates.down.min(), rates.up.min())) < 0 for rates in rounded):
            return True
        with pytest.raises(ValueError, match="must satisfy"):
            module.drift_rates(torch.full((3, 3), 1.001 * limit, dtype=torch.float64), dx, SPACING)
        return False

    assert not wrong(stencil)
    missed("drift field", ["drift_rates", "_half_drift"], wrong)


def test_the_sparse_operator(v, reference):
    expected = reference.guided_operator(v, SPACING)

    def wrong(module):
        rates = stencil.guidance_rates(v, SPACING)
        return differs(module.sparse_operator(rates).toarray(), expected)

    assert not wrong(stencil)
    missed("operator", ["sparse_operator"], wrong)
