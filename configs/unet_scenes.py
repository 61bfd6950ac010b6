"""U-Net on scenes of textured shapes (ground, disc, square, triangle, ring, star), rendered: nothing to download.

  python -m experiments.main --config=configs/unet_scenes.py --workdir=runs/unet_scenes
  python -m experiments.sample --workdir=runs/unet_scenes --image=PICTURE --out=OUT.png

4,000 scenes of 64x64 pixels train the network, 500 test it. Colours and textures say nothing about the class, only
outlines do. The U-Net is padded and has batch norm. With deep supervision it learns to name the classes sooner.
`--config.model.upsample=resize_bilinear` selects another operator to double the resolution. `:long` is four times as
long and adds the Lovasz loss.

Other objectives and augmentations: `:dice` adds the Dice loss, `:per_image` the Lovasz loss of each image. `:focal`
replaces the cross-entropy. `:balanced` gives rare classes more weight. `:border` gives the ground between two shapes
more weight (U-Net); it does not help here, because shapes may overlap. `:warped` bends, scales and recolours; 600 steps
are too few for it.

Cost: minutes on two cores.
Results: docs/results.md#segmentation.
"""

from deconv.configs import base

VARIANTS = {
  'long': {'train.steps': 2400, 'eval.every': 800, 'objective.lovasz': 1.0},
  'dice': {'objective.dice': 1.0},
  'focal': {'objective.cross_entropy': 0.0, 'objective.focal': 1.0},
  'balanced': {'objective.class_weights': 'median_frequency'},
  'border': {'objective.border_weight': 10.0, 'objective.border_sigma': 3.0},
  'per_image': {'objective.lovasz': 1.0, 'objective.lovasz_per_image': True},
  'warped': {'augment.elastic_sigma': 3.0, 'augment.scale_min': 0.8, 'augment.scale_max': 1.25, 'augment.hue': 0.5},
}
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
  config.objective.deep_supervision = 1.0  # classes are named sooner
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
