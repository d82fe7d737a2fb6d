"""Publish a checkpoint: write files with its weights and all else that a prediction needs."""

import hashlib
import io
import re
from pathlib import Path

import mmengine
import torch
from mmengine.config import Config
from safetensors.torch import save
from torch import Tensor

from ..engine.safety.checkpoint_files import AtomicLocalBackend
from ..engine.safety.numbers import check_weights
from ..version import __version__
from .config_data import to_json
from .files import Weights, read_file
from .load import model_of, of_config

# Config keys of one machine or one run. They are not published.
OF_THE_RUN = ('work_dir', 'load_from', 'resume', 'launcher', 'local_rank')
# SegFormer's public weights, from its authors, MMSegmentation or Hugging Face, by name or URL.
NVIDIAS = re.compile(
    r'/segformer/mit_b|nvidia/(?:mit|segformer)-b|segformer_mit-b|\bmit_b\d[\w-]*\.pth'
)
NON_COMMERCIAL = (
    "training began from SegFormer's public weights, which are NVIDIA's or conversions of them; "
    'their licence allows non-commercial use only: https://github.com/NVlabs/SegFormer'
)


def publish(
    checkpoint: str | Path,
    out: str | Path,
    config: str | Path | None = None,
    ema: bool | None = None,
    author: str = 'not stated',
    licence: str = 'not stated',
) -> list[Path]:
    """Write ``OUT-<hash>.pth`` and ``OUT-<hash>.safetensors`` and return their paths.

    The hash is the first eight digits of the file's SHA-256. Both files hold the weights, and as
    JSON the config, the classes and palette, and the provenance. The rest of the checkpoint is left
    out, such as the optimiser's state. :func:`.from_pretrained` loads both files.

    Args:
        checkpoint: A checkpoint of a training, or a file of weights.
        out: Path and name without the hash.
        config: The config, if the checkpoint does not contain it or another one is wanted.
        ema: True for averaged weights (EMA), False for plain ones. By default, the averaged
            weights if there are any, because MMEngine tests with them.
        author, licence: Whose weights these are, and under which licence they may be used.

    Raises:
        NonFiniteError: If a weight is infinite or not a number.
        CheckpointError: If the checkpoint is damaged or does not fit its config.
        ValueError: If there is no config, or if averaged weights are asked for and there are none.
    """
    found = read_file(checkpoint, with_config=not config)
    if config:
        given = of_config(Config.fromfile(config))
        found.cfg = given.cfg
        found.dataset_meta = found.dataset_meta or given.dataset_meta
    loaded = found.checkpoint
    found.state = _choose(found, ema)
    model = model_of(found, 'cpu')
    check_weights(model, str(checkpoint))
    cfg = {key: value for key, value in (found.cfg or {}).items() if key not in OF_THE_RUN}
    cfg['model'] = dict(cfg['model'], backbone=dict(cfg['model'].get('backbone') or {}))
    init = cfg['model']['backbone'].pop('init_cfg', None) or []
    teacher = cfg['model'].pop('teacher', None) or {}
    if teacher:  # The weights are those of the student alone, an ordinary model.
        from ..tasks.warm_start import ORDINARY

        cfg['model']['type'] = ORDINARY[cfg['model']['type'].split('.')[-1]]
    inits = [init] if isinstance(init, dict) else [*init]
    starts = [one.get('checkpoint') for one in [*inits, teacher.get('init_cfg') or {}]]
    start = (found.cfg or {}).get('load_from') or next(filter(None, starts), None)
    meta = loaded.get('meta') or {}
    provenance = dict(
        author=author,
        licence=licence,
        restriction=NON_COMMERCIAL if NVIDIAS.search(str(found.cfg)) else None,
        # The address of public weights, or the name of a file.
        started_from=start if '://' in str(start) else start and Path(start).name,
        weights='averaged (EMA)' if 'ema_state_dict' in loaded and ema is not False else 'plain',
        trained=dict(epochs=meta.get('epoch'), iterations=meta.get('iter'), seed=meta.get('seed')),
        published_before=found.provenance or None,
        versions=dict(afno_mm=__version__, torch=torch.__version__, mmengine=mmengine.__version__),
    )
    facts = dict(config=cfg, dataset_meta=model.dataset_meta, provenance=provenance)
    texts = {key: to_json(value) for key, value in facts.items()}
    state = {key: tensor.contiguous().clone() for key, tensor in model.state_dict().items()}
    buffer = io.BytesIO()
    # Upstream's tools read cfg (as MMEngine writes it) and dataset_meta.
    meta = dict(published=texts, cfg=Config(cfg).pretty_text, dataset_meta=model.dataset_meta)
    torch.save(dict(meta=meta, state_dict=state), buffer)
    contents = {'.pth': buffer.getvalue(), '.safetensors': save(state, {'format': 'pt', **texts})}
    return [_write(content, out, suffix) for suffix, content in contents.items()]


def _choose(found: Weights, ema: bool | None) -> dict[str, Tensor]:
    """Return the averaged or the plain weights of a checkpoint.

    MMEngine's EMAHook swaps the two when it saves: ``state_dict`` has the averaged weights, and
    ``ema_state_dict`` has the plain ones, with the prefix 'module.'.
    """
    state, plain = dict(found.state or {}), found.checkpoint.get('ema_state_dict')
    if ema and plain is None:
        raise ValueError(f'{found.source} has no averaged weights (EMA). Leave out --ema')
    if plain is not None and ema is False:
        state |= {k.removeprefix('module.'): t for k, t in plain.items() if k.startswith('module.')}
    return state


def _write(content: bytes, out: str | Path, suffix: str) -> Path:
    name = re.sub(r'\.(?:pth|safetensors)$', '', Path(out).name)
    path = Path(out).with_name(f'{name}-{hashlib.sha256(content).hexdigest()[:8]}{suffix}')
    AtomicLocalBackend().put(content, path)
    return path
