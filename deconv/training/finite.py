"""Numbers that are not finite stop a run: after the first of them everything that it computes is lost."""

import jax
import numpy as np

from deconv.errors import UserError


class NonFiniteError(UserError):
  """A loss or a part of the state is nan or infinite. Attributes: step, names (those that are not finite)."""

  def __init__(self, message, step, names):
    super().__init__(message)
    self.step, self.names = step, names


def check_scalars(scalars, step, last_checkpoint):
  """Raises NonFiniteError when a scalar of a step is not finite.

  Args:
    scalars: {name: number}.
    step: the step that they belong to, counted from 1.
    last_checkpoint: step of the newest checkpoint, or None; for the message.
  """
  bad = {name: float(value) for name, value in scalars.items() if not np.isfinite(value)}
  if bad:
    values = ', '.join(f'{name} = {value}' for name, value in bad.items())
    raise NonFiniteError(f'step {step} is not finite: {values}; {_advice(last_checkpoint)}', step, sorted(bad))


def check_state(state, step, last_checkpoint):
  """Raises NonFiniteError when an array of a state (on the host) holds a value that is not finite."""
  bad = [
    jax.tree_util.keystr(path, simple=True, separator='/')
    for path, x in jax.tree_util.tree_leaves_with_path(state)
    if np.issubdtype(x.dtype, np.inexact) and not np.isfinite(x).all()
  ]
  if bad:
    more = f' and {len(bad) - 1} more' if len(bad) > 1 else ''
    raise NonFiniteError(
      f'the state after step {step} is not finite: {bad[0]}{more}; {_advice(last_checkpoint)}', step, bad
    )


def _advice(last_checkpoint):
  if last_checkpoint is None:
    return 'no checkpoint was written yet: lower optimizer.learning_rate or set optimizer.clip_norm, and start again'
  return (
    f'the checkpoint of step {last_checkpoint} is kept: lower optimizer.learning_rate and pass --allow_config_change '
    'to go on from there, or set optimizer.clip_norm in another --workdir'
  )
