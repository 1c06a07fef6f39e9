"""Methods as files: what a registry holds, what derives from it, and what one search's options leave alone."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.studies import copy_repository, planned, smoke, write
from ttstudy.dag.layout import jobs, open_layout
from ttstudy.errors import StudyError
from ttstudy.kinds.methods import BUDGETED, CHOSEN, METHODS, SEARCHES
from ttstudy.kinds.registry import collected
from ttstudy.methods.options import Options
from ttstudy.study import from_mapping

GROWN = {"rebase": [6], "particle_filtering": [5], "beam_search": [8], "dvts": [4, 8]}


def searches(config: dict, root) -> dict[tuple[str, str, int], str]:
    """Path of every search's answers by PRM, method and budget."""
    layout = open_layout(from_mapping(config), root)
    specs = (job.spec for job in jobs(layout) if job.rule == "search")
    return {(spec.judge.checkpoint.path, spec.method, spec.budget): spec.product for spec in specs}


def test_methods_are_told_apart_by_their_place_and_by_any_of_colour_mark_and_line():
    looks = [method.look for method in METHODS.values()]
    assert len({method.rank for method in METHODS.values()}) == len(METHODS)
    assert len({look.label for look in looks}) == len({look.words for look in looks}) == len(METHODS)
    for name in ("colour", "dark"):
        assert len({getattr(look, name) for look in looks}) == len(METHODS), name
    marks = [look.marker for look in looks if look.marker]
    assert len(set(marks)) == len(marks)


def test_every_method_with_budgets_can_be_chosen_and_the_simpler_one_wins_a_tie():
    assert set(CHOSEN) <= set(BUDGETED)
    assert CHOSEN[:4] == ("majority", "best_of_n", "dvts", "beam_search")


def test_a_file_without_a_method_is_an_error_that_names_it(tmp_path, monkeypatch):
    folder = tmp_path / "blank_kinds"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "empty.py").write_text("NOTHING = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StudyError, match="empty.py: must define one float, but has 0"):
        collected("blank_kinds", [str(folder)], float)


def test_an_option_of_one_search_moves_no_file_of_another(tmp_path):
    before = searches(smoke(budgets=GROWN), tmp_path)
    changed = smoke(budgets=GROWN)
    changed["search"] |= {"rebase": {"temperature": 0.5}}
    after = searches(changed, tmp_path)
    assert {key[1] for key in before if before[key] != after[key]} == {"rebase"}


def test_snakemake_plans_every_job_that_the_layout_has_for_every_search(tmp_path):
    # A path that no rule makes is silently taken for a given file.
    root = copy_repository(tmp_path / "clone")
    config = smoke(budgets=dict.fromkeys(SEARCHES, [8]))
    expected = Counter(job.rule for job in jobs(open_layout(from_mapping(config), root)))
    assert expected["search"] == 2 * 2 * len(SEARCHES)
    assert planned(root, write(root, config)) == expected


def test_options_about_beams_move_no_file_of_a_search_without_beams(tmp_path):
    before = searches(smoke(budgets=GROWN), tmp_path)
    changed = smoke(budgets=GROWN)
    changed["search"] |= {"beam_width": 2, "semantics": "reference", "refill": False, "answers": "candidates"}
    after = searches(changed, tmp_path)
    moved = {key[1] for key in before if before[key] != after[key]}
    assert moved == {"beam_search", "dvts"} < set(SEARCHES)


def test_only_searches_with_beams_need_a_multiple_of_the_beam_width(tmp_path):
    from_mapping(smoke(budgets={"rebase": [5], "particle_filtering": [7]}))
    with pytest.raises(StudyError, match=r"budgets.dvts: 6 is not a multiple of search.beam_width \(4\)"):
        from_mapping(smoke(budgets={"rebase": [5], "dvts": [6]}))


def test_a_search_has_its_own_options_and_refuses_others():
    assert Options(method="rebase", budget=5).own == {"temperature": 0.1}
    assert Options(method="rebase", budget=5, own={"temperature": 0.4}).own == {"temperature": 0.4}
    with pytest.raises(ValueError, match="search.rebase has no option 'heat'"):
        Options(method="rebase", budget=5, own={"heat": 1})
    with pytest.raises(StudyError, match="search.rebase.temperature"):
        from_mapping(smoke(search={"rebase": {"temperature": 0.0}}))
