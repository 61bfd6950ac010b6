"""The VAE task: bounds and an exact marginal, sums that do not depend on the batch, devices, options and pictures."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from deconv.configs import base
from deconv.errors import UserError
from deconv.objectives import elbo
from deconv.objectives.likelihoods import LIKELIHOODS
from deconv.options import Experiment, ParallelOptions
from deconv.options.objectives.vae import VaeObjective
from deconv.rng import stream, streams
from deconv.tasks import TASKS
from deconv.tasks.capabilities import Reconstructs
from deconv.tasks.vae import Vae
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype=np.uint8)
BATCH = {'image': IMAGES}


def make_options(latent=3, **sections):
  """A perceptron of a few units on 4x4 images."""
  return Experiment.from_config(
    {
      'task': 'vae',
      'model': {'name': 'vae_mlp', 'hidden': 8, 'latent_size': latent},
      'data': {'image_size': 4},
      **sections,
    }
  )


def adam(scale):
  return optax.adam(scale * 1e-2)


def make_task(make_optimizer=adam, **sections):
  return Vae(make_options(**sections), make_optimizer, None)


def with_noise(task, batch):
  return {**batch, **task.random_inputs(batch, KEY)}


class LinearEncoder(nn.Module):
  """Statistics of the exact posterior of LinearDecoder, its standard deviations times `widen`."""

  widen: float

  @nn.compact
  def __call__(self, x):
    precision = np.eye(2) + WEIGHTS.T @ WEIGHTS / SIGMA**2
    self.param('unused', nn.initializers.zeros, ())
    mean = (x.reshape(len(x), -1) - BIAS) @ (np.linalg.solve(precision, WEIGHTS.T) / SIGMA**2).T
    return jnp.concatenate(
      [mean, jnp.broadcast_to(2 * np.log(self.widen) - np.log(np.diag(precision)), (len(x), 2))], -1
    )


class LinearDecoder(nn.Module):
  """z -> mean W z + b of a Gaussian of fixed sigma."""

  @nn.compact
  def __call__(self, z):
    self.param('unused', nn.initializers.zeros, ())
    return (z @ WEIGHTS.T + BIAS).reshape(-1, 4, 4, 1)


RNG = np.random.default_rng(1)
# Orthogonal columns: the exact posterior is diagonal, so that an encoder can be it.
WEIGHTS = np.linalg.qr(RNG.normal(size=(16, 2)))[0] * [0.8, 0.3]
BIAS, SIGMA = 0.1 * RNG.normal(size=16), 0.2


class LinearVae(Vae):
  """The linear networks; SIGMA is in units of [-1, 1]."""

  def __init__(self, widen, **evaluation):
    self.widen = widen
    objective = {'likelihood': 'gaussian_fixed', 'noise_scale': SIGMA / 2, 'binarization': 'grey'}
    super().__init__(make_options(latent=2, objective=objective, eval=evaluation), lambda scale: optax.sgd(0.0), None)

  def make_networks(self):
    return LinearEncoder(self.widen), LinearDecoder()


@pytest.mark.parametrize('widen, samples, tolerance', [(1.0, 1, 1e-4), (1.5, 3001, 0.1)])
def test_nll_of_a_linear_gaussian_vae_is_exact(widen, samples, tolerance):
  """With the exact posterior one sample does, and -ELBO less the KL's noise is the same; a wrong one needs many."""
  images = np.random.default_rng(2).integers(90, 166, (8, 4, 4, 1), dtype=np.uint8)
  task = LinearVae(widen, importance_samples=samples, importance_chunk=100)
  batch = with_noise(task, {'image': images})
  targets = jax.jit(task.targets)(batch, jax.random.wrap_key_data(batch['noise_key'])).reshape(8, 16)
  exact = stats.multivariate_normal.logpdf(targets, BIAS, WEIGHTS @ WEIGHTS.T + SIGMA**2 * np.eye(16)) - 16 * np.log(
    128
  )
  metrics = task.summarize(jax.jit(task.eval_step)(task.init(KEY, batch), batch, KEY))
  assert metrics['nll'] == pytest.approx(-exact.mean(), abs=tolerance)
  assert metrics['nll_bits_per_dim'] == pytest.approx(metrics['nll'] / 16 / np.log(2))
  if widen > 1:
    gap = np.log(widen**2) * -1 + widen**2 - 1  # KL(q || exact posterior), two latents
    assert metrics['neg_elbo'] - metrics['nll'] > 0.3 * gap


