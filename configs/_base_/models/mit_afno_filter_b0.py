# MiT-B0 with AFNO and a smooth filter of frequencies, which is this project's idea, not the paper's
# (docs/mixers/afno.md). Stage 4 is 248 wide in place of 256, so that the parameters are AFNO's.
_base_ = 'mit_afno_b0.py'
backbone = dict(embed_dims=[88, 136, 200, 248], mixer=dict(frequency_filter='smooth'))
