"""DCGAN at 64x64 on any folder of images.

  python -m experiments.main --config=configs/dcgan_folder.py --workdir=runs/dcgan_folder --config.data.path=DIR

DIR is any tree of PNG, JPEG or WebP; `--config.data.source=zip` reads an archive in place. Other sizes, 8 to 256 and
more in powers of two: `--config.data.image_size=128`; grey: `--config.data.channels=1`. A broken file is skipped and
named once; `--config.data.on_broken=error` stops at it.

The first sample grids come after 50, 100, 200 and 400 steps (`samples.first`), later ones every 500. The first are grey
noise, because DCGAN's initial weights make images of low contrast; light and dark patches show after 100 to 200 steps.

Cost: an accelerator.
Not run: you bring the data; `:smoke` runs the same code on the embedded digits.
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
  config.train.batch_size = 64
  config.train.steps = 20_000
  config.train.ema_decay = 0.999
  return base.finish(config, variant, smoke={'data.source': 'digits', 'data.path': '', 'model.width': 8})