def log_bernoulli(targets, logits):
  logits = np.asarray(logits, np.float64)
  return (np.asarray(targets) * logits - np.logaddexp(0, logits)).sum((-3, -2, -1))


def test_bound_by_hand():
  task = make_task()
  params, batch = task.init(KEY, BATCH).networks['vae'].params, with_noise(task, BATCH)
  bound = jax.jit(lambda batch: task.bound(params, batch, 2))(batch)
  keys = jax.random.wrap_key_data(batch['noise_key'])
  targets = jax.jit(task.likelihood.targets)(IMAGES, streams(keys, 'targets'))
  np.testing.assert_array_equal(bound.targets, targets)
  encoded = jax.jit(task.encode)(params, 2 * targets - 1)
  for found in (bound.encoded, bound.posterior):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, encoded)
  mean, log_variance = (np.asarray(x, np.float64) for x in encoded)
  assert bound.noise.shape == (2, 8, 3) and abs(np.mean(bound.noise)) < 0.5 < np.std(bound.noise) < 1.5
  np.testing.assert_allclose(bound.z, mean + np.exp(log_variance / 2) * np.asarray(bound.noise), atol=1e-5)
  expected = log_bernoulli(targets, jax.jit(task.decode)(params, bound.z))
  np.testing.assert_allclose(bound.log_likelihood, expected, rtol=1e-5)
  rate = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(-1)
  np.testing.assert_allclose(bound.rate, rate, rtol=1e-4)
  assert bound.scalars() == pytest.approx(
    {'neg_elbo': rate.mean() - expected.mean(), 'distortion': -expected.mean(), 'rate': rate.mean()}, rel=1e-5
  )
  # What an image draws is a function of its own key.
  alone = jax.jit(lambda batch: task.bound(params, batch, 2))({name: x[5:6] for name, x in batch.items()})
  np.testing.assert_array_equal(alone.noise[:, 0], bound.noise[:, 5])
  np.testing.assert_array_equal(alone.targets[0], bound.targets[5])


def test_codes_are_drawn_from_what_the_posterior_is_changed_to():
  """Changed to the prior: the codes are the noise and cost nothing; what the encoder said is still there."""
  task = make_task()
  params, batch = task.init(KEY, BATCH).networks['vae'].params, with_noise(task, BATCH)
  prior = elbo.Posterior(jnp.zeros((8, 3)), jnp.zeros((8, 3)))
  keep_none = lambda posterior: jax.tree.map(lambda of_encoder, of_prior: 0 * of_encoder + of_prior, posterior, prior)
  plain, changed = (jax.jit(lambda more=more: task.bound(params, batch, 1, *more))() for more in ((), (keep_none,)))
  for name in ('targets', 'encoded', 'noise'):
    jax.tree.map(np.testing.assert_array_equal, getattr(plain, name), getattr(changed, name))
  assert np.abs(plain.posterior.mean).max() > 0.1 and plain.rate.max() > 0.1
  jax.tree.map(np.testing.assert_array_equal, changed.posterior, prior)
  np.testing.assert_array_equal(changed.z, changed.noise)
  np.testing.assert_array_equal(changed.rate, 0)
  expected = log_bernoulli(changed.targets, jax.jit(task.decode)(params, changed.noise))
  np.testing.assert_allclose(changed.log_likelihood, expected, rtol=1e-5)


def test_a_step_is_traced_by_the_shapes_of_a_batch():
  task = make_task()
  shapes = task.batch_shapes(5)
  assert shapes == {'image': jax.ShapeDtypeStruct((5, 4, 4, 1), jnp.uint8)}
  state = jax.eval_shape(task.init, KEY, shapes)
  new, scalars = jax.eval_shape(task.train_step, state, shapes, KEY)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), new) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
  assert set(scalars) == {'loss', 'neg_elbo', 'distortion', 'rate'}


