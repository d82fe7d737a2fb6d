"""Misspelled settings are refused before the first step, with the nearest key that exists.

MMEngine 0.10 reads the top level of a config, ``paramwise_cfg`` and many other dicts with ``get``:
a key that it does not know changes nothing, and nobody hears of it.

Settings of a config:

* ``safety=dict(settings=False)`` turns all of this off.
* ``allowed_settings = ['my_key', 'train_cfg.my_key']`` allows keys of your own, by name or path.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from .known_keys import TOP, Place, places
from .switches import is_on

# Two names are close: one is taken for a misspelling of the other. Types have similar names.
CLOSE, CLOSE_TYPES = 0.75, 0.85
REMEDY = (
    "Correct them. Keys of your own can be allowed by name, allowed_settings=['my_key'], and "
    'safety.settings=False turns this check off'
)


class SettingsError(ValueError):
    """A config has settings that nothing reads."""


def nearest(name: str, known: Iterable[str], cutoff: float = CLOSE) -> str | None:
    """Return the most similar of some names, or None if none is similar."""

    def similarity(other):
        pairs = (name, other), (_sorted_words(name), _sorted_words(other))
        return max(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)

    best = max(sorted(known), key=similarity, default=None)
    return best if best and similarity(best) >= cutoff else None


def _sorted_words(name):
    return '_'.join(sorted(name.split('_')))


def check_settings(cfg: Config) -> None:
    """Refuse keys and types that nothing reads, everywhere in a config.

    At the top level any name is possible, because config files keep the parts there that they
    are built from. A name that no line of the file reads is refused if it is close to a known
    key, else it is named in the log.

    Args:
        cfg: The config, after ``--cfg-options``.

    Raises:
        SettingsError: With all of them, and the nearest known key of each.
    """
    if not is_on(cfg, 'settings'):
        return
    problems: dict[str, list[str]] = {}
    unread = []
    for place in places(cfg):
        for key in place.node:
            path = f'{place.path}.{key}'.lstrip('.')
            if _is_allowed(cfg, key, path):
                continue
            if not place.path and key not in place.known:
                if _is_read(cfg, key):
                    continue
                unread.append(key)
            message = _problem(place, key)
            if message:
                problems.setdefault(message, []).append(path)
                unread = [name for name in unread if name != path]
    if unread:
        print_log(f'nothing reads these settings of the config: {", ".join(unread)}', 'current')
    if problems:
        lines = [f'{_join(paths)}: {message}' for message, paths in problems.items()]
        raise SettingsError(_text('settings that nothing reads', lines))


def _problem(place: Place, key: str) -> str | None:
    """Return what is wrong with a key, or None."""
    if key == 'type' and place.types:
        near = nearest(place.node['type'], place.types, CLOSE_TYPES)
        return near and f'there is no {place.owner}. Did you mean {near}?'
    if key in place.known:
        return None
    known = place.known if place.path else TOP
    near = nearest(key, known, 0.5 if place.closed else CLOSE)
    if near:
        return f'{place.owner} has no {key}. Did you mean {near}?'
    if place.closed:
        return f'{place.owner} has no {key}, it has {", ".join(sorted(place.known))}'
    return None


def _is_allowed(cfg, key, path):
    allowed = cfg.get('allowed_settings') or ()
    return not isinstance(key, str) or key.startswith('_') or key in allowed or path in allowed


def _is_read(cfg, name):
    """Return True if a config file reads a name that it has assigned, or if it is a pipeline."""
    # Comments, texts without a {{variable}}, and MMEngine's lines with the names of the files.
    text = re.sub(r"""#.*|'[^'{\n]*'|"[^"{\n]*"|^\S+\.py$""", '', cfg.text or '', flags=re.M)
    read = rf'(?:(?<![\w.])|_base_\.){re.escape(name)}\b(?!\s*=(?!=))'
    return bool(re.search(read, text)) or name.endswith('pipeline') or 'pipeline_' in name


def _join(paths):
    return ', '.join(paths[:2]) + (f' and {len(paths) - 2} more' if len(paths) > 2 else '')


def _text(what, lines):
    return '\n* '.join([f'{what} ({len(lines)}):', *lines]) + f'\n{REMEDY}'


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Refuse options that lead nowhere.

    Each name on an option's path must be in the config, or be taken by the class at that place.

    Args:
        cfg: The config, before the options are merged.
        options: Settings by their dotted paths, as of ``--cfg-options``.

    Raises:
        SettingsError: With all of them, and the nearest key that exists.
    """
    if not options.get('safety.settings', is_on(cfg, 'settings')):
        return
    merged = deepcopy(cfg)
    try:
        merged.merge_from_dict(dict(options))
    except (KeyError, TypeError, IndexError):
        merged = cfg  # The path is wrong, and named below.
    at = {place.path: place for place in places(merged)}
    lines = []
    for option in options:
        message = None if _is_allowed(merged, option, option) else _follow(cfg, option, at)
        if message:
            lines.append(f'{option}: {message}')
    if lines:
        raise SettingsError(_text('options that lead nowhere', lines))


def _follow(cfg, option, at):
    node, names = cfg, option.split('.')
    first = names[0]
    if first in cfg and first not in TOP | {'data_root'} and _is_read(cfg, first):
        return (
            f'only the config file reads {first}, to build other parts, and it has done so '
            'already. Set these parts instead'
        )
    for depth, name in enumerate(names):
        path = '.'.join(names[:depth])
        if node is None:
            return None
        if isinstance(node, Sequence) and not isinstance(node, str):
            if not name.isdigit() or int(name) >= len(node):
                return f'{path} is a list, its entries are {path}.0 to {path}.{len(node) - 1}'
            node = node[int(name)]
        elif not isinstance(node, Mapping | Config):
            return f'{path} is {node!r}, and has no {name}'
        elif name in node:
            node = node[name]
        else:
            last = depth == len(names) - 1
            return _absent(at.get(path), path, node, name, last)
    return None


def _absent(place, path, node, name, last):
    """Return what is wrong with a name that the config does not have, or None."""
    if place is None:  # a dict with free names, as custom_keys
        return None
    known = place.known if path else TOP
    if name in known:
        return None
    known = known.union(node if path else ())
    if last and path and not place.closed and not nearest(name, known):
        return None
    near = nearest(name, known, 0.5)
    owner = f'{path} ({place.owner})' if path not in ('', place.owner) else path or 'the config'
    others = f'Did you mean {near}?' if near else f'It has {", ".join(sorted(known))}'
    return f'{owner} has no {name}. {others}'
