import math
import multiprocessing
import os
import warnings

import mpmath
import numpy as np
import pytest
import scipy.fft
import scipy.sparse
import torch

from scalelib import transforms
from scalelib.transforms import (
    continuous_laplacian_eigenvalues,
    cosine_filter,
    cosine_image,
    cosine_transition,
    dct2,
    idct2,
    laplacian_eigenvalues,
)

SHAPES = [(1, 1), (1, 7), (5, 1), (2, 3), (5, 7), (8, 8), (31, 33)]
TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-14}


def definition(n):
    """Columns are the orthonormal DCT-II vectors of length n."""
    x, k = np.arange(n)[:, None], np.arange(n)
    scale = np.where(k == 0, math.sqrt(1 / n), math.sqrt(2 / n))
    return scale * np.cos(np.pi * (x + 0.5) * k / n)


@pytest.fixture
def image(generator):
    return torch.randn(2, 3, 5, 7, generator=generator, dtype=torch.float64)


@pytest.fixture(params=["SciPy", "matrices"])
def path(request, monkeypatch):
    """Both ways of computing the transform, so that the CPU tests the way of other devices."""
    if request.param == "matrices":
        monkeypatch.setattr(transforms, "_on_cpu", transforms._by_matrices)
    return request.param


# dct2 and idct2


@pytest.mark.parametrize("shape", SHAPES)
def test_coefficients_are_inner_products_with_the_cosines(path, generator, shape):
    u = torch.randn(shape, generator=generator, dtype=torch.float64)
    rows, columns = map(definition, shape)
    np.testing.assert_allclose(dct2(u), rows.T @ u.numpy() @ columns, atol=1e-13)
    np.testing.assert_allclose(idct2(u), rows @ u.numpy() @ columns.T, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_matrices_give_what_scipy_gives(generator, shape, dtype):
    """The path of every device but the CPU, run on the CPU."""
    u = torch.randn(2, 3, *shape, generator=generator, dtype=dtype)
    for inverse, transform in ((False, scipy.fft.dctn), (True, scipy.fft.idctn)):
        found = transforms._by_matrices(u, inverse)
        expected = torch.from_numpy(transform(u.numpy(), axes=(-2, -1), norm="ortho"))
        assert (found.dtype, found.shape) == (dtype, u.shape)
        tolerance = TOLERANCE[dtype]
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=5 * tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_inverse_undoes_the_transform_and_norms_are_kept(path, image, dtype):
    u = image.to(dtype)
    tolerance = TOLERANCE[dtype]
    assert dct2(u).dtype == idct2(u).dtype == dtype
    torch.testing.assert_close(idct2(dct2(u)), u, rtol=0, atol=5 * tolerance)
    torch.testing.assert_close(dct2(idct2(u)), u, rtol=0, atol=5 * tolerance)
    torch.testing.assert_close(dct2(u).norm(), u.norm(), rtol=tolerance, atol=0)


@pytest.mark.parametrize("batch", [(), (1,), (4,), (2, 1, 3)])
def test_leading_axes_are_a_batch(path, generator, batch):
    u = torch.randn(*batch, 4, 6, generator=generator, dtype=torch.float64)
    for transform in (dct2, idct2):
        found = transform(u)
        assert found.shape == u.shape
        for index in np.ndindex(*batch):
            torch.testing.assert_close(found[index], transform(u[index]), rtol=1e-13, atol=1e-14)


def test_the_layout_in_memory_does_not_matter(path, image):
    stretched = torch.zeros(2, 3, 10, 8, dtype=image.dtype)
    stretched[..., ::2, 1:] = image
    for u in (image.mT.contiguous().mT, stretched[..., ::2, 1:], image[:1].expand(2, 3, 5, 7)):
        assert not u.is_contiguous()
        torch.testing.assert_close(dct2(u), dct2(u.contiguous()), rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(idct2(u), idct2(u.contiguous()), rtol=1e-13, atol=1e-14)


def test_the_argument_is_left_alone_and_not_shared(path):
    for shape in SHAPES:
        u = torch.ones(shape)
        for transform in (dct2, idct2):
            transform(u).fill_(99)
            assert bool((u == 1).all())


def test_gradients_of_first_and_second_order(path, generator):
    u = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    for transform in (dct2, idct2):
        assert torch.autograd.gradcheck(transform, u)
        assert torch.autograd.gradgradcheck(transform, u)


def test_the_gradient_is_the_adjoint(path, image):
    """<dct2 u, v> = <u, idct2 v>."""
    u = image[0].clone().requires_grad_()
    v = image[1]
    for transform, adjoint in ((dct2, idct2), (idct2, dct2)):
        (gradient,) = torch.autograd.grad((transform(u) * v).sum(), u)
        torch.testing.assert_close(gradient, adjoint(v), rtol=0, atol=1e-13)


def test_no_graph_is_built_for_constants(path, image):
    assert not dct2(image).requires_grad
    with torch.inference_mode():
        dct2(torch.ones(3, 11))  # must not leave matrices behind that autograd refuses
    assert dct2(torch.ones(3, 11, requires_grad=True)).requires_grad


# Chunks of images


BIG = (40, 3, 24, 20)
"""More than two chunks of at least 2^15 grey values in all: shared out among threads."""


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [BIG, (5, 7), (2, 200, 180)])
def test_the_filter_is_transform_product_inverse(threads, generator, monkeypatch, shape, dtype):
    monkeypatch.setattr("scalelib.transforms._CACHED", 2**12)
    u = torch.randn(shape, generator=generator, dtype=torch.float64)
    factor = torch.rand(shape[-2:], generator=generator, dtype=torch.float64)
    expected = idct2(factor * dct2(u))
    found = cosine_filter(u.to(dtype), factor.to(dtype))
    assert found.dtype == dtype
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=20 * tolerance)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_transition_writes_image_and_state(threads, generator, monkeypatch, in_place):
    monkeypatch.setattr("scalelib.transforms._CACHED", 2**12)
    modes, noise = torch.randn(2, *BIG, generator=generator, dtype=torch.float64)
    factor, deviation = torch.rand(2, *BIG[-2:], generator=generator, dtype=torch.float64)
    expected = factor * modes + deviation * dct2(noise)
    state = modes if in_place else torch.empty_like(modes)
    image = noise if in_place else torch.empty_like(noise)
    found = cosine_transition(modes, factor, noise, deviation, image, state)
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(image, idct2(expected), rtol=1e-13, atol=1e-13)


