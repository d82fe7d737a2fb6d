"""Refuse misspelled settings before the first step, and name the nearest key that exists.

MMEngine 0.10 reads the top level of a config, ``paramwise_cfg`` and many other dicts with ``get``.
It ignores an unknown key without a message.

Settings of a config:

* ``safety=dict(settings=False)`` turns these checks off.
* ``allowed_settings = ['my_key', 'train_cfg.my_key']`` allows keys of your own, by name or path.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ...names import first, nearest
from .known_keys import TOP, Place, places
from .switches import is_on

# Type names often resemble each other, so a misspelling needs more similarity than names.CLOSE.
CLOSE_TYPES = 0.85
REMEDY = (
    "Correct them. Keys of your own can be allowed by name, allowed_settings=['my_key'], and "
    'safety.settings=False turns this check off'
)


class SettingsError(ValueError):
    """A config has settings that nothing reads, or that do not fit the model or the data."""


def check_settings(cfg: Config) -> None:
    """Raise SettingsError for misspelled types, and for keys that nothing reads, in a config.

    The top level can have any name, because config files define variables there. If the file
    itself does not read such a name, the name is an error if it is close to a known key.
    Otherwise the log names it.
    """
    if not is_on(cfg, 'settings'):
        return
    problems: dict[str, list[str]] = {}
    unread = []
    for place in places(cfg):
        for key in place.node:
            path = f'{place.path}.{key}'.lstrip('.')
            is_free = not place.path and key not in place.known
            if _is_allowed(cfg, key, path) or (is_free and _is_read(cfg, key)):
                continue
            message = _problem(place, key)
            if message:
                problems.setdefault(message, []).append(path)
            elif is_free:
                unread.append(key)
    if unread:
        print_log(f'nothing reads these settings of the config: {", ".join(unread)}', 'current')
    if problems:
        lines = [f'{first(paths, 2)}: {message}' for message, paths in problems.items()]
        raise SettingsError(_text('settings that nothing reads', lines))


def _problem(place: Place, key: str) -> str | None:
    """Return what is wrong with a key, or None."""
    if key == 'type' and place.types:
        near = nearest(place.node['type'], place.types, CLOSE_TYPES)
        return near and f'there is no {place.owner}. Did you mean {near}?'
    known = place.known if place.path else TOP
    if key in place.known or not (place.closed or nearest(key, known)):
        return None
    return _unknown(place.owner, key, known)


def _unknown(owner, name, known):
    near = nearest(name, known, 0.5)
    others = f'Did you mean {near}?' if near else f'It has {", ".join(sorted(known))}'
    return f'{owner} has no {name}. {others}'


def _is_allowed(cfg, key, path):
    allowed = cfg.get('allowed_settings') or ()
    return not isinstance(key, str) or key.startswith('_') or key in allowed or path in allowed


def _is_read(cfg, name):
    """Return True if a config file reads its own variable, or if the name is of a pipeline."""
    # Remove comments, strings without a {{variable}}, and file names that MMEngine adds as lines.
    text = re.sub(r"""#.*|'[^'{\n]*'|"[^"{\n]*"|^\S+\.py$""", '', cfg.text or '', flags=re.M)
    read = rf'(?:(?<![\w.])|_base_\.){re.escape(name)}\b(?!\s*=(?!=))'
    return bool(re.search(read, text)) or name.endswith('pipeline') or 'pipeline_' in name


def _text(what, lines):
    return '\n* '.join([f'{what} ({len(lines)}):', *lines]) + f'\n{REMEDY}'


def check_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Raise SettingsError for options that set nothing. Call it before they are merged into cfg.

    Each name on an option's path must be in the config, or an argument of the class at that place.
    """
    if not options.get('safety.settings', is_on(cfg, 'settings')):
        return
    merged = deepcopy(cfg)
    try:
        merged.merge_from_dict(dict(options))
    except (KeyError, TypeError, IndexError):
        merged = cfg  # A path is wrong: _follow says which.
    at = {place.path: place for place in places(merged)}
    checked = (option for option in options if not _is_allowed(merged, option, option))
    problems = {option: _follow(cfg, option, at) for option in checked}
    lines = [f'{option}: {message}' for option, message in problems.items() if message]
    if lines:
        raise SettingsError(_text('options that lead nowhere', lines))


def _follow(cfg, option, at):
    """Walk along an option's path. Return what is wrong with it, or None."""
    node, names = cfg, option.split('.')
    start = names[0]
    if start in cfg and start not in TOP | {'data_root'} and _is_read(cfg, start):
        return (
            f'only the config file reads {start}, to build other parts, and it has done so '
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
            return _absent(at.get(path), path, node, name, is_last=depth == len(names) - 1)
    return None


def _absent(place, path, node, name, is_last):
    """Return what is wrong with a name that the config does not have, or None."""
    # Accept any name in dicts with free names, such as custom_keys. They have no Place.
    if place is None or name in (place.known if path else TOP):
        return None
    known = place.known.union(node) if path else TOP
    if is_last and path and not place.closed and not nearest(name, known):
        return None
    owner = f'{path} ({place.owner})' if path not in ('', place.owner) else path or 'the config'
    return _unknown(owner, name, known)
