"""Files as other programs and people write them: each is read as it is meant, or refused by a sentence that helps."""

from __future__ import annotations

import bz2
import json
import lzma
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from ttstudy.answers.gold import gold
from ttstudy.data import benchmarks, recorded
from ttstudy.data.intake import Account, Given
from ttstudy.data.recorded_rows import FINISHES
from ttstudy.errors import StudyError
from ttstudy.kinds.sources import SOURCES

Rows = list[dict[str, Any]]
LONG = "First we add the numbers one by one, as the text says, and see what is left of them at the end of it. " * 3


def lines(*rows: dict[str, Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def csv(rows: Rows, **options: Any) -> bytes:
    return pd.DataFrame(rows).to_csv(index=False, **options).encode()


def load(folder: Path, files: dict[str, bytes], **given: Any) -> tuple[pd.DataFrame, Account]:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return recorded.load([folder / name for name in files], Given(**{"score_kinds": {}, **given}))


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def plain(problem: str = "2+2?", response: Any = "\\boxed{4}", **more: Any) -> dict[str, Any]:
    return {"problem": problem, "answer": "4", "response": response} | more


def lm_eval(number: int, question: str, answer: str = "4", said: str = "It is 4.", **more: Any) -> dict[str, Any]:
    doc = {"question": question, "answer": f"x\n#### {answer}"}
    return {"doc_id": number, "doc": doc, "target": answer, "arguments": [[question, {"do_sample": True}]],
            "resps": [[said]], "filtered_resps": [answer], "filter": "strict-match"} | more  # fmt: skip


def harness(**more: Any) -> dict[str, Any]:
    return {"idx": 1, "question": "2+2?", "gt": "4", "code": ["\\boxed{4}"], "pred": ["4"], "score": [True]} | more


def verl(asked: str = "user\n2+2?\nassistant\n", **more: Any) -> dict[str, Any]:
    return {"input": asked, "output": "4", "gts": "4", "score": 1.0, "step": 3} | more


def nemo(said: str, problem: str = "2+2?") -> dict[str, Any]:
    return {"problem": problem, "expected_answer": "4", "generation": said, "predicted_answer": "4"}


MAPPED = {"problem": "q", "answer": "a", "response": "out"}
SEEDS = [nemo(f"{LONG} {n}", f"{n}+2?") for n in range(4)]
READ: dict[str, tuple[dict[str, bytes], dict[str, Any], dict[str, list[Any]]]] = {
    "two files of one task, another filter first in each": (
        {"samples_a.jsonl": lines(lm_eval(0, "2+2?"), lm_eval(0, "2+2?", filter="flexible")),
         "samples_b.jsonl": lines(lm_eval(0, "2+2?", said="5", filter="flexible"), lm_eval(0, "2+2?"))}, {},
        {"response": ["It is 4.", "5"], "problem_id": ["0", "0"], "sample": [0, 1]},
    ),
    "two tasks that count their problems from 0": (
        {"samples_a.jsonl": lines(lm_eval(0, "2+2?"), lm_eval(1, "1+3?")),
         "samples_b.jsonl": lines(lm_eval(0, "7-3?", filter="none"), lm_eval(2, "0+4?", filter="none"))}, {},
        {"problem": ["2+2?", "1+3?", "7-3?", "0+4?"], "problem_id": ["0-30ad2052", "1", "0-f8c4469d", "2"]},
    ),
    "a table whose responses are JSON lists": (
        {"r.csv": csv([plain(response=json.dumps(["4", "5"]), finish='["stop", "length"]')])}, {},
        {"response": ["4", "5"], "finish": ["stop", "length"]},
    ),
    "a table whose responses are Python lists": (
        {"r.csv": csv([plain(response=str(["it's 4", "5"]), finish=str(["stop", "length"]))])}, {},
        {"response": ["it's 4", "5"], "finish": ["stop", "length"]},
    ),
    "a table of texts, one of which looks like a list": (
        {"r.csv": csv([plain(), plain("1+3?", '["4"]')])}, {}, {"response": ["\\boxed{4}", '["4"]']},
    ),
    "lists of one beside a list of one": (
        {"r.jsonl": lines(plain(response=["4"], tokens=[12], finish=["length"], logprob=[-1.5], greedy=[False]))}, {},
        {"response_tokens": [12], "finish": ["length"], "logprob": [-1.5]},
    ),
    "steps and scores of one response in a list": (
        {"r.jsonl": lines(plain(response=["a\n\nb"], steps=["a", "b"], **{"scores.p": [0.5, 0.25]}))}, {},
        {"steps": [["a", "b"]], "scores.p": [[0.5, 0.25]]},
    ),
    "ids that a table keeps as floats, without numbers of samples": (
        {"r.jsonl": lines(*[plain(problem_id=7.0, response=str(n)) for n in range(3)])}, {},
        {"problem_id": ["7"] * 3, "sample": [0, 1, 2]},
    ),
    "ids of which a table lacks all": (
        {"r.jsonl": lines(*[plain(f"{n}?", problem_id=float("nan")) for n in range(2)])}, {}, {"sample": [0, 0]},
    ),
    "one response's end and score, not in a list": (
        {"r.jsonl": lines(harness(finish_reason="length", pred_score=3.5))}, {},
        {"finish": ["length"], "scores.rm": [[3.5]]},
    ),
    "an end as SGLang tells it": (
        {"r.jsonl": lines(plain(finish={"type": "length", "length": 512}))}, {}, {"finish": ["length"]},
    ),
    "semicolons": (
        {"r.csv": csv([plain(), plain("1+3?")], sep=";")}, {}, {"problem": ["2+2?", "1+3?"]},
    ),
    "rows in an object": (
        {"r.json": json.dumps({"model": "m", "results": [plain(), plain("1+3?")]}).encode()}, {},
        {"problem": ["2+2?", "1+3?"]},
    ),
    "rows in an object, over lines, with columns": (
        {"r.json": json.dumps({"data": [{"q": "2+2?", "a": 4, "out": ["4", "5"]}]}, indent=1).encode()},
        {"columns": MAPPED}, {"response": ["4", "5"]},
    ),
    "rows in an object by their numbers": (
        {"r.json": json.dumps({str(n): plain(f"{n}?") for n in range(12)}).encode()}, {},
        {"problem": [f"{n}?" for n in range(12)]},
    ),
    "lm-eval: an older log, without filters, whose questions begin with capitals": (
        {"s.jsonl": lines({"doc_id": 0, "doc": {"ID": "I-1", "Problem": "2+2?", "Answer": 4}, "target": 4,
                           "arguments": [["Q: 1+1? A: 2. Q: 2+2? A:", {"until": ["Q:"]}]], "resps": [["4"]],
                           "filtered_resps": ["4"], "exact_match": 1})}, {},
        {"problem": ["2+2?"], "answer": ["4"], "greedy": [False]},
    ),
    "lm-eval: repeats": (
        {"s.jsonl": lines(lm_eval(0, "2+2?", resps=[["4", "5", "6"]]))}, {}, {"response": ["4", "5", "6"]},
    ),
    "lm-eval: two seeds in two files": (
        {f"samples_{n}.jsonl": lines(*[lm_eval(i, f"{i}?", said=f"{n}{i}") for i in range(2)]) for n in range(2)}, {},
        {"problem_id": ["0", "0", "1", "1"], "sample": [0, 1, 0, 1], "response": ["00", "10", "01", "11"]},
    ),
    "lighteval: samples and golds as texts of lists": (
        {"d.jsonl": lines({"example": "2+2?", "predictions": str(["4", "it's 5"]), "gold": str(["4"]), "metrics": {},
                           "cont_tokens": str([[1, 2], [3]])})}, {},
        {"response": ["4", "it's 5"], "response_tokens": [2, 1]},
    ),
    "lighteval: newer, golds by their places": (
        {"d.jsonl": lines({"doc": {"query": "2+2?", "choices": [" 4"], "gold_index": 0, "id": "7"}, "metric": {},
                           "model_response": {"text": ["4"], "output_tokens": [[5]]}})}, {},
        {"answer": ["4"], "problem_id": ["7"]},
    ),
    "NeMo-Skills: golds that are numbers, an end in capitals": (
        {"output-rs0.jsonl": lines(nemo("4") | {"expected_answer": 4.0, "finish_reason": "MAX_TOKENS", "id": 12})}, {},
        {"answer": ["4"], "finish": ["length"], "problem_id": ["12"]},
    ),
    "NeMo-Skills: chunks of one seed beside another seed": (
        {"output-rs0_chunk_0.jsonl": lines(*SEEDS[:2]), "output-rs0_chunk_1.jsonl": lines(*SEEDS[2:]),
         "output-rs1.jsonl": lines(*[row | {"generation": "5"} for row in SEEDS])}, {}, {"sample": [0, 1] * 4},
    ),
    "verl: a conversation as its list": (
        {"3.jsonl": lines(verl([{"role": "user", "content": "2+2?"}]))}, {}, {"problem": ["2+2?"]},
    ),
    "verl: golds in a list": ({"3.jsonl": lines(verl(gts=["4"]))}, {}, {"answer": ["4"]}),
    "OpenRLHF: a reward that is a number": (
        {"r.jsonl": lines({"input": "User: 2+2?\nAssistant:", "output": "4", "label": 4, "reward": -1})}, {},
        {"problem": ["2+2?"], "answer": ["4"], "scores.reward": [[-1.0]]},
    ),
    "OpenCompass: predictions by their numbers": (
        {"gsm8k.json": json.dumps({str(n): {"origin_prompt": [{"role": "SYSTEM", "prompt": "x"},
                                                              {"role": "HUMAN", "prompt": f"{n}+0?"}],
                                            "prediction": str(n), "gold": str(n)} for n in range(11)}).encode()}, {},
        {"problem": [f"{n}+0?" for n in range(11)], "answer": [str(n) for n in range(11)]},
    ),
    "Qwen2.5-Math: four samples, cut and not": (
        {"q.jsonl": lines(harness(code=["a", "b", "c", "d"], finish_reason=["stop", "length", "stop", "length"],
                                  level=5, type="Algebra", solution="x"))}, {},
        {"finish": ["stop", "length", "stop", "length"], "level": ["5"] * 4},
    ),
    "vLLM: all outputs of a request": (
        {"v.jsonl": lines({"prompt": "2+2?", "gold": "4", "outputs": [
            {"text": "4", "finish_reason": "stop", "cumulative_logprob": -1.5},
            {"text": "5", "finish_reason": "length", "cumulative_logprob": -2.5}]})},
        {"columns": {"problem": "prompt", "answer": "gold", "response": "outputs[*].text",
                     "finish": "outputs[*].finish_reason", "logprob": "outputs[*].cumulative_logprob"}},
        {"response": ["4", "5"], "finish": ["stop", "length"], "logprob": [-1.5, -2.5]},
    ),
    "an API: choices of a chat beside the problem": (
        {"a.jsonl": lines(plain(response={"choices": [{"message": {"content": "4"}, "finish_reason": "stop"},
                                                      {"message": {"content": "5"}, "finish_reason": "length"}]}))},
        {"columns": {"response": "response.choices[*].message.content", "finish": "response.choices[*].finish_reason"}},
        {"response": ["4", "5"], "finish": ["stop", "length"]},
    ),
    "OpenR1: generations with their ends": (
        {"o.jsonl": lines({"problem": "2+2?", "solution": "x", "answer": "4", "generations": ["4", "5"],
                           "finish_reasons": ["stop", "length"], "is_reasoning_complete": [True, False]})},
        {"columns": {"response": "generations", "finish": "finish_reasons"}}, {"finish": ["stop", "length"]},
    ),
    "evalscope: reviews": (
        {"e.jsonl": lines({"index": 0, "raw_input": {"question": "2+2?"}, "choices": [
            {"message": {"content": "4"}, "review": {"gold": "4"}}]})},
        {"columns": {"problem": "raw_input.question", "answer": "choices[0].review.gold",
                     "response": "choices[*].message.content"}}, {"answer": ["4"], "response": ["4"]},
    ),
    "a table as Excel writes it": ({"r.csv": b"sep=;\r\n" + csv([plain()], sep=";")}, {}, {"problem": ["2+2?"]}),
    "a table with a mark of its encoding and golds that are whole numbers": (
        {"r.csv": b"\xef\xbb\xbf" + csv([plain(answer=4.0, response="a, b")])}, {}, {"answer": ["4.0"]},
    ),
    "a table of one column more, whose header is quoted": (
        {"r.tsv": csv([plain(note="x;y")], sep="\t", quoting=1)}, {}, {"response": ["\\boxed{4}"]},
    ),
    **{f"packed as {name}": ({f"r.jsonl.{name}": pack(lines(plain()))}, {}, {"problem": ["2+2?"]})
       for name, pack in (("zst", zstd), ("bz2", bz2.compress), ("xz", lzma.compress))},
}  # fmt: skip


@pytest.mark.parametrize(("files", "given", "wanted"), READ.values(), ids=READ.keys())
def test_it_is_read_as_it_is_meant(tmp_path, files, given, wanted):
    frame, _ = load(tmp_path, files, **given)
    assert {name: frame[name].tolist() for name in wanted} == wanted


REFUSED: dict[str, tuple[dict[str, bytes], dict[str, Any], str]] = {
    "rollouts of two checkpoints": (
        {"3.jsonl": lines(verl()), "7.jsonl": lines(verl(step=7))}, {},
        "7.jsonl: line 1: step 7, but 3 in 3.jsonl: these were drawn from different policies; give the files of one",
    ),
    "rollouts of two checkpoints in one file": ({"r.jsonl": lines(verl(), verl(step=7))}, {}, "of one step"),
    "a table whose lists numpy printed": (
        {"r.csv": csv([plain(response="['a' 'b']")])}, {}, "a list as numpy prints it, whose texts run together",
    ),
    "a table with a list in its first row alone": (
        {"r.csv": csv([plain(response='["4"]'), plain("1+3?")])}, {}, "row 2: response is no list of texts",
    ),
    "one end for several responses": (
        {"r.jsonl": lines(harness(code=["4", "5"], finish_reason="length"))}, {},
        "finish_reason is one value for 2 responses",
    ),
    "a path that leads nowhere": (
        {"r.jsonl": lines({"q": "2+2?", "a": "4", "out": "4", "meta": {"end": "stop"}})},
        {"columns": MAPPED | {"finish": "meta.ends"}},
        "no column 'meta.ends' (it has: q, a, out, meta, meta.end); mend or leave out `finish`",
    ),
    "a path to the problem that leads nowhere": (
        {"r.jsonl": lines({"doc": {"q": "2+2?"}, "a": "4", "out": "4"})}, {"columns": MAPPED | {"problem": "doc.qq"}},
        "no column 'doc.qq' (it has: doc, doc.q, a, out); map it with `columns: {problem: ...}`",
    ),
    "a row without a problem": ({"r.jsonl": lines(plain(), plain() | {"problem": None})}, {}, "row 2: no problem"),
    "a file and its copy": (
        {"output-rs0.jsonl": lines(*SEEDS), "copy.jsonl": lines(*SEEDS)}, {},
        "copy.jsonl: all its responses are in output-rs0.jsonl too, word for word; give one of the two files",
    ),
    "a file and a part of it": (
        {"output-rs0.jsonl": lines(*SEEDS), "output-rs0_chunk_0.jsonl": lines(*SEEDS[:3])}, {},
        "output-rs0_chunk_0.jsonl: all its responses are in output-rs0.jsonl too",
    ),
    "two broken responses of one row": (
        {"r.jsonl": lines(plain(response=["4", "5"], finish=[1, 2]))}, {},
        "a row cannot be used, so nothing was read; mend or remove row 1: finish is 1, not a text, finish is 2",
    ),
    "a score that is not a number": (
        {"r.jsonl": lines(plain(**{"scores.p": [float("nan")]}))}, {"score_kinds": {"p": "probability"}},
        "scores.p has nan, which is not a finite number",
    ),
    "simple-evals: conversations without golds": (
        {"s.json": lines({"score": 1, "metrics": {"a": 1}, "htmls": ["x"], "convos": [[{"role": "user"}]]})},
        {}, "it has: score, metrics, metrics.a, htmls, convos; name what is what with `columns",
    ),
    "a batch of an API": (
        {"b.jsonl": lines({"id": "x", "custom_id": "1", "response": {"body": {"choices": []}}, "error": None})}, {},
        "answers of a batch API, which hold no problems; join them with the problems by `custom_id`",
    ),
    "an answer of an API beside its problem": (
        {"r.jsonl": lines(plain(response={"choices": [], "usage": {}}))}, {},
        "response is not a text but an object; name the text in it with `columns: {response: ...}` (it has: response.",
    ),
    "verl's generations without a gold": (
        {"r.jsonl": lines({"prompt": [{"role": "user", "content": "q"}], "reward_model": {}, "responses": ["4"]})}, {},
        "row 1: its reward_model has no ground_truth",
    ),
    "OpenCompass without a gold": (
        {"r.jsonl": lines({"origin_prompt": "q", "prediction": "4"})}, {}, "row 1: no gold (it has: origin_prompt, ",
    ),
    "likelihoods": (
        {"r.jsonl": lines(lm_eval(0, "q", arguments=[["q", " 4"]], resps=[[["-1.0", "False"]]]))}, {},
        "resps holds no texts; only tasks that generate text",
    ),
    "scores without the name of their PRM": (
        {"r.jsonl": lines(plain(scores=[0.5]))}, {}, "name the PRM with `columns: {scores.PRM: scores}`",
    ),
    "a list of places that is none": (
        {"r.jsonl": lines({"q": "2+2?", "a": "4", "out": [{"said": "4"}]})},
        {"columns": MAPPED | {"response": "out[*].text"}},
        "no column 'out[*].text' (it has: q, a, out); map it with `columns: {response: ...}`",
    ),
    "a table named as a text": ({"r.txt": csv([plain()])}, {}, "if it is a table, name it .csv or .tsv"),
    "an archive": ({"r.tar": b"r.jsonl\x00"}, {}, "an archive of several files; unpack it first"),
    "a pickle": ({"r.jsonl": b"\x80\x04."}, {}, "a pickle, which may run anything when it is read"),
    "UTF-16": ({"r.jsonl": lines(plain()).decode().encode("utf-16")}, {}, "not UTF-8 text; save the file as UTF-8"),
    "a packed file that is cut off": ({"r.jsonl.xz": lzma.compress(lines(plain()))[:60]}, {}, "is cut off or damaged"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "given", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_by_a_sentence_that_helps(tmp_path, files, given, words):
    with pytest.raises(StudyError) as caught:
        load(tmp_path, files, **given)
    message = str(caught.value)
    assert words in message and "logit" not in message and len(message) < 450


HINTS: dict[str, tuple[Rows, str | None]] = {
    "an end under another name": (
        [plain(finish_reason="length")], "nothing is read from the column 'finish_reason'; if it is one of ours, set "
        "`columns: {finish: finish_reason}`",
    ),
    "an end under both names": ([plain(finish_reason="length", finish="length")], None),
    "scores under another name": ([plain(reward=[0.5])], "`columns: {scores.NAME: reward}`"),
    "columns like none of ours": ([plain(source="gsm8k", answer_type="int", score=True)], None),
    "a row twice": ([plain(response=LONG)] * 2, "1 long response repeats an earlier one of the same problem"),
    "a short answer twice": ([plain()] * 2, None),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "words"), HINTS.values(), ids=HINTS.keys())
def test_what_a_user_should_know_of_a_file_is_told(tmp_path, rows, words):
    _, account = load(tmp_path, {"r.jsonl": lines(*rows)})
    assert (words is None and not account.hints) or (len(account.hints) == 1 and words in account.hints[0])


def test_of_a_file_of_short_responses_that_repeats_another_one_it_is_told(tmp_path):
    rows = lines(*[nemo("4", f"{n}?") for n in range(3)])
    one = lines(nemo("4", "0?"))
    frame, account = load(tmp_path, {"output-rs0.jsonl": rows, "again.jsonl": rows, "one.jsonl": one})
    assert len(frame) == 7 and len(account.hints) == 1
    assert account.hints[0].startswith("again.jsonl: all its responses are in output-rs0.jsonl too")


def test_files_of_seeds_that_share_some_responses_are_no_copies(tmp_path):
    other = [*SEEDS[:3], nemo(f"{LONG} another", "3+2?")]
    frame, account = load(tmp_path, {"output-rs0.jsonl": lines(*SEEDS), "output-rs1.jsonl": lines(*other)})
    assert len(frame) == 8 and "3 long responses repeat" in account.hints[0]


PROMPTS = {
    "system\nThink.\nuser\n2+2?\nassistant\n": "2+2?",
    "user\nfirst?\nassistant\nno\nuser\nsecond?\nassistant\n": "second?",
    "user\nThe shop:\nAssistant Ann sells 3 pens.\nHow many?\nassistant\n":
        "The shop:\nAssistant Ann sells 3 pens.\nHow many?",
    "user\nAn assistant\nhelps.\nassistant\n": "An assistant\nhelps.",
    "user\nA talk:\nUser: hi\nAssistant: no\nHow many words?\nassistant\n":
        "A talk:\nUser: hi\nAssistant: no\nHow many words?",
    "<|im_start|>user\nThe\nuser\npays.<|im_end|>\n<|im_start|>assistant\n<think>": "The\nuser\npays.",
    "<|start_header_id|>user<|end_header_id|>\n\n2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n":
        "2+2?",
    "Be kind.user\n\n2+2?assistant\n\n": "2+2?",
    "A conversation between User and Assistant. The assistant thinks. User: 2+2?\nAssistant: <think>": "2+2?",
    "USER: hi ASSISTANT: no</s>USER: 2+2? ASSISTANT:": "2+2?",
    "<｜User｜>2+2?<｜Assistant｜><think>\n": "2+2?",
    "<start_of_turn>user\n2+2?<end_of_turn>\n<start_of_turn>model\n": "2+2?",
    "[INST] 2+2? [/INST]": "2+2?",
    "### Instruction:\n2+2?\n\n### Response: Let us": "2+2?",
    "The user pays 3.\nAssistant Ann pays 4. How much?": "The user pays 3.\nAssistant Ann pays 4. How much?",
}  # fmt: skip


@pytest.mark.parametrize(("prompt", "problem"), PROMPTS.items())
def test_of_a_prompt_the_users_last_turn_is_the_problem(tmp_path, prompt, problem):
    frame, _ = load(tmp_path, {"r.jsonl": lines(verl(prompt))})
    assert frame["problem"].tolist() == [problem]


@pytest.mark.parametrize(
    ("word", "end"),
    [
        *[(word, "length") for word in ("length", "LENGTH", "FinishReason.LENGTH", "FinishReason.MAX_TOKENS")],
        *[(word, "length") for word in ("<FinishReason.LENGTH: 1>", "max_length", "max-tokens", "Max Tokens")],
        *[(word, "length") for word in ("truncated", "FINISH_REASON_MAX_TOKENS", "max_new_tokens", "incomplete")],
        *[(word, "eos") for word in ("end_turn", "EOS_TOKEN", "COMPLETE")],
        *[(word, "stop") for word in ("FinishReason.STOP", "stop_sequence")],
        ("model_length", "context"), ("content_filter", "unknown"), ("", "unknown"),
    ],
)  # fmt: skip
def test_ends_by_the_words_of_programs(tmp_path, word, end):
    frame, _ = load(tmp_path, {"r.jsonl": lines(plain(finish=word))})
    assert frame["finish"].tolist() == [end]
    assert set(FINISHES.values()) == {"eos", "stop", "length", "context"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [("so 3+2 = 5. #### 5", "5"), ("a\n#### 5", "5"), ("#### 1 #### 2", "2"), ("x.####  7 \n", "7")],
)
def test_a_gold_answer_may_stand_behind_its_mark_anywhere(text, answer):
    assert gold(text) == answer


def test_problems_come_out_of_an_object_too(tmp_path):
    rows = [{"problem_id": str(n), "problem": f"{n}?", "answer": str(n)} for n in range(3)]
    (tmp_path / "b.json").write_text(json.dumps({"version": 1, "data": rows}))
    assert benchmarks.read_file(tmp_path / "b.json", {})["answer"].tolist() == ["0", "1", "2"]


def test_what_must_agree_is_a_column_of_a_source():
    assert {name: source.agree for name, source in SOURCES.items() if source.agree} == {"rollouts": "step"}
