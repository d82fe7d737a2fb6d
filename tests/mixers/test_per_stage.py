"""Per-stage values of a mixer: a list is one value per stage, and no list has two meanings."""

import argparse
from collections.abc import Sequence
from typing import Any, Literal, Optional, Union

import numpy as np
import pytest
import torch
from afno_mm.backbones import MiT
from afno_mm.mixers import AFNO, FNO, mixer_per_stage
from mmengine.config import Config, DictAction
from torch import nn

PAIRS = [
    dict(type='FNO', num_modes=None),
    dict(type='StaticAFNO', num_blocks=2, num_modes=None),
    dict(type='GFN', grid_size=None),
]
pairs = pytest.mark.parametrize('mixer', PAIRS, ids=lambda mixer: mixer['type'])


def values_per_stage(mixer, value, num_stages):
    """The values of the mixer's argument that is None in the row above."""
    (key,) = (key for key, default in mixer.items() if default is None)
    return [stage[key] for stage in mixer_per_stage(mixer | {key: value}, num_stages)]


def test_a_list_is_one_value_per_stage_and_a_tuple_one_value():
    mixer = dict(type='StaticAFNO', num_blocks=[1, 2, 5, 8], num_modes=(7, 7), bias='none')
    assert mixer_per_stage(mixer, 4) == [mixer | dict(num_blocks=k) for k in (1, 2, 5, 8)]


def test_one_config_per_stage():
    mixture = [dict(type='AFNO'), None]
    assert mixer_per_stage(mixture, 2) == mixture
    assert mixer_per_stage(None, 3) == [None, None, None]


def test_a_list_of_types_is_one_type_per_stage():
    stages = mixer_per_stage(dict(type=['FNO', 'GFN'], embed_dims=[8, 16]), 2)
    assert stages == [dict(type='FNO', embed_dims=8), dict(type='GFN', embed_dims=16)]


@pytest.mark.parametrize('mixer', [dict(type='AFNO', num_blocks=[1, 2]), [dict(type='AFNO')] * 3])
def test_wrong_number_of_stages_is_named(mixer):
    with pytest.raises(ValueError, match='stage'):
        mixer_per_stage(mixer, 4)


@pairs
def test_a_list_that_could_be_a_pair_is_refused_with_both_spellings(mixer):
    with pytest.raises(ValueError, match='two meanings') as error:
        values_per_stage(mixer, [4, 3], 2)
    key = [*mixer][-1]
    assert f'{key}=(4, 3)' in str(error.value) and f'{key}=[(4, 3), (4, 3)]' in str(error.value)
    assert f'mixer=[dict(type=..., {key}=4), dict(type=..., {key}=3)]' in str(error.value)
    with pytest.raises(ValueError, match=rf'2 values, but .* 4 in all.*{key}=\(4, 3\)'):
        values_per_stage(mixer, [4, 3], 4)


