"""A context encoder (Pathak et al. 2016) fills the middle of scikit-learn's handwritten digits: embedded, no download.

  python -m experiments.main --config=configs/inpaint_digits.py --workdir=runs/inpaint_digits

1,500 digits of 32x32 pixels train the network, 297 test it; the middle 16x16 pixels are missing. The loss is the
absolute error in the hole. An evaluation compares it ('l1_hole') with filling in the mean of the surrounding pixels.
`:adversarial` adds the discriminator of the hole, `:minimax` the same with the saturating loss of the generator.
`:box`, `:strokes` and `:pixels` have the hole elsewhere; `:pixels` leaves out every second pixel at random, in black,
and adds a total variation loss. `:whole` lets the network make the known pixels too, with the same weight.

Cost: minutes on two cores.
Results: docs/results.md#restoration.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='context_encoder', task='restoration')
  config.data.source = 'digits'
  config.data.image_size = 32
  config.degrade.hole = 'centre'
  config.objective.colour = 'grey'
  config.objective.l2 = 0.0
  config.objective.l1 = 1.0
  config.objective.outside = 0.1
  config.objective.ring = 1
  config.objective.disc_width = 16
  config.model.width = 16
  config.model.bottleneck = 128
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 50
  config.train.epochs = 60.0
  config.train.ema_decay = 0.99
  config.eval.every = 600
  config.eval.whole_images = 297  # with the biharmonic fill beside
  config.samples.every = 150
  return base.finish(
    config,
    variant,
    variants={
      'adversarial': {'objective.adversarial': 0.01},
      'box': {'degrade.hole': 'box'},
      'strokes': {'degrade.hole': 'strokes'},
      'pixels': {
        'degrade.hole': 'pixels',
        'degrade.hole_share': 0.5,
        'degrade.hole_value': -1.0,
        'objective.ring': 0,
        'objective.total_variation': 0.01,
      },
      'minimax': {'objective.adversarial': 0.01, 'objective.adversarial_name': 'minimax'},
      'whole': {'objective.composite': False, 'objective.outside': 1.0, 'objective.ring_weight': 1.0},
    },
    smoke={
      'eval.whole_images': 2,
      'model.width': 8,
      'model.bottleneck': 16,
      'objective.disc_width': 8,
      'data.image_size': 16,
    },
  )
