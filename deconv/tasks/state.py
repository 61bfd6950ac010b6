"""What a run is made of: everything that a checkpoint has to hold, as pytrees of arrays."""

import dataclasses
import functools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

# On a CPU most of the time before a first state goes into optimizing the code that draws it, which runs for an instant.
_LITTLE_OPTIMIZED = {'xla_backend_optimization_level': 0, 'xla_cpu_use_fusion_emitters': False}


def compiled_fast(function):
  """`jax.jit` for what runs once: on a CPU it takes less time to compile, and more to run.

  Values may differ in their last digits from those of `jax.jit`, and within another program they are the other's.

  Args:
    function: of arrays, to arrays.
  """
  plain, quick = jax.jit(function), jax.jit(function, compiler_options=_LITTLE_OPTIMIZED)

  @functools.wraps(function)
  def call(*args):
    inner = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(args))  # which takes no options of its own
    return (plain if inner or jax.default_backend() != 'cpu' else quick)(*args)

  return call


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass(frozen=True)
class NetworkState:
  """One network: parameters, batch statistics, optimizer state and, where one is kept, the moving average.

  Attributes:
    params: pytree of float32 arrays.
    batch_stats: pytree of float32 arrays, the running statistics of batch norm; {} without batch norm.
    opt_state: state of the optax optimizer. The optimizer itself belongs to the task.
    ema: None, or {'params': ..., 'batch_stats': ...}, their exponential moving averages.
    memory: None, or what else is kept from step to step, by name: 'spectral', the vectors of
      deconv.layers.SpectralNorm; 'logits', running means of a discriminator's logits.
  """

  params: Any
  batch_stats: Any
  opt_state: Any
  ema: Any = None
  memory: Any = None

  def tree_flatten_with_keys(self):
    """As flax.struct.dataclass has it, but without a memory that is None: checkpoints from before it fit."""
    names = tuple(field.name for field in dataclasses.fields(self) if field.name != 'memory' or self.memory is not None)
    return [(jax.tree_util.GetAttrKey(name), getattr(self, name)) for name in names], names

  @classmethod
  def tree_unflatten(cls, names, children):
    """The inverse of `tree_flatten_with_keys`."""
    return cls(**dict(zip(names, children)))

  def replace(self, **fields):
    """Returns a copy with other values of some fields."""
    return dataclasses.replace(self, **fields)

  @classmethod
  def create(cls, variables, optimizer, ema=False):
    """Returns the state at step 0 from the variables that a module's `init` made."""
    params, batch_stats = variables['params'], variables.get('batch_stats', {})
    # Copies: a state whose buffers are donated must not hold one buffer twice.
    average = jax.tree.map(jnp.copy, {'params': params, 'batch_stats': batch_stats}) if ema else None
    memory = {'spectral': variables['spectral']} if 'spectral' in variables else None
    return cls(params=params, batch_stats=batch_stats, opt_state=optimizer.init(params), ema=average, memory=memory)

  @property
  def collections(self):
    """{'batch_stats'} and, with spectral norm, 'spectral': what a module's `apply` wants besides the parameters."""
    spectral = {'spectral': self.memory['spectral']} if 'spectral' in (self.memory or ()) else {}
    return {'batch_stats': self.batch_stats, **spectral}

  @property
  def variables(self):
    """{'params', 'batch_stats'} and, with spectral norm, 'spectral', as a module's `apply` wants them."""
    return {'params': self.params, **self.collections}

  def with_collections(self, collections):
    """Returns the state with new `collections`."""
    spectral = {name: value for name, value in collections.items() if name != 'batch_stats'}
    memory = {**self.memory, **spectral} if spectral else self.memory
    return self.replace(batch_stats=collections['batch_stats'], memory=memory)

  def averaged(self, use_ema):
    """Whether `evaluated` is the moving average."""
    return bool(use_ema and self.ema is not None)

  def evaluated(self, use_ema):
    """The variables to evaluate and sample: the moving average where there is one and it is wanted."""
    return {**self.variables, **self.ema} if self.averaged(use_ema) else self.variables

  def update(self, optimizer, grads, batch_stats):
    """Returns the state after one optimizer update; the average is left as it was (see `average`)."""
    with jax.numpy_dtype_promotion('standard'):  # optax mixes floats with its int32 counts
      updates, opt_state = optimizer.update(grads, self.opt_state, self.params)
      params = optax.apply_updates(self.params, updates)
    return self.replace(params=params, batch_stats=batch_stats, opt_state=opt_state)

  def average(self, train, step):
    """Returns the state with ema = d * ema + (1 - d) * current, statistics included; nothing where there is no ema.

    d = min(ema_decay, (1 + step) / (10 + step)), so that the random start is forgotten early in a short run (the rule
    of tf.train.ExponentialMovingAverage's num_updates). In the first `ema_start` steps d = 0 (Brock et al. 2019,
    appendix C).

    Args:
      train: deconv.options.run.TrainOptions; `ema_decay` and `ema_start` are used.
      step: int scalar, updates done before this one.
    """
    if self.ema is None:
      return self
    step = jnp.asarray(step, jnp.float32)
    decay = jnp.minimum(train.ema_decay, (1 + step) / (10 + step))
    if train.ema_start:
      decay = jnp.where(step < train.ema_start, 0.0, decay)
    current = {'params': self.params, 'batch_stats': self.batch_stats}
    new = jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, self.ema, current)
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
