"""Language codes: one normaliser for everything that users, clients, models and references write.

The internal form is ISO 639-1, or ISO 639-3 where there is none ("yue"); Whisper's "jw" and "haw" are kept as models
list them.
"""

from __future__ import annotations

import re
from functools import lru_cache

from asrcli.errors import UsageError

#: code -> English name (as OpenAI's `verbose_json` gives it), then further spellings: ISO 639-2 and 639-3 codes, other
#: names, codes in use that are not ISO's
_TABLE = """
af afrikaans,afr|am amharic,amh|ar arabic,ara,arb|as assamese,asm|az azerbaijani,aze|ba bashkir,bak
be belarusian,bel|bg bulgarian,bul|bn bengali,ben,bangla|bo tibetan,bod,tib|br breton,bre|bs bosnian,bos
ca catalan,cat,valencian|cs czech,ces,cze,cz|cy welsh,cym,wel|da danish,dan,dk|de german,deu,ger,deutsch
el greek,ell,gre,gr|en english,eng,英语,英文|es spanish,spa,castilian,español|et estonian,est|eu basque,eus,baq
fa persian,fas,per,farsi|fi finnish,fin|fil filipino,pilipino|fo faroese,fao|fr french,fra,fre,français
gl galician,glg|gu gujarati,guj|ha hausa,hau|haw hawaiian|he hebrew,heb,iw|hi hindi,hin|hr croatian,hrv
ht haitian creole,hat,haitian|hu hungarian,hun|hy armenian,hye,arm|id indonesian,ind,in|is icelandic,isl,ice
it italian,ita,italiano|ja japanese,jpn,jp,日语,日文,日本語|jw javanese|ka georgian,kat,geo|kk kazakh,kaz
km khmer,khm|kn kannada,kan|ko korean,kor,韩语,韩文,한국어|la latin,lat
lb luxembourgish,ltz,letzeburgesch|ln lingala,lin|lo lao,lao
lt lithuanian,lit|lv latvian,lav|mg malagasy,mlg|mi maori,mri,mao|mk macedonian,mkd,mac|ml malayalam,mal
mn mongolian,mon|mr marathi,mar|ms malay,msa,may|mt maltese,mlt|my myanmar,mya,bur,burmese|ne nepali,nep
nl dutch,nld,dut,flemish|nn nynorsk,nno|no norwegian,nor,nob,nb,bokmål|oc occitan,oci|pa punjabi,pan,panjabi
pl polish,pol|ps pashto,pus,pushto|pt portuguese,por,português|ro romanian,ron,rum,moldavian|ru russian,rus,русский
sa sanskrit,san|sd sindhi,snd|si sinhala,sin,sinhalese|sk slovak,slk,slo|sl slovenian,slv|sn shona,sna|so somali,som
sq albanian,sqi,alb|sr serbian,srp|su sundanese,sun|sv swedish,swe|sw swahili,swa|ta tamil,tam|te telugu,tel
tg tajik,tgk|th thai,tha|tk turkmen,tuk|tl tagalog,tgl|tr turkish,tur,türkçe|tt tatar,tat|ug uyghur,uig
uk ukrainian,ukr,ua|ur urdu,urd|uz uzbek,uzb|vi vietnamese,vie,vn|yi yiddish,yid,ji|yo yoruba,yor
yue cantonese,粤语,广东话|zh chinese,zho,chi,cmn,cn,mandarin,中文,汉语,普通话,国语
"""
#: the other codes of ISO 639-1
_OTHERS = """
aa ab ae ak an av ay bi bm ce ch co cr cu cv dv dz ee eo ff fj fy ga gd gn gv ho hz ia ie ig ii ik io iu jv ki kg kj kl
kr ks ku kv kw ky lg li lu mh na nd ng nr nv ny oj om or os pi qu rm rn rw sc se sg sm ss st ti tn to ts tw ty ve vo wa
wo xh za zu
"""
#: what asks for detection, or was not filled in by a client
_NOT_SAID = frozenset({"", "auto", "none", "null", "undefined", "und", "mul"})
#: language, extended language, script, region and further subtags
_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{3}))?((?:-[a-z0-9]{1,8})*)")


def _entries() -> list[tuple[str, list[str]]]:
    rows = (row.partition(" ") for line in _TABLE.strip().splitlines() for row in line.split("|"))
    return [(code, spellings.split(",")) for code, _, spellings in rows]


_CODES_ALONE = frozenset(_OTHERS.split())
_NAMES = {code: spellings[0] for code, spellings in _entries()}
_CODES = {spelling: code for code, spellings in _entries() for spelling in spellings}


def language_name(code: str | None) -> str:
    """The English name of a code's language; the code itself if it has none here, "" for None."""
    return _NAMES.get(code or "", code or "")


@lru_cache(maxsize=1024)
def language_code(asked: str | None) -> str | None:
    """The code of a language in any usual spelling; None for None, "" and "auto".

    Codes may be ISO 639-1, 639-2 or 639-3, BCP 47 tags or POSIX locales ("zh-CN", "zh_Hant", "cmn-Hans-CN",
    "en_US.UTF-8"); names are English ("Chinese"), or one of the languages' own.

    Raises UsageError: it is none of these.
    """
    text = " ".join((asked or "").lower().partition("(")[0].split())  # "Chinese (Simplified)"
    if text in _NOT_SAID:
        return None
    if text in _CODES:
        return _CODES[text]
    tag = _TAG.fullmatch(re.sub(r"[.@].*", "", text).replace("_", "-"))
    if tag is not None:
        for part in (tag[2], tag[1]):  # "zh-yue" is Cantonese
            code = part and _CODES.get(part, part)
            if code and (code in _NAMES or code in _CODES_ALONE or (len(code) == 3 and part == tag[1])):
                return code
    raise UsageError(
        f"{(asked or '')[:40]!r} is not a known language.",
        "Write an ISO 639 code such as en, zh or yue, an English name such as Chinese, or auto.",
    )
