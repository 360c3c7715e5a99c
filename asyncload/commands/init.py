"""``asyncload init``: a config to start from."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from asyncload.config.load import load_config
from asyncload.drafts.kinds import EXAMPLES, example
from asyncload.drafts.writing import write_yaml
from asyncload.errors import ConfigError
from asyncload.records.files import cannot_write


def init_command(
    kind: str | None, *, curl: str | None, har: Path | None, output: Path | None
) -> None:
    """Write an example of ``kind``, or a draft of a curl command or a HAR file.

    Nothing that is there is replaced. Raises :class:`ConfigError`.
    """
    sources = [name for name, given in (("KIND", kind), ("--from-curl", curl), ("--from-har", har))
               if given is not None]  # fmt: skip
    if len(sources) > 1:
        raise ConfigError(f"{' and '.join(sources)} each say what to write; keep one of them")
    if curl is not None or har is not None:
        _draft(curl, har, output)
        return
    kind = kind or "http"
    if kind not in EXAMPLES:
        close = difflib.get_close_matches(kind, EXAMPLES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"give one of {', '.join(EXAMPLES)}"
        raise ConfigError(f"there is no example of kind {kind!r}; {hint}")
    config, *others = EXAMPLES[kind]
    path = output or Path(config)
    _write({path: example(config), **{path.with_name(name): example(name) for name in others}})
    _say(path)


def _draft(curl: str | None, har: Path | None, output: Path | None) -> None:
    from asyncload.drafts.curl import draft_of_curl
    from asyncload.drafts.har import draft_of_har

    if curl is not None:
        config, secrets, notes = draft_of_curl(sys.stdin.read() if curl == "-" else curl)
        path = output or Path("http.yaml")
    else:
        assert har is not None
        config, secrets, notes = draft_of_har(har)
        path = output or Path(f"{har.stem}.yaml")
    load_config(config, environment=secrets)  # nothing is written that cannot be run
    comments = [f"asyncload run {path}", *notes]
    if secrets:
        comments.append(f"Set in the environment: {', '.join(secrets)}")
    _write({path: write_yaml(config, comments=comments)})
    for note in notes:
        click.echo(note, err=True)
    if secrets:
        click.echo(f"set in the environment: {', '.join(secrets)}", err=True)
    _say(path)


def _write(files: dict[Path, str]) -> None:
    for path in files:
        if path.exists():
            raise ConfigError(f"{path} is there already; name another file with -o, or remove it")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as problem:
            raise ConfigError(cannot_write(path, problem)) from None


def _say(path: Path) -> None:
    click.echo(f"wrote {path}; asyncload check {path} shows its plan, and this runs it:", err=True)
    click.echo(f"asyncload run {path}")
