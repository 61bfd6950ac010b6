"""DCGAN at 64x64 on a folder of anime faces (or other faces): 50 epochs, and a film of them with a frame per epoch.

  python -m experiments.main --config=configs/dcgan_anime.py --workdir=runs/dcgan_anime --config.data.path=DIR

DIR is any tree of images; `--config.data.source=zip` reads an archive in place. The film is samples/progress.gif. The
generator has 3.6 million parameters, the discriminator 2.8 million.

The settings are for some thousand images: batches of 16, so that 50 epochs are steps enough, learning rates that fall
to zero, and a short average. `:diff_augment` augments what the discriminator sees (Zhao et al. 2020).

Cost: an hour on two cores.
Results: docs/results.md#drawn-faces.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan')
  config.model.width = 64
  config.model.kernel_size = 4  # divides evenly by the stride: no checkerboard from the window
  config.data.source = 'folder'
  config.data.image_size = 64
  config.data.channels = 3
  config.data.flip = True
  config.optimizer.schedule = 'linear'
  config.train.batch_size = 16
  config.train.epochs = 50.0
  config.train.ema_decay = 0.995
  config.samples.every_epochs = 1.0
  config.samples.gif_fps = 5
  return base.finish(
    config,
    variant,
    variants={'diff_augment': {'objective.diff_augment': ('colour', 'translation', 'cutout')}},
    smoke={'data.source': 'digits', 'data.path': '', 'model.width': 8},
  )
