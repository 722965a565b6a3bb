"""Models and structures: the automatic choice and its reason, the card, search, groups, favourites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Make = Callable[..., Any]


def _model(name: str, modality: str = "CT", spacing: float = 1.0, problem: str = "") -> dict[str, Any]:
    return {
        "name": name, "title": name.upper(), "description": "", "licence": "MIT", "modality": modality,
        "spacing": [spacing] * 3, "concepts": ["liver"], "field": {"anchors": ["liver"]}, "data": [], "limits": [],
        "scores": {}, "problem": problem,
    }  # fmt: skip


@pytest.fixture
def choose(host: Any) -> Any:
    host.open()
    from MedVLPSegmentLib.Choice import chooseModel
    from vlp3d_core.model.fitting import Facts

    def choose(models: list[dict[str, Any]], modality: str, spacing: tuple[float, ...]) -> Any:
        return chooseModel(models, Facts(modality, spacing, tuple(200 * mm for mm in spacing)))

    return choose


def test_the_model_of_the_modality_with_the_nearest_spacing_is_taken(choose: Any) -> None:
    models = [_model("coarse", spacing=4), _model("fine", spacing=1), _model("mr", "MR", 2)]
    assert choose(models, "CT", (1.2, 1.2, 1)).name == "fine"
    assert choose(models, "CT", (1, 1, 5)).name == "fine"
    assert choose(models, "CT", (3, 3, 5)).name == "coarse"
    assert choose(models, "MR", (7, 7, 7)).name == "mr"
    assert [choose(models, name, (1, 1, 1)).several for name in ("CT", "MR")] == [True, False]
    assert "nearest to the volume's spacing" in choose(models, "CT", (1, 1, 1)).reason


def test_no_model_is_taken_for_a_modality_that_none_knows(choose: Any) -> None:
    choice = choose([_model("a"), _model("b", "MR")], "EM", (1, 1, 1))
    assert (choice.name, choice.fits) == ("", False)
    assert choice.reason == (
        "No model fits this volume (EM, spacing 1 x 1 x 1 mm, 200 x 200 x 200 mm in all). What they need: "
        "A CT, about 1 x 1 x 1 mm, with liver; B MR, about 1 x 1 x 1 mm, with liver."
    )


def test_a_broken_model_is_never_taken(choose: Any) -> None:
    assert choose([_model("a", problem="Its weights are gone.")], "CT", (1, 1, 1)).name == ""
    assert choose([_model("a", problem="x"), _model("b", spacing=9)], "CT", (1, 1, 1)).name == "b"


def test_an_unknown_modality_is_said(choose: Any) -> None:
    choice = choose([_model("a")], "", (1, 1, 1))
    assert (choice.name, choice.fits) == ("a", False)
    assert "does not say its modality" in choice.reason


def test_the_reason_names_what_must_be_in_view(host: Any, widget: Any, add_head: Make) -> None:
    add_head(host)
    assert widget.ui.modelReasonLabel.text == "The volume must show one of: skull, brainstem."


def test_the_card_shows_structures_data_scores_and_licence(host: Any, widget: Any, add_head: Make) -> None:
    add_head(host)
    widget.panel.parameters.model = "ct-head-neck"
    host.pending()
    widget.ui.cardButton.checked = True
    page = widget.ui.cardBrowser.plainText
    for text in ("CT head and neck", "Brainstem", "Dice 0.", "openkbp", "Apache-2.0", "Not a medical device"):
        assert text in page
    widget.panel.parameters.model = "ct-tiny"
    host.pending()
    assert "Tiny CT" in widget.ui.cardBrowser.plainText


def test_the_files_and_the_worker_say_the_same_of_a_model(host: Any, widget: Any) -> None:
    from MedVLPSegmentLib.Cards import readCards

    told = {model["name"]: model for model in widget.logic.wait(widget.logic.models(), 300)}
    for card in readCards():
        same = told[card["name"]]
        for key in ("title", "modality", "concepts", "licence", "limits", "field", "data", "problem"):
            assert card[key] == same[key], key
        assert card["spacing"] == list(same["spacing"])
        for concept, score in card["scores"].items():
            assert same["scores"][concept]["dice"] == score["dice"]
            assert same["scores"][concept]["n"] == score["n"]


def test_the_search_line_finds_names_and_synonyms(host: Any, widget: Any) -> None:
    def shown() -> list[str]:
        return [concept for concept, item in widget.panel.structures._items.items() if not item.isHidden()]

    for words, expected in (("", 7), ("parotid", 2), ("PAROTID right", 1), ("windpipe", 1), ("nonsense", 0)):
        widget.ui.structureSearchEdit.text = words
        assert len(shown()) == expected, words
    groups = widget.ui.structureTree
    assert all(groups.topLevelItem(n).isHidden() for n in range(groups.topLevelItemCount))


def test_a_group_chooses_its_structures(host: Any, widget: Any) -> None:
    import qt

    widget.ui.noneButton.click()
    group = widget.panel.structures._groups["salivary_glands"]
    group.setCheckState(0, qt.Qt.Checked)
    host.pending()
    assert widget.panel.parameters.structures == "parotid_gland_left,parotid_gland_right"
    assert widget.ui.structureCountLabel.text == "2 of 7 structures are chosen."
    group.child(0).setCheckState(0, qt.Qt.Unchecked)
    host.pending()
    assert group.checkState(0) == qt.Qt.PartiallyChecked


def test_favourites_are_remembered_for_the_user(host: Any, widget: Any) -> None:
    widget.ui.favouritesButton.click()
    assert [level for level, _text in host.messages] == ["info"]
    widget.ui.structureSearchEdit.text = "parotid"
    widget.ui.noneButton.click()
    widget.panel.structures._remember.trigger()
    widget.ui.structureSearchEdit.text = ""
    widget.ui.allButton.click()
    widget.ui.favouritesButton.click()
    host.pending()
    assert widget.panel.structures.chosen() == ["trachea", "brainstem", "spinal_cord", "mandible", "skull"]
    host.new_panel()
    assert widget.panel.structures.favourites() == {"trachea", "brainstem", "spinal_cord", "mandible", "skull"}


def test_all_stays_all_when_another_model_is_chosen(host: Any, widget: Any) -> None:
    assert widget.panel.parameters.structures == "*"
    widget.panel.parameters.model = "ct-head-neck"
    host.pending()
    assert widget.panel.structures.allChosen()
    assert "larynx" in widget.panel.structures.chosen()


def test_what_the_volume_shows_decides_between_two_models(host: Any, add_head: Make, until: Callable[..., Any]) -> None:
    """ct-tiny and ct-head-neck are both for CT; only the first one finds its anchors in the toy head."""
    widget = host.open()
    add_head(host)
    assert widget.panel.models.choice.several
    widget.panel.wake()
    until(host, lambda: not widget.panel.models.choice.several)
    assert widget.panel.models.choice.name == "ct-tiny"
    assert widget.ui.modelReasonLabel.text == "ct-tiny: CT, spacing 4 x 4 x 4 mm, skull and brainstem found."
    widget.panel.parameters.model = "ct-head-neck"
    host.pending()
    assert widget.panel.models.choice.name == "ct-head-neck", "whoever chooses has the last word"