def test_a_transition_has_a_gradient(generator):
    modes, noise = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    factor, deviation = torch.rand(2, 5, 4, generator=generator, dtype=torch.float64)

    def image_of(u):
        image = torch.empty_like(noise)
        state = cosine_transition(u, factor, noise, deviation, image, torch.empty_like(u))
        other = torch.empty_like(noise)
        cosine_image(u, factor, other)
        return image, state, other

    assert torch.autograd.gradcheck(image_of, modes.requires_grad_())
    assert torch.autograd.gradcheck(lambda u: cosine_filter(u, factor), modes)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_forked_process_has_threads_of_its_own(generator):
    u, factor = torch.randn(BIG, generator=generator), torch.ones(BIG[-2:])
    cosine_filter(u, factor)  # starts the threads of this process
    context = multiprocessing.get_context("fork")
    child = context.Process(target=cosine_filter, args=(u, factor))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of threads and fork: that is the point
        child.start()
    child.join(30)
    alive = child.is_alive()
    child.kill()
    assert not alive
    assert child.exitcode == 0


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cuda_gives_what_the_cpu_gives(image, dtype):
    u = image.to(dtype)
    for transform in (dct2, idct2):
        found = transform(u.cuda())
        assert (found.device.type, found.dtype) == ("cuda", dtype)
        tolerance = 1e-3 if dtype == torch.float32 else 1e-13
        torch.testing.assert_close(found.cpu(), transform(u), rtol=tolerance, atol=tolerance)


# Eigenvalues


@pytest.mark.parametrize("shape", SHAPES)
def test_the_basis_diagonalises_the_laplacian(shape):
    """Every mode is an eigenvector of the 5-point stencil with mirrored border pixels."""
    height, width = shape
    modes = idct2(torch.eye(height * width, dtype=torch.float64).reshape(-1, height, width)).numpy()
    p = np.pad(modes, ((0, 0), (1, 1), (1, 1)), mode="edge")
    laplacian = p[:, 2:, 1:-1] + p[:, :-2, 1:-1] + p[:, 1:-1, 2:] + p[:, 1:-1, :-2] - 4 * modes
    eigenvalues = laplacian_eigenvalues(shape)
    assert (eigenvalues.shape, eigenvalues.dtype) == (shape, torch.float64)
    expected = -eigenvalues.reshape(-1, 1, 1).numpy() * modes
    np.testing.assert_allclose(laplacian, expected, atol=1e-14)


