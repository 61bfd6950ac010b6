"""Convolutional sparse coding of the ten city images of 100x100 pixels that its literature compares on.

  python -m experiments.main --config=configs/dn_city.py --workdir=runs/dn_city --config.data.path=FOLDER

The published protocol: 100 filters of 11x11 pixels, p = 1 and both weights 1, on grey images with locally normalised
contrast (Heide et al. 2015), and the decibels of those ten images themselves, `psnr_stretched`. FOLDER has the ten
files of `city_100_100`, which come with the Deconvolutional Networks toolbox. `:inpainting` hides half of the pixels,
in training too, and its `psnr_stretched` is that of the whole images (docs/sparse_coding.md).

Cost: minutes on two cores.
Results: docs/results.md#as-published.
"""

from deconv.configs import dn_fruit


def get_config(variant=''):
  """Returns the config."""
  return dn_fruit.get_config(variant)
