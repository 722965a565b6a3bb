"""The host is as strict as PythonQt: otherwise the other tests would show little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def qt(host: Any) -> Any:
    import qt

    return qt


def test_properties_are_attributes(qt: Any) -> None:
    label = qt.QLabel("one")
    label.text = "two"
    assert label.text == "two"
    with pytest.raises(TypeError):
        label.text()


def test_unknown_attributes_raise(qt: Any) -> None:
    button = qt.QPushButton("Go")
    with pytest.raises(AttributeError, match="no attribute named 'txet'"):
        button.txet  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute named 'txet'"):
        button.txet = "Stop"
    with pytest.raises(AttributeError, match="can not be overwritten"):
        button.click = "Stop"


def test_a_slot_gets_as_many_values_as_it_takes(qt: Any) -> None:
    button, got = qt.QPushButton("Go"), []
    button.connect("clicked(bool)", lambda: got.append("none"))
    button.connect("clicked(bool)", lambda checked: got.append(checked))
    button.clicked.connect(lambda *values: got.append(values))
    button.click()
    assert got == ["none", False, (False,)]


def test_a_signal_that_does_not_exist_cannot_be_connected(qt: Any) -> None:
    button = qt.QPushButton("Go")
    with pytest.raises(AttributeError, match="no signal pressed\\(bool\\)"):
        button.connect("pressed(bool)", lambda: None)


def test_disconnect_takes_back_a_connection(qt: Any) -> None:
    button, got = qt.QPushButton("Go"), []

    def slot() -> None:
        got.append(1)

    button.connect("clicked(bool)", slot)
    button.disconnect("clicked(bool)", slot)
    button.click()
    assert got == []


def test_an_error_in_a_slot_is_collected(qt: Any) -> None:
    from Testing.wiring.host.pythonqt import slot_errors

    button = qt.QPushButton("Go")
    button.connect("clicked(bool)", lambda: 1 / 0)
    button.click()
    assert [type(error) for error in slot_errors] == [ZeroDivisionError]
    slot_errors.clear()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<property name="toolTip">', '<property name="toolTap">', "has no property toolTap"),
        ("<signal>mrmlSceneChanged(vtkMRMLScene*)</signal>", "<signal>sceneChanged()</signal>", "has no signal"),
        ("<receiver>roiSelector</receiver>", "<receiver>roiBox</receiver>", "no widget named roiBox"),
    ],
)
def test_mistakes_in_a_ui_file_are_errors(host: Any, tmp_path: Path, old: str, new: str, message: str) -> None:
    from Testing.wiring.host.application import MODULE_FILE
    from Testing.wiring.host.load_ui import load_ui

    text = (MODULE_FILE.parent / "Resources" / "UI" / "MedVLPSegment.ui").read_text(encoding="utf-8")
    assert old in text
    broken = tmp_path / "broken.ui"
    broken.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RuntimeError, match=message):
        load_ui(str(broken))
