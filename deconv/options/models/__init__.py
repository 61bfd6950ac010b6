"""The section `model`, a class for each network."""
