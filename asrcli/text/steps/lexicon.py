# ruff: noqa: E501 - lists of words, not code
"""Closed word classes by language, after or before which a line should not end, and units of numbers."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: articles, prepositions, possessives, auxiliaries: what belongs to the word after it
FUNCTION_WORDS: dict[str, frozenset[str]] = {
    "en": _set(
        "a an the of to in on at by for from with without into onto upon over under about after before between through "
        "during against toward towards within across behind beyond near since until per via my your his her its our "
        "their this these those no not very so too is are was were be been being am has have had do does did will would "
        "shall should can could may might must i'm you're we're they're he's she's it's i've we've i'll we'll i you he "
        "she we they every each some any as than mr mrs ms dr"
    ),
    "de": _set(
        "der die das den dem des ein eine einen einem einer eines im am zum zur beim vom ins ans in an auf aus bei mit "
        "nach seit von zu für gegen ohne um durch über unter vor hinter neben zwischen während wegen mein dein sein ihr "
        "unser euer kein keine keinen nicht sehr ist sind war waren hat haben wird werden kann ich du er sie es wir"
    ),
    "fr": _set(
        "le la les l' un une des du de d' au aux à en dans sur sous par pour avec sans chez vers entre contre depuis "
        "pendant mon ma mes ton ta tes son sa ses notre nos votre vos leur leurs ce cet cette ces ne pas très est sont "
        "était a ont je tu il elle on nous vous ils elles se me te"
    ),
    "es": _set(
        "el la los las un una unos unas lo del de al a en con sin por para sobre bajo entre hacia hasta desde contra "
        "durante mi mis tu tus su sus nuestro nuestra este esta estos estas ese esa no muy es son era ha han se me te le"
    ),
    "it": _set(
        "il lo la i gli le un uno una di a da in con su per tra fra del dello della dei degli delle al allo alla ai agli "
        "alle dal dalla nel nella nei nelle sul sulla mio mia tuo sua suo nostro questo questa non molto è sono era ha si"
    ),
    "pt": _set(
        "o a os as um uma uns umas de do da dos das em no na nos nas ao aos à às por pelo pela para com sem sobre sob "
        "entre até desde contra meu minha teu seu sua nosso este esta esse não muito é são era há se me te lhe"
    ),
    "nl": _set(
        "de het een van in op te aan met voor door over bij uit naar om tot onder tegen zonder tussen tijdens mijn jouw "
        "zijn haar ons onze hun deze dit die dat geen niet zeer is was waren heeft hebben wordt kan ik je hij ze we"
    ),
    "ru": _set(
        "в во на с со к ко о об от до из за у по под над при про без для через между не ни очень мой твой наш ваш его её их"
    ),
}

CONJUNCTIONS: dict[str, frozenset[str]] = {
    "en": _set(
        "and but or nor because although though while whereas which who whom whose that when where if unless whether"
    ),
    "de": _set("und aber oder denn weil obwohl während dass wenn ob als damit sondern welche welcher"),
    "fr": _set("et mais ou car donc que qui quand si lorsque parce puisque dont où"),
    "es": _set("y e pero o u porque aunque que cuando si mientras donde quien sino"),
    "it": _set("e ed ma o oppure perché che quando se mentre dove cui sebbene"),
    "pt": _set("e mas ou porque embora que quando se enquanto onde quem"),
    "nl": _set("en maar of want omdat dat als wanneer terwijl hoewel die waar"),
    "ru": _set("и а но или что чтобы который когда если где потому"),
}

#: before a name
TITLES = _set(
    "mr. mrs. ms. dr. prof. st. rev. hon. gen. col. capt. lt. sgt. mt. no. fig. vol. mme. mlle. hr. fr. sr. sra. m."
)

#: units, not separated from the number before them
UNITS = _set(
    "% ‰ ° °C °F ℃ K m km cm mm nm μm mi ft in yd g kg mg t lb lbs oz l L ml mL s ms min h hr hrs Hz kHz MHz GHz "
    "V kV W kW MW GW kWh Wh A mA B KB MB GB TB kB bit bps Mbps Gbps km/h mph kph px dpi dB € $ £ ¥ am pm a.m p.m am. pm. "
    "percent per cent hundred thousand million billion trillion dozen degrees dollars euros pounds cents yen o'clock "
    "meters metres kilometers kilometres miles feet inches kilograms kilos grams tons tonnes liters litres "
    "seconds minutes hours days weeks months years prozent millionen milliarden uhr euro pour pourcent heures "
    "ciento millones millions mille mila milioni procent процентов тысяч миллионов"
)
CJK_COUNTERS = frozenset(
    "年月日号號时時点點分秒元円块塊万萬億亿千百十个個人次名位米克斤吨里度岁歳歲天周週章条回台本枚匹件％%第"
)
HAN_NUMERALS = frozenset("零〇一二三四五六七八九十百千万萬亿億两兩第")

#: after these a phrase of Chinese usually ends
CJK_PARTICLES = frozenset("的了着过吗呢吧啊呀嘛地得")
