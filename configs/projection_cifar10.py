"""The conditional GAN with a projection discriminator (Miyato & Koyama 2018) on CIFAR-10, from a prepared tfds copy.

  python -m scripts.prepare_tfds cifar10
  python -m experiments.main --config=configs/projection_cifar10.py --workdir=runs/projection_cifar10
  python -m experiments.sample --workdir=runs/projection_cifar10 --num=64 --label=3 --out=cats.png

The networks of SNGAN (configs/sngan_cifar10.py): gain and bias of the generator's batch norm depend on the class, and
the discriminator adds the inner product of its features with an embedding of the class.

Published: FID 17.5.

Cost: an accelerator.
Not run: CIFAR-10 was not at hand; the networks are tested layer by layer.
"""

from deconv.configs import sngan_cifar10


def get_config(variant=''):
  """Returns the config."""
  config = sngan_cifar10.get_config(variant)
  config.model.num_classes = 10
  config.model.gen_label = 'norm'
  config.model.disc_label = 'projection'
  return config
