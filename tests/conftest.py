"""Settings and fixtures shared by all tests."""

import pytest
import torch
from hypothesis import HealthCheck, settings

# The same examples on every machine and in every run; a failure can be repeated.
settings.register_profile(
    "scalelib",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("scalelib")


def pytest_collection_modifyitems(items):
    """Skip tests marked ``cuda`` where there is no CUDA device."""
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="needs a CUDA device")
    for item in items:
        if "cuda" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def generator():
    """A fresh CPU generator with a fixed seed."""
    return torch.Generator().manual_seed(20230521)
