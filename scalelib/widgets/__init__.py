"""Interactive figures: the same files serve a notebook with a kernel and a page without one."""

try:
    import anywidget as _anywidget  # noqa: F401  (only asks whether it is there)
except ModuleNotFoundError as error:
    if error.name != "anywidget":
        raise
    raise ModuleNotFoundError(
        "anywidget must be installed for widgets: pip install 'scalelib[book]'", name="anywidget"
    ) from error

from scalelib.widgets._bundle import bundle
from scalelib.widgets.base import Widget
from scalelib.widgets.beta_bound import BetaBound
from scalelib.widgets.controls import explore
from scalelib.widgets.density_evolution import DensityEvolution
from scalelib.widgets.osmosis_playground import OsmosisPlayground
from scalelib.widgets.permutation_invariance import PermutationInvariance
from scalelib.widgets.scale_explorer import ScaleExplorer
from scalelib.widgets.semigroup import Semigroup

__all__ = [
    "BetaBound",
    "DensityEvolution",
    "OsmosisPlayground",
    "PermutationInvariance",
    "ScaleExplorer",
    "Semigroup",
    "Widget",
    "bundle",
    "explore",
]
