"""Random numbers of the widgets: the right laws, and the same ones for the same seed.

Seeds are fixed. Levels: each test would reject one good seed in a thousand.
"""

from __future__ import annotations

import javascript
import scipy.stats

ALPHA = 1e-3
COUNT = 20000
DRAW = """
import {{ normals, permutation, uniform }} from "{module}";
export const normal = (seed, count) => normals(uniform(seed), count);
export const orders = (seed, count, size) => {{
  const random = uniform(seed);
  return Array.from({{ length: count }}, () => permutation(random, size));
}};
export const plain = (seed, count) => {{
  const random = uniform(seed);
  return Array.from({{ length: count }}, () => random());
}};
"""


def draw(folder, name, *given):
    path = folder / "draw.mjs"
    path.write_text(DRAW.format(module=(javascript.FOLDER / "numerics/random.js").as_uri()))
    return javascript.call(str(path), name, given)[0]


def test_uniform_numbers(tmp_path):
    for seed in (0, 1, -5):
        found = draw(tmp_path, "plain", seed, COUNT)
        assert 0 < min(found) < max(found) < 1
        # A law 0.025 away from the uniform one somewhere is rejected with power 0.99.
        assert scipy.stats.kstest(found, "uniform").pvalue > ALPHA


def test_normal_numbers(tmp_path):
    found = draw(tmp_path, "normal", 3, COUNT + 1)
    assert len(found) == COUNT + 1
    assert scipy.stats.kstest(found, "norm").pvalue > ALPHA
    neighbours = scipy.stats.pearsonr(found[:-1], found[1:])
    assert neighbours.pvalue > ALPHA
    assert scipy.stats.kstest([1.1 * x for x in found], "norm").pvalue < ALPHA  # it would be seen


def test_seeds(tmp_path):
    assert draw(tmp_path, "plain", 4, 5) == draw(tmp_path, "plain", 4, 5)
    assert draw(tmp_path, "plain", 4, 5) != draw(tmp_path, "plain", 5, 5)


def test_permutations_are_equally_likely(tmp_path):
    found = draw(tmp_path, "orders", 2, 6000, 3)
    counts = [found.count(list(order)) for order in [(0, 1, 2), (0, 2, 1), (1, 0, 2)]]
    counts += [found.count(list(order)) for order in [(1, 2, 0), (2, 0, 1), (2, 1, 0)]]
    assert sum(counts) == 6000
    assert scipy.stats.chisquare(counts).pvalue > ALPHA
