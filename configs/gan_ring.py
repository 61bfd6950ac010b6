"""A perceptron GAN on eight Gaussians on a circle.

  python -m experiments.main --config=configs/gan_ring.py --workdir=runs/gan_ring

Cost: minutes on two cores.
Results: docs/results.md#gaussians.
"""

from deconv.configs import base, gan_grid


def get_config(variant=''):
  """Returns the config."""
  return base.finish(gan_grid.of_points('gaussian_ring'), variant, smoke={'model.hidden': 8})
