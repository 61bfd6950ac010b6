"""The context encoder of Pathak et al. (2016) as in its authors' code, on the middle of faces.

  python -m experiments.main --config=configs/inpaint_celeba.py --workdir=runs/inpaint_celeba --config.data.path=DIR

DIR holds img_align_celeba.zip, its unpacked folder, or a prepared tfds copy. Images have 128x128 pixels. The decoder
makes the middle 64x64, of which 56x56 were missing; the ring of 4 pixels around counts ten times. The loss is 0.999
times the squared error plus 0.001 times the discriminator's judgement. The discriminator learns at a tenth of the rate
(train.lua of github.com/pathak22/context-encoder). The authors' data are ImageNet and Paris StreetView, not faces;
their discriminator sees 64x64 pixels, this one the hole of 56x56 in them. `:channelwise` has the paper's bottleneck.

Cost: an accelerator.
Not run: no copy of CelebA was at hand.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='context_encoder', task='restoration')
  config.data.source = 'celeba'
  config.data.image_size = 128
  config.data.channels = 3
  config.data.crop = 178
  config.data.flip = True
  config.data.workers = 16
  config.degrade.hole = 'centre'
  config.degrade.hole_share = (56 / 128) ** 2
  config.objective.l2 = 0.999
  config.objective.adversarial = 0.001
  config.objective.outside = 0.0
  config.objective.ring = 4
  config.objective.disc_learning_rate_scale = 0.1
  config.model.output = 'centre'
  config.optimizer.learning_rate = 2e-3
  config.train.batch_size = 64
  config.train.epochs = 25.0
  config.train.ema_decay = 0.999
  config.eval.every = 5000
  config.eval.batch_size = 64
  return base.finish(
    config,
    variant,
    variants={'channelwise': {'model.bottleneck': 0}},
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.crop': 0,
      'data.image_size': 32,
      'model.width': 8,
      'objective.disc_width': 8,
      'objective.ring': 1,
      **({} if 'channelwise' in variant else {'model.bottleneck': 16}),
    },
  )