@pytest.fixture(scope='module')
def trained():
  """A task, its state after a hundred steps, and the scalars of each."""
  task = make_task(
    train={'ema_decay': 0.5}, samples={'num': 6}, eval={'importance_samples': 7, 'importance_chunk': 3, 'batch_size': 4}
  )
  step, state, scalars = jax.jit(task.train_step), task.init(KEY, BATCH), []
  for i in range(100):
    state, new = step(state, BATCH, jax.random.fold_in(KEY, i))
    scalars.append(new)
  return task, state, scalars


def test_training_lowers_the_loss(trained):
  _, state, scalars = trained
  losses = np.array([float(new['loss']) for new in scalars])
  assert state.step == 100 and losses[-20:].mean() < losses[:20].mean() - 0.5
  for new in scalars[::20]:
    assert new['neg_elbo'] == pytest.approx(float(new['distortion'] + new['rate'])) == float(new['loss'])


def test_sums_do_not_depend_on_the_batches(trained):
  """Eight images at once, and as 3 + 3 + 2 with padding: what an image draws comes from its own key."""
  task, state, _ = trained
  evaluate = jax.jit(task.eval_step)
  batch = with_noise(task, BATCH)
  whole = evaluate(state, batch, KEY)
  parts = []
  for start in (0, 3, 6):
    rows = np.arange(start, start + 3)
    part = {name: np.asarray(value)[np.minimum(rows, 7)] for name, value in batch.items()}
    parts.append(evaluate(state, dict(part, weight=(rows < 8).astype(np.float32)), jax.random.key(9)))
  assert whole['count'] == 8
  for name, value in whole.items():
    np.testing.assert_allclose(
      sum(np.asarray(part[name], np.float64) for part in parts), value, rtol=1e-5, atol=1e-5, err_msg=name
    )
  metrics, again = task.summarize(whole), task.summarize(jax.tree.map(lambda *x: sum(x), *parts))
  assert metrics == pytest.approx(again, rel=1e-5)
  assert 'nll' in metrics and 'bits_per_dim' not in metrics  # binary pixels have no 256 levels


def test_scores_are_the_terms_of_the_sum(trained):
  task, state, _ = trained
  scores = task.score_images(state, BATCH, KEY)['neg_elbo']
  assert scores.shape == (8,) and np.ptp(scores) > 0
  assert scores.sum() == pytest.approx(float(jax.jit(task.eval_step)(state, BATCH, KEY)['neg_elbo']), rel=1e-5)


def test_pmap_equals_jit_with_the_noise_passed_in():
  found = []
  start = make_task().init(KEY, BATCH)
  batch = with_noise(make_task(), BATCH)
  batch['weight'] = np.array([1, 1, 1, 0, 1, 1, 1, 1], np.float32)
  for mode in ('jit', 'pmap'):
    parallel = Parallel(ParallelOptions(mode), jax.devices()[:2])
    task = make_task(
      lambda scale, parallel=parallel: parallel.wrap_optimizer(adam(scale)),
      objective={'samples': 2},
      eval={'importance_samples': 2},
    )
    put = parallel.put_batch(batch)
    state, scalars = parallel.train_step(task)(parallel.put_state(start), put, KEY)
    found.append(parallel.fetch((state, scalars, parallel.eval_step(task)(state, put, KEY))))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *found)
  assert found[0][2]['count'] == 7


def test_iwae_gradient_weighs_the_samples_by_hand():
  """k samples: loss = -log mean exp(w); with one sample it is -w, whose mean is the negative ELBO."""
  task = make_task(objective={'name': 'iwae', 'samples': 4})
  params = task.init(KEY, BATCH).networks['vae'].params
  batch = with_noise(task, BATCH)
  keys = jax.random.wrap_key_data(batch['noise_key'])
  targets = jax.jit(task.targets)(batch, keys)
  posterior = jax.jit(task.encode)(params, task.likelihood.inputs(targets))
  mean, scale = np.asarray(posterior.mean), np.exp(np.asarray(posterior.log_variance) / 2)
  noise = jax.jit(lambda: task.noise(keys, 'latent', 4))()
  z = mean + scale * np.asarray(noise)
  weights = log_bernoulli(targets, jax.jit(task.decode)(params, z)) + (
    stats.norm.logpdf(z) - stats.norm.logpdf(z, mean, scale)
  ).sum(-1)
  loss, _ = jax.jit(task.loss)(params, batch, jnp.int32(0))
  assert loss == pytest.approx(-np.log(np.exp(weights).mean(axis=0)).mean(), rel=1e-5)
  assert loss < -weights.mean()


