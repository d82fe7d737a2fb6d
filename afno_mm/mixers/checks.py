"""What every mixer checks: errors that name the value found and the values wanted."""


def check_divisor(name, value, embed_dims):
    """Raise ValueError unless the whole number ``value`` divides ``embed_dims``."""
    if value != int(value) or value < 1 or embed_dims % value:
        divisors = [n for n in range(1, embed_dims + 1) if embed_dims % n == 0]
        raise ValueError(
            f'{name} must divide embed_dims: got {name}={value} for embed_dims={embed_dims}. '
            f'These would work: {divisors}')


def check_choice(name, value, choices):
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise ValueError(f'{name} must be one of {list(choices)}, got {value!r}')


def check_grid(x, embed_dims):
    """Raise ValueError unless ``x`` is a grid of tokens ``(B, H, W, embed_dims)``."""
    if x.ndim != 4 or x.shape[-1] != embed_dims:
        raise ValueError(
            f'a mixer takes a grid of tokens (B, H, W, {embed_dims}), got {tuple(x.shape)}')
