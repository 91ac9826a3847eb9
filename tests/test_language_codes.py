"""One normaliser of language codes, and the places that use it."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.errors import AsrcliError, LanguageNotSupportedError, ModelError, UsageError
from asrcli.language_codes import language_code, language_name
from asrcli.models.entry import parse_entry
from asrcli.models.registry import Registry
from asrcli.options import RecognitionOptions

SPELLINGS = {
    "en": ["en", "EN", "en-US", "en_GB", "en_US.UTF-8", "eng", "eng_Latn", "English", " english ", "English (US)",
           "英语"],
    "zh": ["zh", "zn", "zh-CN", "zh_TW", "zh-Hant", "zh-Hans-CN", "cmn", "cmn-Hans-CN", "zho", "chi", "Chinese",
           "Mandarin", "中文"],
    "yue": ["yue", "zh-yue", "yue-HK", "Cantonese", "粤语"],
    "ja": ["ja", "jp", "ja-JP", "jpn", "Japanese", "日本語"],
    "ht": ["ht", "Haitian Creole"], "he": ["he", "iw"], "no": ["no", "nb-NO", "Norwegian"], "pt": ["pt_BR"],
    "wuu": ["wuu"], "gsw": ["gsw"], "fil": ["fil"], "tl": ["tl", "Tagalog"],
    "ky": ["ky", "kir", "Kyrgyz", "Kirghiz", "kir_Cyrl", "ky-KG"], "ga": ["ga", "gle", "Irish", "ga_IE.UTF-8"],
    "zu": ["zu", "zul", "Zulu", "zul_Latn"], "or": ["or", "ori", "Odia", "Oriya", "ory_Orya"],
    "jw": ["jw", "jv", "jav", "Javanese", "jv-ID"], "fa": ["fa", "pes_Arab", "Persian", "Farsi"],
    "ms": ["ms", "zsm_Latn"], "sw": ["swh_Latn"], "lv": ["lvs_Latn"], "el": ["gre", "Modern Greek (1453-)"],
    "fr": ["fre", "Français", "FRANÇAIS", "Franc\u0327ais"], "ug": ["Uighur"], "eo": ["epo", "Esperanto"],
    None: [None, "", " ", "auto", "AUTO", "none", "null", "undefined", "und"],
}  # fmt: skip


@pytest.mark.parametrize(("code", "spelling"), [(code, text) for code, texts in SPELLINGS.items() for text in texts])
def test_every_usual_spelling_of_a_language_is_read(code: str | None, spelling: str | None) -> None:
    assert language_code(spelling) == code
    assert RecognitionOptions(language=spelling).language == code


@pytest.mark.parametrize(
    "text", ["klingon", "xx", "xx-US", "e", "english-", "en us", "12", "zh/en", "-", "\u202e", "en\x00"]
)
def test_what_is_not_a_language_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(UsageError, match="not a known language") as caught:
        language_code(text)
    assert "ISO 639" in caught.value.hint
    with pytest.raises(UsageError):
        RecognitionOptions(language=text)


@pytest.mark.parametrize("text", ["zh (%s)" % ("x" * 100), " " * 101, "en_US." + "a" * 100, "zh" + "-a" * 50])
def test_long_spellings_are_refused_as_accepted_ones_stay_in_memory(text: str) -> None:
    with pytest.raises(UsageError):
        language_code(text)


def test_a_refusal_names_at_most_40_characters() -> None:
    with pytest.raises(UsageError) as caught:
        language_code("q" * 41)
    assert caught.value.message == f"'{'q' * 40}' is not a known language."
    assert caught.value.hint == (
        "Write an ISO 639 code such as en, zh or yue, an English name such as Chinese, or auto."
    )


@pytest.mark.parametrize(("code", "name"), [("wuu", "wuu"), ("cel", "cel"), ("zz-yue", "yue"), ("om-ET", "om")])
def test_codes_without_an_english_name(code: str, name: str) -> None:
    assert language_code(code) == name


def test_every_name_and_code_is_read_in_each_form_of_locales() -> None:
    codes = [
        code for first in ascii_lowercase for second in ascii_lowercase if language_name(code := first + second) != code
    ]
    assert len(codes) >= 183
    for code in codes:
        name = language_name(code)
        for spelling in (
            code,
            code.upper(),
            f"{code}-XX",
            f"{code}_XX.UTF-8@x",
            f"{code}-Latn-001",
            name,
            name.title(),
        ):
            assert language_code(spelling) == code, spelling


@pytest.mark.parametrize(
    ("text", "meant"), [("englsh", "english"), ("Chineese", "chinese"), ("frnch", "french"), ("english-us", "english")]
)
def test_a_misspelt_name_gets_a_suggestion(text: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"Did you mean {meant}"):
        language_code(text)


@given(st.text(max_size=30))
def test_any_text_gives_a_code_that_stays_itself_or_an_error(text: str) -> None:
    try:
        code = language_code(text)
    except AsrcliError:
        return
    assert code is None or (language_code(code) == code and code.isascii() and 2 <= len(code) <= 3)


def test_names_are_those_of_verbose_json() -> None:
    assert [language_name(code) for code in ("zh", "en", "ky", None)] == ["chinese", "english", "kyrgyz", ""]
    assert all(language_code(language_name(code)) == code for code in ("zh", "yue", "ht", "my", "tl"))


def test_models_are_asked_and_described_in_any_spelling(tmp_path: Path) -> None:
    data = {"type": "paraformer", "dir": "x", "files": {"model": "m"}, "languages": ["Chinese", "en-US", "jp"]}
    assert parse_entry("x", data, where="models.yaml", source="user").languages == ("zh", "en", "ja")
    norwegian = {**data, "languages": [False], "options": {"language": "zh-CN", "tgt_lang": "auto", "use_itn": False}}
    entry = parse_entry("x", norwegian, where="models.yaml", source="user")
    assert (entry.languages, entry.options) == (("no",), {"language": "zh", "tgt_lang": "", "use_itn": False})
    with pytest.raises(ModelError, match="'Klingon' is not a known language"):
        parse_entry("x", {**data, "languages": ["Klingon"]}, where="models.yaml", source="user")
    folder = tmp_path / "paraformer-zh-small"
    folder.mkdir()
    (tmp_path / "models.yaml").write_text(
        "models: {mine: {type: paraformer, dir: paraformer-zh-small, files: {model: m}, languages: [zh]}}",
        "utf-8",
    )
    (folder / "m").write_bytes(b"x")
    registry = Registry(tmp_path)
    assert registry.resolve("mine", language="cmn-Hans").name == "mine"
    with pytest.raises(LanguageNotSupportedError, match="'de'"):
        registry.resolve("mine", language="German")
