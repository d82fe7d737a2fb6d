"""Mixers from config values: bare and scoped names, errors."""

import pytest
from afno_mm.mixers import AFNO, build_mixer
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope


@pytest.mark.parametrize('scope', ['mmseg', 'mmpretrain', 'mmengine'])
@pytest.mark.parametrize('name', ['AFNO', 'afno_mm.AFNO'])
def test_name_works_in_every_scope(scope, name):
    with DefaultScope.overwrite_default_scope(scope):
        mixer = build_mixer(ConfigDict(type=name, num_blocks=4), 16)
    assert isinstance(mixer, AFNO) and mixer.num_blocks == 4 and mixer.embed_dims == 16


def test_unknown_argument_names_the_nearest_and_all():
    with pytest.raises(TypeError, match="'num_block'.*Did you mean 'num_blocks'.*mode_fraction"):
        build_mixer(dict(type='AFNO', num_block=4), 16)


@pytest.mark.parametrize('cfg', [dict(type='AFN0'), dict(type='afno_mm.X')])
def test_unknown_mixer_lists_the_known(cfg):
    with pytest.raises(KeyError, match=r"Registered in afno_mm: \['AFNO'"):
        build_mixer(cfg, 16)


def test_mixer_of_another_package(tmp_path, monkeypatch):
    package = tmp_path / 'their_pkg'
    package.mkdir()
    (package / '__init__.py').write_text('')
    (package / 'registry.py').write_text(
        'from mmengine.registry import MODELS as ROOT, Registry\n'
        "MODELS = Registry('model', parent=ROOT, scope='their_pkg', locations=['their_pkg.mix'])\n"
    )
    (package / 'mix.py').write_text(
        'from torch import nn\n'
        'from .registry import MODELS\n\n'
        '@MODELS.register_module()\n'
        'class TheirMixer(nn.Identity):\n'
        '    def __init__(self, embed_dims, strength=1):\n'
        '        super().__init__()\n'
        '        self.strength = strength\n\n'
        '@MODELS.register_module()\n'
        'class Unfit(nn.Identity):\n'
        '    def __init__(self, dim):\n'
        '        super().__init__()\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyError, match='their_pkgg.registry does not import.*PYTHONPATH'):
        build_mixer(dict(type='their_pkgg.TheirMixer'), 16)
    mixer = build_mixer(dict(type='their_pkg.TheirMixer', strength=3), 16)
    assert type(mixer).__name__ == 'TheirMixer' and mixer.strength == 3
    with pytest.raises(KeyError, match=r"Registered in their_pkg: \['TheirMixer', 'Unfit'\]"):
        build_mixer(dict(type='their_pkg.TheirMixr'), 16)
    with pytest.raises(TypeError, match=r'Unfit.__init__ must take embed_dims.*\[.dim.\]'):
        build_mixer(dict(type='their_pkg.Unfit'), 16)


def test_near_name_is_suggested_and_only_mixers_are_listed():
    with pytest.raises(KeyError, match="Did you mean 'AFNO'") as error:
        build_mixer(dict(type='afno'), 16)
    assert 'MiT' not in str(error.value)


def test_another_width_than_the_stage_s_is_refused():
    with pytest.raises(ValueError, match='mixer.embed_dims is 8, but .* 16 channels'):
        build_mixer(dict(type='AFNO', embed_dims=8), 16)


def test_arguments_of_the_mixer_before_are_explained():
    with pytest.raises(TypeError, match=r'It belongs to AFNO and StaticAFNO.*mixer\._delete_=True'):
        build_mixer(dict(type='LS', window_size=4, num_blocks=8), 16, num_heads=2)
