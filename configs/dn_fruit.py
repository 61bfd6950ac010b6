"""Convolutional sparse coding of the ten fruit images of 100x100 pixels that its literature compares on.

  python -m experiments.main --config=configs/dn_fruit.py --workdir=runs/dn_fruit --config.data.path=FOLDER

The published protocol: 100 filters of 11x11 pixels, p = 1 and both weights 1, on grey images with locally normalised
contrast (Heide et al. 2015), and the decibels of those ten images themselves, `psnr_stretched`. FOLDER has the ten
files of `fruit_100_100`, which come with the Deconvolutional Networks toolbox. `:inpainting` hides half of the pixels,
in training too, and its `psnr_stretched` is that of the whole images (docs/sparse_coding.md).

Cost: minutes on two cores.
Results: docs/results.md#as-published.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='deconvolutional_network', task='sparse_coding')
  config.data.source = 'folder'
  config.data.image_size = 100
  config.data.eval_split = 'train'
  config.model.maps = (100,)
  config.model.kernel_sizes = (11,)
  config.model.connectivity = ('full',)
  config.objective.num_images = 10
  config.objective.data_weight = (1.0,)
  config.objective.inference = 'fista'
  config.objective.iterations = 20
  config.objective.repeats = 5
  config.train.batch_size = 10
  config.train.steps = 100
  config.checkpoint.every = 25
  config.samples.every = 25
  config.samples.first = 5
  config.log.every = 5
  config.eval.batch_size = 10
  return base.finish(
    config,
    variant,
    variants={'inpainting': {'objective.hidden': 0.5}},
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.eval_split': 'test',
      'data.per_class': 1,
      'data.image_size': 16,
      'model.maps': (4,),
      'model.kernel_sizes': (5,),
      'objective.iterations': 5,
    },
  )
