"""Language codes: one normaliser for everything that users, clients, models and references write.

The internal form is ISO 639-1, or ISO 639-3 where there is none ("yue"); Javanese is "jw", as Whisper lists it.
"""

import re
import unicodedata
from difflib import get_close_matches
from functools import lru_cache

from asrcli.errors import UsageError

#: every code of ISO 639-1 -> English name (as OpenAI's `verbose_json` gives it), then further spellings: ISO 639-2 and
#: 639-3 codes, also of the usual member of a macrolanguage (FLORES' "pes_Arab"), other names, codes that are not ISO's
_TABLE = """
aa afar,aar|ab abkhazian,abk|ae avestan,ave|af afrikaans,afr|ak akan,aka|am amharic,amh|an aragonese,arg
ar arabic,ara,arb,العربية|as assamese,asm|av avaric,ava|ay aymara,aym|az azerbaijani,aze,azj|ba bashkir,bak
be belarusian,bel|bg bulgarian,bul|bi bislama,bis|bm bambara,bam|bn bengali,ben,bangla|bo tibetan,bod,tib
br breton,bre|bs bosnian,bos|ca catalan,cat,valencian|ce chechen,che|ch chamorro,cha|co corsican,cos|cr cree,cre
cs czech,ces,cze,cz|cu church slavonic,chu,church slavic|cv chuvash,chv|cy welsh,cym,wel|da danish,dan,dk
de german,deu,ger,deutsch|dv dhivehi,div,divehi,maldivian|dz dzongkha,dzo|ee ewe,ewe|el greek,ell,gre,gr,modern greek
en english,eng,英语,英文,american english,british english|eo esperanto,epo|es spanish,spa,castilian,español
et estonian,est,ekk|eu basque,eus,baq|fa persian,fas,per,farsi,pes|ff fula,ful,fulah,fulani|fi finnish,fin
fil filipino,pilipino|fj fijian,fij|fo faroese,fao|fr french,fra,fre,français|fy frisian,fry,western frisian
ga irish,gle,gaeilge|gd scottish gaelic,gla,gaelic|gl galician,glg|gn guarani,grn|gu gujarati,guj|gv manx,glv
ha hausa,hau|haw hawaiian|he hebrew,heb,iw|hi hindi,hin,हिन्दी|ho hiri motu,hmo|hr croatian,hrv
ht haitian creole,hat,haitian|hu hungarian,hun|hy armenian,hye,arm|hz herero,her|ia interlingua,ina
id indonesian,ind,in|ie interlingue,ile|ig igbo,ibo|ii nuosu,iii,sichuan yi|ik inupiaq,ipk|io ido,ido
is icelandic,isl,ice|it italian,ita,italiano|iu inuktitut,iku|ja japanese,jpn,jp,日语,日文,日本語|jw javanese,jv,jav
ka georgian,kat,geo|kg kongo,kon|ki kikuyu,kik,gikuyu|kj kuanyama,kua,kwanyama|kk kazakh,kaz
kl greenlandic,kal,kalaallisut|km khmer,khm,central khmer|kn kannada,kan|ko korean,kor,韩语,韩文,한국어|kr kanuri,kau
ks kashmiri,kas|ku kurdish,kur,kmr,kurmanji|kv komi,kom|kw cornish,cor|ky kyrgyz,kir,kirghiz|la latin,lat
lb luxembourgish,ltz,letzeburgesch|lg luganda,lug,ganda|li limburgish,lim,limburgan|ln lingala,lin|lo lao,lao
lt lithuanian,lit|lu luba-katanga,lub|lv latvian,lav,lvs|mg malagasy,mlg,plt|mh marshallese,mah|mi maori,mri,mao
mk macedonian,mkd,mac|ml malayalam,mal|mn mongolian,mon,khk|mr marathi,mar|ms malay,msa,may,zsm|mt maltese,mlt
my myanmar,mya,bur,burmese|na nauru,nau|nd north ndebele,nde|ne nepali,nep,npi|ng ndonga,ndo
nl dutch,nld,dut,flemish,nederlands|nn nynorsk,nno,norwegian nynorsk|no norwegian,nor,nob,nb,bokmål,norwegian bokmål
nr south ndebele,nbl|nv navajo,nav,navaho|ny chichewa,nya,nyanja,chewa|oc occitan,oci|oj ojibwe,oji,ojibwa
om oromo,orm,gaz|or odia,ori,oriya,ory|os ossetian,oss,ossetic|pa punjabi,pan,panjabi|pi pali,pli|pl polish,pol,polski
ps pashto,pus,pushto,pbt|pt portuguese,por,português,brazilian portuguese|qu quechua,que|rm romansh,roh
rn kirundi,run,rundi|ro romanian,ron,rum,moldavian,moldovan|ru russian,rus,русский|rw kinyarwanda,kin|sa sanskrit,san
sc sardinian,srd|sd sindhi,snd|se northern sami,sme|sg sango,sag|sh serbo-croatian,hbs|si sinhala,sin,sinhalese
sk slovak,slk,slo|sl slovenian,slv|sm samoan,smo|sn shona,sna|so somali,som|sq albanian,sqi,alb,als|sr serbian,srp
ss swati,ssw|st sotho,sot,southern sotho|su sundanese,sun|sv swedish,swe,svenska|sw swahili,swa,swh|ta tamil,tam
te telugu,tel|tg tajik,tgk|th thai,tha|ti tigrinya,tir|tk turkmen,tuk|tl tagalog,tgl|tn tswana,tsn|to tonga,ton
tr turkish,tur,türkçe|ts tsonga,tso|tt tatar,tat|tw twi,twi|ty tahitian,tah|ug uyghur,uig,uighur
uk ukrainian,ukr,ua,українська|ur urdu,urd|uz uzbek,uzb,uzn|ve venda,ven|vi vietnamese,vie,vn,tiếng việt
vo volapük,vol,volapuk|wa walloon,wln|wo wolof,wol|xh xhosa,xho|yi yiddish,yid,ji,ydd|yo yoruba,yor
yue cantonese,粤语,广东话|za zhuang,zha,chuang
zh chinese,zho,chi,cmn,cn,zn,mandarin,中文,汉语,普通话,国语,mandarin chinese,simplified chinese,traditional chinese
zu zulu,zul
"""
#: what asks for detection, or was not filled in by a client
_NOT_SAID = frozenset({"", "auto", "none", "null", "undefined", "und", "mul"})
#: characters of a spelling: what was read is kept with its spelling, and clients send spaces and comments of any length
_LONGEST = 100
#: language, extended language, script, region and further subtags
_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{3}))?((?:-[a-z0-9]{1,8})*)")