def test_regularizer_sees_the_step_and_changes_the_gradient():
  task = make_task(objective={'warmup_steps': 10})
  params = task.init(KEY, BATCH).networks['vae'].params
  batch = with_noise(task, BATCH)
  evaluate = jax.jit(task.loss)
  for step in (0, 5, 20):
    loss, scalars = evaluate(params, batch, jnp.int32(step))
    assert loss == pytest.approx(float(scalars['distortion'] + min(1, step / 10) * scalars['rate']))


def test_static_binarisation_is_the_same_in_training_and_evaluation():
  likelihood = LIKELIHOODS['bernoulli'](VaeObjective(binarization='static', binarization_seed=3))
  first, second = (likelihood.targets(jnp.asarray(IMAGES), jax.random.split(jax.random.key(i), 8)) for i in (0, 1))
  np.testing.assert_array_equal(first, second)


# Options.


def config_of(**fields):
  config = base.get_config(model='vae_mlp', task='vae')
  config.data.image_size = 8
  config.model.hidden = 4
  config.update_from_flattened_dict({name.replace('__', '.'): value for name, value in fields.items()})
  return config


def test_fields_reach_the_task():
  scales = []
  options = Experiment.from_config(
    config_of(
      objective__name='capacity',
      objective__gamma=2.0,
      objective__capacity_nats=1.0,
      objective__capacity_steps=1,
      objective__likelihood='logistic_mixture',
      objective__mixtures=2,
      objective__binarization='grey',
      objective__samples=3,
      eval__importance_samples=5,
      eval__batch_size=7,
      model__latent_size=6,
      train__dtype='bfloat16',
    )
  )
  task = TASKS['vae'](options, lambda scale: scales.append(scale) or optax.sgd(scale), None)
  prior = elbo.Posterior(jnp.zeros((1, 6)), jnp.zeros((1, 6)))
  value, _ = task.regularizer(prior, prior.mean, jnp.int32(1))
  assert value == 2.0 and task.latent.size == 6 and task.forward_size == 7 and scales == [1.0]
  assert task.encoder.dtype == task.decoder.dtype == jnp.bfloat16
  batch = {'image': np.zeros((2, 8, 8, 1), np.uint8)}
  state = jax.eval_shape(task.init, KEY, batch)
  assert state.networks['vae'].params['decoder']['pixels']['kernel'].shape == (4, 64 * 2 * 3)
  assert state.networks['vae'].params['encoder']['posterior']['kernel'].shape == (4, 12)
  assert task.protocol(state) == {
    'likelihood': 'logistic_mixture',
    'binarization': 'grey',
    'unit': 'nats an image',
    'elbo_samples': 1,
    'ema': False,
    'importance_samples': 5,
  }
  bound = jax.eval_shape(lambda params: task.loss(params, with_noise(task, batch), 0), state.networks['vae'].params)
  assert set(bound[1]) == {'loss', 'neg_elbo', 'distortion', 'rate', 'capacity'}


@pytest.mark.parametrize(
  'fields, part',
  [
    ({'objective__name': 'elbow'}, "objective.name is 'elbow' (did you mean 'elbo'?); choose one of"),
    ({'objective__likelihood': 'normal'}, "objective.likelihood is 'normal'; choose one of"),
    ({'objective__gamma': 5.0}, 'objective.gamma=5.0 has no effect'),
    ({'objective__name': 'iwae', 'objective__beta': 2.0}, 'objective.beta=2.0 has no effect'),
    ({'objective__mixtures': 3}, 'objective.mixtures=3 has no effect'),
    ({'objective__likelihood': 'gaussian_fixed'}, 'set objective.binarization to grey'),
    ({'objective__binarization': 'gray'}, 'dynamic, static, grey'),
    ({'objective__samples': 0}, 'objective.samples=0'),
    ({'model__name': 'dcgan'}, "model.name is 'dcgan' (did you mean 'dcign'?); choose one of"),
    ({'model__name': 'vae_conv'}, 'no field model.depth'),
  ],
  ids=str,
)
def test_mistakes_are_one_sentence(fields, part):
  with pytest.raises(UserError) as error:
    Experiment.from_config(config_of(**fields))
  assert part in str(error.value) and '\n' not in str(error.value)


