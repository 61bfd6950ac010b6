"""RED-Net (Mao et al. 2016) takes Gaussian noise of sigma 25 off the photographs inside scikit-learn and scikit-image.

  python -m experiments.main --config=configs/rednet_denoise_photos.py --workdir=runs/rednet_denoise_photos

RED10 with 32 channels on grey patches 48x48 of fourteen photographs, measured on six others beside the noisy input.
`:paper` is RED30 with 64 channels, patches 50x50 and a learning rate of 1e-4. `:fast` halves the size inside (section
4.4). `:blind` draws the sigma of each image from 5 to 50.

Cost: not measured.
Not run to the end.
"""
from configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='rednet', task='restoration')
  config.data.source = 'photos'
  config.data.fit = 'patches'
  config.data.image_size = 48
  config.data.patch_stride = 24
  config.augment.turns = True
  config.degrade.noise_sigma = 25.
  config.objective.colour = 'grey'
  config.model.depth = 10
  config.model.width = 32
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 16
  config.train.steps = 3000
  config.train.ema_decay = 0.99
  config.eval.every = 1000
  config.eval.batch_size = 64
  config.eval.whole_images = 6
  return base.finish(config, variant, variants={
      'paper': {'model.depth': 30, 'model.width': 64, 'data.image_size': 50, 'optimizer.learning_rate': 1e-4,
                'optimizer.schedule': 'constant', 'train.steps': 200_000},
      'fast': {'model.stride': 2},
      'blind': {'degrade.noise_sigma': 5., 'degrade.noise_sigma_max': 50.},
  }, smoke={
      'data.source': 'digits', 'data.path': '', 'data.fit': 'crop', 'data.patch_stride': 0,
      'data.image_size': 16, 'model.depth': 6, 'model.width': 8, 'eval.whole_images': 1})
