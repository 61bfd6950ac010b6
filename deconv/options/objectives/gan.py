"""The section `objective` of the task gan."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError, did_you_mean
from deconv.options.options import Options, default

# Keys of deconv.objectives.gan.OBJECTIVES.
LOSSES = ('non_saturating', 'minimax', 'wasserstein', 'lsgan', 'hinge', 'ragan', 'ralsgan', 'rahinge')
# Those that compare logits with the means of others.
RELATIVISTIC = ('ragan', 'ralsgan', 'rahinge')
# Those that compare a logit with a label.
_LABELLED = ('non_saturating', 'minimax', 'lsgan', 'ragan')
# Keys of deconv.objectives.penalties.PENALTIES; the first four differentiate an image's logit by that image.
GRADIENT_PENALTIES = ('wgan_gp', 'dragan', 'r1', 'r2')
PENALTIES = (*GRADIENT_PENALTIES, 'lecam', 'consistency')
_LAZY = ('r1', 'r2')
UPDATE_ORDERS = ('disc_then_gen', 'simultaneous', 'alternate')
# Keys of deconv.data.transforms.diff_augment.POLICIES.
AUGMENTATIONS = ('colour', 'translation', 'cutout', 'flip')
# {field: the penalties of which one has to be named for it to have an effect}.
_OF_PENALTY = {
  'wgan_gp_weight': ('wgan_gp',),
  'dragan_weight': ('dragan',),
  'r1_weight': ('r1',),
  'r2_weight': ('r2',),
  'lecam_weight': ('lecam',),
  'consistency_weight': ('consistency',),
  'consistency_augment': ('consistency',),
  'penalty_interval': _LAZY,
  'penalty_with_batch_norm': GRADIENT_PENALTIES,
}


@dataclasses.dataclass(frozen=True)
class GanObjective(Options):
  """The game of two networks.

  Attributes:
    name: the pair of losses: non_saturating | minimax | wasserstein | lsgan | hinge | ragan | ralsgan | rahinge, see
      deconv/objectives/gan.py.
    update_order: disc_then_gen | simultaneous | alternate, see deconv/tasks/gan.py.
    disc_updates: updates of the discriminator in a step, each on a minibatch of its own.
    joint_batches: show the discriminator reals and fakes in one batch, with common batch statistics, instead of two.
    disc_learning_rate_scale: learning rate of the discriminator as a multiple of the generator's.
    weight_clip: wasserstein without a penalty: after each update the discriminator's parameters are clipped to so much
      on both sides of 0 (Arjovsky et al. 2017: 0.01); 0 = not.
    label_smoothing: non_saturating, minimax, lsgan, ragan: the discriminator's label of the reals is 1 minus this.
    instance_noise: standard deviation of normal noise on all images that the discriminator sees in training, on the
      scale of [-1, 1] (Sonderby et al. 2017).
    instance_noise_steps: steps in which that noise falls linearly to zero; 0 = it stays.
    diff_augment: what is done to all images before the discriminator sees them in training (Zhao et al. 2020): colour,
      translation, cutout, flip, several of them or () for nothing.
    penalty: what is added to the discriminator's loss: none | wgan_gp | dragan | r1 | r2 | lecam | consistency, or
      several of them: 'r1,lecam' (deconv/objectives/penalties.py).
    wgan_gp_weight: wgan_gp: lambda of Gulrajani et al. 2017.
    dragan_weight: dragan: lambda of Kodali et al. 2017.
    r1_weight: r1: gamma of Mescheder et al. 2018, who halve it.
    r2_weight: r2: the same for generated images.
    lecam_weight: lecam: lambda of Tseng et al. 2021.
    consistency_weight: consistency: lambda of Zhang et al. 2020.
    consistency_augment: consistency: what moves the reals: colour | translation | cutout | flip, one or several.
    penalty_interval: r1, r2: the penalty is computed in one of so many updates and multiplied by their number.
    penalty_with_batch_norm: wgan_gp, dragan, r1, r2: allow a discriminator with batch norm, as some papers do (DRAGAN).
    auxiliary_weight: model.disc_label auxiliary: weight of the discriminator's loss of the class.
    auxiliary_gen_weight: the same of the generator's.
    info_weight: categorical codes: weight of what they cost both networks (InfoGAN: 1).
    info_continuous_weight: continuous codes: the same.
    alarm_accuracy: warn when the discriminator is right about more than this share of both kinds of images.
    alarm_diversity: warn when a generated pixel varies less than so much of what a real one does.
    alarm_gradient: warn when the norm of the gradient that a generated image gets is below this.
    alarm_constant: warn when loss_disc is so close to the loss of a discriminator that tells nothing apart, or of one
      whose images are all beyond the margin of the hinge.
    logit_decay: lecam and the objectives that compare logits with means: decay per update of the running means.

  Raises:
    UserError: an unknown name, a number out of range, or fields that do not fit together.
  """

  SECTION: ClassVar[str] = 'objective'
  EFFECT: ClassVar = {'label_smoothing': {'name': _LABELLED}, 'weight_clip': {'name': ('wasserstein',)}}
  name: str = 'non_saturating'
  update_order: str = 'disc_then_gen'
  disc_updates: int = 1
  joint_batches: bool = False
  disc_learning_rate_scale: float = 1.0
  weight_clip: float = 0.01
  label_smoothing: float = 0.0
  instance_noise: float = 0.0
  instance_noise_steps: int = 0
  diff_augment: tuple[str, ...] = ()
  penalty: str = 'none'
  wgan_gp_weight: float = 10.0
  dragan_weight: float = 10.0
  r1_weight: float = 10.0
  r2_weight: float = 10.0
  lecam_weight: float = 0.3
  consistency_weight: float = 10.0
  consistency_augment: tuple[str, ...] = ('translation',)
  penalty_interval: int = 1
  penalty_with_batch_norm: bool = False
  auxiliary_weight: float = 1.0
  auxiliary_gen_weight: float = 1.0
  info_weight: float = 1.0
  info_continuous_weight: float = 0.1
  alarm_accuracy: float = 0.999
  alarm_diversity: float = 0.1
  alarm_gradient: float = 1e-6
  alarm_constant: float = 1e-4
  logit_decay: float = 0.99

  def __post_init__(self) -> None:
    if isinstance(self.penalty, (tuple, list)):  # in Python several names may stand in a tuple
      object.__setattr__(self, 'penalty', ','.join(map(str, self.penalty)) or 'none')
    super().__post_init__()
    self._one_of(name=LOSSES, update_order=UPDATE_ORDERS)
    self._check_penalties()
    self._above_zero('disc_learning_rate_scale')
    self._at_least(
      disc_updates=1,
      weight_clip=0,
      instance_noise=0,
      auxiliary_weight=0,
      auxiliary_gen_weight=0,
      info_weight=0,
      info_continuous_weight=0,
      alarm_accuracy=0,
      alarm_diversity=0,
      alarm_gradient=0,
      alarm_constant=0,
      instance_noise_steps=0,
      penalty_interval=1,
      **{field: 0 for field in _OF_PENALTY if field.endswith('_weight')},
    )
    self._share('label_smoothing', 'logit_decay')
    if self.instance_noise_steps and not self.instance_noise:
      raise UserError(
        f'objective.instance_noise_steps={self.instance_noise_steps} has no effect without noise; set '
        'objective.instance_noise above 0'
      )
    self._check_augmentations('diff_augment')
    self._check_augmentations('consistency_augment')

  def _check_penalties(self) -> None:
    for name in self.penalties:
      if name not in PENALTIES:
        raise UserError(
          f"objective.penalty has '{name}'{did_you_mean(name, PENALTIES)}; choose from: none, {', '.join(PENALTIES)}"
        )
    if len(set(self.penalties)) < len(self.penalties):
      raise UserError(f"objective.penalty='{self.penalty}' names one of them twice; leave one out")
    for field, penalties in _OF_PENALTY.items():
      neutral = default(type(self), field)
      if getattr(self, field) != neutral and not set(penalties) & set(self.penalties):
        raise UserError(
          f"objective.{field}={getattr(self, field)} has no effect with objective.penalty='{self.penalty}' (only with "
          f'{", ".join(penalties)}); leave it at {neutral}'
        )

  def _check_augmentations(self, field: str) -> None:
    for name in getattr(self, field):
      if name not in AUGMENTATIONS:
        raise UserError(
          f"objective.{field} has '{name}'{did_you_mean(name, AUGMENTATIONS)}; choose from: {', '.join(AUGMENTATIONS)}"
        )

  @property
  def penalties(self) -> tuple[str, ...]:
    """The names in `penalty`; () where it is none."""
    names = tuple(name.strip() for name in self.penalty.split(','))
    return () if names == ('none',) else names

  @property
  def minibatches(self) -> int:
    return self.disc_updates

  @property
  def clips(self) -> bool:
    """Whether the discriminator's parameters are clipped after its updates."""
    return self.name == 'wasserstein' and self.weight_clip > 0 and not self.penalties

  def check_experiment(self, experiment: Any) -> None:
    whole = self.name if self.name in RELATIVISTIC else 'dragan' if 'dragan' in self.penalties else ''
    if whole and experiment.train.accumulate > 1:
      raise UserError(
        f"'{whole}' needs means over a whole minibatch, and train.accumulate={experiment.train.accumulate} computes it "
        'part by part; set train.accumulate to 1'
      )
    for fields, there, what in (
      (
        ('auxiliary_weight', 'auxiliary_gen_weight'),
        experiment.model.disc_label == 'auxiliary',
        'disc_label=auxiliary',
      ),
      (('info_weight',), experiment.model.categorical_codes, 'categorical_codes'),
      (('info_continuous_weight',), experiment.model.continuous_codes, 'continuous_codes'),
    ):
      for field in fields:
        neutral = default(type(self), field)
        if getattr(self, field) != neutral and not there:
          raise UserError(
            f'objective.{field}={getattr(self, field)} has no effect without model.{what}; leave it at {neutral}'
          )
    wrong = [name for name in self.penalties if name in GRADIENT_PENALTIES]
    if wrong and experiment.model.disc_batch_norm and not self.penalty_with_batch_norm:
      raise UserError(
        f"objective.penalty='{wrong[0]}' limits the gradient of each image's logit, and the batch norm in the "
        f"discriminator of '{experiment.model.name}' makes that logit depend on the whole batch; set "
        'model.disc_norm=layer, or objective.penalty_with_batch_norm=true to do it all the same'
      )
