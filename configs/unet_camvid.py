"""U-Net on CamVid, in SegNet's eleven classes, at a little more than half of the published size.

  python -m experiments.main --config=configs/unet_camvid.py --workdir=runs/unet_camvid --config.data.path=CAMVID

CAMVID is the folder of the SegNet tutorial, see docs/data.md#camvid. 367 pictures train, and 101 (`val`) judge, which
the papers only tune on: their numbers are of `test`, 233 pictures; with these in CAMVID, set
`--config.data.eval_split=test`. Pictures are seen at 256x192 and judged at 480x360, where the probabilities are
interpolated; void neither trains nor counts. 'whole_pixel_accuracy', 'whole_mean_accuracy' and 'whole_miou' are the
global accuracy, the class average and the mIoU of the papers. Augmentation mirrors, scales and changes the light.

Published on `test` (global / class average / mIoU, %), all in a public reproduction, with encoders that start from
VGG-16's weights: U-Net 84.38 / 62.80 / 49.83; SegNet 86.71 / 66.39 / 54.09, with batch norm 87.84 / 70.75 / 57.68, with
a bilinear decoder 85.86 / 71.95 / 56.22. SegNet from random weights: 81.33 / - / 42.50.

`:balanced` weighs the classes by median frequency, as SegNet does. `:full` sees whole pictures of 480x360, framed to
480x384, with 64 channels: for an accelerator.

Cost: an hour on two cores, estimated.
Results: docs/results.md#camvid. `:full` was not run.
"""

from deconv.configs import base

CLASSES = ('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car', 'pedestrian', 'bicyclist')
VARIANTS = {
  'balanced': {'objective.class_weights': 'median_frequency'},
  'full': {
    'data.image_size': 384,
    'data.image_width': 480,
    'data.fit': 'pad',
    'eval.scales': (1.0,),
    'eval.batch_size': 8,
    'model.width': 64,
    'train.batch_size': 8,
    'train.epochs': 200.0,
  },
}
SMOKE = {
  'data.source': 'scenes',
  'data.eval_split': 'test',
  'data.class_names': ('ground', 'disc', 'square', 'triangle', 'ring', 'star'),
  'data.image_size': 32,
  'data.image_width': 0,
  'eval.scales': (1.0,),
  'eval.whole_images': 2,
  'model.width': 4,
  'model.depth': 2,
  'model.convs': (1, 2),
}


def set_camvid(config):
  """Sets the data, their augmentation and the protocol."""
  config.data.source = 'camvid'
  config.data.eval_split = 'val'
  config.data.class_names = CLASSES
  config.data.channels = 3
  config.data.image_size = 192
  config.data.image_width = 256
  config.augment.flip = True
  config.augment.scale_min = 0.8
  config.augment.scale_max = 1.5
  config.augment.brightness = 0.1
  config.augment.contrast = 0.2
  config.augment.saturation = 0.2
  config.eval.batch_size = 16
  config.eval.whole_images = 233  # all of val, and of test
  config.eval.scales = (192 / 360,)  # pictures of 480x360 are 256x192 then


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='unet', task='segmentation')
  set_camvid(config)
  config.model.convs = (1, 1, 2, 2)  # one convolution where the maps are large
  config.optimizer.learning_rate = 2e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 4
  config.train.epochs = 60.0
  config.train.ema_decay = 0.99
  config.eval.every = 1820  # twenty epochs
  config.samples.every = 910
  config.checkpoint.every = 455
  return base.finish(config, variant, VARIANTS, smoke=SMOKE)
