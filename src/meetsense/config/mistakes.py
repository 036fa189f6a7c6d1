"""Every mistake of a configuration, each in some words that say what to do."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from meetsense.config import NESTED, PREFIX, Settings, environment, sections

Key = tuple[str, ...]
"""Section and key, or a key outside the sections."""
Mistake = tuple[Key, str]


class _AsGiven(Settings):
    """Settings from values alone."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *others: PydanticBaseSettingsSource,
        **named: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def mistakes_of(values: Mapping[str, Any], error: ValidationError | None, *, files: bool) -> tuple[str, ...]:
    """What is wrong with the file's values and the environment's; ``error``: what pydantic found.

    What contradicts is sought among the keys that are right by themselves. ``files``: whether what the
    settings name is read, too.
    """
    given = merged(values, environment())
    found: list[Mistake] = [((key,), f"unknown key{_meant((key,))}") for key in values if key.startswith("_")]
    found += _by_itself(error)
    settings = _AsGiven(**_without(given, {key for key, _ in found}))
    wrong = {key for key, _ in found}
    found += [(key, text) for key, text, others in contradictions(settings) if not wrong & {key, *others}]
    if files:
        found += [(key, text) for key, text in _of_files(settings) if key not in {key for key, _ in found}]
    return tuple(f"{_named(key)}: {text}" for key, text in found)


def merged(file: Mapping[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    """The file's values under the environment's."""
    whole = dict(file)
    for name, value in variables.items():
        under = file.get(name)
        whole[name] = {**under, **value} if isinstance(value, dict) and isinstance(under, dict) else value
    return whole


def _by_itself(error: ValidationError | None) -> list[Mistake]:
    """A mistake for each key that is wrong by itself: the first of its kind."""
    found: dict[Key, str] = {}
    for one in error.errors() if error else ():
        key = tuple(str(part) for part in one["loc"][:2])
        found.setdefault(key, _in_words(key, one))
    return list(found.items())


def _in_words(key: Key, mistake: Any) -> str:
    if mistake["type"] == "extra_forbidden":
        return f"unknown {_kind(key, mistake['input'])}{_meant(key)}"
    if mistake["type"] in {"model_type", "model_attributes_type"}:
        return f"must be a section: [{key[0]}]"
    return str(mistake["msg"]).removeprefix("Value error, ")


def _kind(key: Key, value: Any) -> str:
    return "section" if len(key) == 1 and isinstance(value, dict) else "key"


def _meant(key: Key) -> str:
    """The key that is most like an unknown one: of its section, else of any."""
    kinds = sections()
    top = [name for name in Settings.model_fields if name not in kinds]
    keys = {name: [name] for name in top}
    keys |= {
        f"{section}.{name}": [section, name] for section, kind in kinds.items() for name in kind.model_fields
    }
    last = key[-1].rpartition(".")[2]
    beside = list(kinds[key[0]].model_fields) if len(key) > 1 and key[0] in kinds else [*top, *kinds]
    if near := get_close_matches(last, beside, 1):
        return f"; did you mean {near[0]}?"
    elsewhere = {path[-1]: whole for whole, path in reversed(keys.items())}
    near = get_close_matches(last, elsewhere, 1)
    return f"; did you mean {elsewhere[near[0]]}?" if near else ""


def _named(key: Key) -> str:
    """The key, and the variable it comes from where the environment gives it."""
    name = ".".join(key)
    variables: Any = environment()
    for part in key:
        if not isinstance(variables, dict) or part not in variables:
            return name
        variables = variables[part]
    if isinstance(variables, dict):
        return name
    return f"{name} ({PREFIX}{NESTED.join(name.split('.')).upper()})"


def _without(values: Mapping[str, Any], keys: set[Key]) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for name, value in values.items():
        if (name,) in keys:
            continue
        inner = isinstance(value, dict)
        left[name] = {k: v for k, v in value.items() if (name, k) not in keys} if inner else value
    return left


def contradictions(settings: Settings) -> Iterator[tuple[Key, str, tuple[Key, ...]]]:
    """Keys that are right alone and not together: the key, what is wrong, and the other keys it is about."""
    capture, policy, calendar = settings.capture, settings.policy, settings.calendar
    if capture.sync_seconds > capture.segment_seconds:
        yield (
            ("capture", "sync_seconds"),
            f"is more than segment_seconds ({capture.segment_seconds:g})",
            (("capture", "segment_seconds"),),
        )
    if capture.stop_after_minutes > capture.longest_hours * 60:
        yield (
            ("capture", "stop_after_minutes"),
            f"is more than longest_hours ({capture.longest_hours:g}), so that it never counts",
            (("capture", "longest_hours"),),
        )
    if settings.process.keep_free_mb < 2 * capture.low_water_mb:
        yield (
            ("process", "keep_free_mb"),
            f"must be at least twice capture.low_water_mb ({capture.low_water_mb}), so that an analysis "
            "never takes the recorder's room",
            (("capture", "low_water_mb"),),
        )
    if policy.text and not policy.sha256:
        yield ("policy", "sha256"), f"is missing; get it with: sha256sum {policy.text}", (("policy", "text"),)
    if policy.sha256 and not policy.text:
        yield ("policy", "text"), "is missing: the file that sha256 is of", (("policy", "sha256"),)
    if calendar.file and not policy.text:
        yield (
            ("calendar", "file"),
            "needs [policy]: a calendar can't know who is in the room, so that nobody's consent can be asked",
            (("policy", "text"), ("policy", "sha256")),
        )
    if calendar.room and not calendar.file:
        yield ("calendar", "room"), "needs calendar.file", (("calendar", "file"),)


def _of_files(settings: Settings) -> Iterator[Mistake]:
    """What is wrong with the files that the settings name."""
    policy, calendar = settings.policy, settings.calendar
    if policy.text:
        try:
            found = hashlib.sha256(policy.text.read_bytes()).hexdigest()
        except OSError as error:
            yield ("policy", "text"), f"{policy.text} cannot be read ({error.strerror})"
        else:
            if policy.sha256 and found != policy.sha256:
                yield ("policy", "sha256"), f"isn't that of {policy.text}, which is now {found}"
    if settings.capture.indicator and not shutil.which(program := shlex.split(settings.capture.indicator)[0]):
        yield ("capture", "indicator"), f"there is no program {program}"
    if calendar.file:
        try:
            calendar.file.read_bytes()
        except OSError as error:
            yield ("calendar", "file"), f"{calendar.file} cannot be read ({error.strerror})"
