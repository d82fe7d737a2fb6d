# ViT-S/4 of 10 layers with global filters (GFN). A.1 gives the layers and no widths; we use those
# of A.5.
_base_ = 'vit_gfn_s4.py'
backbone = dict(arch=dict(num_layers=10))
