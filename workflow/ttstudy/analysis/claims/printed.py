"""Claims that the printed tables alone decide, and a definition."""

from __future__ import annotations

from ttstudy.analysis.claims.claim import Claim, Finding, recomputed
from ttstudy.analysis.claims.published import HALF_UNIT, PROBLEMS, Published, billions


def size_range(published: Published) -> Finding:
    """Policies of 0.5B to 72B and PRMs of 1.5B to 72B."""
    policies = [billions(name) for name in published.rows(where="Table 5")["policy"].unique()]
    names = set(published.table["prm"]) - {""}
    prms = [size for size in map(billions, sorted(names)) if size]
    found = (min(policies), max(policies), min(prms), max(prms))
    return recomputed(
        found == (0.5, 72.0, 1.5, 72.0),
        f"the models named have {found[0]:g}B to {found[1]:g}B (policies) and "
        f"{found[2]:g}B to {found[3]:g}B (PRMs)",
        "0.5B to 72B, 1.5B to 72B",
        f"{found[0]:g}B to {found[1]:g}B, {found[2]:g}B to {found[3]:g}B",
    )


CLAIM_4 = Claim(
    4,
    "The study covers policies of 0.5B to 72B and PRMs of 1.5B to 72B",
    "article; Tables 1 to 6",
    needs="nothing",
    audit=size_range,
)

CLAIM_23 = Claim(
    23,
    "TTS that leaves the policy's weights alone (external) is what is studied",
    "article; section 2",
    needs="nothing: a definition, which this study shares",
)


PLACES = ("Table 3", "Table 5", "Table 6", "Figure 1")
"""Where the paper gives accuracies of named models."""


def averages(published: Published) -> Finding:
    """Each printed average is the mean of its two cells."""
    wrong, checked = [], 0
    for where in ("Table 3", "Table 6"):
        means = published.rows(where=where, benchmark="mean")
        for row in means.itertuples():
            cells = [
                published.accuracy(where, row.policy, b, row.budget, method=row.method, prm=row.prm)
                for b in PROBLEMS
            ]
            mean = sum(cells) / 2
            checked += 1
            if abs(mean - row.value) > HALF_UNIT:
                name = row.policy + (f" with the {row.prm}" if row.prm else "")
                wrong.append(f"{where}, {name}: {row.value:.1f} printed, {mean:.2f} computed")
    text = "; ".join(wrong) if wrong else f"all {checked} averages are the means of their cells"
    return recomputed(not wrong, text, f"{checked} averages", f"{len(wrong)} wrong")


CLAIM_42 = Claim(
    42,
    "The averages in Tables 3 and 6 are the means of their cells",
    "Tables 3 and 6",
    needs="nothing",
    audit=averages,
)


def agreement(published: Published) -> Finding:
    """The same cell has the same number wherever it is printed."""
    rows = published.rows(quantity="accuracy")
    rows = rows[
        rows["where"].isin(PLACES) & (rows["benchmark"] != "mean")
    ]
    # Table 3's extra budget and Table 6's two PRMs are cells of their own
    rows = rows[(rows["budget"].isin(["", "1"])) & (rows["prm"] == "")]
    rows = rows[~((rows["where"] == "Table 5") & (rows["method"] == "majority"))]
    clashes, compared = [], 0
    for (policy, benchmark, _), part in rows.groupby(["policy", "benchmark", "method"]):
        if part["where"].nunique() < 2:
            continue
        compared += 1
        if part["value"].max() - part["value"].min() > 1e-9:
            shown = ", ".join(f"{w} {x:.1f}" for w, x in zip(part["where"], part["value"], strict=True))
            clashes.append(f"{policy} on {benchmark}: {shown}")
    text = "; ".join(clashes) if clashes else f"all {compared} cells that are printed twice agree"
    return recomputed(not clashes, text, f"{compared} cells", f"{len(clashes)} in disagreement")


CLAIM_43 = Claim(
    43,
    "The same cell has the same number in every table and figure",
    "Tables 3, 5 and 6; Figure 1",
    needs="nothing",
    audit=agreement,
)


def single_runs(published: Published) -> Finding:
    """The authors' own accuracies are whole numbers of problems, as one run gives them."""
    rows = published.rows(quantity="accuracy")
    rows = rows[rows["benchmark"].isin(list(PROBLEMS)) & rows["where"].isin(PLACES)]
    odd_own, odd_reference = [], set()
    for row in rows.itertuples():
        n = PROBLEMS[row.benchmark]
        whole = abs(100 * round(row.value * n / 100) / n - row.value) <= HALF_UNIT
        if not whole and row.method in ("tts", "cot", "majority"):
            odd_own.append(f"{row.policy} {row.value:g} on {row.benchmark}")
        elif not whole:
            odd_reference.add(f"{row.policy} {row.value:g}")
    text = (
        "each accuracy of the authors' own is a whole number of problems: no averaging over seeds is visible"
    )
    if odd_own:
        text = f"not a whole number of problems: {odd_own[0]}"
    return recomputed(
        not odd_own,
        f"{text}; borrowed or averaged: {', '.join(sorted(odd_reference))}",
        None,
        f"{len(odd_own)} of the authors', {len(odd_reference)} of the references",
    )


CLAIM_44 = Claim(
    44,
    "The authors' own accuracies are those of single runs",
    "Tables 3, 5 and 6; Figure 1",
    needs="nothing",
    audit=single_runs,
)
