"""FSRCNN(56, 12, 4) (Dong et al. 2016), 3 times the resolution, on the luminance: see fsrcnn_x2.

  python -m experiments.main --config=configs/fsrcnn_x3.py --workdir=runs/fsrcnn_x3

Published: 33.16 dB on Set5, bicubic 30.39.

Cost: hours on two cores, estimated.
Not run to the end.
"""

from deconv.configs import fsrcnn_x2


def get_config(variant=''):
  """Returns the config."""
  return fsrcnn_x2.get_config(variant, scale=3)
