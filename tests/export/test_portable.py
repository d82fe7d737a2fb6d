"""The functions that replace upstream's while a model is exported compute the same."""

import pytest
import torch
from afno_mm.export.portable import _resize_pos_embed, portable
from mmcv.cnn.bricks import transformer as mmcv_transformer
from mmpretrain.models.backbones import vision_transformer
from mmpretrain.models.utils import embed
from mmpretrain.models.utils.attention import ShiftWindowMSA
from mmseg.models.backbones.swin import ShiftWindowMSA as SegShiftWindowMSA
from mmseg.models.backbones.vit import VisionTransformer
from mmseg.models.utils.embed import AdaptivePadding
from torch import nn

GRIDS = [(7, 7), (8, 8), (7, 16), (9, 8), (16, 23), (4, 30)]


def both(module, *inputs):
    """Return upstream's result and the replacement's."""
    with torch.no_grad():
        expected = module(*inputs)
        with portable(module):
            found = module(*inputs)
    return expected, found


@pytest.mark.parametrize('padding_class', [AdaptivePadding, mmcv_transformer.AdaptivePadding])
@pytest.mark.parametrize('padding', ['same', 'corner'])
@pytest.mark.parametrize('kernel, stride, dilation', [(4, 4, 1), (3, 2, 1), (3, 2, 2), (2, 5, 1)])
@pytest.mark.parametrize('size', [(8, 8), (9, 8), (1, 5), (7, 16)])
def test_adaptive_padding(padding_class, padding, kernel, stride, dilation, size):
    module = padding_class(kernel, stride, dilation, padding)
    expected, found = both(module, torch.randn(2, 3, *size))
    assert torch.equal(expected, found)


@pytest.mark.parametrize('shift', [0, 3])
@pytest.mark.parametrize('small', [None, True, False], ids=['mmseg', 'padded', 'not padded'])
@pytest.mark.parametrize('grid', GRIDS)
def test_shifted_windows(shift, small, grid):
    if small is None:
        module = SegShiftWindowMSA(8, 2, 7, shift).eval()
    else:
        if not small and min(grid) < 7:
            pytest.skip('MMPretrain refuses maps that are smaller than a window')
        module = ShiftWindowMSA(8, 2, 7, shift, pad_small_map=small).eval()
    nn.init.normal_(module.w_msa.relative_position_bias_table)
    expected, found = both(module, torch.randn(2, grid[0] * grid[1], 8), grid)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('batch_first', [True, False])
@pytest.mark.parametrize('bias', [True, False])
def test_attention(batch_first, bias):
    module = nn.MultiheadAttention(8, 2, bias=bias, batch_first=batch_first).eval()
    queries = torch.randn(5, 6, 8)
    keys = torch.randn(5, 3, 8) if batch_first else torch.randn(3, 6, 8)
    (expected, _), (found, _) = both(module, queries, keys, keys)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('mode', ['bicubic', 'bilinear'])
@pytest.mark.parametrize('new', [(4, 6), (5, 9), (4, 5), (1, 2)])
@pytest.mark.parametrize('extra', [0, 1])
def test_position_embeddings_of_mmpretrain(mode, new, extra):
    tokens = torch.randn(1, 24 + extra, 8)
    expected = embed.resize_pos_embed(tokens, (4, 6), new, mode, extra)
    found = _resize_pos_embed(tokens, (4, 6), new, mode, extra)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('size', [(32, 48), (40, 48), (53, 31)])
def test_position_embeddings_of_mmsegmentation(size):
    settings = dict(img_size=(32, 48), patch_size=8, embed_dims=8, num_layers=1, num_heads=2)
    module = VisionTransformer(**settings, out_indices=[0])
    module.eval()  # returns None
    nn.init.normal_(module.pos_embed)
    (expected,), (found,) = both(module, torch.randn(1, 3, *size))
    torch.testing.assert_close(found, expected)


def test_the_model_is_as_before_afterwards():
    module = VisionTransformer(img_size=16, patch_size=8, embed_dims=8, num_layers=1, num_heads=2)
    before = [set(m.__dict__) for m in module.modules()]
    resize = vision_transformer.resize_pos_embed
    with portable(module):
        assert vision_transformer.resize_pos_embed is _resize_pos_embed
        assert any('forward' in m.__dict__ for m in module.modules())
    assert [set(m.__dict__) for m in module.modules()] == before
    assert not any(m._forward_pre_hooks for m in module.modules())
    assert vision_transformer.resize_pos_embed is resize
