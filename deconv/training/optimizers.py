"""Optimizers and learning-rate schedules by name, all made of optax; their fields are in deconv.options."""

import optax

from deconv.errors import UserError


def _adam(options, rate):
  return optax.adam(rate, b1=options.beta1, b2=options.beta2, eps=options.eps)


def _adamw(options, rate):
  return optax.adamw(rate, b1=options.beta1, b2=options.beta2, eps=options.eps, weight_decay=options.weight_decay)


def _rmsprop(options, rate):
  return optax.rmsprop(rate, decay=options.beta2, eps=options.eps, eps_in_sqrt=False, momentum=options.momentum or None)


def _sgd(options, rate):
  return optax.sgd(rate, momentum=options.momentum or None)


_OPTIMIZERS = {'adam': _adam, 'adamw': _adamw, 'rmsprop': _rmsprop, 'sgd': _sgd}


def _constant(options, peak, steps):
  del options, steps
  return optax.constant_schedule(peak)


def _linear(options, peak, steps):
  return optax.linear_schedule(peak, peak * options.final_scale, steps)


def _cosine(options, peak, steps):
  return optax.cosine_decay_schedule(peak, steps, alpha=options.final_scale)


def _step(options, peak, steps):
  return optax.exponential_decay(peak, steps, options.decay_rate, staircase=True)


def _exponential(options, peak, steps):
  return optax.exponential_decay(peak, steps, options.decay_rate)


_SCHEDULES = {'constant': _constant, 'linear': _linear, 'cosine': _cosine, 'step': _step, 'exponential': _exponential}


def learning_rate(options, total_steps, scale=1.0):
  """Returns the schedule: a function from the number of updates done (int) to the learning rate of the next.

  Args:
    options: deconv.options.OptimizerOptions.
    total_steps: length of the run in steps; linear and cosine schedules without `decay_steps` end there.
    scale: factor of the peak.

  Raises:
    UserError: a warm-up that is longer than the run.
  """
  peak, warmup = options.learning_rate * scale, options.warmup_steps
  steps = options.decay_steps
  if options.depends_on_total:
    steps = total_steps - warmup
    if steps < 1:
      raise UserError(
        f'optimizer.warmup_steps={warmup} leaves nothing of a run of {total_steps} steps to the '
        f'{options.schedule} schedule; warm up for fewer steps'
      )
  schedule = _SCHEDULES[options.schedule](options, peak, steps)
  if not warmup:
    return schedule
  return optax.join_schedules([optax.linear_schedule(0.0, peak, warmup), schedule], [warmup])


def make_optimizer(options, total_steps, scale=1.0, updates=1):
  """Returns the optax transformation of the options: clip, add l2, then the optimizer with its schedule.

  Args:
    options: deconv.options.OptimizerOptions.
    total_steps: length of the run in steps, see `learning_rate`.
    scale: factor of the learning rate, for networks of one run that learn at different speeds.
    updates: updates of the optimizer in a step, in all of which the learning rate is that of the step.

  Raises:
    UserError: a warm-up that is longer than the run.
  """
  rate = learning_rate(options, total_steps, scale)
  parts = [_OPTIMIZERS[options.name](options, rate if updates == 1 else lambda count: rate(count // updates))]
  if options.l2:
    parts.insert(0, optax.add_decayed_weights(options.l2))
  if options.clip_norm:
    parts.insert(0, optax.clip_by_global_norm(options.clip_norm))
  return optax.chain(*parts) if len(parts) > 1 else parts[0]
