"""A context encoder (Pathak et al. 2016) fills the middle of scikit-learn's handwritten digits: embedded, no download.

  python -m experiments.main --config=configs/inpaint_digits.py --workdir=runs/inpaint_digits

1,500 digits of 32x32 to train, 297 to test; the middle 16x16 pixels are missing. Trained on the absolute error in the
hole; 'l1_hole' stands beside that of the mean of the pixels around. `:adversarial` adds the discriminator of the hole;
`:box`, `:strokes` and `:pixels` have the hole elsewhere.

Cost: 93 s from the command to the end, evaluations with the biharmonic fill included, on one core of an AMD EPYC (Zen
  3) virtual machine, the other one in use by others.
Measured after the 60 epochs (seed 0, 297 test digits, averaged parameters): mean absolute error in the hole 0.059 of
  the way from black to white; mean of the pixels around it 0.400, biharmonic fill 0.151. PSNR of the digit 28.1 dB
  (12.9 and 20.3), SSIM 0.948 (0.363 and 0.799).
Variants, one run each (seed 0, one core of an AVX-512 AMD EPYC, 2 to 3 min): `:minimax` adds the discriminator with the
  saturating loss of the generator: 0.060 and 28.0 dB. `:whole` lets the network make the known pixels too, all of the
  same weight: 0.060 in the hole, 26.3 dB. `:pixels` leaves out every second pixel at random, in black, with a total
  variation loss: 0.025, 30.9 dB; the biharmonic fill is far better at that (0.005, 43.0 dB).
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