def test_static_binarisation_stands_where_evaluation_files_have_it():
  """JSON files hold the entries in this order."""
  task = make_task(objective={'binarization': 'static', 'binarization_seed': 7}, eval={'importance_samples': 3})
  protocol = task.protocol(jax.eval_shape(task.init, KEY, BATCH))
  assert list(protocol.items()) == [
    ('likelihood', 'bernoulli'),
    ('binarization', 'static'),
    ('unit', 'nats an image'),
    ('elbo_samples', 1),
    ('ema', False),
    ('binarization_seed', 7),
    ('importance_samples', 3),
  ]


def test_an_evaluation_has_no_axis_of_samples():
  """With an axis of 1 the sums over pixels round otherwise, and old evaluations would not come again."""
  task = make_task()
  state, batch = task.init(KEY, BATCH), with_noise(task, BATCH)
  params = state.networks['vae'].params
  bound, single = (
    jax.jit(lambda params, samples=samples: task.bound(params, batch, samples))(params) for samples in (None, 1)
  )
  assert bound.noise.shape == bound.z.shape == (8, 3) and bound.log_likelihood.shape == (8,)
  np.testing.assert_allclose(bound.z, single.z[0], rtol=1e-6)
  np.testing.assert_allclose(bound.log_likelihood, single.log_likelihood[0], rtol=1e-5)
  np.testing.assert_array_equal(task.score_images(state, BATCH, KEY)['neg_elbo'], bound.rate - bound.log_likelihood)


def test_sizes_that_the_network_cannot_make():
  with pytest.raises(UserError, match='36x36'):
    TASKS['vae'](
      Experiment.from_config({'task': 'vae', 'model': {'name': 'vae_conv'}, 'data': {'image_size': 36}}), adam, None
    )


# Pictures.


def test_pictures(trained):
  task, state, _ = trained
  pictures = task.pictures(state, BATCH, KEY)
  assert set(pictures) == {'samples', 'reconstructions'}
  assert all(picture.dtype == np.uint8 and picture.std() > 0 for picture in pictures.values())
  again = task.pictures(state, BATCH, KEY)
  assert all(np.array_equal(picture, again[name]) for name, picture in pictures.items())


def test_reconstructions_stand_beside_what_was_encoded(trained):
  task, state, _ = trained
  pairs = task.reconstruct(state, IMAGES[:3], KEY).reshape(3, 2, 4, 4, 1)
  assert set(np.unique(pairs[:, 0])) == {-1.0, 1.0}
  assert np.all(pairs[:, 0][IMAGES[:3] == 255] == 1) and 0 < pairs[:, 1].std() < 1


def test_images_do_not_depend_on_the_batch_that_they_are_made_in(trained):
  task, state, _ = trained
  codes = np.asarray(task.latent.sample(KEY, 6))
  np.testing.assert_allclose(task.generate(state, codes)[5], task.generate(state, codes[5:])[0], atol=1e-6)
  assert task.sample(state, KEY, 6).shape == (6, 4, 4, 1)


def test_means_do_not_depend_on_the_batch_that_they_are_made_in(trained):
  """Seven images in batches of four, by the averaged parameters, of the grey levels themselves."""
  task, state, _ = trained
  found = task.means(state, IMAGES[:7])
  assert found.shape == (7, 3) and found.dtype == np.float32
  np.testing.assert_allclose(found[6:], task.means(state, IMAGES[6:7]), atol=1e-6)
  params = state.networks['vae'].ema['params']
  np.testing.assert_allclose(found, task.encode(params, IMAGES[:7] / 127.5 - 1).mean, atol=1e-5)


