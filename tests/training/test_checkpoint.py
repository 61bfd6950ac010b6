"""Checkpoints come back as they were written or not at all."""

import glob
import os
import random
import shutil

import jax
import numpy as np
import optax
import pytest

from deconv.errors import UserError
from deconv.options import CheckpointOptions
from deconv.training.checkpoint import Checkpoints
from deconv.training.parallel import Parallel
from tests.training import tiny


def make_state(step=0, side=6):
  rng = np.random.default_rng(step)
  state = tiny.make(optax.adam(0.1)).init(jax.random.key(0), tiny.make_batch(0, side=side))
  state = jax.tree.map(lambda x: rng.normal(size=x.shape).astype(x.dtype), state)
  return state.replace(step=np.array(step, np.int32))


TEMPLATE = jax.eval_shape(lambda: make_state())


def assert_equal(a, b):
  assert jax.tree.structure(a) == jax.tree.structure(b)
  jax.tree.map(np.testing.assert_array_equal, a, b)
  jax.tree.map(lambda x, y: np.testing.assert_equal(np.asarray(x).dtype, np.asarray(y).dtype), a, b)


def write(folder, steps, **kwargs):
  with Checkpoints(folder, CheckpointOptions(**kwargs)) as checkpoints:
    for step in steps:
      assert checkpoints.save(step, make_state(step), {'window': {'sum': 0.1 + step}, 'count': step})


def test_round_trip(tmp_path):
  write(tmp_path, [3])
  with Checkpoints(tmp_path) as checkpoints:
    state, meta, step = checkpoints.restore_latest(TEMPLATE)
  assert step == 3 and meta == {'window': {'sum': 3.1}, 'count': 3}
  assert_equal(state, make_state(3))
  assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(state))


def test_nothing_to_restore(tmp_path):
  with Checkpoints(tmp_path / 'new') as checkpoints:
    assert checkpoints.restore_latest(TEMPLATE) is None


def test_keeps_the_newest_and_the_best(tmp_path):
  values = {1: 0.5, 2: 0.9, 3: None, 4: 0.7, 5: float('nan'), 6: 0.1}
  for best_is, expected in (('max', [2, 5, 6]), ('min', [5, 6])):
    with Checkpoints(tmp_path / best_is, CheckpointOptions(0, 2, 'coverage', best_is)) as checkpoints:
      for step, value in values.items():
        checkpoints.save(step, make_state(step), {})
        checkpoints.note_metrics({step: {'other': 1.0} if value is None else {'coverage': value, 'other': 1.0}})
      checkpoints.wait()
      assert checkpoints.steps() == expected
  with Checkpoints(tmp_path / 'fid', CheckpointOptions(0, 1, 'lenet_fid')) as checkpoints:  # the smallest by itself
    for step, value in {1: 9.0, 2: 3.0, 3: 30.0, 4: 4.0}.items():
      checkpoints.save(step, make_state(step), {})
      checkpoints.note_metrics({step: {'lenet_fid': value}})
    checkpoints.wait()
    assert checkpoints.steps() == [2, 4]
  # After a restart the owner tells it.
  with Checkpoints(tmp_path / 'max', CheckpointOptions(0, 2, 'coverage', 'max')) as checkpoints:
    checkpoints.note_metrics({step: {'coverage': value} for step, value in values.items()})
    for step, value in ((7, 0.2), (8, 0.8)):
      checkpoints.save(step, make_state(step), {})
      checkpoints.note_metrics({step: {'coverage': value}})
    checkpoints.wait()
    assert checkpoints.steps() == [2, 7, 8]


def test_one_too_many_after_a_kill_is_deleted(tmp_path):
  """Orbax deletes after it has written: a kill between the two leaves what only `prune` removes after the last save."""
  write(tmp_path, (1, 2, 3), keep=3)
  with Checkpoints(tmp_path, CheckpointOptions(keep=2)) as checkpoints:
    assert checkpoints.steps() == [1, 2, 3]
    checkpoints.prune()
    assert checkpoints.steps() == [2, 3] and sorted(os.listdir(tmp_path)) == ['2', '3']


def test_saving_a_step_twice_writes_once(tmp_path):
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.save(3, make_state(3), {})
    assert not checkpoints.save(3, make_state(4), {})
    checkpoints.wait()
    assert_equal(checkpoints.restore_latest(TEMPLATE)[0], make_state(3))


def test_later_steps_do_not_leak_into_what_is_being_written(tmp_path):
  """The buffers are donated to the next step while the write is under way."""
  parallel = Parallel()
  task = tiny.make(optax.adam(0.1))
  step = parallel.train_step(task)
  state = parallel.put_state(task.init(jax.random.key(0), tiny.make_batch(0)))
  with Checkpoints(tmp_path) as checkpoints:
    saved = parallel.get_state(state)
    expected = jax.tree.map(np.copy, saved)
    checkpoints.save(0, saved, {})
    for i in range(3):
      state, _ = step(state, parallel.put_batch(tiny.make_batch(i)), jax.random.key(0))
    checkpoints.wait()
    assert_equal(checkpoints.restore_latest(TEMPLATE)[0], expected)


def files_of(folder):
  paths = glob.glob(f'{folder}/**', recursive=True)
  return sorted(path for path in paths if os.path.isfile(path) and os.path.getsize(path))


def flip_bit(path, rng):
  with open(path, 'r+b') as file:
    content = bytearray(file.read())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.seek(0)
    file.write(content)


