"""Parts: merged in any order, each block counted once."""

from __future__ import annotations

import sys

import pytest
import torch

from scalelib.experiments._parts import BLOCK, KEPT, Part

GENERATOR = torch.Generator().manual_seed(0)
BLOCKS = {
    b: (torch.randn(3, 5, 4, generator=GENERATOR), torch.rand(3, 5, generator=GENERATOR))
    for b in range(4)
}


def part(*blocks: int) -> Part:
    found = Part.empty(2, 4, "f")
    for block in blocks:
        found.add(block, *BLOCKS[block])
    return found


def assert_same(one: Part, other: Part) -> None:
    assert one.done == other.done
    for mine, others in ((one.moments, other.moments), (one.variances, other.variances)):
        for a, b in zip(mine, others, strict=True):
            assert a.count == b.count
            torch.testing.assert_close(a.mean(), b.mean(), rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(a.covariance(), b.covariance(), rtol=1e-12, atol=1e-12)
    for i in range(3):
        assert torch.equal(one.features(i), other.features(i))


@pytest.mark.parametrize("orders", [((0, 1), (2, 3)), ((3, 1), (0, 2)), ((2,), (3, 1, 0))])
def test_any_order_gives_the_same(orders: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    one, other = (part(*blocks) for blocks in orders)
    one.merge(other)
    assert_same(one, part(0, 1, 2, 3))
    assert torch.equal(one.features(1)[5:10], BLOCKS[1][0][1])


def test_arrays_keep_everything() -> None:
    one = part(2, 0)
    again = Part.from_arrays(one.to_arrays())
    assert_same(again, one)
    again.merge(part(1, 3))
    assert_same(again, part(0, 1, 2, 3))
    assert Part.from_arrays(Part.empty(2, 4, "f").to_arrays()).done == set()


def test_no_block_counts_twice() -> None:
    one = part(0, 1)
    with pytest.raises(ValueError, match=r"counted once, found \[1\] again"):
        one.merge(part(1, 2))
    with pytest.raises(ValueError, match=r"counted once, found \[0\] again"):
        one.add(0, *BLOCKS[0])
    assert_same(one, part(0, 1))


def test_features_of_late_blocks_are_not_kept() -> None:
    late = -(-KEPT // BLOCK)
    found = Part.empty(2, 4, "f")
    for block in (late - 1, late):
        found.add(block, *BLOCKS[0])
    assert list(found.rows) == [late - 1]
    assert found.moments[0].count == 10


def test_its_size_is_known() -> None:
    """Scatter and rows: five vectors for four features, and their float32."""
    assert sys.getsizeof(Part.empty(2, 4, "f")) < 100
    expected = 3 * (4 * 4 * 8 + 8 + 5 * 4 * 4)
    assert part(0).__sizeof__() == expected
    assert part(0, 1).__sizeof__() == expected + 3 * 5 * 4 * 4
