"""Each safety is on by default, and a config turns it off by name."""

from types import SimpleNamespace

import pytest
import torch
from afno_mm.engine.safety import SafeRunner
from afno_mm.engine.safety.switches import SAFETIES, protect
from afno_mm.mixers import GFN
from mmengine.config import Config
from tiny import Model, runner
from torch import nn


def hooks(cfg):
    protect(cfg)
    kinds = [hook['type'] for hook in cfg.get('custom_hooks') or []]
    return [cfg.get('default_hooks', {}).get('checkpoint', {}).get('type'), *kinds]


@pytest.mark.parametrize('off', [None, *SAFETIES])
def test_all_but_the_one_that_is_off(off):
    cfg = Config(dict(safety={off: False} if off else {}))
    wanted = {kind for name, kind in SAFETIES.items() if kind and name != off}
    assert set(hooks(cfg)) - {None, 'CheckpointHook'} == wanted
    before = list(cfg.get('custom_hooks') or [])
    protect(cfg)
    assert list(cfg.get('custom_hooks') or []) == before


def test_a_hook_of_the_config_stays_as_it_is():
    mine = dict(type='afno_mm.FiniteNumbersHook', max_skipped=3)
    own = dict(type='MyCheckpointHook')
    cfg = Config(dict(custom_hooks=[mine], default_hooks=dict(checkpoint=own)))
    kinds = hooks(cfg)
    assert kinds[0] == 'MyCheckpointHook' and kinds.count('afno_mm.FiniteNumbersHook') == 1
    assert cfg.custom_hooks[0].max_skipped == 3


def test_an_unknown_safety_is_refused():
    with pytest.raises(ValueError, match=r"safety has no \['signal'\]; it has checkpoints"):
        protect(Config(dict(safety=dict(signal=False))))


@pytest.mark.parametrize('how', ['load_from', 'resume'])
def test_weights_that_fit_partly_are_taken_if_the_config_says_so(tmp_path, how):
    first = runner(tmp_path / 'a', most=1)
    first.train()
    path = tmp_path / 'a/epoch_1.pth'
    state = torch.load(path)
    state['state_dict'] = {'layers.0.bias': torch.arange(8.0)}
    torch.save(state, path)
    settings = dict(load_from=str(path), resume=how == 'resume')
    with pytest.raises((ValueError, RuntimeError), match='fills|missing keys'):
        runner(tmp_path / 'b', **settings).train()
    model = Model()
    off = dict(safety=dict(strict_weights=False))
    runner(tmp_path / 'c', model, cfg=off, **settings).load_or_resume()
    assert torch.equal(model.layers[0].bias, torch.arange(8.0))


@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_load_from_counts_weights_after_they_are_converted(prefix):
    saved, model = (nn.ModuleList([GFN(4, grid_size=size)]) for size in (4, 6))
    state = {f'{prefix}{key}': value for key, value in saved.state_dict().items()}
    said = []
    runner = SimpleNamespace(model=model, logger=SimpleNamespace(info=said.append))
    SafeRunner._check_share(runner, 'x.pth', dict(state_dict=state))
    assert 'x.pth: 1 of 1 tensors loaded, 100.0%' in said[0]
