"""One file per proposition, each with a tuple ``PROPOSITIONS``; what is here is in the registry."""
