"""FSRCNN(56, 12, 4) (Dong et al. 2016), 3 times the resolution, on the luminance: see fsrcnn_x2.

  python -m experiments.main --config=configs/fsrcnn_x3.py --config.data.path=T91 --config.data.eval_path=SET5

Published on Set5: 33.06 dB trained on T91, 33.16 with General-100 besides; bicubic 30.39.

The paper starts from the network for twice the resolution; here all weights are random at first.

Cost: hours on two cores, estimated.
Results: docs/results.md#super-resolution-as-published. Its network is results/weights/fsrcnn_x3.safetensors.
"""

from deconv.configs import fsrcnn_x2


def get_config(variant=''):
  """Returns the config."""
  return fsrcnn_x2.get_config(variant, scale=3)