@pytest.mark.parametrize("shape", [(1, 10_000), (10_000, 1), (300, 700)])
def test_low_frequencies_keep_full_relative_accuracy(shape):
    """4 - 2 cos - 2 cos in double precision is off by 1e-9 for the first mode of 10,000 pixels."""
    found = laplacian_eigenvalues(shape)
    continuous = continuous_laplacian_eigenvalues(shape)
    height, width = shape
    with mpmath.workdps(40):
        for k1, k2 in ((0, 1), (1, 0), (1, 1), (0, 2), (height - 1, width - 1), (height - 1, 0)):
            if k1 >= height or k2 >= width or k1 == k2 == 0:
                continue
            a, b = mpmath.pi * k1 / height, mpmath.pi * k2 / width
            exact = 4 - 2 * mpmath.cos(a) - 2 * mpmath.cos(b)
            assert float(found[k1, k2]) == pytest.approx(float(exact), rel=1e-15, abs=0)
            assert float(continuous[k1, k2]) == pytest.approx(float(a**2 + b**2), rel=1e-15, abs=0)


def test_eigenvalues_lie_in_their_range():
    eigenvalues = laplacian_eigenvalues((64, 48))
    assert float(eigenvalues[0, 0]) == 0
    assert bool((eigenvalues.flatten()[1:] > 0).all())
    assert bool((eigenvalues < 8).all())
    continuous = continuous_laplacian_eigenvalues((64, 48))
    assert float(continuous[0, 0]) == 0
    assert bool((continuous.flatten()[1:] > eigenvalues.flatten()[1:]).all())
    assert float(continuous[0, 1] / eigenvalues[0, 1]) == pytest.approx(1, abs=4e-4)


# Bad input


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (np.ones((2, 2)), TypeError, r"must be a torch\.Tensor, found ndarray$"),
        ([[1.0]], TypeError, r"must be a torch\.Tensor, found list$"),
        (torch.ones(2, 2).int(), TypeError, r"must be float32 or float64, found torch\.int32$"),
        (
            torch.ones(2, 2).cdouble(),
            TypeError,
            r"must be float32 or float64, found torch\.complex",
        ),
        (
            torch.ones(2, 2).bfloat16(),
            TypeError,
            r"must be float32 or float64, found torch\.bfloat",
        ),
        (
            torch.eye(2).to_sparse(),
            TypeError,
            r"must be a dense tensor, found layout torch\.sparse",
        ),
        (torch.ones(3), ValueError, r"must have shape \(\.\.\., H, W\), found \(3,\)$"),
        (torch.tensor(1.0), ValueError, r"must have shape \(\.\.\., H, W\), found \(\)$"),
        (torch.ones(2, 0, 2), ValueError, r"must not be empty, found shape \(2, 0, 2\)$"),
        (torch.tensor([[1, torch.inf]]), ValueError, r"must be finite, found 1 NaN or infinite"),
        (torch.tensor([[torch.nan, torch.inf]]), ValueError, r"must be finite, found 2 NaN or inf"),
    ],
)
def test_bad_images_are_named(bad, error, message):
    with pytest.raises(error, match=f"^u {message}"):
        dct2(bad)
    with pytest.raises(error, match=f"^coefficients {message}"):
        idct2(bad)


@pytest.mark.parametrize("eigenvalues", [laplacian_eigenvalues, continuous_laplacian_eigenvalues])
def test_bad_shapes_are_named(eigenvalues):
    with pytest.raises(ValueError, match=r"^shape must be a pair \(H, W\), found 4$"):
        eigenvalues(4)
    with pytest.raises(ValueError, match=r"^shape\[1\] must be at least 1, found 0$"):
        eigenvalues((4, 0))
    with pytest.raises(TypeError, match=r"^shape\[0\] must be an integer, found 4\.0$"):
        eigenvalues((4.0, 4))
