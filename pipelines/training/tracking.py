"""What a run tells: a progress bar, TensorBoard files beside the model always, Weights & Biases when asked for."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

from rich.progress import Progress

from monitor.errors import ConfigError
from pipelines.training.loop import Watch

_SMOOTH_STEPS = 50
_TELL_STEPS = 100


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


def watch_of(progress: Progress, curves: Curves, measure: str = "macro-F1") -> Watch:
    """Tells steps and epochs to the bar (in a log: a line now and then) and to the curves.

    Args:
        progress: of `pipelines.progress_bar`; shows loss, rate and the time left.
        curves: gets loss and learning rate by step, the measure by epoch.
        measure: what the epochs are judged by.
    """
    bar = progress.add_task("training", total=None)
    recent: deque[float] = deque(maxlen=_SMOOTH_STEPS)
    done = [0]

    def on_step(step: int, steps: int, loss: float, rate: float) -> None:
        recent.append(loss)
        done[0] = step
        told = f"loss {sum(recent) / len(recent):.3f}, rate {rate:.1e}"
        progress.update(bar, completed=step, total=steps, description=told)
        if step % _TELL_STEPS == 0 and not progress.console.is_terminal:
            left = (progress.tasks[0].time_remaining or 0) / 60
            progress.console.print(f"step {step} of {steps}: {told}, {left:.0f} min left")
        curves.scalars(step, {"loss": loss, "learning_rate": rate})

    def on_epoch(epoch: int, score: float) -> None:
        progress.console.print(f"epoch {epoch}: {measure} {score:.4f} on the rows kept from fitting")
        curves.scalars(done[0], {measure.lower().replace("-", "_").replace(" ", "_"): score})

    return Watch(on_step, on_epoch)


def _wandb_run(project: str, run: dict[str, Any]) -> Any:
    try:
        import wandb  # type: ignore[import-not-found]  # noqa: PLC0415 - optional
    except ImportError as exc:
        raise ConfigError("--wandb needs the package wandb: pip install wandb") from exc
    return wandb.init(project=project, name=f"{run['name']}@{run['version']}", config=run)
