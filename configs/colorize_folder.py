"""Colours for grey pictures, learned from any folder of coloured ones.

  python -m experiments.main --config=configs/colorize_folder.py --workdir=runs/colorize_folder --config.data.path=DIR
  python -m experiments.sample --workdir=runs/colorize_folder --image=GREY.png --out=COLOURED.png

DIR is any tree of PNG, JPEG or WebP; `--config.data.source=zip` reads an archive in place. RED-Net sees the grey level
and adds what makes it red, green and blue. Its first convolution halves the size, so twenty layers see 38 pixels in
every direction. The mean absolute error prefers dull colours to wrong ones. The baseline is the grey picture.

Cost: an accelerator.
Not run: you bring the data; `:smoke` runs the same code on the embedded digits.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='rednet', task='restoration')
  config.data.source = 'folder'
  config.data.image_size = 128
  config.data.channels = 3
  config.data.flip = True
  config.degrade.grey = True
  config.objective.l2 = 0.0
  config.objective.l1 = 1.0
  config.model.depth = 20
  config.model.stride = 2
  config.optimizer.learning_rate = 5e-4
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 32
  config.train.steps = 50_000
  config.train.ema_decay = 0.999
  config.eval.every = 5000
  config.eval.batch_size = 32
  return base.finish(
    config,
    variant,
    smoke={'data.source': 'digits', 'data.path': '', 'data.image_size': 16, 'model.depth': 6, 'model.width': 8},
  )
