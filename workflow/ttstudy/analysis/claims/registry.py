"""The claims, in the order in which the project lists them: where each is made, and by what it is tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ttstudy.analysis.claims import arithmetic, compute, named, rewards, strategies
from ttstudy.analysis.claims.arithmetic import Side, versus
from ttstudy.analysis.claims.evidence import Evidence, Finding, Published


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement: where it is made, how it is tested, and what a full test needs."""

    number: int
    title: str
    source: str
    needs: str
    audit: Callable[[Published], Finding] | None = None
    published: Callable[[Published], Finding] | None = None
    study: Callable[[Evidence, Published], Finding] | None = None


def _own(check: Callable[[Evidence], Finding]) -> Callable[[Evidence, Published], Finding]:
    return lambda study, published: check(study)


_T3, _T6, _F1 = "Table 3", "Table 6", "Figure 1"
_MATH, _AIME = "MATH-500", "AIME24"
_L1, _L3, _L405 = "Llama-3.2-1B-Instruct", "Llama-3.2-3B-Instruct", "Llama-3.1-405B-Instruct"
_Q05, _D15, _D7 = "Qwen2.5-0.5B-Instruct", "DeepSeek-R1-Distill-Qwen-1.5B", "DeepSeek-R1-Distill-Qwen-7B"
_PAIR = "these models on these benchmarks: "
_LABELS = "steps labelled right or wrong, scored by the PRMs (table diagnostics)"

