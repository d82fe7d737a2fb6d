# SegFormer-B0 with wavelets in place of AFNO on example street scenes: docs/tutorials/own_mixer.md.
#
#   python tools/train.py docs/tutorials/wavelet_mixer/wavelet_b0_scenes.py
#
# All but the mixer is that of configs/segformer_afno_b0_scenes.py. The grids of the four stages
# have 32x64, 16x32, 8x16 and 4x8 tokens: each mixer halves its grid to 1x2.
_base_ = ['../../../configs/segformer_afno_b0_scenes.py']
custom_imports = dict(imports=['wavelet_mixer'])
mixer = dict(_delete_=True, type='Wavelet', levels=[5, 4, 3, 2])
model = dict(backbone=dict(mixer=mixer))
