"""What the units of a trained network respond to: the images that excite them most, and what of these they saw.

Any network with a task that is `LooksAtImages` (deconv/tasks/capabilities.py). A layer is the output of a module, found
while the network runs (layers.py); nothing is written a second time for a network.
"""