REGISTRY: tuple[Claim, ...] = (
    Claim(
        1,
        "A 1B policy with TTS beats a 405B one on MATH-500",
        "article; Table 3",
        _PAIR + f"{_L1} at N = 512, {_L405}",
        published=versus((Side(_T3, _L1, "512"), Side(_T3, _L405), _MATH), remark="; on AIME24 it is behind"),
        study=named.contest(_L1, _L405, _MATH, budget=512),
    ),
    Claim(
        2,
        "A 3B policy with TTS beats a 405B one on MATH-500 and AIME24",
        "article; Figure 1",
        _PAIR + f"{_L3}, {_L405}",
        published=versus(
            (Side(_F1, _L3), Side(_F1, _L405), _MATH),
            (Side(_F1, _L3), Side(_F1, _L405), _AIME),
            remark="; Table 3 prints 75.6 % for the first",
        ),
        study=named.contest(_L3, _L405, _MATH, _AIME),
    ),
    Claim(
        3,
        "The best method depends on the policy, the PRM and the difficulty",
        "article; sections 4.1 to 4.3",
        "guided methods at one budget for several policies, PRMs and levels",
        study=_own(strategies.depends_on_all_three),
    ),
    Claim(
        4,
        "The study covers policies of 0.5B to 72B and PRMs of 1.5B to 72B",
        "article; Tables 1 to 6",
        "nothing",
        audit=arithmetic.size_range,
    ),
    Claim(
        5,
        "Search is better for small policies, best-of-N for large ones",
        "article; Figure 7",
        "best-of-N and a search with one good PRM for policies of several sizes",
        study=_own(strategies.search_helps_small),
    ),
    Claim(
        6,
        "Search is better with a good PRM, best-of-N with a poor one",
        "article; Figures 4 and 5",
        "best-of-N and a search with PRMs of measured skill",
        study=_own(strategies.search_needs_good_prm),
    ),
    Claim(
        7,
        "The target of search depends on the PRM, that of sampling does not",
        "article; equation 3",
        "best-of-N and a search under two PRMs",
        study=_own(strategies.sampling_ignores_prm),
    ),
    Claim(
        8,
        "A 0.5B policy with TTS beats GPT-4o",
        "article; Table 3",
        _PAIR + f"{_Q05}, GPT-4o",
        published=versus(
            (Side(_T3, _Q05), Side(_T3, "GPT-4o"), _MATH), (Side(_T3, _Q05), Side(_T3, "GPT-4o"), _AIME)
        ),
        study=named.contest(_Q05, "GPT-4o", _MATH, _AIME),
    ),
    Claim(
        9,
        "A 7B policy with TTS beats o1",
        "article; Figure 1",
        _PAIR + f"{_D7}, o1",
        published=versus((Side(_F1, _D7), Side(_F1, "o1"), _MATH), (Side(_F1, _D7), Side(_F1, "o1"), _AIME)),
        study=named.contest(_D7, "o1", _MATH, _AIME),
    ),
    Claim(
        10,
        "A 7B policy with TTS beats DeepSeek-R1 on AIME24",
        "article; Figure 1",
        _PAIR + f"{_D7}, DeepSeek-R1",
        published=versus(
            (Side(_F1, _D7), Side(_F1, "DeepSeek-R1"), _AIME),
            remark="; the policy is distilled from R1, and is behind it on MATH-500",
        ),
        study=named.contest(_D7, "DeepSeek-R1", _AIME),
    ),
    Claim(
        11,
        "The size ratio overcome rises from 23 to 135, by 487.0 %",
        "article; section 5.1",
        "nothing",
        audit=arithmetic.size_ratio_gain,
    ),
    Claim(
        12,
        "The gain of TTS over CoT shrinks with the size of the policy",
        "article; Table 5",
        "CoT and TTS of three policies or more",
        audit=arithmetic.gains_over_cot,
        study=_own(compute.gains_shrink),
    ),
    Claim(
        13,
        "TTS is up to 256 times as efficient as majority voting",
        "article; Table 5; GitHub issue 11",
        "majority and TTS at several budgets",
        audit=arithmetic.efficiency_of_256,
        study=_own(compute.more_efficient_than_majority),
    ),
    Claim(
        14,
        "TTS of a small policy takes 100 to 1000 times less compute in all than a large one",
        "article; Table 4",
        "ledger and training tables of a small and a larger policy",
        audit=arithmetic.compute_table,
        study=_own(compute.total_compute),
    ),
    Claim(
        15,
        "TTS beats policies trained to reason by reinforcement learning or search data",
        "article; Table 6",
        _PAIR + "Qwen2.5-7B-Instruct and the five rivals",
        published=arithmetic.beats_trained_reasoners,
    ),
    Claim(
        16,
        "TTS is level with R1-Distill-Qwen-7B on MATH-500 and behind it on AIME24",
        "article; Table 6",
        _PAIR + f"Qwen2.5-7B-Instruct, {_D7}, several seeds",
        published=arithmetic.below_distillation,
    ),
    Claim(
        17,
        "TTS lies between training on search data and distillation from a strong reasoner",
        "article; section 5.4",
        "a controlled comparison from one base model",
        published=arithmetic.between_rl_and_distillation,
    ),
    Claim(
        18,
        "PRMs criticise right steps (over-criticism)",
        "article; Figure 13",
        _LABELS,
        study=named.flaw("over_criticism", 0.02, "share of right steps scored below 0.5"),
    ),
    Claim(
        19,
        "PRMs overlook wrong steps (error neglect)",
        "article; Figures 14 and 15",
        _LABELS,
        study=named.flaw("error_neglect", 0.02, "share of first wrong steps scored above 0.5"),
    ),
    Claim(
        20,
        "PRMs put the error at the wrong step (localisation bias)",
        "article; Figure 16",
        _LABELS,
        study=named.flaw(
            "localisation_bias", 0.02, "share of first errors that score above a right step before them"
        ),
    ),
    Claim(
        21,
        "PRMs score a step by its length",
        "article; Figures 17 and 18",
        _LABELS,
        study=named.flaw("length_bias", 0.0, "fall of the score when a step is twice as long"),
    ),
    Claim(
        22,
        "Flaws of the PRM cost search accuracy, and more than best-of-N",
        "article; appendix C",
        "best-of-N and a search with PRMs of measured skill",
        study=_own(rewards.flaws_hurt_search),
    ),
    Claim(
        23,
        "TTS that leaves the policy's weights alone (external) is what is studied",
        "article; section 2",
        "nothing: a definition, which this study shares",
    ),
    Claim(
        24,
        "A 3B policy with TTS beats GPT-4o",
        "abstract; Figure 1",
        _PAIR + f"{_L3}, GPT-4o",
        published=versus(
            (Side(_F1, _L3), Side(_F1, "GPT-4o"), _MATH), (Side(_F1, _L3), Side(_F1, "GPT-4o"), _AIME)
        ),
        study=named.contest(_L3, "GPT-4o", _MATH, _AIME),
    ),
    Claim(
        25,
        "A 1.5B distillate with TTS beats o1-preview, and o1-mini on MATH-500",
        "Table 3; Figure 1",
        _PAIR + f"{_D15}, o1-preview, o1-mini",
        published=versus(
            (Side(_F1, _D15), Side(_F1, "o1-preview"), _MATH),
            (Side(_F1, _D15), Side(_F1, "o1-mini"), _MATH),
            (Side(_F1, _D15), Side(_F1, "o1-preview"), _AIME),
            remark="; on AIME24 it is just behind o1-mini",
        ),
        study=named.contest(_D15, "o1-preview", _MATH, _AIME),
    ),
    Claim(
        26,
        "Against an imperfect PRM more samples can lower accuracy (over-optimisation)",
        "Table 3",
        "best-of-N at several budgets with PRMs of measured skill",
        published=arithmetic.falls_with_n,
        study=_own(rewards.over_optimisation),
    ),
    Claim(
        27,
        "The Deepseek PRM data have longer responses and steps than the Mistral data",
        "Table 1",
        "both public PRM data sets and the PRM's tokenizer",
    ),
    Claim(
        28,
        "Beam search spends nearly twice the tokens with RLHFlow-Deepseek as with RLHFlow-Mistral",
        "section 4.4; Figure 12",
        "beam search with both RLHFlow PRMs at equal N",
        study=named.token_ratio("RLHFlow-PRM-Deepseek-8B", "RLHFlow-PRM-Mistral-8B", 1.5, 2.5, "nearly 2x"),
    ),
    Claim(
        29,
        "Search spends more tokens with Qwen2.5-Math-PRM-7B than with Skywork-PRM-7B",
        "section 4.4",
        "beam search with both PRMs at equal N",
        study=named.token_ratio("Qwen2.5-Math-PRM-7B", "Skywork-PRM-7B", 1.0, float("inf"), "more than 1x"),
    ),
    Claim(
        30,
        "A weaker PRM is more sensitive to the vote",
        "Table 2",
        "best-of-N with PRMs of measured skill",
        audit=arithmetic.voting_sensitivity,
        study=_own(rewards.votes_matter_with_weak_prm),
    ),
    Claim(
        31,
        "TTS accuracy rises with the PRM's skill",
        "Figure 6",
        "TTS with three PRMs or more of measured skill",
        study=_own(rewards.accuracy_follows_prm),
    ),
    Claim(
        32,
        "Pass@k grows faster with N than the accuracy of TTS",
        "section 4.2",
        "coverage and TTS at several budgets",
        study=_own(rewards.coverage_outgrows_tts),
    ),
    Claim(
        33,
        "PRMs recover less of the room above majority voting on AIME24 than on MATH-500",
        "section 4.2",
        "coverage, majority and TTS on MATH-500 and AIME24",
        study=_own(rewards.harder_benchmark_recovers_less),
    ),
    Claim(
        34,
        "Best-of-N, beam search or DVTS is best by size and level as the paper lists",
        "section 4.3; Figures 8 and 9",
        "best-of-N, beam search and DVTS with one good PRM for several policies",
        study=_own(strategies.difficulty_pattern),
    ),
    Claim(
        35,
        "Pass@1 of Qwen2.5-72B exceeds 80 % on 76.2 % of MATH-500",
        "Figure 3",
        "a pilot of Qwen2.5-72B-Instruct on MATH-500",
        study=named.mostly_easy,
    ),
    Claim(
        36,
        "Absolute thresholds make better levels than quantiles",
        "section 3.2",
        "difficulty of several policies",
        study=_own(rewards.absolute_levels_compare),
    ),
    Claim(
        37,
        "CoT accuracies of Table 5",
        "Table 5",
        "policies of Table 5 on MATH-500, greedy",
        study=named.column("cot"),
    ),
    Claim(
        38,
        "Majority accuracies of Table 5",
        "Table 5",
        "policies of Table 5 on MATH-500, N up to 256",
        study=named.column("majority"),
    ),
    Claim(
        39,
        "TTS accuracies of Table 5",
        "Table 5",
        "policies of Table 5 on MATH-500 with a 72B PRM",
        study=named.column("tts"),
    ),
    Claim(
        40,
        "A fixed rule by policy size is the compute-optimal strategy",
        "GitHub issues 1 and 4",
        "best-of-N, beam search and DVTS with one good PRM for several policies",
        study=_own(strategies.fixed_rule_suffices),
    ),
    Claim(
        41,
        "A PRM can guide a much larger policy (weak to strong)",
        "section 6",
        "best-of-N with a PRM smaller than the policy, and majority",
        study=_own(rewards.weak_guides_strong),
    ),
    Claim(
        42,
        "The averages in Tables 3 and 6 are the means of their cells",
        "Tables 3 and 6",
        "nothing",
        audit=arithmetic.averages,
    ),
    Claim(
        43,
        "The same cell has the same number in every table and figure",
        "Tables 3, 5 and 6; Figure 1",
        "nothing",
        audit=arithmetic.agreement,
    ),
    Claim(
        44,
        "The authors' own accuracies are those of single runs",
        "Tables 3, 5 and 6; Figure 1",
        "nothing",
        audit=arithmetic.single_runs,
    ),
    Claim(
        45,
        "A policy with TTS beats the CoT of a larger one (this study's own ladder)",
        "this study",
        "TTS and CoT of policies of several sizes",
        study=_own(compute.small_beats_large),
    ),
)
