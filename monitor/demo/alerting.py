"""Prometheus and Alertmanager with the shipped rules, if they are on PATH, and a receiver for what they send."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.processes import ManagedProcess, Watchdog, start_process
from monitor.errors import TransientError

_ALERTMANAGER_NAMES = ("alertmanager", "prometheus-alertmanager")
_DISTRIBUTION = "finance-sentiment-monitor"


def rules_folder() -> Path | None:
    """Where the shipped Prometheus rules are: in a checkout, or where the installed distribution put them."""
    checkout = Path(__file__).parents[2] / "dashboards" / "prometheus" / "rules"
    if checkout.is_dir():
        return checkout
    with suppress(PackageNotFoundError):
        for file in files(_DISTRIBUTION) or []:
            if file.name == "spikes.yml":
                return Path(str(file.locate())).resolve().parent
    return None


def find_programs() -> tuple[str, str] | None:
    """Paths of prometheus and alertmanager, or None if either is missing."""
    prometheus = shutil.which("prometheus")
    alertmanager = next((path for name in _ALERTMANAGER_NAMES if (path := shutil.which(name))), None)
    return (prometheus, alertmanager) if prometheus and alertmanager else None


class Alerting:
    """Both servers and the receiver, on loopback.

    Args:
        programs: paths of prometheus and alertmanager.
        rules: folder of the shipped rules.
        targets: host:port by role, `worker` and `exporter`.
        run_dir: where configuration, data and logs live.
        watchdog: ends the servers if this process dies.
    """

    def __init__(
        self, programs: tuple[str, str], rules: Path, targets: dict[str, str], run_dir: Path, watchdog: Watchdog
    ) -> None:
        self._receiver = _Receiver()
        prometheus_port, alertmanager_port = free_ports(2)
        self.prometheus_url = f"http://{LOOPBACK}:{prometheus_port}"
        self.alertmanager_url = f"http://{LOOPBACK}:{alertmanager_port}"
        config = run_dir / "alerting"
        config.mkdir(parents=True, exist_ok=True)
        (config / "prometheus.yml").write_text(_prometheus_yml(rules, targets, f"{LOOPBACK}:{alertmanager_port}"))
        (config / "alertmanager.yml").write_text(_alertmanager_yml(self._receiver.url))
        commands = {
            "alertmanager": [
                programs[1],
                f"--config.file={config / 'alertmanager.yml'}",
                f"--storage.path={config / 'alertmanager'}",
                f"--web.listen-address={LOOPBACK}:{alertmanager_port}",
                f"--web.external-url={self.alertmanager_url}",
                "--cluster.listen-address=",
            ],
            "prometheus": [
                programs[0],
                f"--config.file={config / 'prometheus.yml'}",
                f"--storage.tsdb.path={config / 'prometheus'}",
                f"--web.listen-address={LOOPBACK}:{prometheus_port}",
                f"--web.external-url={self.prometheus_url}",
            ],
        }
        self.processes: list[ManagedProcess] = [
            start_process(name, argv, run_dir=run_dir, watchdog=watchdog) for name, argv in commands.items()
        ]

    @property
    def notifications(self) -> list[dict[str, Any]]:
        """Alerts that arrived, firing ones, newest last, each as Alertmanager describes it."""
        return self._receiver.firing()

    def check(self) -> None:
        """Raises TransientError if one of the servers has ended."""
        for process in self.processes:
            status = process.poll()
            if status is not None:
                raise TransientError(
                    f"{process.name} ended with status {status}; its log ends:\n{process.log_tail()}",
                    reason="role_ended",
                )

    def close(self) -> None:
        """Stops everything."""
        for process in self.processes:
            process.terminate()
        self._receiver.close()


class _Receiver:
    """A webhook on loopback that remembers what it was sent."""

    def __init__(self) -> None:
        bodies: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                bodies.append(json.loads(self.rfile.read(length)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keeps requests off the terminal."""

        self._bodies = bodies
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True).start()

    def firing(self) -> list[dict[str, Any]]:
        return [
            alert for body in list(self._bodies) for alert in body.get("alerts", []) if alert.get("status") == "firing"
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _prometheus_yml(rules: Path, targets: dict[str, str], alertmanager: str) -> str:
    return f"""\
global:
  scrape_interval: 2s
  evaluation_interval: 2s
  external_labels:
    deployment: demo
    console_url: "http://{targets["exporter"]}"
    grafana_url: "http://{LOOPBACK}:3000"
    runbook_url: "{rules.parents[1] / "runbook.md"}"
rule_files: ["{rules}/*.yml"]
alerting:
  alert_relabel_configs: [{{regex: (console|grafana|runbook)_url, action: labeldrop}}]
  alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]
scrape_configs:
  - {{job_name: sentiment-worker, static_configs: [{{targets: ["{targets["worker"]}"]}}]}}
  - {{job_name: sentiment-exporter, static_configs: [{{targets: ["{targets["exporter"]}"]}}]}}
"""


def _alertmanager_yml(webhook: str) -> str:
    return f"""\
route: {{receiver: demo, group_by: [alertname, dimension, key], group_wait: 1s, group_interval: 5s, repeat_interval: 1h}}
receivers: [{{name: demo, webhook_configs: [{{url: "{webhook}"}}]}}]
"""
