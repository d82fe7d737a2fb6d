"""The sentences of the pages."""

MIXERS = {
    'AFNO': 'turns the grid of tokens into frequencies, changes every frequency by one small '
    'network that all frequencies share, sets small values to zero, and turns the result back. '
    'Each layer connects every token with every other one, at the full resolution.',
    'ESA': 'lets every token look at a smaller copy of the grid, in which one token stands for a '
    'block of R x R tokens. Each layer reaches the whole image, but sees it in blocks.',
    'SA': 'lets every token look at every other one, and weighs each pair by how well the two fit. '
    'The cost grows with the square of the number of tokens.',
    'GFN': 'turns the grid into frequencies and multiplies each one by a learned number. The '
    'numbers do not depend on the image.',
    'FNO': 'turns the grid into frequencies and multiplies each low one by a learned matrix. The '
    'matrices do not depend on the image.',
    'StaticAFNO': 'multiplies each low frequency by a learned block-diagonal matrix, and sets '
    'small values to zero.',
    'LS': 'lets every token look at the tokens near it, and at a few landmarks that summarise the '
    'image.',
    'Identity': 'does not mix tokens at all.',
    'shifted windows': 'lets every token look at the tokens of its own window. The windows shift '
    'from layer to layer.',
    'convolutions': 'looks at the near surroundings of each place.',
}

PREDICTION = {
    'labels': 'Colours show the class that the model gives to each pixel. Below are the classes '
    'with their shares of the image.',
    'classes': 'The five most probable classes of the image.',
    'image': 'The model sees the left picture. Black pixels are masked. It predicts the middle '
    'one; the right one is the truth.',
}

SUMMARY = """How much of the image decides about one pixel, the one in the ring below: the smallest
share of the image from which 90% of the influence comes. A small number means that the model looks
at the near surroundings, a large one that it uses the whole image."""

MIXER = """One mixer alone, the last one of each stage. Bright tokens change the result at the
ring; black tokens have no influence on it. Blocks of one colour mean that the mixer sees these
tokens only together. The token at the ring itself is left out: its share is given in words."""

RECEPTIVE = """The whole network up to a stage. Bright pixels change the features at the ring.
This is the effective receptive field: the gradient of the features with respect to the image.
A small bright spot means that the network decides from the surroundings alone."""

SPECTRUM = """What AFNO does in between, for the last layer of each stage. Each picture has one
cell for each frequency: slow changes across the image in the middle, fine detail at the edges.
Shrinkage lowers all values by sparsity_threshold and sets smaller ones to zero. White frequencies
are gone altogether; on the right, black means that all values are kept."""

ZEROS = """The share of values that shrinkage sets to zero in each layer. Layers near 0% keep
everything. A layer at 100% mixes nothing."""

CLUSTERS = """Tokens with similar features get the same colour; positions do not count. The
clusters follow objects where the network has gathered what belongs together."""
