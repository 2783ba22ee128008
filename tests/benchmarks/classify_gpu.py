"""The classify engine on a GPU, with the shape of BERT-base, random weights and both heads; tokenisation is included.

Beside it: the same without torch.compile and CUDA graphs, and `transformers.pipeline`. Speed is given as a share of the
machine's own bfloat16 matrix product, by the operations of the whole network, as if no short cut were taken, and by those
that are really done: of the last layer only the first token is computed. Without a GPU a small shape shows that it runs.
"""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer
from transformers import BertConfig

from monitor.adapters.system_clock import SystemClock
from monitor.adapters.torch_classifier import TorchClassifier, default_model_folder
from monitor.adapters.two_head_model import TwoHeadModel, save_model
from monitor.classify.labels import TOPICS
from monitor.messages import SENTIMENTS, ModelInput
from monitor.settings import ClassifierSettings
from pipelines.training.export import export_head

_CLOCK = SystemClock()
_PIPELINE_BATCH = 32
_MAX_TOKENS = 128
_SPECIAL_TOKENS = 2
_BERT_BASE: dict[str, Any] = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
_SMALL: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


def measure_classify_gpu(
    console: Console,
    device: str = "cuda",
    lengths: Sequence[int] = (32, 64, 128),
    count: int | None = None,
    repetitions: int = 5,
) -> dict[str, Any]:
    """Texts a second at each length, as a share of the measured peak, and how busy the GPU is.

    Args:
        console: told what goes on, and the table.
        device: `cuda`, or `cpu` to see that it runs.
        lengths: tokens of every text.
        count: texts of a repetition; None for what takes a GPU about a second.
        repetitions: their median counts.
    """
    on_gpu = device == "cuda"
    shape = _BERT_BASE if on_gpu else _SMALL
    texts_each = count or (65_536 if on_gpu else 64)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = _model_folder(Path(scratch) / "model", shape)
        runs = _runs(folder, Path(scratch), device)
        peak = _peak_flops(device)
        rows = []
        for tokens in lengths:
            texts = _texts(folder, tokens, texts_each)
            for name, run in runs.items():
                console.print(f"{tokens} tokens: {name}", style="dim")
                # What is slow by itself shows its speed on fewer texts.
                asked = texts if name.startswith("ours") else texts[: max(64, len(texts) // 8)]
                with _busy(on_gpu) as busy:
                    speed = _speed(run, asked, repetitions)
                rows.append(_row(name, tokens, speed, shape, peak, busy))
    figures = {"device": _name(device), "peak_tflops": round(peak / 1e12, 2), "texts": texts_each, "rows": rows}
    console.print(_table(figures))
    return figures


def _runs(folder: Path, scratch: Path, device: str) -> dict[str, Callable[[Sequence[str]], object]]:
    export_head(folder, "sentiment", scratch / "plain")
    whole = transformers.pipeline(
        "text-classification",
        model=str(scratch / "plain"),
        device=device,
        dtype=torch.bfloat16 if device == "cuda" else torch.float32,
        batch_size=_PIPELINE_BATCH,
    )
    return {
        "ours": _ours(folder, device, compiled=True),
        "ours without compile and graphs": _ours(folder, device, compiled=False),
        "pipeline, one head": lambda texts: whole(list(texts), truncation=True),
    }


def _ours(folder: Path, device: str, *, compiled: bool) -> Callable[[Sequence[str]], object]:
    wanted = {"device": device, "backend": "torch", "compile": compiled, "cache_entries": 0}
    model = TorchClassifier(ClassifierSettings.model_validate(wanted), folder)
    return lambda texts: model.classify([ModelInput(text, "en") for text in texts])


def _model_folder(folder: Path, shape: dict[str, Any]) -> Path:
    """Random weights, with the tokenizer of the shipped model."""
    tokenizer = Tokenizer.from_file(str(default_model_folder() / "tokenizer.json"))
    classes = {"sentiment": SENTIMENTS, "topic": TOPICS}
    heads = {
        "name": "random",
        "version": "1",
        "language": "en",
        "max_tokens": _MAX_TOKENS,
        "heads": {
            task: {"id2label": {str(i): name for i, name in enumerate(names)}, "temperature": 1.0}
            for task, names in classes.items()
        },
    }
    torch.manual_seed(1)
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=_MAX_TOKENS, **shape)
    save_model(TwoHeadModel(config, {task: len(names) for task, names in classes.items()}), heads, folder)
    shutil.copy(default_model_folder() / "tokenizer.json", folder)
    return folder


def _texts(folder: Path, tokens: int, count: int) -> list[str]:
    """Different texts of exactly that many tokens, the two around them included: words that are one piece each."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha())
    source = random.Random(tokens)
    return [" ".join(source.choices(words, k=tokens - _SPECIAL_TOKENS)) for _ in range(count)]


def _speed(run: Callable[[Sequence[str]], object], texts: Sequence[str], repetitions: int) -> float:
    run(texts)  # kernels are chosen and graphs captured
    seconds = []
    for _ in range(repetitions):
        begin = _CLOCK.monotonic_seconds()
        run(texts)
        seconds.append(_CLOCK.monotonic_seconds() - begin)
    return len(texts) / statistics.median(seconds)


def _peak_flops(device: str) -> float:
    """Operations a second of the best of some large matrix products, bfloat16 on a GPU."""
    on_gpu = device == "cuda"
    size, times = (8192, 50) if on_gpu else (512, 5)
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16 if on_gpu else torch.float32)
    best = 0.0
    for _ in range(5):
        if on_gpu:
            torch.cuda.synchronize()
        begin = _CLOCK.monotonic_seconds()
        for _ in range(times):
            one @ one
        if on_gpu:
            torch.cuda.synchronize()
        best = max(best, times * 2 * size**3 / (_CLOCK.monotonic_seconds() - begin))
    return best


def flops_of(tokens: int, shape: dict[str, Any], *, whole: bool) -> float:
    """Operations of one text: a product of (a, b) and (b, c) counts 2 a b c; heads and normalisation are left out.

    Args:
        tokens: of the text.
        shape: of the encoder.
        whole: whether the last layer counts for all tokens, or for the first as it is computed.
    """
    hidden, inner, layers = (int(shape[key]) for key in ("hidden_size", "intermediate_size", "num_hidden_layers"))

    def layer(asking: int) -> float:
        projections = 2 * hidden * hidden * (2 * asking + 2 * tokens)
        return projections + 4 * asking * tokens * hidden + 4 * asking * hidden * inner

    return (layers - 1) * layer(tokens) + layer(tokens if whole else 1)


def _row(
    name: str, tokens: int, speed: float, shape: dict[str, Any], peak: float, busy: Sequence[float]
) -> dict[str, Any]:
    return {
        "name": name,
        "tokens": tokens,
        "texts_per_second": round(speed),
        "share_of_peak": round(speed * flops_of(tokens, shape, whole=True) / peak, 3),
        "share_of_peak_done": round(speed * flops_of(tokens, shape, whole=not name.startswith("ours")) / peak, 3),
        "gpu_busy_share": round(statistics.median(busy) / 100, 2) if busy else None,
    }


@contextmanager
def _busy(on_gpu: bool) -> Iterator[list[float]]:
    """Samples of nvidia-smi, percent; none without a GPU or without that program."""
    found: list[float] = []
    program = shutil.which("nvidia-smi") if on_gpu else None
    if program is None:
        yield found
        return
    query = [program, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100"]
    with subprocess.Popen(query, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_read, args=(process, found), daemon=True)
        reader.start()
        try:
            yield found
        finally:
            process.terminate()
            reader.join(5)


def _read(process: subprocess.Popen[str], found: list[float]) -> None:
    for line in process.stdout or ():
        if line.strip().isdigit():
            found.append(float(line))


def _name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "no GPU: a small shape on the CPU"


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title=f"classify on {figures['device']}, peak {figures['peak_tflops']} TFLOP/s")
    for heading in ("", "tokens", "texts/s", "of peak", "of peak, done", "GPU busy"):
        table.add_column(heading, justify="left" if not heading else "right")
    for row in figures["rows"]:
        busy = "–" if row["gpu_busy_share"] is None else f"{row['gpu_busy_share']:.0%}"
        shares = (f"{row[key]:.1%}" for key in ("share_of_peak", "share_of_peak_done"))
        table.add_row(row["name"], str(row["tokens"]), f"{row['texts_per_second']:,}", *shares, busy)
    return table
