"""InfoGAN (Chen et al. 2016) on MNIST, 28x28, from the four idx files (plain or .gz) in a folder.

  python -m experiments.main --config=configs/infogan_mnist.py --workdir=runs/infogan_mnist --config.data.path=DIR
  python -m experiments.sample --workdir=runs/infogan_mnist --kind=traversal --num=30 --columns=10 --out=codes.png

The latent is 62 numbers of noise, a code of ten values and two continuous codes; the discriminator's trunk also has to
tell the codes, and no label is ever seen but by the evaluation: it matches each value of the first code to a digit
(`code_error`; the paper has 5 %). The networks of the paper's appendix C.1: 4x4 windows, batch norm. Adam 1e-3
for the generator and 2e-4 for the discriminator. `samples/codes_*.png` turns one code a row.

Cost: an hour on two cores.
Results: docs/results.md#codes.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan28')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.model.latent_size = 62
  config.model.categorical_codes = (10,)
  config.model.continuous_codes = 2
  config.model.kernel_size = 4
  config.model.norm_affine = True
  config.model.leak = 0.1
  config.optimizer.learning_rate = 1e-3
  config.objective.disc_learning_rate_scale = 0.2
  config.train.batch_size = 128
  config.train.epochs = 8.0
  config.train.ema_decay = 0.999
  config.samples.every_epochs = 0.5
  config.checkpoint.every = 468  # an epoch
  config.eval.evaluators = ('code_classes', 'neighbours', 'coverage')
  return base.finish(
    config, variant, smoke={'data.source': 'digits', 'data.path': '', 'model.width': 4, 'model.hidden': 16}
  )
