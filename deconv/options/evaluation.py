"""The section `eval`, by task: tasks differ in the evaluators that they have from the start."""

import dataclasses
from typing import ClassVar

from deconv.errors import UserError
from deconv.options.options import Options


def _without(*fields: str) -> dict[str, dict[str, tuple[str, ...]]]:
  """Returns the EFFECT of a task for which these fields do nothing."""
  return {field: {} for field in fields}


_SAMPLES = ('num_samples', 'interim_samples')
_JUDGING = (
  'judged',
  'features',
  'features_path',
  'resizer',
  'num_real',
  'reference',
  'reference_cache',
  'neighbours',
  'kid_subsets',
  'kid_subset_size',
  'fid_points',
  'self_tests',
)
# Evaluators that look at images through `features`, and what that may be.
LOOKING = ('fid', 'kid', 'prdc', 'inception_score', 'memorisation')
FEATURES = ('inception', 'lenet', 'pixels', 'classifier:DIR')
RESIZERS = ('clean', 'legacy_pytorch', 'legacy_tensorflow')
_LATENTS = ('truncation',)
_IMPORTANCE = ('importance_samples', 'importance_chunk')
_STATISTICS = ('batch_stats', 'standing_batches')
_PUBLISHED = ('published_baseline',)
_WHOLE_IMAGES = ('whole_images', 'tile_overlap', 'flips', 'quarter_turns', 'scales')


@dataclasses.dataclass(frozen=True)
class EvalOptions(Options):
  """What is measured, when and how.

  Attributes:
    every: steps between evaluations; 0 = only at the end.
    batch_size: images per batch.
    evaluators: what is measured in addition to the task's own metrics: keys of deconv.evaluators.EVALUATORS.
    num_samples: images that an evaluation generates, or makes again (see `judged`).
    interim_samples: the same in the evaluations on the way, for fewer seconds; 0 = num_samples. At the end of the run
      both are measured: metrics.jsonl has a line of split 'eval' of this number, as before, and one of split 'final'.
    use_ema: evaluate and sample with the averaged parameters, if there are any.
    importance_samples: vae: codes per image for the estimate of log p(x), the metric 'nll'; 0 = no estimate.
    importance_chunk: vae: codes that are decoded at once; memory grows with importance_chunk times batch_size.
    whole_images: segmentation, restoration: number of held-out images that are also predicted at their own size, by
      tiles; 0 = none.
    tile_overlap: whole images, --image: overlap of neighbouring tiles, as a share of their side.
    flips: whole images, --image: average the predictions for the image and for its mirror image.
    quarter_turns: restoration, whole images, --image: average the predictions for all quarter turns too. With `flips`
      this is the self-ensemble of eight (Lim et al. 2017).
    scales: segmentation, whole images: average the class probabilities at these multiples of the size.
    published_baseline: restoration, whole images: PSNR that is known without a network, in dB: of bicubic enlargement,
      or of the noisy pictures as they are. Where `self_tests` finds another one, no number is given. 0 = none is known.
    batch_stats: gan: batch norm of samples uses the running statistics ('running'), those of the batch of samples
      ('batch'), or means over `standing_batches` batches of samples ('standing'; the losses of an evaluation then use
      the running ones).
    standing_batches: gan, standing: batches of samples that the statistics are of.
    truncation: gan, vae: samples are of numbers z within this of 0, drawn again where they are farther: standard
      deviations of a normal z, at most 1 of a uniform one (Brock et al. 2019, section 3.1); 0 = none.
    judged: fid, kid, prdc, inception_score, memorisation: which images: samples | reconstructions of images of the
      evaluation split (restoration: what it restores of them) | real: that split as it is, so that the number is what
      a perfect model would reach.
    features: fid, kid, prdc, inception_score, memorisation: what images are compared by: inception | lenet | pixels |
      classifier:DIR, DIR the folder of a run of task 'classification'. Only inception's numbers are called fid and kid.
    features_path: for inception: its weights, .safetensors or .npz (docs/judging.md says where they come from); for
      lenet: the folder of a run of configs/cnn_mnist.py.
    resizer: how images come to the size of that network: clean | legacy_pytorch | legacy_tensorflow.
    num_real: real images that samples are compared with, drawn at random; 0 = all of the training split.
    reference: .npz file with the statistics of the real images; '' = those of the training split.
    reference_cache: folder where statistics of real images are kept; auto = ~/.cache/deconv/reference; '' = nowhere.
    neighbours: prdc: k, the neighbour whose distance is the radius of a ball.
    kid_subsets: kid: number of random subsets.
    kid_subset_size: kid: images in a subset.
    fid_points: fid: number of points of the extrapolation to infinitely many samples; 0 = none.
    self_tests: measure what is known before what is not, and give no number where that fails.

  Raises:
    UserError: a field out of range, or one that the task does not use.
  """

  SECTION: ClassVar[str] = 'eval'
  PATHS: ClassVar[tuple[str, ...]] = ('features_path', 'reference', 'reference_cache')
  JUDGED: ClassVar[tuple[str, ...]] = ('samples', 'reconstructions', 'real')  # by what the task can make
  every: int = 0
  batch_size: int = 256
  evaluators: tuple[str, ...] = ()
  num_samples: int = 1000
  interim_samples: int = 0
  use_ema: bool = True
  importance_samples: int = 0
  importance_chunk: int = 10
  whole_images: int = 0
  tile_overlap: float = 0.25
  flips: bool = False
  quarter_turns: bool = False
  scales: tuple[float, ...] = (1.0,)
  published_baseline: float = 0.0
  batch_stats: str = 'running'
  standing_batches: int = 16
  truncation: float = 0.0
  judged: str = 'samples'
  features: str = 'inception'
  features_path: str = ''
  resizer: str = 'clean'
  num_real: int = 0
  reference: str = ''
  reference_cache: str = 'auto'
  neighbours: int = 5
  kid_subsets: int = 100
  kid_subset_size: int = 1000
  fid_points: int = 0
  self_tests: bool = True

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(batch_stats=('running', 'batch', 'standing'), resizer=RESIZERS, judged=self.JUDGED)
    self._at_least(
      every=0, batch_size=1, num_samples=1, importance_samples=0, importance_chunk=1, whole_images=0, standing_batches=1
    )
    self._at_least(
      interim_samples=0, truncation=0, num_real=0, neighbours=1, kid_subsets=1, kid_subset_size=2, fid_points=0
    )
    self._at_least(published_baseline=0)
    self._share('tile_overlap')
    self._check_features()
    if not self.scales or min(self.scales) <= 0:
      raise UserError(f'eval.scales is {self.scales}; give one or more numbers above 0, such as (1.,)')
    if len(set(self.evaluators)) < len(self.evaluators):
      raise UserError(f'eval.evaluators={self.evaluators} names one of them twice; leave one out')

  def _check_features(self) -> None:
    kind, _, folder = self.features.partition(':')
    if kind != 'classifier':
      self._one_of(features=FEATURES)
    elif folder in ('', 'DIR'):
      raise UserError("eval.features='classifier:DIR': give the folder of a run of task 'classification' as DIR")
    if kind in ('pixels', 'classifier') and self.features_path:
      raise UserError(f"eval.features_path has no effect with eval.features='{self.features}'; leave it empty")
    looking = [name for name in self.evaluators if name in LOOKING]
    if looking and kind in ('inception', 'lenet') and not self.features_path:
      what = 'file of its weights' if kind == 'inception' else 'folder of a run of configs/cnn_mnist.py'
      raise UserError(
        f"the evaluator '{looking[0]}' looks through eval.features={kind}: set eval.features_path to the {what} "
        '(docs/judging.md says where it comes from), or choose eval.features=pixels'
      )

  @property
  def interim(self) -> 'EvalOptions':
    """The options of the evaluations on the way."""
    if self.interim_samples in (0, self.num_samples):
      return self
    return dataclasses.replace(self, num_samples=self.interim_samples, interim_samples=0)

  @property
  def looks(self) -> bool:
    """Whether an evaluator needs the feature network."""
    return any(name in LOOKING for name in self.evaluators)


