"""U-Net as published (Ronneberger et al. 2015) on the EM stack of the ISBI challenge of 2012: membranes of cells.

  python -m experiments.main --config=configs/unet_em.py --workdir=runs/unet_em --config.data.path=EM_STACK

EM_STACK is the folder of the training volume, 30 slices of 512x512, see docs/data.md#em-stack. The labels of the
challenge's test volume are hidden, so the first 24 slices train and the last six are judged: these numbers are not
those of the leader board. As published: valid convolutions, batches of one tile, momentum 0.99, dropout at the end of
the contracting path, elastic deformations by a 3x3 grid of 10 pixels, weights of the classes and of the borders
between cells (w0 = 10, sigma = 5 pixels), overlapping tiles over a mirrored border. Smaller than published: three
poolings and 16 channels, for tiles of 236 pixels that give 148. `:paper` has four and 64 channels (31 million
weights), for tiles of 508 pixels that give 324. The paper's learning rate is not known.

`:no_border` leaves out the border weights, `:no_elastic` the elastic deformation: what the paper adds to a plain
network. 'v_rand_best' and 'v_info_best' are the scores of the challenge (Arganda-Carreras et al. 2015), the best of
eleven thresholds; 'v_rand' and 'v_info' have the threshold 1/2. 'whole_iou_inside' and 'whole_boundary_iou' are over
pixels.

Published on the hidden labels: Rand error 0.0382 and warping error 0.000353 (table 1, seven turned copies averaged).

Cost: an hour on two cores, estimated.
Results: docs/results.md#membranes. `:paper` was not run, the others with fewer steps.
"""

from deconv.configs import base

VARIANTS = {
  'no_border': {'objective.border_weight': 0.0},
  'no_elastic': {'augment.elastic_sigma': 0.0},
  'paper': {'model.depth': 4, 'model.width': 64, 'augment.crop': 508, 'augment.shift': 92, 'train.steps': 30_000},
}
SMOKE = {
  'data.source': 'scenes',
  'data.class_names': ('ground', 'disc', 'square', 'triangle', 'ring', 'star'),
  'data.crop': 0,
  'data.image_size': 40,
  'eval.whole_images': 0,
  'augment.crop': 36,
  'augment.shift': 8,
  'augment.elastic_sigma': 2.0,
  'model.depth': 1,
  'model.width': 4,
  'train.batch_size': 1,
  'optimizer.warmup_steps': 0,
}


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='unet', task='segmentation')
  config.data.source = 'em_stack'
  config.data.class_names = ('membrane', 'inside')
  config.data.crop = 508  # the network halves evenly only such sides; whole slices are judged at 512
  config.data.image_size = 508
  config.model.padding = 'valid'
  config.model.batch_norm = False
  config.model.dropout = 0.5
  config.model.depth = 3
  config.augment.crop = 236
  config.augment.shift = 44  # as wide as the border that a tile loses: the edge of a slice is trained on, too
  config.augment.flip = True
  config.augment.rotate_degrees = 180.0
  config.augment.elastic_sigma = 10.0
  config.augment.brightness = 0.1
  config.augment.contrast = 0.2
  config.objective.class_weights = 'median_frequency'
  config.objective.border_weight = 10.0
  config.objective.border_sigma = 5.0
  config.optimizer.name = 'sgd'
  config.optimizer.learning_rate = 1e-3
  config.optimizer.momentum = 0.99
  config.optimizer.schedule = 'cosine'
  config.optimizer.warmup_steps = 200
  config.train.batch_size = 1
  config.train.steps = 20_000
  config.eval.every = 5000
  config.eval.batch_size = 1
  config.eval.whole_images = 6
  config.eval.tile_overlap = 0.0
  config.eval.evaluators = ('whole_segmentation', 'segments')
  config.samples.every = 2000
  config.checkpoint.every = 500
  return base.finish(config, variant, VARIANTS, smoke=SMOKE)
