"""Optimizers and learning-rate schedules by name, all made of optax."""
import dataclasses
import difflib

import optax

from deconv.errors import UserError


@dataclasses.dataclass(frozen=True)
class OptimizerOptions:
  """The fields of `config.optimizer`; a field that the named optimizer or schedule does not use keeps its default.

  Attributes:
    name: adam | adamw | rmsprop | sgd.
    learning_rate: the peak learning rate, > 0.
    beta1: adam, adamw: decay of the first moment.
    beta2: adam, adamw, rmsprop: decay of the second moment.
    eps: adam, adamw, rmsprop: added to the root of the second moment.
    momentum: sgd, rmsprop: momentum.
    weight_decay: adamw: decoupled decay, multiplied by the learning rate (Loshchilov & Hutter 2019, algorithm 2).
    l2: this times the parameter is added to its gradient, after clipping.
    clip_norm: the gradient is scaled down to this global norm; 0 = off.
    schedule: constant | linear | cosine | step.
    warmup_steps: steps of linear warm-up from zero; the schedule proper starts after them.
    final_scale: linear, cosine: the last learning rate as a share of the peak.
    decay_steps: step: steps between two decays; linear, cosine: length of the decay, 0 = to the end of the run.
    decay_rate: step: factor of each decay.
  """
  name: str = 'adam'
  learning_rate: float = 2e-4
  beta1: float = 0.5
  beta2: float = 0.999
  eps: float = 1e-8
  momentum: float = 0.0
  weight_decay: float = 0.0
  l2: float = 0.0
  clip_norm: float = 0.0
  schedule: str = 'constant'
  warmup_steps: int = 0
  final_scale: float = 0.0
  decay_steps: int = 0
  decay_rate: float = 0.1


def _adam(options, rate):
  return optax.adam(rate, b1=options.beta1, b2=options.beta2, eps=options.eps)


def _adamw(options, rate):
  return optax.adamw(rate, b1=options.beta1, b2=options.beta2, eps=options.eps, weight_decay=options.weight_decay)


def _rmsprop(options, rate):
  return optax.rmsprop(rate, decay=options.beta2, eps=options.eps, eps_in_sqrt=False, momentum=options.momentum or None)


def _sgd(options, rate):
  return optax.sgd(rate, momentum=options.momentum or None)


# name: (builder, the fields that it uses)
_OPTIMIZERS = {
    'adam': (_adam, ('beta1', 'beta2', 'eps')),
    'adamw': (_adamw, ('beta1', 'beta2', 'eps', 'weight_decay')),
    'rmsprop': (_rmsprop, ('beta2', 'eps', 'momentum')),
    'sgd': (_sgd, ('momentum',)),
}


def _constant(options, peak, steps):
  del options, steps
  return optax.constant_schedule(peak)


def _linear(options, peak, steps):
  return optax.linear_schedule(peak, peak * options.final_scale, steps)


def _cosine(options, peak, steps):
  return optax.cosine_decay_schedule(peak, steps, alpha=options.final_scale)


def _step(options, peak, steps):
  return optax.exponential_decay(peak, steps, options.decay_rate, staircase=True)


_SCHEDULES = {
    'constant': (_constant, ()),
    'linear': (_linear, ('final_scale', 'decay_steps')),
    'cosine': (_cosine, ('final_scale', 'decay_steps')),
    'step': (_step, ('decay_steps', 'decay_rate')),
}


def depends_on_total(options):
  """Whether another length of the run would change the learning rate of its steps."""
  return options.schedule in ('linear', 'cosine') and options.decay_steps == 0


def learning_rate(options, total_steps, scale=1.0):
  """Returns the schedule: a function from the number of updates done (int) to the learning rate of the next.

  Args:
    options: OptimizerOptions.
    total_steps: length of the run in steps; linear and cosine schedules without `decay_steps` end there.
    scale: factor of the peak.

  Raises:
    UserError: an unknown schedule, a field out of range, or one that the schedule does not use.
  """
  build = _choose('schedule', options.schedule, _SCHEDULES)
  _check_unused(options, 'schedule', options.schedule, _SCHEDULES)
  _check_ranges(options)
  peak, warmup = options.learning_rate * scale, options.warmup_steps
  steps = options.decay_steps
  if options.schedule == 'step' and not steps:
    raise UserError("optimizer.schedule='step' needs optimizer.decay_steps, the steps between two decays; set it above "
                    '0')
  if depends_on_total(options):
    steps = total_steps - warmup
    if steps < 1:
      raise UserError(f'optimizer.warmup_steps={warmup} leaves nothing of a run of {total_steps} steps to the '
                      f'{options.schedule} schedule; warm up for fewer steps')
  schedule = build(options, peak, steps)
  if not warmup:
    return schedule
  return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), schedule], [warmup])


def make_optimizer(options, total_steps, scale=1.0):
  """Returns the optax transformation of the options: clip, add l2, then the optimizer with its schedule.

  Args:
    options: OptimizerOptions.
    total_steps: length of the run in steps, see `learning_rate`.
    scale: factor of the learning rate, for networks of one run that learn at different speeds.

  Raises:
    UserError: an unknown name, a field out of range, or one that was set though the optimizer does not use it.
  """
  build = _choose('name', options.name, _OPTIMIZERS)
  _check_unused(options, 'name', options.name, _OPTIMIZERS)
  rate = learning_rate(options, total_steps, scale)
  parts = [build(options, rate)]
  if options.l2:
    parts.insert(0, optax.add_decayed_weights(options.l2))
  if options.clip_norm:
    parts.insert(0, optax.clip_by_global_norm(options.clip_norm))
  return optax.chain(*parts) if len(parts) > 1 else parts[0]


def _choose(field, name, table):
  if name not in table:
    near = difflib.get_close_matches(name, table, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'?" if near else 'choose one of them.'
    raise UserError(f"optimizer.{field}='{name}' does not exist; there are {', '.join(table)}: {hint}")
  return table[name][0]


def _check_unused(options, field, name, table):
  """A setting without effect is refused: the reader of the config would believe in it."""
  defaults = OptimizerOptions()
  for other in sorted({used for _, fields in table.values() for used in fields} - set(table[name][1])):
    value, default = getattr(options, other), getattr(defaults, other)
    if value != default:
      users = ', '.join(key for key, (_, fields) in table.items() if other in fields)
      raise UserError(f"optimizer.{other}={value} has no effect with optimizer.{field}='{name}' (only with {users}); "
                      f'leave it at {default}')


def _check_ranges(options):
  for name in ('beta1', 'beta2', 'momentum'):
    if not 0 <= getattr(options, name) < 1:
      raise UserError(f'optimizer.{name}={getattr(options, name)} must be at least 0 and below 1; change it')
  if not options.learning_rate > 0:
    raise UserError(f'optimizer.learning_rate={options.learning_rate} must be above 0; change it')
  for name in ('eps', 'weight_decay', 'l2', 'clip_norm', 'warmup_steps', 'final_scale', 'decay_steps', 'decay_rate'):
    if not getattr(options, name) >= 0:
      raise UserError(f'optimizer.{name}={getattr(options, name)} must not be negative; change it')