def _entries() -> list[tuple[str, list[str]]]:
    rows = (row.partition(" ") for line in _TABLE.strip().splitlines() for row in line.split("|"))
    return [(code, spellings.split(",")) for code, _, spellings in rows]


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
    if asked is not None and len(asked) > _LONGEST:
        raise _unknown(asked, asked)
    whole = unicodedata.normalize("NFKC", asked or "").lower()
    text = " ".join(whole.partition("(")[0].split())  # "Chinese (Simplified)"
    if text in _NOT_SAID:
        return None
    if text in _CODES:
        return _CODES[text]
    tag = _TAG.fullmatch(re.sub(r"[.@].*", "", text).replace("_", "-"))
    if tag is not None:
        for part in (tag[2], tag[1]):  # "zh-yue" is Cantonese
            code = part and _CODES.get(part, part)
            if code and (code in _NAMES or (len(code) == 3 and part == tag[1])):
                return code
    raise _unknown(asked or "", text)


def _unknown(asked: str, text: str) -> UsageError:
    similar = get_close_matches(text[:40], _CODES, 1, 0.8)
    return UsageError(
        f"{asked[:40]!r} is not a known language.",
        (f"Did you mean {similar[0]}? " if similar else "")
        + "Write an ISO 639 code such as en, zh or yue, an English name such as Chinese, or auto.",
    )
