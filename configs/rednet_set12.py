"""RED-Net (Mao et al. 2016) removes Gaussian noise of sigma 25: trained on Train400, judged on Set12.

  python -m experiments.main --config=configs/rednet_set12.py --config.data.path=TRAIN400 --config.data.eval_path=SET12

TRAIN400 and SET12 are folders of grey pictures, see docs/data.md#super-resolution-and-denoising. Twelve layers of 48
channels, the first of which halves the size (the paper's section 4.4): 208,753 parameters, a fifth of those of RED30,
at a quarter of the pixels. Adam with a cosine on patches 64x64, turned and mirrored. The noise is neither clipped nor
rounded, and that of Set12 is a function of `seed` alone. 'whole_psnr' is the published number; 'whole_psnr_input' is
that of the noise, 20.17 dB (20 log10(255 / 25)), and if it is another one, nothing is measured. 'whole_psnr_baseline'
is clipped and rounded as the result is, and so higher.

Published on Set12, sigma 25: BM3D 29.97 dB, DnCNN-S 30.44.

Cost: hours on two cores, estimated: a night.
Results: docs/results.md#denoising. Of 105,020 steps; it was not run to the end.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='rednet', task='restoration')
  config.data.source = 'folder'
  config.data.eval_split = 'all'
  config.data.fit = 'patches'
  config.data.image_size = 64
  config.data.patch_stride = 32
  config.augment.turns = True
  config.degrade.noise_sigma = 25.0
  config.objective.colour = 'grey'
  config.model.depth = 12
  config.model.width = 48
  config.model.stride = 2
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 16
  config.train.steps = 150_000
  config.train.ema_decay = 0.999
  config.eval.every = 10_000
  config.eval.batch_size = 64
  config.eval.whole_images = 12
  config.eval.published_baseline = 20.17
  config.samples.every = 10_000
  config.checkpoint.every = 1000
  return base.finish(
    config,
    variant,
    smoke={
      'data.source': 'photos',
      'data.patch_stride': 0,
      'data.eval_split': 'test',
      'model.depth': 6,
      'model.width': 8,
      'eval.whole_images': 0,
      'eval.published_baseline': 0.0,
    },
  )
