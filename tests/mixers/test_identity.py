"""The mixer that does not mix."""

import pytest
import torch
from afno_mm.backbones import ViT
from afno_mm.mixers import Identity


def test_tokens_pass_as_they_are_and_strangers_do_not():
    x = torch.randn(2, 5, 4, 8, dtype=torch.float16)
    mixer = Identity(8)
    assert torch.equal(mixer(x), x) and not list(mixer.parameters())
    with pytest.raises(ValueError, match=r'\(B, H, W, 8\)'):
        mixer(x[..., :4])


def test_without_a_mixer_no_patch_of_a_vit_sees_another():
    arch = dict(embed_dims=8, num_layers=2, num_heads=2, feedforward_channels=16)
    settings = dict(img_size=32, patch_size=8, with_cls_token=False, out_type='featmap')
    afno = dict(type='AFNO', init='scaled')
    for mixer, sees in ((dict(type='Identity'), False), (afno, True)):
        model = ViT(arch=arch, mixer=mixer, **settings).eval()
        image = torch.randn(1, 3, 32, 32, requires_grad=True)
        (model(image)[-1][0, :, 0, 0] * torch.randn(8)).sum().backward()
        other_patches = image.grad.clone()
        other_patches[..., :8, :8] = 0
        assert bool(other_patches.any()) == sees, mixer
