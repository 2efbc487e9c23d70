"""Files and folders that appear whole."""

from pathlib import Path

import pytest

from vitess_local.atomic import new_folder, write_file


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    """Whoever has the old one open reads it to its end, and nothing else is left behind."""
    path = tmp_path / "file"
    write_file(path, "old")
    with path.open(encoding="utf-8") as reader:
        write_file(path, "new")
        assert reader.read() == "old"

    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    """Nothing of the old content is in the new folder."""
    target = tmp_path / "folder"
    for name in ("old", "new"):
        with new_folder(target) as building:
            (building / name).touch()

    assert [entry.name for entry in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def interrupt(target: Path, resume: bool) -> None:
    """Begin to make a folder."""
    with new_folder(target, resume=resume) as building:
        (building / "first").touch()
        raise KeyboardInterrupt


@pytest.mark.parametrize(("resume", "kept"), [(False, ["second"]), (True, ["first", "second"])])
def test_an_interrupted_folder_leaves_the_target_alone(tmp_path: Path, resume: bool, kept: list[str]) -> None:
    """The next attempt starts afresh, or goes on with what is there."""
    target = tmp_path / "folder"
    with pytest.raises(KeyboardInterrupt):
        interrupt(target, resume)
    assert not target.exists()

    with new_folder(target, resume=resume) as building:
        (building / "second").touch()
    assert sorted(entry.name for entry in target.iterdir()) == kept
