"""A fast tokenizer from a SentencePiece model file, for checkpoints that have no tokenizer.json.

The kind that Llama 2 and Mistral have: byte-pair encoding with bytes as its fall-back, no normalisation, and a space
before every text. Any other kind is refused, never approximated. The file is a protobuf message; what of it is needed
is read here (google/sentencepiece, src/sentencepiece_model.proto), so that neither library has to be installed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ttstudy.errors import StudyError

SPACE = "▁"
_NORMAL, _UNKNOWN, _CONTROL, _USER, _UNUSED, _BYTE = range(1, 7)
_BPE = 2


def built(path: Path) -> Any:
    """The `tokenizers.Tokenizer` of a `tokenizer.model`; StudyError where the file is of another kind."""
    return assembled(*_read(path))


def assembled(pieces: list[tuple[str, float, int]], begin: str | None) -> Any:
    """The tokenizer of pieces (text, score, kind) by id; `begin`: the text that begins every sequence."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    vocabulary = {piece: number for number, (piece, _, _) in enumerate(pieces)}
    unknown = next(piece for piece, _, kind in pieces if kind == _UNKNOWN)
    tokenizer = Tokenizer(
        models.BPE(vocabulary, _merges(pieces, vocabulary), unk_token=unknown, fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    controls = [piece for piece, _, kind in pieces if kind in (_UNKNOWN, _CONTROL)]
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False, special=True) for piece in controls])
    if begin is not None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", pair=f"{begin} $A {begin}:1 $B:1", special_tokens=[(begin, vocabulary[begin])]
        )
    return tokenizer


def _merges(pieces: list[tuple[str, float, int]], vocabulary: dict[str, int]) -> list[tuple[str, str]]:
    """Pairs of pieces that make a third, in the order in which SentencePiece would join them: by the third's score."""
    found = []
    for piece, score, kind in pieces:
        if kind != _NORMAL:
            continue
        halves = ((piece[:cut], piece[cut:]) for cut in range(1, len(piece)))
        pairs = [pair for pair in halves if pair[0] in vocabulary and pair[1] in vocabulary]
        found += [(score, pair) for pair in sorted(pairs, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))]
    return [pair for _, pair in sorted(found, key=lambda item: -item[0])]


def _read(path: Path) -> tuple[list[tuple[str, float, int]], str | None]:
    """Pieces (text, score, kind) by id, and the text that begins a sequence."""
    try:
        message = list(_fields(path.read_bytes()))
        pieces = []
        for number, value in message:
            if number == 1:
                piece = dict(_fields(value))
                score = struct.unpack("<f", piece.get(2, bytes(4)))[0]
                pieces.append((piece[1].decode(), score, piece.get(3, _NORMAL)))
        trainer: dict[int, Any] = dict(_fields(next((value for number, value in message if number == 2), b"")))
        normalizer: dict[int, Any] = dict(_fields(next((value for number, value in message if number == 3), b"")))
    except (IndexError, KeyError, TypeError, AttributeError, ValueError, struct.error):
        raise StudyError(f"{path.name} is no SentencePiece model; download the repository anew") from None
    kinds = {kind for _, _, kind in pieces}
    plain = trainer.get(3) == _BPE and {_BYTE, _UNKNOWN} <= kinds and _USER not in kinds and not normalizer.get(2)
    # Both are true where the file leaves them out.
    if not plain or not normalizer.get(3, 1) or normalizer.get(4, 1):
        raise StudyError(
            f"{path.name} is no byte-pair encoding with bytes as fall-back, without normalisation and without pieces "
            "that a user set, as Llama 2 and Mistral have; save the tokenizer with "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER), and name it with `source: checkpoint`"
        )
    begins = trainer.get(41, 1)
    return pieces, pieces[begins][0] if 0 <= begins < len(pieces) else None


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a protobuf message: integers, or the bytes of what is fixed in size or delimited."""
    place = 0

    def varint() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                # Negative numbers are written as 64-bit ones.
                return value - (1 << 64) if value >> 63 else value

    while place < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
            continue
        size = {1: 8, 5: 4}[kind] if kind != 2 else varint()
        if not 0 <= size <= len(message) - place:
            raise ValueError("cut off")
        yield number, message[place : place + size]
        place += size
