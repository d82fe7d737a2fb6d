# MiT-B3 with self-attention (SA). The paper does not give the widths of this model: these are those
# of ESA.
backbone = dict(
    type='afno_mm.MiT',
    embed_dims=[64, 128, 320, 512],
    num_layers=[3, 4, 18, 3],
    num_heads=[1, 2, 5, 8],
    mixer=dict(type='SA'),
)
