"""The DCGAN of the paper (Radford et al. 2015) at 64x64, on CelebA with the usual 108-pixel centre crop.

  python -m experiments.main --config=configs/dcgan_celeba.py --workdir=runs/dcgan_celeba --config.data.path=DIR

DIR holds img_align_celeba.zip, its unpacked folder, or a prepared tfds copy. The paper's own faces (350,000 crops of
photographs from the web) were never published; everybody uses CelebA instead. The generator has 18.9 million
parameters, the discriminator 17.2 million.

Variant `:code` follows the authors' repository where it differs from the paper (deconv/models/dcgan.py has the list).
Their 25 epochs, with one network per minibatch, are 12.5 of ours, where a step updates both.

Cost: an accelerator.
Not run: no copy of CelebA was at hand; the network is tested layer by layer.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan')
  config.data.source = 'celeba'
  config.data.image_size = 64
  config.data.channels = 3
  config.data.crop = 108
  config.data.workers = 16
  config.train.batch_size = 128
  config.train.epochs = 25.0
  config.checkpoint.every = 1000
  config.samples.every = 1000
  return base.finish(
    config,
    variant,
    variants={
      'code': {
        'model.preset': 'code',
        'optimizer.l2': 1e-5,
        'objective.update_order': 'alternate',
        'eval.batch_stats': 'batch',
        'train.epochs': 12.5,
      }
    },
    smoke={'data.source': 'digits', 'data.path': '', 'data.crop': 0, 'model.width': 8},
  )
