"""FID, KID and the rest as evaluators: good and bad samples, the protocol, what is kept and what is refused."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from deconv import data
from deconv.errors import UserError
from deconv.evaluators import EVALUATORS, diversity, fid, inception_score, judged, kid, memorisation, prdc, reference
from deconv.metrics import features, frechet
from deconv.options import EvalOptions
from deconv.options.evaluation import LOOKING
from deconv.tasks.capabilities import Reconstructs
from tests.evaluators.generators import Copier, CountingSource, make_state, noise

KEY = jax.random.key(0)


def options(**fields):
  return EvalOptions(
    **{'num_samples': 300, 'features': 'pixels', 'reference_cache': '', 'kid_subset_size': 100, **fields}
  )


def blurred(num, seed, side=6):
  """Images (num, side, side, 1) of few directions, as real ones are."""
  random = np.random.default_rng(seed)
  images = 127 + 40 * random.normal(size=(num, 3, 3)).repeat(2, axis=1).repeat(2, axis=2)
  return np.clip(images + 10 * random.normal(size=(num, side, side)), 0, 255).astype(np.uint8)[..., None]


def source_of(images, labels=None, **fields):
  return CountingSource('blurred', images, labels, data.DataOptions(image_size=6, **fields))


@pytest.fixture(name='source')
def _source():
  return source_of(blurred(500, 0))


def test_good_samples_and_bad_ones(source):
  """Good samples are as far from the real images as these are among themselves; others are farther."""
  good, bad = Copier(blurred(300, 1)), Copier(blurred(20, 2) // 2)
  for evaluator, name in ((fid, 'pixels_fid'), (kid, 'pixels_kid'), (prdc, 'manifold_coverage')):
    found, other = (
      evaluator.measure(task, make_state(), source, KEY, options(), features.pixels())[0] for task in (good, bad)
    )
    if name == 'manifold_coverage':
      assert found[name] == pytest.approx(found[f'{name}_expected'], abs=0.05) and other[name] < 0.3
      assert found[f'{name}_real_halves'] == pytest.approx(found[f'{name}_expected'], abs=0.05)
      assert found['precision'] > 0.8 and found['recall'] > 0.8 and found['density'] == pytest.approx(1, abs=0.15)
    else:
      assert found[name] < 2 * abs(found[f'{name}_real_halves']) + 1e-3 < other[name] / 3
  numbers = kid.measure(good, make_state(), source, KEY, options(), features.pixels())[0]
  assert numbers['pixels_kid_low'] < numbers['pixels_kid'] < numbers['pixels_kid_high']


def test_numbers_are_those_of_the_metrics(source):
  samples = blurred(300, 1)
  numbers, _, protocol = fid.measure(
    Copier(samples, ema=True), make_state(4), source, KEY, options(), features.pixels()
  )
  real = source.take(np.arange(500))['image'].reshape(500, -1) / 255
  assert numbers['pixels_fid'] == pytest.approx(frechet.distance(real, samples.reshape(300, -1) / 255), rel=1e-5)
  expected = {
    'protocol_version': 1,
    'n_fake': 300,
    'n_real': 500,
    'size': '6x6x1',
    'network': 'pixels',
    'network_hash': features.pixels().hash,
    'resizer': 'none',
    'source': 'blurred',
    'split': 'train',
    'fingerprint': source.fingerprint(),
    'judged': 'samples',
    'ema': True,
    'step': 4,
    'seed': 0,
  }
  assert protocol == expected
  json.dumps(protocol)


def test_chunks_do_not_matter_to_the_real_images_and_features_are_computed_once(source, monkeypatch):
  task, state, network = Copier(blurred(300, 1)), make_state(), features.pixels()
  first = fid.measure(task, state, source, KEY, options(), network)[0]
  reads, calls = source.reads, task.calls
  for evaluator in (kid, prdc):
    evaluator.measure(task, state, source, KEY, options(), network)
  assert (source.reads, task.calls) == (reads, calls) and calls == 1
  monkeypatch.setattr(reference, 'CHUNK', 300 // 4)  # the copier gives the same images from the start for each chunk
  again = judged.judge(Copier(blurred(300, 1)), state, source, KEY, options(), network)
  whole = judged.judge(task, state, source, KEY, options(), network)
  np.testing.assert_allclose(again.real.mean, whole.real.mean, rtol=1e-12)
  np.testing.assert_allclose(again.real.covariance, whole.real.covariance, rtol=1e-9, atol=1e-12)
  assert first['pixels_fid'] > 0 and len(again.features) == 300


def test_the_reference_is_kept_by_all_that_it_depends_on(source, tmp_path, monkeypatch):
  kept, network = options(reference_cache=str(tmp_path)), features.pixels()
  first = reference.of_source(source, kept, network)
  (file,) = tmp_path.iterdir()
  reads = source.reads
  again = reference.of_source(source, kept, network)
  assert source.reads == reads and again.protocol == first.protocol
  for name in ('mean', 'covariance', 'features'):
    np.testing.assert_array_equal(getattr(again, name), getattr(first, name))
  other = dataclasses.replace(network, hash='0' * 16)
  for changed in (
    (source_of(blurred(500, 9)), kept, network),
    (source, options(reference_cache=str(tmp_path), num_real=400), network),
    (source, kept, other),
    (source, kept, dataclasses.replace(network, resizer='clean')),
  ):
    before = len(list(tmp_path.iterdir()))
    reference.of_source(*changed)
    assert len(list(tmp_path.iterdir())) == before + 1
  file.write_bytes(b'cut')
  np.testing.assert_array_equal(reference.of_source(source, kept, network).mean, first.mean)
  assert reference.read(str(file)).count == 500  # written again


def test_statistics_from_elsewhere(source, tmp_path):
  real = source.take(np.arange(500))['image'].reshape(500, -1) / 255
  path = tmp_path / 'elsewhere.npz'
  np.savez(path, mu=real.mean(0), sigma=np.cov(real, rowvar=False))
  task, given = Copier(blurred(300, 1)), options(reference=str(path))
  numbers, _, protocol = fid.measure(task, make_state(), source, KEY, given, features.pixels())
  own = fid.measure(task, make_state(), source, KEY, options(), features.pixels())[0]
  assert numbers['pixels_fid'] == pytest.approx(own['pixels_fid'], rel=1e-5)
  assert protocol['n_real'] == protocol['split'] == protocol['fingerprint'] == 'unknown'
  assert protocol['reference'].startswith('elsewhere.npz ')
  assert protocol['unknown_of_reference'] == ['source', 'split', 'fingerprint', 'n_real', 'resizer', 'network_hash']
  with pytest.raises(UserError, match='enough for fid alone'):
    kid.measure(task, make_state(), source, KEY, given, features.pixels())
  with pytest.raises(UserError, match='leave eval.reference empty'):
    memorisation.measure(task, make_state(), source, KEY, given, features.pixels())
  np.savez(path, mu=np.zeros(5), sigma=np.eye(5))
  with pytest.raises(UserError, match='are of 5 features, and pixels has 36'):
    fid.measure(task, make_state(), source, KEY, given, features.pixels())
  path.write_bytes(b'nothing')
  with pytest.raises(UserError, match='no file of statistics'):
    reference.read(str(path))
  with pytest.raises(UserError, match='there is no file'):
    reference.read(str(tmp_path / 'none.npz'))


def test_too_few_samples_name_kid(source):
  with pytest.raises(UserError, match='pixels_fid needs .* 36, and there are 30 samples and 500 real images.*kid'):
    fid.measure(Copier(blurred(30, 1)), make_state(), source, KEY, options(num_samples=30), features.pixels())
  with pytest.raises(UserError, match='smaller subsets'):
    kid.measure(Copier(blurred(30, 1)), make_state(), source, KEY, options(num_samples=30), features.pixels())


def test_extrapolation_is_an_option(source):
  numbers, _, protocol = fid.measure(
    Copier(blurred(300, 1)), make_state(), source, KEY, options(fid_points=5), features.pixels()
  )
  assert numbers['pixels_fid_infinity'] < numbers['pixels_fid'] and numbers['pixels_fid_infinity_error'] > 0
  assert protocol['fid_points'] == 5


def test_a_failed_self_test_gives_no_number(source, monkeypatch):
  honest = frechet.of_gaussians
  monkeypatch.setattr(frechet, 'of_gaussians', lambda *moments: honest(*moments) + 0.01)
  task = Copier(blurred(300, 1))
  with pytest.raises(UserError, match='self-test .* 0.01 in place of less than 0.001'):
    fid.measure(task, make_state(), source, KEY, options(), features.pixels())
  numbers = fid.measure(task, make_state(), source, KEY, options(self_tests=False), features.pixels())[0]
  assert set(numbers) == {'pixels_fid'}


def test_inception_score_needs_class_scores(source):
  def outputs(images):
    return np.eye(4)[np.arange(len(images)) % 4] * 50, images.reshape(len(images), -1)

  network = features.of_classifier('lenet', outputs, (6, 6, 1), 'x', 'clean', {})
  task = Copier(blurred(300, 1))
  numbers, _, _ = inception_score.measure(task, make_state(), source, KEY, options(), network)
  assert numbers['lenet_inception_score'] == pytest.approx(4, rel=0.01)
  with pytest.raises(UserError, match='class scores, which pixels has not'):
    inception_score.measure(task, make_state(), source, KEY, options(), features.pixels())


def test_copies_of_training_images_are_found(monkeypatch):
  train, unseen = blurred(300, 0), blurred(200, 5)
  source = source_of(train)
  monkeypatch.setattr(data, 'open_source', lambda given, split: source_of(unseen))
  honest, copies = (
    memorisation.measure(Copier(images), make_state(), source, KEY, options(num_samples=100), features.pixels())
    for images in (blurred(100, 7), train[:100])
  )
  assert honest[0]['memorisation'] == pytest.approx(0.5, abs=0.12) and honest[0]['memorised'] < 0.1
  assert copies[0] == {'memorisation': 1, 'memorised': 1}
  picture = copies[1]['memorisation']
  assert picture.dtype == np.uint8 and picture.ndim == 3
  assert honest[2]['unseen'] == 200
  without = source_of(train, eval_split='')
  assert memorisation.measure(Copier(train), make_state(), without, KEY, options(), features.pixels()) == ({}, {}, {})


def test_the_share_of_nearer_pairs():
  assert memorisation.nearer(np.array([1.0, 2.0]), np.array([3.0])) == 1
  assert memorisation.nearer(np.array([3.0, 5.0]), np.array([1.0, 4.0])) == pytest.approx((0.5 + 0) / 2)
  assert memorisation.nearer(np.array([2.0]), np.array([2.0])) == 0.5


def test_diversity_sees_a_collapsed_generator():
  source = noise(60, 0, side=16)
  one = Copier(source.take(np.arange(1))['image'])
  numbers, _, protocol = diversity.measure(one, make_state(), source, KEY, options(num_samples=20))
  assert numbers['ms_ssim_pairs'] == pytest.approx(1, abs=1e-5) and numbers['ms_ssim_pairs_real'] < 0.2
  assert protocol['ms_ssim_scales'] == 1


def test_the_names_in_the_options_are_those_of_the_evaluators():
  assert set(LOOKING) == {name for name, evaluator in EVALUATORS.items() if evaluator.looks}


class Restorer(Reconstructs):
  """Gives images back, darker."""

  def remake(self, state, images, key):
    return images.astype(np.float32) / 255 - 1

  def remaking_protocol(self, state):
    return {'ema': False}


def test_images_made_again_are_judged_where_the_field_says_so(source, monkeypatch):
  held_out, given = blurred(200, 3), options(judged='reconstructions')
  monkeypatch.setattr(data, 'open_source', lambda given, split: source_of(held_out))
  found = judged.judge(Restorer(), make_state(), source, KEY, given, features.pixels())
  assert found.protocol['n_fake'] == 200 and found.protocol['made_of'] == 'test'
  assert found.protocol['judged'] == 'reconstructions' and found.protocol['ema'] is False
  np.testing.assert_allclose(found.moments.mean, held_out.reshape(200, -1).mean(0) / 255 / 2, atol=0.01)
  images = judged.Images(Restorer(), make_state(), source, KEY, given).at([3, 0])
  np.testing.assert_allclose(images.reshape(2, -1) / 255, found.features[[3, 0]], atol=1e-6)
  with pytest.raises(UserError, match='set data.eval_split'):
    judged.judge(Restorer(), make_state(), source_of(held_out, eval_split=''), KEY, given, features.pixels())
  for task, wrong in ((Restorer(), options()), (Copier(held_out), given)):
    with pytest.raises(UserError, match=f"eval.judged='{wrong.judged}' needs a task that"):
      judged.judge(task, make_state(), source, KEY, wrong, features.pixels())


def test_real_images_are_judged_as_a_perfect_model_would_be(source, monkeypatch):
  """Held-out images as they are, whatever the task makes."""
  held_out, given = blurred(200, 3), options(judged='real')
  monkeypatch.setattr(data, 'open_source', lambda given, split: source_of(held_out))
  for task in (Copier(blurred(300, 1) // 2), Restorer()):
    found = judged.judge(task, make_state(), source, KEY, given, features.pixels())
    real = held_out[np.random.default_rng(0).permutation(200)].reshape(200, -1) / 255
    np.testing.assert_allclose(found.features, real, atol=1e-6)
    assert found.protocol['judged'] == 'real' and found.protocol['made_of'] == 'test' and 'ema' not in found.protocol
  numbers = prdc.measure(task, make_state(), source, KEY, given, features.pixels())[0]
  assert numbers['manifold_coverage'] == pytest.approx(numbers['manifold_coverage_expected'], abs=0.05)
  with pytest.raises(UserError, match="eval.judged='real' is of the evaluation split"):
    judged.judge(task, make_state(), source_of(held_out, eval_split=''), KEY, given, features.pixels())


class Both(Restorer, Copier):
  """Samples, and gives images back."""


def test_a_task_that_can_do_both_is_judged_by_either(source, monkeypatch):
  held_out = blurred(200, 3)
  monkeypatch.setattr(data, 'open_source', lambda given, split: source_of(held_out))
  task, state = Both(blurred(300, 1), truncation=0.5), make_state()
  samples, again = (
    fid.measure(task, state, source, KEY, options(judged=name), features.pixels())
    for name in ('samples', 'reconstructions')
  )
  assert samples[0]['pixels_fid'] != again[0]['pixels_fid']
  assert samples[2]['judged'] == 'samples' and samples[2]['truncation'] == 0.5 and 'made_of' not in samples[2]
  assert again[2]['judged'] == 'reconstructions' and again[2]['made_of'] == 'test' and 'truncation' not in again[2]
