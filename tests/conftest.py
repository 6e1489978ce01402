"""Settings and fixtures shared by all tests."""

import pytest
import torch
from hypothesis import HealthCheck, settings

import browser

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
    """Skip tests whose marker asks for what this machine lacks."""
    lacking = {}
    if not torch.cuda.is_available():
        lacking["cuda"] = "needs a CUDA device"
    if browser.chromium() is None:
        lacking["browser"] = "no Chromium on this machine"
    for item in items:
        for marker in lacking.keys() & set(item.keywords):
            item.add_marker(pytest.mark.skip(reason=lacking[marker]))


@pytest.fixture
def generator():
    """A fresh CPU generator with a fixed seed."""
    return torch.Generator().manual_seed(20230521)
