"""U-Net on the Oxford-IIIT pets (tensorflow-datasets): animal, ground and the border between them.

  python -m scripts.prepare_tfds oxford_iiit_pet
  python -m experiments.main --config=configs/unet_pets.py --workdir=runs/unet_pets

3,680 photographs train the network, 3,669 test it, as centre squares of 128x128 pixels. Augmentation mirrors, scales
and turns them and changes the light.

Cost: an accelerator.
Not run.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='unet', task='segmentation')
  config.data.source = 'tfds'
  config.data.name = 'oxford_iiit_pet'
  config.data.image_size = 128
  config.data.channels = 3
  config.data.class_names = ('foreground', 'background', 'border')
  config.model.width = 32
  config.augment.flip = True
  config.augment.scale_max = 1.5
  config.augment.rotate_degrees = 15.0
  config.augment.brightness = 0.1
  config.augment.contrast = 0.2
  config.augment.saturation = 0.2
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 32
  config.train.epochs = 40.0
  config.eval.every = 1150  # ten epochs
  config.eval.batch_size = 32
  config.samples.every = 230
  config.checkpoint.every = 230
  return base.finish(
    config,
    variant,
    smoke={
      'data.source': 'scenes',
      'data.name': '',
      'data.class_names': ('ground', 'disc', 'square', 'triangle', 'ring', 'star'),
      'data.image_size': 32,
      'model.depth': 2,
      'model.width': 4,
    },
  )
