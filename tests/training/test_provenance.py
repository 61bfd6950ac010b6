"""What run.json says about the machine and the code."""

import time

from deconv.training import provenance


def test_describe(monkeypatch, tmp_path):
  about = provenance.describe()
  assert about['devices']['count'] == 4 and about['versions']['jax'] and about['command']
  commit, changed = provenance.git_commit()
  assert commit is None or (len(commit) == 40 and changed >= 0)
  monkeypatch.setattr(provenance.deconv, '__file__', str(tmp_path / '__init__.py'))
  assert provenance.git_commit() == (None, None)


def test_processor_is_that_of_lscpu():
  about = provenance.processor()
  assert about['processor'] and about['instructions'] in ('AVX-512', 'AVX2', None)
  try:
    with open('/proc/cpuinfo', encoding='utf-8') as file:
      text = file.read()
  except OSError:
    return
  if 'model name' in text:
    assert f': {about["processor"]}\n' in text
  assert (about['instructions'] == 'AVX-512') == (' avx512f ' in text)


def test_process_seconds_count():
  before = provenance.process_seconds()
  time.sleep(0.05)
  assert 0.03 < provenance.process_seconds() - before < 5 and before > 0
