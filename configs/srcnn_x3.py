"""SRCNN (Dong et al. 2014), three times the resolution, on the luminance: trained on T91, judged on Set5.

  python -m experiments.main --config=configs/srcnn_x3.py --config.data.path=T91 --config.data.eval_path=SET5

T91 and SET5 are folders of pictures, see docs/data.md#super-resolution-and-denoising. The paper's network (9x9 of 64,
1x1 of 32, 5x5, on the bicubic enlargement), loss (mean squared error; the last layer learns at a tenth of the rate) and
data (patches 33x33, 14 pixels apart). Adam, 5e-4 and a cosine stand in place of SGD and 1e-4. Published on Set5:
32.39 dB trained on T91; 32.75 trained on ImageNet and with windows of 9x9, 5x5 and 5x5: `:large`; bicubic 30.39.
`:photos` trains on the photographs inside scikit-learn and scikit-image, without a download.

Cost: hours on two cores, estimated.
Results: docs/results.md#super-resolution-as-published. `:large` was not run.
"""

from deconv.configs import base, fsrcnn_x2


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='srcnn', task='restoration')
  fsrcnn_x2.published(config, 3, 11)
  config.data.patch_stride = 14
  config.objective.last_learning_rate_scale = 0.1
  config.optimizer.learning_rate = 5e-4
  return base.finish(
    config,
    variant,
    variants={'large': {'model.kernel_sizes': (9, 5, 5)}, 'photos': fsrcnn_x2.PHOTOS},
    smoke={**fsrcnn_x2.PHOTOS, 'data.patch_stride': 0, 'model.widths': (8, 4), 'eval.whole_images': 0},
  )
