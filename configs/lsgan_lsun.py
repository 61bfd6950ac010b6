"""LSGAN (Mao et al. 2017) on a folder of LSUN bedrooms, at 64x64.

  python -m experiments.main --config=configs/lsgan_lsun.py --workdir=runs/lsgan_lsun --config.data.path=DIR

DIR is any tree of PNG, JPEG or WebP; LSUN comes as an LMDB, from which its own script writes the images. The least
squares game with labels 0 and 1, on the networks of DCGAN at 64x64 (the paper makes 112x112), Adam 1e-3, beta1 0.5,
batches of 64.

Published: pictures, no number.

Cost: an accelerator.
Not run: no copy of LSUN was at hand.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan')
  config.data.source = 'folder'
  config.data.eval_split = ''
  config.data.image_size = 64
  config.data.channels = 3
  config.data.workers = 16
  config.objective.name = 'lsgan'
  config.optimizer.learning_rate = 1e-3
  config.train.batch_size = 64
  config.train.steps = 100_000
  config.checkpoint.every = 1000
  config.samples.every = 1000
  return base.finish(
    config, variant, smoke={'data.source': 'digits', 'data.eval_split': 'test', 'data.path': '', 'model.width': 8}
  )