@pairs
@pytest.mark.parametrize('num_stages', [2, 4])
def test_pairs_are_one_tuple_or_a_list_of_pairs(mixer, num_stages):
    assert values_per_stage(mixer, (4, 3), num_stages) == [(4, 3)] * num_stages
    for pair in ((4, 3), [4, 3]):
        assert values_per_stage(mixer, [pair] * num_stages, num_stages) == [pair] * num_stages
    mixed = [(4, 3), 7] * (num_stages // 2)
    assert values_per_stage(mixer, mixed, num_stages) == mixed


@pairs
def test_four_numbers_for_four_stages_are_no_pair(mixer):
    assert values_per_stage(mixer, [14, 7, 4, 2], 4) == [14, 7, 4, 2]


def backbone_of(num_stages, *options):
    """A MiT with FNO, built as ``tools/train.py --cfg-options`` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    first = dict(
        num_stages=num_stages,
        embed_dims=[8] * num_stages,
        num_layers=[1] * num_stages,
        num_heads=[1] * num_stages,
        patch_sizes=[3] * num_stages,
        strides=[2] * num_stages,
        sr_ratios=[1] * num_stages,
        out_indices=[0],
        mixer=dict(type='FNO', num_modes=2),
    )
    cfg = Config(dict(backbone=first))
    cfg.merge_from_dict(parser.parse_args(['--cfg-options', *options]).cfg_options)
    return [layer[1][0].attn.num_modes for layer in MiT(**cfg.backbone).layers]


@pytest.mark.parametrize('num_stages', [2, 4])
def test_pairs_from_the_command_line(num_stages):
    key = 'backbone.mixer.num_modes'
    for text in ('(4,3)', str([(4, 3)] * num_stages), str([[4, 3]] * num_stages)):
        assert backbone_of(num_stages, f'{key}={text}'.replace(' ', '')) == [(4, 3)] * num_stages
    for text in ('[4,3]', '4,3'):
        with pytest.raises(ValueError, match=r'num_modes=\(4, 3\)'):
            backbone_of(num_stages, f'{key}={text}')


SCALARS = [int, float, str, bool, int | None, Optional[float], Literal['a', 'b']]  # noqa: UP045
PAIR_HINTS = [tuple[int, int], int | tuple[int, int], Union[int, tuple[int, int]]]  # noqa: UP007
SEQUENCES = [list, tuple, Sequence, list[int], tuple[int, ...], Sequence[int] | None, Any, object]


def mixer_with(hint=None, default=None):
    """A user's mixer whose argument ``value`` has this hint and this default."""

    class Theirs(nn.Identity):
        def __init__(self, embed_dims, value=default):
            super().__init__()

    class Required(nn.Identity):
        def __init__(self, embed_dims, value):
            super().__init__()

    cls = Theirs if default is not None else Required
    if hint is not None:
        cls.__init__.__annotations__['value'] = hint
    return dict(type=cls, value=None)


def is_refused(mixer, value):
    try:
        stages = values_per_stage(mixer, value, len(value))
    except ValueError as error:
        assert 'two meanings' in str(error)
        return True
    assert stages == value
    return False


@pytest.mark.parametrize('hint', SCALARS + ['int', 'int | None'])
def test_a_hint_without_a_sequence_takes_a_list_of_any_length(hint):
    assert not is_refused(mixer_with(hint), [4, 3])
    assert not is_refused(mixer_with(hint), [1, 2, 5, 8])


@pytest.mark.parametrize('hint', PAIR_HINTS + ['int | tuple[int, int]'])
def test_a_hint_with_a_pair_refuses_two_numbers_for_two_stages(hint):
    assert is_refused(mixer_with(hint), [4, 3])
    assert not is_refused(mixer_with(hint), [1, 2, 5, 8])
    assert not is_refused(mixer_with(hint), [(4, 3), (4, 3)])


@pytest.mark.parametrize('hint', SEQUENCES + ['list[int]', 'Unknown | None'])
def test_a_hint_with_a_sequence_refuses_numbers(hint):
    assert is_refused(mixer_with(hint), [4, 3])
    assert is_refused(mixer_with(hint), [1, 2, 5, 8])


def test_a_list_of_pairs_is_refused_where_it_could_be_one_value():
    windows = [(7, 7), (14, 14)]
    assert is_refused(mixer_with(list[tuple[int, int]]), windows)
    assert not is_refused(mixer_with(list[int]), windows)
    assert not is_refused(mixer_with(list[tuple[int, int]]), [windows, windows])


@pytest.mark.parametrize(
    'default, takes_two, takes_four',
    [(7, False, True), (None, False, False), ((7, 7), False, False), ('a', True, True)],
)
def test_without_a_hint_the_default_decides_and_a_number_may_stand_for_a_pair(
    default, takes_two, takes_four
):
    mixer = mixer_with(default=default)
    assert is_refused(mixer, [4, 3]) is not takes_two
    assert is_refused(mixer, [1, 2, 5, 8]) is not takes_four
    assert not is_refused(mixer, [(4, 3), (4, 3)])


def test_an_argument_without_a_hint_is_refused_with_the_advice_to_annotate_it():
    with pytest.raises(ValueError, match=r'annotate it in Required.__init__'):
        values_per_stage(mixer_with(), [4, 3], 2)


def test_an_argument_among_any_others_refuses_numbers():
    class Anything(nn.Identity):
        def __init__(self, embed_dims, **settings):
            super().__init__()

    assert is_refused(dict(type=Anything, value=None), [1, 2, 5, 8])


def test_a_name_alone_is_refused_with_the_dict_wanted():
    with pytest.raises(TypeError, match=r"dict\(type='AFNO'\)"):
        mixer_per_stage('AFNO', 4)


def test_names_in_a_list_of_mixers_are_refused():
    with pytest.raises(TypeError, match=r"mixer\[1\] must be a dict such as dict\(type='GFN'\)"):
        mixer_per_stage([dict(type='AFNO'), 'GFN'], 2)


class Typed(nn.Module):
    def __init__(
        self, embed_dims, cfg: dict | None = None, norm: type = nn.Identity, sizes: Any = 1
    ):
        super().__init__()


def test_classes_as_hints_refuse_lists():
    for key, value in dict(cfg=[{}, {}], norm=[nn.Identity, nn.LayerNorm]).items():
        mixers = mixer_per_stage(dict(type=Typed, **{key: value}), 2)
        assert [mixer[key] for mixer in mixers] == value
    with pytest.raises(ValueError, match='two meanings'):
        mixer_per_stage(dict(type=Typed, sizes=[1, 2]), 2)


def test_one_unknown_hint_leaves_the_others_known():
    class Half(nn.Module):
        def __init__(self, embed_dims, num_blocks: 'int' = 8, other: 'OnlyForCheckers' = None):  # noqa: F821
            super().__init__()

    mixers = mixer_per_stage(dict(type=Half, num_blocks=[1, 2]), 2)
    assert [mixer['num_blocks'] for mixer in mixers] == [1, 2]


def test_a_tuple_is_advised_only_where_one_is_taken():
    with pytest.raises(ValueError, match=r'4 in all\. Write .* num_modes=\(4, 3\)'):
        mixer_per_stage(dict(type='FNO', num_modes=[4, 3]), 4)
    with pytest.raises(ValueError, match='4 in all$'):
        mixer_per_stage(dict(type='AFNO', num_blocks=[1, 2, 4]), 4)


def test_numbers_of_numpy_are_numbers():
    assert AFNO(8, num_blocks=np.int64(2)).num_blocks == 2
    assert FNO(8, num_modes=(np.int64(2), 3)).num_modes == (2, 3)
    shares = dict(mode_fraction=np.float32(0.5), padding=np.float32(0.25))
    mixer = AFNO(8, 2, sparsity_threshold=np.float32(0.5), **shares)
    assert (mixer.sparsity_threshold, mixer.mode_fraction, mixer.padding) == (0.5, 0.5, 0.25)
    assert mixer(torch.ones(1, 3, 4, 8)).shape == (1, 3, 4, 8)
