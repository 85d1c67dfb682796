"""Measurements: each beside a peer in the same run, so that the figure is a ratio and not a property of the machine."""
