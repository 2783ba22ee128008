"""Where a run's curves go: TensorBoard files beside the model always, Weights & Biases when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monitor.errors import ConfigError


class Curves:
    """Writes scalars by step.

    Args:
        folder: for TensorBoard's event files.
        wandb_project: also send them to this project; None sends nothing anywhere.
        run: what the run is called and made of.
    """

    def __init__(self, folder: Path, wandb_project: str | None, run: dict[str, Any]) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - takes seconds to import

        self._writer = SummaryWriter(str(folder))
        self._wandb = None if wandb_project is None else _wandb_run(wandb_project, run)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Adds values to their curves."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(values, step=step)

    def close(self) -> None:
        """Writes what is buffered."""
        self._writer.close()
        if self._wandb is not None:
            self._wandb.finish()


def _wandb_run(project: str, run: dict[str, Any]) -> Any:
    try:
        import wandb  # type: ignore[import-not-found]  # noqa: PLC0415 - optional
    except ImportError as exc:
        raise ConfigError("--wandb needs the package wandb: pip install wandb") from exc
    return wandb.init(project=project, name=f"{run['name']}@{run['version']}", config=run)
