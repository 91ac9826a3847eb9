"""Time stamps and sizes of FunASR's messages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from asrcli.server.bounds import MAX_RESULT
from asrcli.server.http.json_text import json_text
from asrcli.server.protocols.funasr.replies import result, whole_results
from asrcli.transcript import Gap, Segment, Transcript, Word


def segment(*texts: str, number: int = 0) -> Segment:
    words = tuple(Word(text, number * 60 + at * 0.5, number * 60 + at * 0.5 + 0.5) for at, text in enumerate(texts))
    return Segment(number, words[0].start, words[-1].end, " ".join(texts), words)


def sent(*texts: str, name: str = "demo") -> dict[str, Any]:
    found = segment(*texts)
    return result("offline", found.text, name, final=True, segments=[found])


def test_a_time_stamp_for_each_word_and_none_for_marks() -> None:
    body = sent("And", "so,", "my", "fellow", "Americans,", "don't", "ask!")
    assert json.loads(body["timestamp"]) == [[at * 500, at * 500 + 500] for at in range(7)]
    assert [(clause["text_seg"], clause["punc"]) for clause in body["stamp_sents"]] == [
        ("And so", ","),
        ("my fellow Americans", ","),
        ("don't ask", "!"),
    ]
    assert [(clause["start"], clause["end"]) for clause in body["stamp_sents"]] == [
        (0, 1000),
        (1000, 2500),
        (2500, 3500),
    ]
    assert [stamp for clause in body["stamp_sents"] for stamp in clause["ts_list"]] == json.loads(body["timestamp"])


def test_a_time_stamp_for_each_character_of_chinese() -> None:
    body = sent("明天", "九点，", "开AI会。", "—", "走")
    assert [(clause["text_seg"], clause["punc"]) for clause in body["stamp_sents"]] == [
        ("明 天 九 点", "，"),
        ("开 AI 会", "。—"),
        ("走", ""),
    ]
    stamps = json.loads(body["timestamp"])
    assert len(stamps) == 8
    assert stamps[:2] == [[0, 250], [250, 500]]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("texts", [("don't", "3.5%,", "a;b"), ("再见！", "2024年", "U.S."), ('"Yes,"', "she", "said:")])
def test_the_page_finds_as_many_time_stamps_as_it_reads(texts: tuple[str, str, str]) -> None:
    assert shown_by_the_page(sent(*texts, name="h5"))
    other = sent(*texts)
    assert len(json.loads(other["timestamp"])) == sum(len(each["text_seg"].split()) for each in other["stamp_sents"])


def shown_by_the_page(body: dict[str, Any]) -> list[tuple[int, str]]:
    """What FunASR's page shows (`handleWithTimestamp` in main.js): the time of each piece."""
    stamps, at, found = json.loads(body["timestamp"]), 0, []
    for piece in filter(None, re.split(r"[。？，、?., ]", body["text"])):
        found.append((stamps[at][0], piece))
        at += 1 if re.fullmatch(r"[a-zA-Z]+", piece) else len(piece.encode("utf-16-le")) // 2
    assert at == len(stamps)
    return found


def test_the_page_shows_the_time_of_each_word() -> None:
    english = sent("It's", "2024,", "don't", "stop!", "😀", "now", name="h5")
    assert shown_by_the_page(english) == [
        (0, "It's"), (500, "2024"), (1000, "don't"), (1500, "stop!"), (1500, "😀"), (2500, "now")
    ]  # fmt: skip
    chinese = segment("2024年，", "开AI会！", "再见。", "走")
    body = result("offline", "2024年，开AI会！再见。走", "h5", final=True, segments=[chinese])
    assert shown_by_the_page(body) == [(0, "2024年"), (500, "开AI会！再见"), (1500, "走")]


@pytest.mark.bound("a message with a result to FunASR's clients; it is divided")
@pytest.mark.slow
@pytest.mark.parametrize("hours", [0, 2.5, 12])
def test_no_message_is_larger_than_clients_accept(hours: float) -> None:
    count = max(1, round(hours * 60))
    texts = ["extraordinarily,"] * 120
    segments = [segment(*texts, number=number) for number in range(count)]
    bodies = whole_results("offline", "demo", Transcript("a", 60.0 * count, tuple(segments)))
    assert all(len(json.dumps(body, ensure_ascii=False).encode()) <= MAX_RESULT * 1.05 for body in bodies)
    assert [body["is_final"] for body in bodies] == [False] * (len(bodies) - 1) + [True]
    assert "".join(body["text"] for body in bodies) == " ".join(each.text for each in segments)
    stamps = [stamp for body in bodies for stamp in json.loads(body["timestamp"])]
    assert len(stamps) == 120 * count
    assert len(bodies) == 1 or hours > 2


@pytest.mark.bound("a message with a result to FunASR's clients; it is divided")
@pytest.mark.parametrize("count", [1, 5000, 30_000])
def test_gaps_that_do_not_fit_into_the_last_message_have_their_own(count: int) -> None:
    gaps = tuple(Gap(float(number), number + 0.5, "limit") for number in range(count))
    bodies = whole_results("offline", "demo", Transcript("a", 1.0 * count, (segment("so"),), gaps=gaps))
    assert all(len(json_text(body).encode()) <= MAX_RESULT - 4096 for body in bodies)  # an error may be added
    assert [gap["start"] for body in bodies for gap in body.get("gaps", ())] == [at * 1000 for at in range(count)]
    assert [body["is_final"] for body in bodies] == [False] * (len(bodies) - 1) + [True]
    assert "".join(body["text"] for body in bodies) == "so"
    assert (len(bodies) > 1) is (count == 30_000)


def test_nothing_heard_is_one_final_message() -> None:
    nothing = {"mode": "offline", "text": "", "wav_name": "demo", "is_final": True}
    assert whole_results("offline", "demo", None) == [nothing]
    assert whole_results("offline", "demo", Transcript("a", 1.0, ())) == [nothing]
