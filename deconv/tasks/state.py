"""What a run is made of: everything that a checkpoint has to hold, as pytrees of arrays."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax


@flax.struct.dataclass
class NetworkState:
  """One network: parameters, batch statistics, optimizer state and, where one is kept, the moving average.

  Attributes:
    params: pytree of float32 arrays.
    batch_stats: pytree of float32 arrays, the running statistics of batch norm; {} without batch norm.
    opt_state: state of the optax optimizer. The optimizer itself belongs to the task.
    ema: None, or {'params': ..., 'batch_stats': ...}, their exponential moving averages.
    memory: None, or what else is kept from step to step, by name: of a GAN's discriminator 'logits', see
      deconv.tasks.adversary.
  """

  params: Any
  batch_stats: Any
  opt_state: Any
  ema: Any = None
  memory: Any = None

  @classmethod
  def create(cls, variables, optimizer, ema=False):
    """Returns the state at step 0 from the variables that a module's `init` made."""
    params, batch_stats = variables['params'], variables.get('batch_stats', {})
    # Copies: a state whose buffers are donated must not hold one buffer twice.
    average = jax.tree.map(jnp.copy, {'params': params, 'batch_stats': batch_stats}) if ema else None
    return cls(params=params, batch_stats=batch_stats, opt_state=optimizer.init(params), ema=average)

  @property
  def variables(self):
    """{'params', 'batch_stats'} as a module's `apply` wants them."""
    return {'params': self.params, 'batch_stats': self.batch_stats}

  def averaged(self, use_ema):
    """Whether `evaluated` is the moving average."""
    return bool(use_ema and self.ema is not None)

  def evaluated(self, use_ema):
    """{'params', 'batch_stats'} to evaluate and sample: the moving average where there is one and it is wanted."""
    return self.ema if self.averaged(use_ema) else self.variables

  def update(self, optimizer, grads, batch_stats):
    """Returns the state after one optimizer update; the average is left as it was (see `average`)."""
    with jax.numpy_dtype_promotion('standard'):  # optax mixes floats with its int32 counts
      updates, opt_state = optimizer.update(grads, self.opt_state, self.params)
      params = optax.apply_updates(self.params, updates)
    return self.replace(params=params, batch_stats=batch_stats, opt_state=opt_state)

  def average(self, decay, step):
    """Returns the state with ema = d * ema + (1 - d) * current, statistics included; nothing where there is no ema.

    d = min(decay, (1 + step) / (10 + step)), so that the random start is forgotten early in a short run (the rule of
    tf.train.ExponentialMovingAverage's num_updates).

    Args:
      decay: float in [0, 1).
      step: int scalar, updates done before this one.
    """
    if self.ema is None:
      return self
    step = jnp.asarray(step, jnp.float32)
    decay = jnp.minimum(decay, (1 + step) / (10 + step))
    new = jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, self.ema, dict(self.variables))
    return self.replace(ema=new)


@flax.struct.dataclass
class State:
  """A whole run.

  Attributes:
    step: int32 scalar, steps done.
    networks: {name: NetworkState}; a GAN has 'gen' and 'disc'.
  """

  step: jax.Array
  networks: dict[str, NetworkState]
