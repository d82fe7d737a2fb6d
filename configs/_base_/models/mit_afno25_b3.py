# MiT-B3 with AFNO on 25 % of the modes: half of the frequencies on each axis. Its parameters are
# those of mit_afno_b3.py.
_base_ = 'mit_afno_b3.py'
backbone = dict(mixer=dict(mode_fraction=0.5))
