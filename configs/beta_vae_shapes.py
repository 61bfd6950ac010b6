"""beta-VAE on shapes with known factors (shape, scale, rotation, x, y), and how well its latents come apart.

  python -m experiments.main --config=configs/beta_vae_shapes.py --workdir=runs/beta_vae_shapes

Variants, all on the same network: `:vae` (beta 1), `:beta_tc` (Chen et al. 2018), `:factor` (Kim & Mnih 2018), `:dip_i`
and `:dip_ii` (Kumar et al. 2018), `:capacity` (Burgess et al. 2018). `:mlp` has perceptrons of two hidden layers of 500
instead, as Higgins et al. 2017 had on such shapes, and 20,000 steps: a tenth of the time a step. `:full` is the
protocol of Locatello et al. 2019: 64x64 pixels, batch 64, ten latents, Adam 1e-4, 300,000 steps; combine it as
`:full,beta_tc`. Their network differs a little: its convolutions have 32, 32, 64, 64 channels,
these have 32, 64, 64, 64.

An evaluation prints MIG, SAP, the FactorVAE and beta-VAE scores and DCI with 10,000 images. Differences between seeds
are greater than those between methods (Locatello et al. 2019): compare means over five seeds, `--config.seed=0` to 4.

Cost: about 0.25 s of processor time a step on two cores shared with other jobs, so some 40 processor-minutes; `:mlp`
  5 min 15 s on one core of an AMD EPYC (Zen 3) virtual machine, the other one in use by others.
Measured: `:mlp`, beta 4, five seeds, 20,000 steps, 10,000 images (mean and standard deviation): MIG 0.034 +- 0.022
  (0.028, 0.031, 0.019, 0.073, 0.020), SAP 0.135 +- 0.052, DCI disentanglement 0.392 +- 0.074, FactorVAE accuracy 0.374
  +- 0.131 (chance 0.2), -ELBO 35.1 +- 0.3 nats with grey targets, 6.1 of them KL divergence. The convolutions only for
  500 of their 10,000 steps (seed 0): MIG 0.015. Not run to the end; no other variant was.
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
