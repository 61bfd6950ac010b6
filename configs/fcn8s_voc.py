r"""FCN-8s (Long et al. 2015) on PASCAL VOC 2012, from the unpacked archive (VOCdevkit/VOC2012).

  python -m experiments.main --config=configs/fcn8s_voc.py --workdir=runs/fcn8s_voc --config.data.path=DIR \
      --config.model.weights=VGG16.npz
  python -m experiments.evaluate --workdir=runs/fcn8s_voc --config.eval.whole_images=1449

The published network on VGG-16 as published, trained at once with scaled skips: momentum 0.99, batches of one image,
weight decay 5e-4, 100,000 steps. The authors' learning rate 1e-10 is for the sum over an image's pixels; 2e-5 is the
same for their mean. VGG-16's weights are yours to give (.npz or .safetensors, see deconv/models/vgg_weights.py); from
scratch this does not train. The authors' repository reports a mIoU of 65.4 for the at-once network on seg11valid. It
was trained with the extra labels of SBD, which are not in the archive. The paper reports 62.2 on the VOC 2012 test set.

Cost: an accelerator.
Not run.
"""

from deconv.configs import base

# What a smoke run looks at instead.
SMOKE = {
  'data.source': 'scenes',
  'data.path': '',
  'data.split': 'train',
  'data.eval_split': 'test',
  'data.class_names': ('ground', 'disc', 'square', 'triangle', 'ring', 'star'),
  'model.convs': (1, 1),
  'model.depth': 2,
  'model.width': 4,
  'model.fc_kernel': 3,
  'model.fc_width': 8,
}


def set_voc(config):
  """Sets the data and VGG-16's sizes."""
  config.data.source = 'voc'
  config.data.split = 'train'
  config.data.eval_split = 'val'
  config.data.channels = 3
  config.data.class_names = (
    'background',
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
  )
  config.model.depth = 5
  config.model.width = 64
  config.model.convs = (2, 2, 3, 3, 3)
  config.model.fc_kernel = 7
  config.model.fc_width = 4096
  config.model.pixels = 'caffe'


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='fcn', task='segmentation')
  set_voc(config)
  config.data.image_size = 500
  config.data.fit = 'pad'
  config.model.batch_norm = False
  config.model.padding = 'wide'
  config.model.dropout = 0.5
  config.model.scaled_skips = True
  config.optimizer.name = 'sgd'
  config.optimizer.learning_rate = 2e-5
  config.optimizer.momentum = 0.99
  config.optimizer.l2 = 5e-4
  config.augment.flip = True
  config.train.batch_size = 1
  config.train.steps = 100_000
  config.eval.batch_size = 1
  config.eval.every = 10_000
  config.samples.every = 2000
  config.checkpoint.every = 2000
  return base.finish(
    config,
    variant,
    smoke={**SMOKE, 'data.image_size': 32, 'model.padding': 'same', 'model.skips': 1, 'optimizer.learning_rate': 1e-3},
  )
