"""One step of several configs: if one fails, the others still run."""

import math
from argparse import Namespace

import pytest
from afno_mm.engine import image_size
from afno_mm.engine.one_step import one_step
from mmengine.config import Config
from mmengine.runner import activation_checkpointing
from running import REPOSITORY, tool

GOOD = REPOSITORY / 'configs/mit_afno_b0_imagenet.py'
HEADS = """
import os
import signal

from mmpretrain.models import LinearClsHead
from mmpretrain.registry import MODELS


@MODELS.register_module()
class Killed(LinearClsHead):

    def loss(self, *args):
        os.kill(os.getpid(), signal.SIGKILL)


@MODELS.register_module()
class Frozen(LinearClsHead):

    def loss(self, feats, data_samples):
        return dict(loss=feats[0].sum())


@MODELS.register_module()
class Infinite(LinearClsHead):

    def loss(self, *args):
        return {key: value / 0 for key, value in super().loss(*args).items()}
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Return a function that writes a config with another head."""
    (tmp_path / 'heads.py').write_text(HEADS)
    monkeypatch.syspath_prepend(tmp_path)

    def make(head):
        path = tmp_path / f'{head}.py'
        path.write_text(
            f"_base_ = {str(GOOD)!r}\ncustom_imports = dict(imports=['heads'])\n"
            f"model = dict(head=dict(type='{head}'))\n"
        )
        return path

    return make


@pytest.mark.parametrize('kind, scale', [('Resize', (128, 64)), ('RandomResizedCrop', (64, 128))])
def test_the_size_of_a_config_is_height_and_width(kind, scale):
    """Transforms that resize take (W, H), those that crop (H, W)."""
    assert image_size(Config(dict(model={}, train_pipeline=[dict(type=kind, scale=scale)]))) == (
        64,
        128,
    )


@pytest.mark.slow
def test_all_are_tried_and_what_failed_is_named(config, tmp_path):
    killed = config('Killed')
    output = tool(
        'one_step.py',
        '--size',
        64,
        64,
        killed,
        GOOD,
        succeeds=False,
        PYTHONPATH=f'{tmp_path}:{REPOSITORY}',
    )
    assert f'{killed}: failed: its process was killed' in output
    assert f'{GOOD}: 3.53M parameters, 1 x 64x64: loss ' in output
    assert output.splitlines()[-1] == f'1 of 2 ran; failed: {killed}'


@pytest.mark.parametrize(
    'head, error',
    [('Frozen', 'no gradient reaches head.fc.weight'), ('Infinite', 'the loss is inf')],
)
def test_model_that_does_not_learn_is_refused(config, head, error, monkeypatch):
    monkeypatch.syspath_prepend(REPOSITORY / 'tools')
    from one_step import step

    options = Namespace(cfg_options=None, size=(64, 64), batch_size=1, amp=False)
    with pytest.raises(RuntimeError, match=error):
        step(config(head), options)


def test_data_preprocessor_beside_the_model_is_used():
    cfg = Config.fromfile(GOOD)
    cfg.data_preprocessor = cfg.model.pop('data_preprocessor')
    assert math.isfinite(one_step(cfg, size=(32, 32), batch_size=2)['loss'])
    cfg.data_preprocessor.std = [0.0] * 3
    assert not math.isfinite(one_step(cfg, size=(32, 32), batch_size=2)['loss'])


def test_step_uses_the_config_s_activation_checkpointing(monkeypatch):
    recomputed = []
    monkeypatch.setattr(
        activation_checkpointing,
        'checkpoint',
        lambda forward, *args: (recomputed.append(forward.__self__), forward(*args))[1],
    )
    cfg = Config.fromfile(REPOSITORY / 'configs/vit_fno_xs4_faces.py')
    cfg.activation_checkpointing = ['backbone.layers.0', 'backbone.layers.3']
    one_step(cfg, size=(16, 16))
    assert len(set(map(id, recomputed))) == 2
