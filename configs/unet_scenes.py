"""U-Net on scenes of textured shapes (ground, disc, square, triangle, ring, star), rendered: nothing to download.

  python -m experiments.main --config=configs/unet_scenes.py --workdir=runs/unet_scenes
  python -m experiments.sample --workdir=runs/unet_scenes --image=PICTURE --out=OUT.png

4,000 scenes of 64x64 pixels to train, 500 to test. Colours and textures say nothing about the class, only outlines do.
The padded U-Net with batch norm and deep supervision; `--config.model.upsample=resize_bilinear` and the like exchange
what doubles the resolution. `:long` is four times as long, with the Lovasz loss added.

Cost: 2 min 41 s from the command to the end on two cores of an AMD EPYC (Zen 3) virtual machine, nothing else running,
  35 s of them until the first step is done; `:long` 8 min 2 s there with a warm compilation cache.
Measured (seed 0, 500 test scenes, averaged parameters), mIoU and boundary IoU: after the 600 steps 0.692 and 0.477;
  `:long` 0.874 and 0.731 after 800 steps, 0.923 and 0.826 after 1,600, 0.932 and 0.842 after 2,400. The same on one
  core, the other one in use: 0.881 and 0.741, 0.928 and 0.831 (7 min 18 s), 0.933 and 0.844 (10 min 21 s).
What it took, mIoU after 1,000 steps on the way to 1,500 or 2,500 at half the learning rate (single runs): cross-entropy
  0.752, with the Lovasz loss 0.806, with deep supervision 0.854, with both 0.869.
Three seeds beside other decoders: configs/sweeps/segmentation_decoders.py.
Other objectives and augmentations, one run each (seed 0, 600 steps, one core of an AVX-512 AMD EPYC, 4 to 5 min): mIoU,
  boundary IoU and mean accuracy over the classes. Plain: 0.713, 0.500, 0.812. `:dice` adds the Dice loss: 0.743, 0.528,
  0.841. `:per_image` adds the Lovasz loss of each image: 0.745, 0.536, 0.849. `:focal` in place of the cross-entropy:
  0.726, 0.509, 0.821. `:balanced` weighs rare classes more: 0.666, 0.349, 0.887; more pixels of rare classes are found,
  and more of the ground is taken for one. `:border` weighs the ground between two shapes (U-Net): 0.643, 0.421, 0.726;
  here shapes may overlap, and it does not help. `:warped` bends, scales and recolours: 0.323, 0.215, 0.432; 600 steps
  are too few for it.
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
  config.objective.deep_supervision = 1.0  # classes are named sooner, see above
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