def test_a_flipped_bit_in_the_arrays_is_found(tmp_path, caplog):
  write(tmp_path, [1, 2])
  # Of those that hold arrays: how many there are, and how large, depends on how they were written.
  largest = max((path for path in files_of(tmp_path / '2') if '/d/' in str(path)), key=os.path.getsize)
  with open(largest, 'r+b') as file:
    file.seek(os.path.getsize(largest) // 2)
    byte = file.read(1)[0]
    file.seek(-1, os.SEEK_CUR)
    file.write(bytes([byte ^ 16]))
  with Checkpoints(tmp_path) as checkpoints:
    state, _, step = checkpoints.restore_latest(TEMPLATE)
    assert step == 1
    assert_equal(state, make_state(1))
    assert 'step 2 is damaged' in caplog.text
    assert os.path.isdir(tmp_path / 'damaged-2') and not os.path.exists(tmp_path / '2')
    assert checkpoints.save(2, make_state(2), {})  # trained again
    checkpoints.wait()
    assert checkpoints.restore_latest(TEMPLATE)[2] == 2


def test_no_flipped_bit_anywhere_changes_what_is_restored(tmp_path):
  """Over all files: either the checkpoint is set aside, or the bit did not matter."""
  write(tmp_path / 'good', [1, 2])
  rng, found = random.Random(0), 0
  names = [os.path.relpath(path, tmp_path / 'good') for path in files_of(tmp_path / 'good/2')]
  for trial in range(2 * len(names)):
    folder = tmp_path / f'trial{trial}'
    shutil.copytree(tmp_path / 'good', folder)
    flip_bit(folder / names[trial % len(names)], rng)
    with Checkpoints(folder) as checkpoints:
      state, meta, step = checkpoints.restore_latest(TEMPLATE)
    assert_equal(state, make_state(step))
    assert meta['count'] == step
    found += step == 1
  assert found >= len(names) // 2


@pytest.mark.parametrize('damage', ['truncate', 'remove', 'meta'])
def test_other_damage_is_found(tmp_path, damage):
  write(tmp_path, [1, 2])
  path = max(files_of(tmp_path / '2/state'), key=os.path.getsize)
  if damage == 'truncate':
    os.truncate(path, os.path.getsize(path) // 2)
  elif damage == 'remove':
    os.remove(path)
  else:
    (path,) = [path for path in files_of(tmp_path / '2/meta') if path.endswith('metadata')]
    text = open(path).read()
    assert '2.1' in text
    open(path, 'w').write(text.replace('2.1', '2.2'))
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore_latest(TEMPLATE)[2] == 1


def test_all_damaged_is_an_error_and_stays_one(tmp_path):
  write(tmp_path, [1])
  os.truncate(max(files_of(tmp_path / '1/state'), key=os.path.getsize), 3)
  for _ in range(2):
    with Checkpoints(tmp_path) as checkpoints, pytest.raises(UserError, match='damaged-1'):
      checkpoints.restore_latest(TEMPLATE)


def test_reading_only_touches_nothing(tmp_path):
  write(tmp_path, [1, 2])
  os.truncate(max(files_of(tmp_path / '2/state'), key=os.path.getsize), 3)
  before = files_of(tmp_path)
  with Checkpoints(tmp_path, read_only=True) as checkpoints:
    assert checkpoints.restore_latest(TEMPLATE)[2] == 1
  assert files_of(tmp_path) == before
  with Checkpoints(tmp_path / 'nowhere', read_only=True) as checkpoints:
    assert checkpoints.restore_latest(TEMPLATE) is None
  assert not os.path.exists(tmp_path / 'nowhere')


def test_a_damaged_checkpoint_that_is_asked_for_names_the_others(tmp_path):
  for steps, advice in (([1, 2], 'take another of: 1$'), ([2], 'put back a copy of it')):
    folder = tmp_path / str(len(steps))
    write(folder, steps)
    os.truncate(max(files_of(folder / '2/state'), key=os.path.getsize), 3)
    with (
      Checkpoints(folder, read_only=True) as checkpoints,
      pytest.raises(UserError, match=f'of step 2 is damaged: .*; {advice}'),
    ):
      checkpoints.restore(2, TEMPLATE)


def test_a_checkpoint_of_another_network_is_not_damaged(tmp_path):
  write(tmp_path, [1])
  with Checkpoints(tmp_path) as checkpoints:
    with pytest.raises(UserError, match=r"float32\(36, 8\) as 'networks/net/.*kernel' .*\(64, 8\)"):
      checkpoints.restore_latest(make_state(side=8))
    assert checkpoints.steps() == [1]


def test_half_written_folders_are_ignored_and_replaced(tmp_path):
  write(tmp_path, [1])
  os.rename(shutil.copytree(tmp_path / '1', tmp_path / 'copy'), tmp_path / '2.orbax-checkpoint-tmp')
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore_latest(TEMPLATE)[2] == 1
    assert checkpoints.save(2, make_state(2), {})
    checkpoints.wait()
    assert checkpoints.restore_latest(TEMPLATE)[2] == 2


@pytest.mark.parametrize('kwargs', [dict(keep=0), dict(best_is='most')])
def test_mistakes(kwargs):
  with pytest.raises(UserError):
    CheckpointOptions(**kwargs)


def test_a_checkpoint_under_the_name_of_another_step_is_not_believed(tmp_path, caplog):
  write(tmp_path, [1, 2])
  os.rename(tmp_path / '2', tmp_path / '7')
  with Checkpoints(tmp_path) as checkpoints:
    assert checkpoints.restore_latest(TEMPLATE)[2] == 1
  assert 'it is that of step 2' in caplog.text and os.path.isdir(tmp_path / 'damaged-7')


def test_a_file_in_the_place_of_the_folder(tmp_path):
  (tmp_path / 'checkpoints').write_text('notes')
  with pytest.raises(UserError, match="checkpoints' is to be the folder .* move what is there away"):
    Checkpoints(tmp_path / 'checkpoints')
