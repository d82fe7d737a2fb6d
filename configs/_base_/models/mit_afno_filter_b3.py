# MiT-B3 with AFNO and a smooth filter of frequencies, which is this project's idea, not the paper's
# (docs/mixers/afno.md). Stage 3 is 435 wide in place of 440, so that the parameters are AFNO's.
_base_ = 'mit_afno_b3.py'
backbone = dict(embed_dims=[208, 288, 435, 512], mixer=dict(frequency_filter='smooth'))
