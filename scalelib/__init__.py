"""Scale-spaces of probabilistic diffusion, osmosis and homogeneous diffusion, in torch."""

__version__ = "0.1.0"
