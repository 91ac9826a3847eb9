from __future__ import annotations

import importlib.util

import pytest

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError
from asrcli.options import Hotword
from asrcli.text.steps import phonetic
from asrcli.text.steps.hotwords import parse_hotwords
from asrcli.text.steps.phonetic import PhoneticStep
from asrcli.text.subtitles.pieces import split_text
from asrcli.transcript import Segment, Transcript, Word, join_words


def spoken(text: str, *, gap: float = 0.0) -> Transcript:
    words, clock = [], 0.0
    for part, space in split_text(text):
        words.append(Word(part, clock, clock + 0.5, 0.5, space_before=space))
        clock += 0.5 + gap
    return Transcript("a.wav", clock + 1, (Segment(0, 0.0, words[-1].end, join_words(words), tuple(words)),))


def corrected(text: str, *hotwords: str, gap: float = 0.0) -> Transcript:
    return PhoneticStep([Hotword(text=word) for word in hotwords])(spoken(text, gap=gap))


@pytest.mark.parametrize(
    ("heard", "hotword", "meant"),
    [
        ("we met heady la mar, in Vienna.", "Hedy Lamarr", "we met Hedy Lamarr, in Vienna."),
        ("we met heady l'a mar", "Hedy Lamarr", "we met Hedy Lamarr"),
        ("talk to Cubernetties now", "Kubernetes", "talk to Kubernetes now"),
        ("“jon smyth”!", "John Smith", "“John Smith”!"),
        ("欢迎来到阿里八八。", "阿里巴巴", "欢迎来到阿里巴巴。"),
        ("他在模达社区", "魔搭社区", "他在魔搭社区"),
        ("我叫张三风", "张三丰", "我叫张三丰"),
        ("请找陈老斯", "陈老师", "请找陈老师"),
        ("我爱李那", "李娜", "我爱李娜"),
        ("ask chat gpt or deep seek", "DeepSeek", "ask chat gpt or DeepSeek"),
    ],
)
def test_what_sounds_like_a_hotword_is_written_as_it(heard: str, hotword: str, meant: str) -> None:
    after = corrected(heard, hotword)
    assert after.segments[0].text == meant
    note = after.notes["hotwords"][0]
    assert note["is"] == hotword
    assert note["was"] in heard
    assert note["segment"] == 0


def test_the_words_keep_the_time_of_what_was_heard() -> None:
    before = spoken("we met heady la mar in Vienna")
    after = PhoneticStep([Hotword(text="Hedy Lamarr")])(before)
    first, second = after.segments[0].words[2:4]
    assert (first.text, second.text) == ("Hedy", "Lamarr")
    assert (first.start, second.end) == (before.segments[0].words[2].start, before.segments[0].words[4].end)
    assert first.end == second.start
    assert after.segments[0].words[4:] == before.segments[0].words[5:]
    assert after.notes["hotwords"] == [
        {"segment": 0, "start": 1.0, "end": 2.5, "was": "heady la mar", "is": "Hedy Lamarr"}
    ]


@pytest.mark.parametrize(
    ("text", "hotword"),
    [
        ("at seven o'clock", "Zvon"),  # the same code, other letters
        ("the cat sat", "Kate Bush"),
        ("I met Hedy Lamarr", "Hedy Lamarr"),
        ("an apple a day", "Apple"),
        ("we met heady. La mar is far", "Hedy Lamarr"),
        ("我们去看电影", "阿里巴巴"),
        ("是", "十"),
        ("to be", "Tb"),
        # Common words, and numbers, say what they say.
        ("they are being both read to them by the king and can't decide", "Boeing, Bath, Reid, Thyme, Kant, Sade"),
        ("it holds 4 bytes", "Bytes"),
        ("delete the radius of a user", "Delta, Redis, Azure"),
        ("我同意这个同义词", "通义"),
    ],
)
def test_other_words_stay(text: str, hotword: str) -> None:
    before = spoken(text)
    assert PhoneticStep(parse_hotwords(hotword))(before) is before


def test_a_name_is_not_put_together_over_a_pause() -> None:
    assert corrected("heady la mar", "Hedy Lamarr", gap=1.0).segments[0].text == "heady la mar"


def test_of_two_that_sound_alike_the_weightier_is_taken() -> None:
    step = PhoneticStep([Hotword(text="Steven", weight=90), Hotword(text="Stephen", weight=10)])
    assert step(spoken("ask stefen")).segments[0].text == "ask Steven"


def test_notes_of_other_steps_stay() -> None:
    before = spoken("heady la mar")
    before = Transcript(before.source, before.duration, before.segments, notes={"other": 1})
    assert set(PhoneticStep([Hotword(text="Hedy Lamarr")])(before).notes) == {"other", "hotwords"}


def test_without_the_extra_the_message_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        phonetic, "find_spec", lambda name: None if name == "pypinyin" else importlib.util.find_spec(name)
    )
    with pytest.raises(MissingExtraError, match="pypinyin") as error:
        PhoneticStep([Hotword(text="x")])
    assert pip_install("hotwords") in error.value.hint
    monkeypatch.setattr(phonetic, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"needs pypinyin and jellyfish\."):
        PhoneticStep([Hotword(text="x")])
