"""U-Net on scenes of textured shapes (ground, disc, square, triangle, ring, star), rendered: nothing to download.

  python -m experiments.main --config=configs/unet_scenes.py --workdir=runs/unet_scenes
  python -m experiments.sample --workdir=runs/unet_scenes --image=PICTURE --out=OUT.png

4,000 scenes of 64x64 pixels to train, 500 to test. Colours and textures say nothing about the class, only outlines do.
The padded U-Net with batch norm; `--config.model.upsample=resize_bilinear` and the like exchange what doubles the
resolution. `:long` is five times as long.

Cost: 4 min 11 s from the first written file to the end on one core of an AMD EPYC (Zen 3) virtual machine, the other
  one in use by others (39 images/s).
Measured after the 1,000 steps (seed 0, 500 test scenes, averaged parameters): mIoU 0.524, boundary IoU 0.362, accuracy
  of pixels 0.873. With `--config.train.steps=2500`, 9 min 16 s on one such core: mIoU 0.867 (0.39, 0.75, 0.84, 0.86
  every 500 steps on the way), cross-entropy of training still falling. `:long` was not run.
"""
from configs import base

VARIANTS = {'long': {'train.steps': 2400, 'eval.every': 800, 'objective.lovasz': 1.}}
CONVS = (1, 1, 2, 2)  # one convolution where the maps are large
SMOKE = {'data.image_size': 32, 'model.width': 4, 'model.depth': 2, 'model.convs': (1, 2)}


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='unet', task='segmentation')
  config.data.source = 'scenes'
  config.data.class_names = ('ground', 'disc', 'square', 'triangle', 'ring', 'star')
  config.data.image_size = 64
  config.data.channels = 3
  config.augment.flip = True
  config.model.convs = CONVS
  config.objective.deep_supervision = 1.  # without it U-Net, SegNet and DeconvNet name classes many epochs later
  config.optimizer.learning_rate = 4e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 8
  config.train.steps = 600
  config.train.ema_decay = 0.98
  config.eval.batch_size = 64
  config.samples.every = 200
  config.checkpoint.every = 200
  return base.finish(config, variant, VARIANTS, smoke=SMOKE)
