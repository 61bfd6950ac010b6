"""Inverse graphics: DC-IGN (Kulkarni et al. 2015) learns azimuth, elevation, light and identity of rendered heads.

  python -m experiments.main --config=configs/dcign_scenes.py --workdir=runs/dcign_scenes

The default is a small network on 32x32 pixels that learns the factors in minutes. It is clamped as in the paper, but
has a Gaussian likelihood of standard deviation 0.1, equally many batches per factor, an invariance gradient times 20,
and dense layers that start larger. `:paper` is the published network and rule on 150x150 pixels: 200 latents, batches
of 20, one varying factor each at a ratio of 1:1:1:10, inactive latents clamped to their mean, invariance gradient times
1/100. `:code` is what the authors' repository does: channels 96-48-24, latents clamped to the first image of the batch,
no invariance gradient unless asked for (`--config.objective.invariance`), ratio 1:1:1:15. The optimizer that paper and
code call RMSprop is Adam with these decays, bias correction included.

Cost: minutes on two cores; `:paper` and `:code` an accelerator.
Results: docs/results.md#inverse-graphics. `:paper` and `:code` were not run.
"""

from deconv.configs import base

_PUBLISHED = {
  'data.image_size': 150,
  'model.padding': 'valid',
  'model.width': 96,
  'model.latent_size': 200,
  'model.dense_init': 'authors',
  'objective.likelihood': 'bernoulli',
  'objective.invariance': 0.01,
  'data.vary': (1.0, 1.0, 1.0, 10.0),  # section 3.1: "a ratio of about 1:1:1:10"
  'optimizer.learning_rate': 5e-4,
  'optimizer.schedule': 'constant',
  'optimizer.final_scale': 0.0,
  'train.steps': 100_000,
}
VARIANTS = {
  'paper': {**_PUBLISHED, 'model.preset': 'paper'},
  'code': {
    **_PUBLISHED,
    'model.preset': 'code',
    'objective.clamp': 'first',
    'objective.invariance': 0.0,
    'data.vary': (1.0, 1.0, 1.0, 15.0),
  },
}


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcign', task='inverse_graphics')
  config.data.source = 'heads'
  config.data.image_size = 32
  config.data.vary = (1.0, 1.0, 1.0, 1.0)
  config.data.workers = 1
  config.model.upsample = 'resize_nearest'
  config.model.latent_size = 32
  config.model.width = 32
  config.model.dense_init = 'fan_in'
  config.objective.likelihood = 'gaussian_fixed'
  config.objective.noise_scale = 0.1
  config.objective.invariance = 20.0
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.beta2 = 0.99
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 20
  config.train.steps = 6000
  config.eval.every = 2000
  config.samples.every = 500
  config.samples.num = 32
  config.checkpoint.every = 1000
  return base.finish(
    config,
    variant,
    VARIANTS,
    smoke={'data.image_size': 16, 'model.width': 6, 'model.latent_size': 8, 'model.padding': 'same', 'samples.num': 8},
  )
