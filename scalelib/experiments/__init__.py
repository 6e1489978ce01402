"""Experiments on many images that survive interruption and grow to clusters."""
