"""beta-VAE on shapes with known factors (shape, scale, rotation, x, y), and how well its latents separate them.

  python -m experiments.main --config=configs/beta_vae_shapes.py --workdir=runs/beta_vae_shapes

These variants have the same network: `:vae` (beta 1), `:beta_tc` (Chen et al. 2018), `:factor` (Kim & Mnih 2018),
`:dip_i` and `:dip_ii` (Kumar et al. 2018), `:capacity` (Burgess et al. 2018). `:mlp` has perceptrons with two hidden
layers of 500, as Higgins et al. 2017 had on such shapes, and 20,000 steps; a step takes a tenth of the time. `:full` is
the protocol of Locatello et al. 2019: 64x64 pixels, batch 64, ten latents, Adam 1e-4, 300,000 steps; combine it as
`:full,beta_tc`. Their network differs a little: its convolutions have 32, 32, 64, 64 channels, these have 32, 64, 64,
64.

An evaluation prints MIG, SAP, the FactorVAE and beta-VAE scores and DCI with 10,000 images. Differences between seeds
are larger than differences between methods (Locatello et al. 2019): compare means over five seeds, `--config.seed=0`
to 4.

Cost: an hour on two cores; `:mlp` minutes.
Results: docs/results.md#disentanglement. Only `:mlp` was run to the end.
"""

from deconv.configs import base

VARIANTS = {
  'vae': {'objective.beta': 1.0},
  'beta_tc': {'objective.name': 'beta_tc', 'objective.beta': 6.0, 'objective.dataset_size': 733184},
  'factor': {},  # another task, see get_config
  'mlp': {},  # another model, see get_config
  'dip_i': {'objective.name': 'dip_i', 'objective.beta': 1.0, 'objective.dip_diagonal': 100.0},
  'dip_ii': {'objective.name': 'dip_ii', 'objective.beta': 1.0},
  'capacity': {'objective.name': 'capacity', 'objective.beta': 1.0, 'objective.capacity_steps': 8000},
  'full': {
    'data.image_size': 64,
    'optimizer.learning_rate': 1e-4,
    'train.steps': 300_000,
    'checkpoint.every': 5000,
    'samples.every': 10_000,
    'eval.every': 50_000,
  },
}


def get_config(variant=''):
  """Returns the config."""
  names = variant.split(',')
  config = base.get_config(
    model='vae_mlp' if 'mlp' in names else 'vae_conv', task='factor_vae' if 'factor' in names else 'vae'
  )
  config.data.source = 'shapes'
  config.data.image_size = 32
  config.data.workers = 1
  config.model.latent_size = 10
  if 'mlp' in names:
    config.model.depth = 2
    config.train.steps = 20_000
  else:
    config.model.width = 32
    config.model.max_width = 64
    config.train.steps = 10_000
  config.objective.binarization = 'grey'  # as in the papers; the pixels are black or white but for the edges
  if 'factor' not in names:
    config.objective.beta = 4.0
  config.optimizer.learning_rate = 5e-4
  config.optimizer.beta1 = 0.9
  config.train.batch_size = 64
  config.eval.num_samples = 10_000
  config.samples.every = 1000
  config.samples.num = 32
  config.checkpoint.every = 1000
  smoke = {'data.image_size': 16, 'model.hidden': 32, 'eval.batch_size': 512, 'eval.num_samples': 200}
  return base.finish(config, variant, VARIANTS, smoke=smoke if 'mlp' in names else {**smoke, 'model.width': 8})
