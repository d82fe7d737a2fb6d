"""Configs as data: what MMEngine dumps is read back, and code is refused without running it."""

from math import inf
from pathlib import Path

import numpy as np
import pytest
from afno_mm.hub.config_data import ConfigDataError, check_types, from_json, parse_config, to_json
from mmengine.config import Config

CONFIGS = sorted((Path(__file__).parents[2] / 'configs').glob('*.py'))


@pytest.mark.parametrize('path', CONFIGS[::13], ids=lambda path: path.stem)
def test_dumped_configs_are_read_back(path):
    cfg = Config.fromfile(path)
    settings = cfg.to_dict()
    assert parse_config(cfg.pretty_text, path.name) == settings
    assert from_json(to_json(settings)) == settings
    check_types(settings, path.name)


def test_text_and_json_keep_tuples_keys_and_infinities():
    value = dict(
        modes=(4, (3, [2.5])), map={0: 'sky', 255: None}, far=[inf, -inf], also={(1, 2): ()}
    )
    assert parse_config(Config(dict(value=value)).pretty_text, 'here') == dict(value=value)
    assert from_json(to_json(value)) == value
    assert from_json(to_json(dict(a=np.eye(2), b=np.float32(2)))) == dict(
        a=[[1.0, 0.0], [0.0, 1.0]], b=2.0
    )
    confusing = {'__tuple__': [1], '__items__': 2}
    assert from_json(to_json(confusing)) == confusing


@pytest.mark.parametrize(
    'line',
    [
        "open({marker!r}, 'w')",
        "a = open({marker!r}, 'w')",
        "a = dict(b=open({marker!r}, 'w'))",
        "a = dict([(1, open({marker!r}, 'w'))])",
        "a = dict(b=1, **dict(c=open({marker!r}, 'w')))",
        "a = [open({marker!r}, 'w') for i in (1,)]",
        "a = f'{{open({marker!r}, chr(119))}}'",
        'import os',
        'a.b = 1',
        'a = b',
        'a = (',
        'a = ' + '-' * 100_000 + '1',
    ],
)
def test_code_is_refused_by_line_and_not_executed(line, tmp_path):
    marker = tmp_path / 'executed'
    with pytest.raises(ConfigDataError, match=r'line \d+ of the config in here is not plain data'):
        parse_config('first = 1\n' + line.format(marker=str(marker)), 'here')
    assert not marker.exists()


def test_objects_are_not_written():
    with pytest.raises(ConfigDataError, match=r'config.a\[0\].type is .*Path.*a type'):
        to_json(dict(a=[dict(type=Path)]))


@pytest.mark.parametrize(
    'kind',
    [
        'os.system',
        'subprocess.Popen',
        'mmengine.load',
        'this',
        'torch.nn.ReLU',
        'builtins.eval',
        3,
        ['AFNO', 'os.system'],
    ],
)
@pytest.mark.parametrize('scope', ['mmseg', 'nobody', None])
def test_types_that_are_not_registered_are_refused(kind, scope):
    cfg = dict(default_scope=scope, model=dict(type='afno_mm.MiT', layers=[dict(type=kind)]))
    with pytest.raises(ConfigDataError, match=r'config.model.layers\[0\].type of here is'):
        check_types(cfg, 'here')


@pytest.mark.parametrize(
    'scope, kind',
    [
        ('mmseg', 'FCNHead'),
        (None, 'mmseg.FCNHead'),
        ('mmpretrain', 'Mixup'),
        ('mmseg', 'AFNO'),
        ('mmseg', 'LoadImageFromFile'),
        ('mmseg', 'SyncBN'),
        ('mmseg', ['AFNO', 'afno_mm.SA']),  # one for each stage
    ],
)
def test_registered_types_are_accepted(scope, kind):
    check_types(dict(default_scope=scope, model=dict(type=kind)), 'here')
