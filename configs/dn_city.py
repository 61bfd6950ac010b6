"""Convolutional sparse coding of the ten city images of 100x100 pixels that its literature compares on.

  python -m experiments.main --config=configs/dn_city.py --workdir=runs/dn_city --config.data.path=FOLDER

100 filters of 11x11 pixels, p = 1 and both weights 1, on grey images with locally normalised contrast (Heide et al.
2015). FOLDER has the ten files of `city_100_100`, which come with the Deconvolutional Networks toolbox. The evaluation
explains the same ten images from zero, as published numbers do; their protocol is not known well enough to compare
decibels (docs/sparse_coding.md).

Cost: an hour on two cores, estimated.
Not run.
"""

from deconv.configs import dn_fruit


def get_config(variant=''):
  """Returns the config."""
  return dn_fruit.get_config(variant)
