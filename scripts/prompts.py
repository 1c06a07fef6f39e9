"""Print what every policy of a study is asked with: the chat, the text that its template makes of it, the token ids."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from ttstudy.dag.layout import Layout, open_layout
from ttstudy.dag.models import weights
from ttstudy.data.prompts import messages
from ttstudy.data.revisions import load
from ttstudy.errors import StudyError
from ttstudy.models.chat import ChatTokenizer
from ttstudy.models.facts import table
from ttstudy.policies import servers
from ttstudy.run.telling import told
from ttstudy.study.policies import LocalPolicy, OpenAIPolicy, PromptedPolicy

PROBLEM = "What is 2 + 2?"


def main() -> None:
    """Every policy, one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="the study's file")
    parser.add_argument("--problem", default=PROBLEM, help=f"problem to ask (default: {PROBLEM!r})")
    args = parser.parse_args()

    def show() -> None:
        layout = open_layout(load(args.study))
        for policy in layout.study.policies:
            print("\n".join(asked(layout, policy, args.problem)), end="\n\n")

    told(show)


def asked(layout: Layout, policy: str, problem: str) -> Iterator[str]:
    """Lines about one policy."""
    settings = layout.study.policies[policy]
    id = getattr(settings, "id", None)
    base = table()["bases"].get(id)
    yield f"== {policy}" + (f": {id}" if id else "") + (f", trained from {base}" if base else "")
    if not isinstance(settings, PromptedPolicy):
        yield "Its responses were recorded: it is not asked."
        return
    thinking = settings.thinking if isinstance(settings, LocalPolicy) else None
    examples = [(one.problem, one.response) for one in settings.examples]
    chat = messages(settings.prompt, problem, thinking or "template", settings.system, examples)
    yield f"prompt: {settings.prompt}" + (f", thinking: {thinking}" if thinking else "")
    yield from (f"  {message['role']}: {message['content']!r}" for message in chat)
    if settings.stop:
        yield "stops at: " + ", ".join(map(repr, settings.stop))
    if isinstance(settings, OpenAIPolicy) and (left := servers.left(settings.server)):
        yield f"Its server is left to choose: {', '.join(left)}."
    if thinking is None:
        yield "Its server makes the text of the chat; what that is cannot be seen from here."
        return
    folder = (layout.root / weights(layout, policy).path).parent
    if not (folder / "tokenizer.json").is_file():
        yield f"The text and its tokens can be shown once the model is here ({folder}): fetch or train it first."
        return
    yield from _rendered(ChatTokenizer(folder), chat)


def _rendered(tokenizer: ChatTokenizer, chat: list[dict[str, str]]) -> Iterator[str]:
    """Text and token ids; StudyError where there is more than one BOS."""
    text = tokenizer.render(chat) if tokenizer.template is not None else None
    ids = tokenizer.encode_chat(chat)
    bos = tokenizer.token_id("bos_token")
    count = ids.count(bos) if bos is not None else 0
    yield "text: " + (repr(text) if text is not None else "no chat template: the contents, each with a blank line")
    yield f"tokens: {len(ids)}, " + ("no BOS in this tokenizer" if bos is None else f"{count} BOS")
    yield f"ids: {ids}"
    if count > 1:
        raise StudyError(f"{tokenizer.path}: the prompt holds {count} BOS tokens; mend its chat template")


if __name__ == "__main__":
    main()