@dataclasses.dataclass(frozen=True)
class GanEvalOptions(EvalOptions):
  """Generative adversarial networks: see EvalOptions."""

  JUDGED: ClassVar[tuple[str, ...]] = ('samples', 'real')
  EFFECT: ClassVar = {
    **_without(*_IMPORTANCE, *_WHOLE_IMAGES, *_PUBLISHED),
    'standing_batches': {'batch_stats': ('standing',)},
  }
  evaluators: tuple[str, ...] = ('neighbours', 'coverage')


@dataclasses.dataclass(frozen=True)
class VaeEvalOptions(EvalOptions):
  """Variational autoencoders: see EvalOptions."""

  EFFECT: ClassVar = _without(*_WHOLE_IMAGES, *_PUBLISHED, *_STATISTICS)
  evaluators: tuple[str, ...] = ('disentanglement',)


@dataclasses.dataclass(frozen=True)
class InverseGraphicsEvalOptions(EvalOptions):
  """Inverse graphics: see EvalOptions."""

  EFFECT: ClassVar = _without(*_WHOLE_IMAGES, *_PUBLISHED, *_STATISTICS)
  evaluators: tuple[str, ...] = ('factor_sweeps',)


@dataclasses.dataclass(frozen=True)
class RestorationEvalOptions(EvalOptions):
  """Restoration: see EvalOptions."""

  JUDGED: ClassVar[tuple[str, ...]] = ('reconstructions', 'real')
  EFFECT: ClassVar = _without(*_LATENTS, *_IMPORTANCE, 'scales', *_STATISTICS)
  judged: str = 'reconstructions'
  evaluators: tuple[str, ...] = ('whole_restoration',)


@dataclasses.dataclass(frozen=True)
class SegmentationEvalOptions(EvalOptions):
  """Segmentation: see EvalOptions."""

  EFFECT: ClassVar = _without(*_SAMPLES, *_LATENTS, *_JUDGING, *_IMPORTANCE, 'quarter_turns', *_PUBLISHED, *_STATISTICS)
  evaluators: tuple[str, ...] = ('whole_segmentation',)


@dataclasses.dataclass(frozen=True)
class ClassificationEvalOptions(EvalOptions):
  """Classification: see EvalOptions."""

  EFFECT: ClassVar = _without(*_SAMPLES, *_LATENTS, *_JUDGING, *_IMPORTANCE, *_WHOLE_IMAGES, *_PUBLISHED, *_STATISTICS)
  evaluators: tuple[str, ...] = ('confusion',)


@dataclasses.dataclass(frozen=True)
class SparseCodingEvalOptions(EvalOptions):
  """Sparse coding: see EvalOptions."""

  EFFECT: ClassVar = _without(*_SAMPLES, *_LATENTS, *_JUDGING, *_IMPORTANCE, *_WHOLE_IMAGES, *_PUBLISHED, *_STATISTICS)
  evaluators: tuple[str, ...] = ('sparse_restoration',)
