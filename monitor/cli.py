"""Command line: `monitor demo | worker | exporter | services | config`. Flags beat environment, environment beats TOML."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from monitor.errors import ConfigError, MonitorError
from monitor.logs import configure_logs
from monitor.settings import Settings, load_settings, settings_toml


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns its exit code: 0 done, 1 not as it should be, 2 a setting, 3 an outage."""
    return run_command(_parser(), argv)


def run_command(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Parses, loads the settings, runs what `run` of the chosen command is set to; errors become a line and an exit code."""
    args = parser.parse_args(argv)
    run: Callable[[argparse.Namespace, Settings], int] = args.run
    try:
        settings = load_settings(args.config, args.set or ())
        configure_logs(settings.log)
        return run(args, settings)
    except ConfigError as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 2
    except MonitorError as exc:
        print(f"{parser.prog}: {exc}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130


def settings_arguments() -> argparse.ArgumentParser:
    """The flags that every command has, as a parent parser."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML (default: $MONITOR_CONFIG)")
    shared.add_argument("--set", action="append", metavar="SECTION.KEY=VALUE", help="one setting; may be repeated")
    return shared


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="monitor", description="Streaming financial sentiment monitor.")
    shared = settings_arguments()
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands.add_parser("demo", parents=[shared], help="the whole path on this machine, with a sample feed"))
    worker = commands.add_parser("worker", parents=[shared], help="consume, classify, apply to the trends")
    worker.set_defaults(run=_worker)
    exporter = commands.add_parser("exporter", parents=[shared], help="console, JSON API and /metrics out of Redis")
    exporter.set_defaults(run=_exporter)
    services = commands.add_parser("services", parents=[shared], help="just the embedded Kafka and Valkey")
    services.add_argument("--run-dir", type=Path, metavar="DIR", help="where they keep their data (default: temporary)")
    services.set_defaults(run=_services)
    config = commands.add_parser("config", help="settings")
    show = config.add_subparsers(required=True, metavar="ACTION").add_parser(
        "show", parents=[shared], help="print the effective settings as TOML, secrets masked"
    )
    show.set_defaults(run=_config_show)
    return parser


def _add_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--exit-when-done",
        action="store_true",
        help="stop after the report; exit code 0 only if the alerts are those expected",
    )
    demo.add_argument("--report", type=Path, metavar="FILE", help="write the summary as JSON")
    demo.add_argument(
        "--feed", type=Path, metavar="FILE.jsonl", help="documents in the news.raw schema, in place of the sample"
    )
    demo.add_argument("--expect", type=Path, metavar="MANIFEST.json", help="the alerts that the feed must give")
    demo.add_argument(
        "--live-seconds",
        type=float,
        default=75.0,
        metavar="N",
        help="how much of the feed's end arrives live (default 75)",
    )
    demo.add_argument("--run-dir", type=Path, metavar="DIR", help="where servers and logs live (default: temporary)")
    demo.set_defaults(run=_demo)


def _demo(args: argparse.Namespace, settings: Settings) -> int:
    from monitor.demo.run import DemoOptions, run_demo  # noqa: PLC0415 - a worker needs none of it

    options = DemoOptions(
        exit_when_done=args.exit_when_done,
        report=args.report,
        feed=args.feed,
        expect=args.expect,
        live_seconds=args.live_seconds,
        run_dir=args.run_dir,
        config=args.config,
        flags=tuple(args.set or ()),
    )
    return run_demo(options)


def _worker(args: argparse.Namespace, settings: Settings) -> int:
    from monitor.app import run_worker  # noqa: PLC0415 - `config show` needs no broker library

    return run_worker(settings)


def _exporter(args: argparse.Namespace, settings: Settings) -> int:
    from monitor.app import run_exporter  # noqa: PLC0415

    return run_exporter(settings)


def _services(args: argparse.Namespace, settings: Settings) -> int:
    from monitor.demo.services import run_services  # noqa: PLC0415

    return run_services(args.run_dir)


def _config_show(args: argparse.Namespace, settings: Settings) -> int:
    print(settings_toml(settings), end="")
    return 0
