"""The loop as somebody runs it: the commands, what they say, and their exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from monitor.adapters.kafka_sink import scored_message
from pipelines.cli import main
from pipelines.labels.label_set import load_label_set
from tests.unit.labels.written import exported, headline, said, told


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """Thirty scored documents; the odd one out is a copy that the model labels otherwise."""
    documents = [told(f"d-{i}", headline(i), (0.5 + i / 200, 0.3, 0.2 - i / 200)) for i in range(27)]
    documents += [told("copy-1", headline(0), of="d-0"), told("odd", headline(0), (0.1, 0.8, 0.1), of="d-0")]
    documents.append(told("late", headline(99), published_ms=1_772_800_000_000))
    path = tmp_path / "scored.jsonl"
    path.write_text("".join(json.dumps(scored_message(one)) + "\n" for one in documents), encoding="utf-8")
    return path


def labels(*arguments: object) -> int:
    """Runs `pipelines labels`."""
    return main(["labels", *map(str, arguments)])


def test_documents_go_out_and_answers_come_back_as_training_data(
    tmp_path: Path, scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Export, answer, import, status, load."""
    tasks, label_set = tmp_path / "tasks.json", tmp_path / "set"
    assert labels("export", "--scored", scored, "--out", tasks, "--set", label_set, "--limit", 6, "--predictions") == 0
    assert "6 tasks in" in capsys.readouterr().out
    asked = json.loads(tasks.read_text(encoding="utf-8"))
    assert {one["data"]["strategy"] for one in asked} == {"margin", "disagreement"}
    answered = [{"id": number, **one, "annotations": [said("neutral", "Macro")]} for number, one in enumerate(asked)]
    assert labels("import", exported(tmp_path / "answers.json", answered), "--set", label_set) == 0
    assert "v0001.csv: 6 rows" in capsys.readouterr().out
    assert labels("status", "--set", label_set) == 0
    said_of_it = capsys.readouterr().out
    assert "v0001.csv: 6 rows (6 added, 0 changed)" in said_of_it
    assert "6 neutral" in said_of_it
    assert "6 documents exported" in said_of_it
    assert {(one.sentiment, one.topic) for one in load_label_set(label_set)} == {("neutral", "Macro")}


def test_the_config_fits_the_tasks(tmp_path: Path) -> None:
    """Written as XML, with the shipped model's topics."""
    assert labels("config", "--out", tmp_path / "config.xml") == 0
    view = ElementTree.parse(tmp_path / "config.xml")  # noqa: S314 - of our own writing
    assert len(list(view.iter("Choice"))) == 3 + 20


def test_publication_times_bound_what_is_asked_about(tmp_path: Path, scored: Path) -> None:
    """A day as the upper bound is included."""
    for name, bounds, expected in (
        ("a", ("--since", "2026-03-05"), {"late"}),
        ("b", ("--until", "2026-03-04", "--strategies", "margin", "--limit", "1"), {"d-0"}),
    ):
        out = tmp_path / f"{name}.json"
        assert labels("export", "--scored", scored, "--out", out, "--set", tmp_path / name, *bounds) == 0
        assert {one["data"]["document_id"] for one in json.loads(out.read_text())} == expected


def test_alerts_can_come_from_a_file(tmp_path: Path, scored: Path) -> None:
    """They are asked for as soon as there are any."""
    spike = {
        "dimension": "topic",
        "key": "Earnings",
        "start": "2026-03-04T11:00:00Z",
        "stories": [{"title": headline(20), "source": "Example Wire", "url": None}],
    }
    alerts = tmp_path / "spikes.json"
    alerts.write_text(json.dumps({"spikes": [spike]}))
    out = tmp_path / "tasks.json"
    assert labels("export", "--scored", scored, "--alerts", alerts, "--out", out, "--set", tmp_path / "set") == 0
    picked = [one["data"]["document_id"] for one in json.loads(out.read_text()) if one["data"]["strategy"] == "alerts"]
    assert picked == ["d-20"]


def test_evaluation_texts_are_fixed_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And refuse an answer that repeats one: exit code 2, with both named."""
    held = tmp_path / "held.csv"
    held.write_text(f"text,label\n{headline(1)},neutral\n")
    assert labels("fix-evaluation", held, "--set", tmp_path / "set") == 0
    assert "1 texts of" in capsys.readouterr().out
    data = {"text": headline(1), "document_id": "d-1"}
    answers = exported(tmp_path / "answers.json", [{"id": 4, "data": data, "annotations": [said()]}])
    assert labels("import", answers, "--set", tmp_path / "set") == 2
    assert "task 4" in capsys.readouterr().err
    assert labels("status", "--set", tmp_path / "set") == 0
    assert "evaluation/held.csv: 1 evaluation texts (sentiment_csv)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--limit", "0"), "--limit 0: must be 1 or more"),
        (("--last", "0"), "--last 0: must be 1 or more"),
        (("--last", "5", "--since", "2026-03-01"), "--last: not together with --since or --until"),
        (("--since", "soon"), "--since soon: "),
        (("--since", "2026-03-05", "--until", "2026-03-01"), "nothing lies between"),
        (
            ("--strategies", "margin,luck"),
            "--strategies luck: no such strategy; strategies: margin, disagreement, alerts",
        ),
        (("--strategies", "margin,margin"), "at least one, and each once"),
        (("--strategies", ","), "at least one, and each once"),
        (("--strategies", "margin", "--alerts", "spikes.json"), "--strategies leaves alerts out"),
        (("--alerts", "missing.json"), "missing.json: no such file"),
        (("--evaluation", "missing.csv"), "missing.csv: no such file"),
    ],
)
def test_a_wrong_argument_is_named(
    tmp_path: Path, scored: Path, arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and nothing is written."""
    place = ("--scored", scored, "--out", tmp_path / "tasks.json", "--set", tmp_path / "set")
    assert labels("export", *place, *arguments) == 2
    assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["scored.jsonl"]


def test_a_setting_is_not_taken_for_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--set` is a setting with the other commands."""
    with pytest.raises(SystemExit) as caught:
        labels("status", "--set", "kafka.scored_topic=other")
    assert caught.value.code == 2
    assert "a setting is --setting kafka.scored_topic=other" in capsys.readouterr().err


def test_settings_have_a_flag_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with one is said as anywhere."""
    assert labels("status", "--set", tmp_path, "--setting", "kafka.topic=other") == 2
    assert "no key kafka.topic" in capsys.readouterr().err


def test_the_status_of_nothing_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt folder isn't an empty set."""
    assert labels("status", "--set", tmp_path / "nowhere") == 2
    assert "nowhere: no label set" in capsys.readouterr().err
