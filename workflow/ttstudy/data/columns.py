"""The contract of every table: its columns, their kinds, the words that they may hold, and its key."""

from __future__ import annotations

from ttstudy.kinds.confidences import CONFIDENCES, STORED
from ttstudy.kinds.flaws import CAUSES, FLAWS
from ttstudy.kinds.methods import METHODS, SEARCHES
from ttstudy.kinds.scores import SCORES
from ttstudy.kinds.votes import VOTES
from ttstudy.study.fields import FINDINGS
from ttstudy.vocabulary import LEVELS

_CELL = "benchmark:str policy:str prm:str method:method budget:int score:score vote:vote"
_RESPONSES = (
    "problem_id:str sample:count response:str steps:texts prompt_tokens:count? response_tokens:count? "
    "logprob:float? finish:finish"
)
COLUMNS = {
    "benchmark": "problem_id:str problem:str answer:str level:str? subject:str?",
    "recorded": "problem_id:str problem:str answer:str level:str? subject:str? sample:count greedy:bool response:str "
    "steps:texts prompt_tokens:count? response_tokens:count? logprob:float? finish:finish",
    "responses": _RESPONSES,
    "search_responses": _RESPONSES + " tree:count step_scores:numbers",
    "grades": "problem_id:str sample:count answer:str? found:str? place:count? canonical:str? correct:bool "
    "status:status",
    "scores": "problem_id:str sample:count step_scores:numbers prm_tokens:count?",
    "nodes": "problem_id:str tree:count node:count parent:int depth:count text:str tokens:count score:float? "
    "kept:bool finish:node_finish",
    "search_cost": "problems:count prompt_tokens:count response_tokens:count discarded_tokens:count prm_tokens:count "
    "prm_tokens_reencoded:count",
    "difficulty": "benchmark:str policy:str problem_id:str samples:count correct:count pass_at_1:share level:level",
    "outcomes": _CELL + " problem_id:str level:level value:share",
    "spread": _CELL + " problems:count draws:count run_sd:share? problem_sd:share?",
    "accuracy": _CELL + " level:level_or_all problems:count accuracy:share low:share high:share",
    "ledger": "benchmark:str policy:str prm:str method:method budget:int problems:count prompt_tokens:amount? "
    "response_tokens:amount? discarded_tokens:amount? prm_tokens:amount? prm_tokens_reencoded:amount? "
    "policy_parameters:count? prm_parameters:count? flops_policy:amount? flops_prompt:amount? flops_prm:amount? "
    "flops_total:amount? flops_paper:amount? flops_attention:amount?",
    "strategy": "benchmark:str policy:str prm:str budget:int level:level_or_all selection:str method:str score:str "
    "vote:str problems:count accuracy:share low:share high:share error:share?",
    "headline": "benchmark:str prm:str reference:bool policy:str larger:str ratio:amount? method:method budget:int "
    "problems:count alone:share? tts:share cot:share difference:float low:float high:float p:share p_holm:share? "
    "ahead:bool won:bool tts_flops:amount? cot_flops:amount?",
    "frontier": "benchmark:str guide:str policy:str kind:point prm:str method:str budget:int accuracy:share low:share "
    "high:share flops:amount? pareto:bool",
    "gains": "benchmark:str policy:str prm:str parameters:count? cot:share cot_low:share cot_high:share "
    "majority:share? majority_low:share? majority_high:share? majority_budget:int budget:int tts:share "
    "tts_low:share tts_high:share gain:float? efficiency:amount? efficiency_kind:str? "
    "efficiency_low:amount? efficiency_high:amount?",
    "best_methods": "benchmark:str prm:str policy:str level:level_or_all budget:int problems:count method:method "
    "accuracy:share second:method difference:float low:float high:float significant:bool",
    "matched": "benchmark:str policy:str prm:str match:match budget:int method:method spent:amount "
    "problems:count cost:amount? base_cost:amount? accuracy:share base:share difference:float low:float high:float "
    "p:share",
    "fronts": "benchmark:str policy:str prm:str match:match method:method budget:int problems:count cost:amount "
    "accuracy:share front:bool share:share best:share low:share high:share",
    "contamination": "policy:str cutoff:str before:str after:str problems_before:count problems_after:count "
    "accuracy_before:share accuracy_after:share difference:float low:float high:float control:float? controls:count",
    "confidence": "benchmark:str policy:str method:method budget:int score:score vote:vote problems:count "
    "accuracy:share? majority:share? difference:float? low:float? high:float? p:share?",
    "prm_effect": _CELL + " problems:count accuracy:share low:share high:share cot:share? gain:float?",
    "votes": "benchmark:str policy:str prm:str method:method budget:int majority:share? range:share",
    "training": "model:str kind:str parameters:count? tokens:amount? flops:amount? loss:float? auc:float?",
    "claims": "claim:int title:str source:str verdict:verdict role:role unit:str p:share? p_holm:share? published:str? "
    "ours:str? low:float? high:float? text:str needs:str?",
    "optimism": "benchmark:str policy:str prm:str budget:int",
    "predicted": "benchmark:str policy:str prm:str problem_id:str agreement:share trust:share predicted:share "
    "level:level true_level:level misbinned:share",
    "adaptive": "benchmark:str policy:str prm:str method:method score:score vote:vote scheme:str budget:int "
    "problems:count spent:amount accuracy:share fixed:share difference:float low:float high:float",
    "efficiency": "benchmark:str policy:str prm:str problems:count value:amount kind:str peak:amount reached:amount? "
    "low:amount high:amount at_least:share never_reached:share",
    "explorer": "benchmark:str policy:str prm:str method:method budget:int problem_id:str problem:str gold:str "
    "sample:count response:str steps:texts step_scores:numbers answer:str? found:str? place:count? correct:bool "
    "finish:finish",
    "trees": "benchmark:str policy:str prm:str method:method budget:int problem_id:str tree:count node:count "
    "parent:int depth:count text:str tokens:count score:float? kept:bool finish:node_finish",
    "plan": "benchmark:str policy:str prm:str method:str budget:int jobs:count jobs_done:count responses:count "
    "policy_tokens:amount prm_tokens:amount gpus:count hours:amount gpu_hours:amount "
    "idle_hours:amount cpu_hours:amount flops:amount disk_gb:amount price:amount currency:str "
    "tokens_from:str speed_from:str",
    "graders": "benchmark:str policy:str source:source prm:str budget:int grader:str other:str responses:count "
    "differ:count only_grader:count only_other:count timed_out:count other_timed_out:count",
    "grader_accuracy": _CELL + " against:str problems:count accuracy:share other:share changed:count difference:float",
    "grader_answers": "benchmark:str policy:str against:str problem_id:str gold:str answer:str? other_answer:str? "
    "correct:bool other_correct:bool responses:count",
    "labels": "problem_id:str sample:count first_error:int lengths:numbers",
    "labelled": "problem_id:str sample:count policy:str problem:str steps:texts first_error:int",
    "diagnostics": "benchmark:str policy:str prm:str flaw:flaw value:float low:float high:float count:count",
    "prm_skill": "benchmark:str policy:str prm:str solutions:count wrong_solutions:count steps:count auc:share? "
    "f1:share? low:share? high:share? threshold:share f1_at_half:share? error_found:share? right_passed:share? "
    "calibration_error:share",
    "calibration": "benchmark:str policy:str prm:str bin:count steps:count score:share right:share low:share "
    "high:share",
    "failures": "benchmark:str policy:str prm:str method:method budget:int trees:count failures:count cause:cause "
    "share:share low:share high:share",
    "cases": "benchmark:str policy:str prm:str flaw:flaw problem_id:str problem:str sample:count steps:texts "
    "step_scores:numbers first_error:int",
    "examination": "benchmark:str policy:str prm:str pool:str finding:finding severity:severity count:count "
    "examined:count text:str",
    "overlong": "benchmark:str policy:str prm:str method:method budget:int scored:count overlong:count?",
    "counts": "benchmark:str policy:str prm:str method:method budget:int responses:count finished:count? "
    "cut:count? no_answer:count timed_out:count",
}
"""Columns of each table as `name:kind`; `?` after the kind allows a missing value. Other columns may follow.

Of recorded responses, tokens, parameters or the way that a response ended may not be known; what follows from them
is then missing too, never zero. A `count?` column is of integers until a value is missing, then of floats.
"""

