# ViT-S/4 with AFNO and a smooth filter of frequencies, which is this project's idea, not the
# paper's (docs/mixers/afno.md). The feed-forward is 1504 wide in place of 1536, so that the
# parameters are AFNO's.
_base_ = 'vit_afno_s4.py'
backbone = dict(arch=dict(feedforward_channels=1504), mixer=dict(frequency_filter='smooth'))
