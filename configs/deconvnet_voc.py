r"""DeconvNet (Noh et al. 2015) on PASCAL VOC 2012, from the unpacked archive (VOCdevkit/VOC2012).

  python -m experiments.main --config=configs/deconvnet_voc.py --workdir=runs/deconvnet_voc --config.data.path=DIR \
      --config.model.weights=VGG16.npz
  python -m experiments.evaluate --workdir=runs/deconvnet_voc --config.eval.whole_images=1449

The published network, 252 million parameters: VGG-16 with batch norm, fc6 and fc7, the mirrored decoder with switches.
SGD 0.01 with momentum 0.9, weight decay 5e-4, batches of 64, random 224x224 crops of 250x250 pixels, mirrored. The
paper trains on boxes of single objects first (0.2 million), then on proposals (2.7 million), sums 50 proposals per
image at test time, and reports a mIoU of 69.6 on the VOC 2012 test set. This config trains on whole images in one
stage, and predicts whole images by tiles.

Cost: an accelerator.
Not run.
"""

from deconv.configs import base, fcn8s_voc


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='deconvnet', task='segmentation')
  fcn8s_voc.set_voc(config)
  config.data.image_size = 250
  config.data.fit = 'pad'
  config.optimizer.name = 'sgd'
  config.optimizer.learning_rate = 0.01
  config.optimizer.momentum = 0.9
  config.optimizer.l2 = 5e-4
  config.optimizer.schedule = 'step'
  config.optimizer.decay_steps = 10_000
  config.augment.crop = 224
  config.augment.flip = True
  config.train.batch_size = 64
  config.train.steps = 40_000
  config.eval.batch_size = 16
  config.eval.every = 5000
  config.samples.every = 1000
  config.checkpoint.every = 1000
  return base.finish(
    config, variant, smoke={**fcn8s_voc.SMOKE, 'data.image_size': 40, 'augment.crop': 32, 'train.batch_size': 4}
  )