OPTIONAL = dict.fromkeys(("responses", "recorded"), " ".join(f"{name}:float?" for name in STORED)) | {
    "scores": "overlong:count prm_tokens_run:count",
    "nodes": "overlong:bool",
    "search_cost": "prm_scored:count prm_overlong:count",
    "ledger": "flops_reencoded:amount? flops_shared:amount?",
    "spread": "training_sd:share?",
}
"""Columns that a table may have, and is whole without. What was made before they were there does not have them.

`overlong`, of a solution: its steps past the PRM's context; of a node: whether it is one.
"""

CHOICES: dict[str, tuple[str, ...]] = {
    "method": tuple(METHODS),
    "score": ("none", *SCORES, *CONFIDENCES),
    "vote": ("none", *VOTES),
    "level": LEVELS,
    "level_or_all": ("all", *LEVELS),
    "point": ("cot", "tts"),
    "finish": ("eos", "stop", "length", "context", "depth", "unknown"),
    "node_finish": ("open", "eos", "stop", "length", "context", "depth"),
    "source": ("cot", "samples", *SEARCHES),
    "status": ("graded", "no_answer", "timed_out"),
    "finding": FINDINGS,
    "severity": ("none", "noted", "severe"),
    "flaw": tuple(FLAWS),
    "cause": CAUSES,
    "match": ("budget", "tokens", "flops", "reencoded", "shared"),
    "verdict": ("supported", "contradicted", "equivalent", "undecided", "not run"),
    "role": ("primary", "exploratory", "exact", "none"),
}
REGISTERED = ("method", "score", "vote")
"""Of these, what there is follows from the files of `ttstudy.kinds`; a study that others made may have more."""
KEYS: dict[str, list[str]] = {
    "benchmark": ["problem_id"],
    "recorded": ["problem_id", "greedy", "sample"],
    "responses": ["problem_id", "sample"],
    "search_responses": ["problem_id", "sample"],
    "grades": ["problem_id", "sample"],
    "scores": ["problem_id", "sample"],
    "nodes": ["problem_id", "tree", "node"],
    "difficulty": ["benchmark", "policy", "problem_id"],
    "predicted": ["benchmark", "policy", "prm", "problem_id"],
    "adaptive": ["benchmark", "policy", "prm", "method", "score", "vote", "scheme", "budget"],
    "outcomes": ["benchmark", "policy", "prm", "method", "budget", "score", "vote", "problem_id"],
    "spread": ["benchmark", "policy", "prm", "method", "budget", "score", "vote"],
    "accuracy": ["benchmark", "policy", "prm", "method", "budget", "score", "vote", "level"],
    "ledger": ["benchmark", "policy", "prm", "method", "budget"],
    "headline": ["benchmark", "prm", "policy", "larger"],
    "frontier": ["benchmark", "guide", "policy", "kind", "budget"],
    "gains": ["benchmark", "policy", "prm"],
    "best_methods": ["benchmark", "prm", "policy", "level"],
    "matched": ["benchmark", "policy", "prm", "match", "budget", "method"],
    "fronts": ["benchmark", "policy", "prm", "match", "method", "budget"],
    "confidence": ["benchmark", "policy", "method", "budget", "score", "vote"],
    "contamination": ["policy"],
    "prm_effect": ["benchmark", "policy", "prm", "method", "budget"],
    "votes": ["benchmark", "policy", "prm", "method", "budget"],
    "training": ["model"],
    "graders": ["benchmark", "policy", "source", "prm", "budget", "other"],
    "grader_accuracy": ["benchmark", "policy", "against", "prm", "method", "budget", "score", "vote"],
    "labels": ["problem_id", "sample"],
    "labelled": ["problem_id", "sample"],
    "diagnostics": ["benchmark", "policy", "prm", "flaw"],
    "prm_skill": ["benchmark", "policy", "prm"],
    "calibration": ["benchmark", "policy", "prm", "bin"],
    "failures": ["benchmark", "policy", "prm", "method", "budget", "cause"],
    "overlong": ["benchmark", "policy", "prm", "method", "budget"],
    "examination": ["benchmark", "policy", "prm", "pool", "finding"],
}
