"""What all Fourier mixers have in common. Add a mixer as a row."""

import pytest
import torch
from afno_mm.mixers import AFNO, FNO, GFN, StaticAFNO

MIXERS = {
    'AFNO': lambda: AFNO(8, 2, init='scaled', bias='none'),
    'AFNO-25%': lambda: AFNO(8, 2, init='scaled', bias='none', mode_fraction=0.5),
    'GFN': lambda: GFN(8, (9, 8)),
    'GFN-bilinear': lambda: GFN(8, (7, 6)),
    'GFN-exact': lambda: GFN(8, (7, 6), 'exact'),
    'FNO': lambda: FNO(8, (3, 4)),
    'StaticAFNO': lambda: StaticAFNO(8, 2, (3, 4), bias='none'),
}
every_mixer = pytest.mark.parametrize('make', MIXERS.values(), ids=MIXERS)


@every_mixer
@pytest.mark.parametrize('training', [True, False])
def test_computes_in_float32_under_autocast_and_for_half_tokens(make, training):
    mixer = make().train(training)
    x = torch.randn(2, 9, 8, 8)
    with torch.autocast('cpu', torch.bfloat16):
        y = mixer(x)
    assert torch.equal(y, mixer(x))
    for dtype in (torch.float16, torch.bfloat16):
        half = x.to(dtype)
        assert torch.equal(mixer(half), mixer(half.float()).to(dtype))


@every_mixer
def test_shapes_on_the_meta_device(make):
    """FLOP counters and deferred initialisation use this device. It computes nothing."""
    x = torch.zeros(2, 9, 8, 8, dtype=torch.float16, device='meta')
    with torch.device('meta'):
        built_there = make()
    for mixer in (make().to('meta'), built_there, make().to('meta').eval()):
        with torch.no_grad():
            y = mixer(x)
        assert y.shape == x.shape and y.dtype == x.dtype and y.is_meta


@every_mixer
@pytest.mark.parametrize('shape', [(1, 64, 8), (1, 8, 8, 4)])
def test_bad_tokens_are_named(make, shape):
    with pytest.raises(ValueError, match=r'\(B, H, W, 8\), got'):
        make()(torch.zeros(shape))


@pytest.mark.parametrize(
    'mixer, inputs',
    [
        (GFN(8, 64), 2.1),
        (GFN(8, 7), 2.2),
        (GFN(8, 7, 'exact'), 2.2),
        (FNO(8, 8), 0.1),
        (StaticAFNO(8, 2, 8), 0.2),
    ],
)
def test_memory_saved_for_backward(mixer, inputs):
    """The spectrum and GFN's filter are saved, but no copy of FNO's weights, as large as x here."""
    x = torch.randn(1, 64, 64, 8, requires_grad=True)
    own = {p.untyped_storage().data_ptr() for p in mixer.parameters()}
    saved = {}
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.update({t.untyped_storage().data_ptr(): t}) or t, lambda t: t
    ):
        y = mixer(x)
    kept = sum(t.untyped_storage().nbytes() for a, t in saved.items() if a not in own)
    assert y.requires_grad and kept <= inputs * x.nbytes