def test_averaged_parameters_are_an_option(trained):
  task, state, _ = trained
  other = make_task(eval={'use_ema': False})
  assert np.abs(task.sample(state, KEY, 4) - other.sample(state, KEY, 4)).max() > 1e-4
  assert task.protocol(state)['ema'] and not other.protocol(state)['ema']
  assert task.sampling_protocol(state) == {'ema': True, 'images': 'means of p(x|z)', 'truncation': 0}
  assert other.sampling_protocol(state) == {'ema': False, 'images': 'means of p(x|z)', 'truncation': 0}


def test_images_made_again_are_the_reconstructions(trained):
  """Seven images in batches of three, of the same noise whatever the size of a batch."""
  task, state, _ = trained
  few = make_task(eval={'batch_size': 3})
  found = few.remake(state, IMAGES[:7], KEY)
  pairs = task.reconstruct(state, IMAGES[:7], KEY).reshape(7, 2, 4, 4, 1)
  np.testing.assert_allclose(found, pairs[:, 1], atol=1e-6)
  assert found.dtype == np.float32 and np.abs(found - pairs[:, 0]).max() > 0.1
  assert isinstance(task, Reconstructs) and 'truncation' not in task.remaking_protocol(state)


def test_truncated_samples(trained):
  task, state, _ = trained
  cut = make_task(eval={'truncation': 0.5})
  latents = np.asarray(cut.drawn.sample(stream(KEY, 'latent'), 20))
  assert np.abs(latents).max() <= 0.5 and cut.sampling_protocol(state)['truncation'] == 0.5
  np.testing.assert_allclose(cut.sample(state, KEY, 20), task.generate(state, latents), atol=1e-6)


def test_without_an_average_the_protocols_say_so():
  task = make_task()
  state = jax.eval_shape(task.init, KEY, BATCH)
  assert task.protocol(state)['ema'] is False and task.sampling_protocol(state)['ema'] is False


def test_traversal_moves_one_latent_at_a_time(trained):
  task, state, _ = trained
  start = np.array([0.3, -0.2, 0.1], np.float32)
  rows = task.traverse(state, KEY, 7, 5, start=start).reshape(3, 5, 4, 4, 1)
  for row, j in zip(rows, range(3)):
    codes = np.tile(start, (5, 1))
    codes[:, j] = [-3, -1.5, 0, 1.5, 3]
    np.testing.assert_allclose(row, task.generate(state, codes), atol=1e-6)


def test_manifold_is_the_plane_of_two_latents(trained):
  task = make_task(latent=2, samples={'num': 9})
  state = task.init(KEY, BATCH)
  images = task.manifold(state, 3)
  quantile = stats.norm.ppf(1 / 6)
  # (x, y), the first row on top.
  corners = np.array([[quantile, -quantile], [-quantile, -quantile], [0, 0]], np.float32)
  np.testing.assert_allclose(images[[0, 2, 4]], task.generate(state, corners), atol=1e-5)
  assert 'manifold' in task.pictures(state, BATCH, KEY)
  with pytest.raises(UserError, match='two latents'):
    trained[0].manifold(trained[1], 3)


def test_interpolation_runs_from_code_to_code(trained):
  task, state, _ = trained
  rows = task.interpolate(state, KEY, 2, 3).reshape(2, 3, 4, 4, 1)
  ends = np.asarray(task.latent.sample(stream(KEY, 'latent'), 4)).reshape(2, 2, -1)
  np.testing.assert_allclose(rows[:, 0], task.generate(state, ends[:, 0]), atol=1e-5)
  np.testing.assert_allclose(rows[:, 2], task.generate(state, ends[:, 1]), atol=1e-5)
  assert np.abs(rows[:, 0] - rows[:, 2]).max() > 1e-3
  # Half-way on the great circle: the mean of the two, longer by the cosine of half the angle between them.
  cosine = np.sum(ends[:, 0] * ends[:, 1], -1) / np.prod(np.linalg.norm(ends, axis=-1), -1)
  middle = ends.mean(1) / np.cos(np.arccos(cosine) / 2)[:, None]
  np.testing.assert_allclose(rows[:, 1], task.generate(state, middle), atol=1e-5)
