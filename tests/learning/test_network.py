import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scalelib.learning import UNet


def build(**arguments):
    generator = torch.Generator().manual_seed(0)
    return UNet(**({"steps": 10, "width": 8, "generator": generator} | arguments))


def stirred(**arguments):
    """Network whose last layers do not give 0."""
    network = build(**arguments)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.1)
    return network


@given(
    height=st.integers(5, 21),
    width=st.integers(5, 21),
    multipliers=st.lists(st.integers(1, 2), min_size=1, max_size=3),
    blocks=st.integers(1, 2),
    channels=st.integers(1, 3),
)
def test_every_size_keeps_its_shape(height, width, multipliers, blocks, channels):
    network = build(multipliers=multipliers, blocks=blocks, channels=channels)
    u = torch.ones(2, channels, height, width)
    assert network(u, torch.tensor([1, 10])).shape == u.shape


@pytest.mark.parametrize("size", [8, 28, 64])
def test_the_usual_sizes(size):
    network = stirred(multipliers=(1, 2, 2))
    found = network(torch.zeros(1, 1, size, size), 5)
    assert found.shape == (1, 1, size, size)
    assert bool(found.isfinite().all())
    assert float(found.detach().std()) > 0


def test_an_untrained_network_predicts_no_noise():
    assert not bool(build()(torch.ones(2, 1, 8, 8), 3).any())


def test_leading_dimensions_are_batch_dimensions():
    network = stirred()
    u = torch.randn(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    i = torch.tensor([[1, 2, 3], [4, 5, 6]])
    found = network(u, i)
    for j, k in ((0, 0), (1, 2)):
        alone = network(u[j, k], int(i[j, k]))
        torch.testing.assert_close(found[j, k], alone, rtol=1e-4, atol=1e-5)


def test_one_scale_for_all_is_the_same_as_one_for_each():
    network = stirred()
    u = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    each = network(u, torch.tensor([4, 4, 4]))
    assert torch.equal(network(u, 4), each)
    assert torch.equal(network(u, torch.tensor(4)), each)
    assert not torch.allclose(network(u, 5), each, atol=1e-3)


def test_the_weights_come_from_the_generator_alone():
    state = torch.random.get_rng_state()
    first, again = (build().state_dict() for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = build(generator=torch.Generator().manual_seed(1)).state_dict()
    assert not torch.equal(first["entry.weight"], other["entry.weight"])


def test_the_initial_weights_are_uniform_with_the_usual_bound():
    weight = build(width=32).entry.weight.detach()
    assert float(weight.abs().max()) <= 1 / 3
    # Of 288 uniform numbers the largest is below 0.95 of the bound with probability 4e-7.
    assert float(weight.abs().max()) > 0.95 / 3


def test_every_weight_learns():
    network = stirred(multipliers=(1, 2, 2), blocks=2)
    u = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(3))
    network(u, torch.tensor([1, 4, 7, 10])).square().mean().backward()
    silent = [n for n, w in network.named_parameters() if float(w.grad.abs().max()) == 0]
    assert not silent


def test_the_configuration_builds_the_same_network():
    network = build(multipliers=(1, 2, 3), blocks=2, channels=3)
    again = UNet(**network.configuration, generator=torch.Generator().manual_seed(0))
    assert repr(again) == repr(network)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, found 0"),
        ({"channels": 1.0}, TypeError, "channels must be an integer, found 1.0"),
        ({"width": 12}, ValueError, "width must be a multiple of 8, found 12"),
        ({"width": 0}, ValueError, "width must be at least 8, found 0"),
        ({"multipliers": ()}, ValueError, "multipliers must hold at least one integer"),
        ({"multipliers": (1, 0)}, ValueError, r"multipliers\[1\] must be at least 1, found 0"),
        ({"multipliers": 2}, TypeError, "multipliers must be a sequence of integers, found int"),
        ({"blocks": 0}, ValueError, "blocks must be at least 1"),
        ({"generator": 0}, TypeError, "generator must be a torch.Generator, found int"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        build(**arguments)


@pytest.mark.parametrize(
    ("u", "i", "error", "message"),
    [
        (torch.zeros(1, 1, 8, 8).double(), 1, TypeError, "u must have the network's dtype"),
        (torch.zeros(1, 3, 8, 8), 1, ValueError, r"u must have shape \(..., 1, H, W\)"),
        (torch.zeros(8, 8), 1, ValueError, r"u must have shape \(..., 1, H, W\)"),
        (torch.zeros(1, 1, 2, 8), 1, ValueError, "at least 3 pixels high and wide for 2 levels"),
        ([0.0], 1, TypeError, "u must be a torch.Tensor, found list"),
        (torch.zeros(2, 1, 8, 8), 0, ValueError, "i must be between 1 and 10, found 0"),
        (torch.zeros(2, 1, 8, 8), 1.5, TypeError, "i must be an integer"),
        (torch.zeros(2, 1, 8, 8), torch.tensor([1, 11]), ValueError, "found 1 to 11"),
        (torch.zeros(2, 1, 8, 8), torch.tensor([1.0, 2.0]), TypeError, "i must hold integers"),
        (torch.zeros(2, 1, 8, 8), torch.tensor([1, 2, 3]), ValueError, r"\(\) or \(2,\)"),
    ],
)
def test_bad_images_and_scales(u, i, error, message):
    with pytest.raises(error, match=message):
        build()(u, i)
