"""Common English words, which are never replaced by a hotword: "them" does not become "Thyme"."""

_WORDS = """
a able about above across act add after again against age ago agree air all allow almost alone along already also
although always am among an and another any anyone anything apart appear are area arm around art as ask asked at away
baby back bad bag ball bank bar base be bear beat became because become bed been before began begin behind being
believe below best better between beyond big bill bit black blood blue board boat body book born both bottom bought
box boy break bring broke broken brother brought brown build building built burn bus business busy but buy by call
called came can cannot can't car card care carry case cat catch cause cell center central certain chair chance change
check child children choice choose church city class clean clear close cold college color come coming common company
complete control cook cool copy corner cost could couldn't count country couple course cover cross cry cup cut dad
dark data date daughter day days dead deal dear death decide deep delete did didn't die difference different difficult
dinner do doctor does doesn't dog doing done don't door down draw dream dress drink drive drop dry due during each ear
early earth easily east easy eat edge effect eight either else end enjoy enough enter even evening event ever every
everyone everything example eye eyes face fact fail fall family far farm fast father favor fear feel feet fell felt
few field fight figure file fill final find fine finger finish fire first fish fit five fix floor fly follow food foot
for force forget form forward found four free friday friend friends from front full fun game garden gave general get
getting girl give given glad glass go god goes going gold gone good got government great green grew ground group grow
guess gun guy had hair half hall hand hands happen happened happy hard has hat have haven't having he head health hear
heard heart heat heavy held he'll hello help her here here's herself he's hey high him himself his hit hold hole home
hope horse hospital hot hotel hour hours house how however huge human hundred hurt husband i i'd idea if i'll i'm
important in inside instead interest into is isn't issue it item its it's itself i've job join just keep kept key kid
kids kill kind king kitchen knew know known lady land language large last late later laugh law lay lead learn least
leave led left leg less let let's letter level lie life light like likely line list listen little live lives living
local long look looked looking lose loss lost lot love low lower lunch made main make makes making man many map mark
market matter may maybe me mean means meant meet meeting member men message met middle might mile million mind mine
minute minutes miss model modern mom moment monday money month months moon more morning most mother mouth move moved
movie much music must my myself name national nature near nearly necessary need needed needs never new news next nice
night nine no none nor normal north not note nothing notice now number of off offer office often oh oil ok okay old on
once one ones only open or order other others our out outside over own page paid pain pair paper parents park part
party pass past pay peace people per perhaps period person phone pick picture piece place plan plane plant play please
plus point police poor position possible power present president press pretty price private probably problem problems
process program project proper public pull purpose push put question questions quick quickly quiet quite race radio
rain raise ran rather reach read reads ready real really reason red reduce remember report rest result return rich
ride right ring rise river road rock roll room round rule run running sad safe said sale same sat saturday save saw
say saying says school science sea season seat second see seem seems seen self sell send sense sent series serious
serve service set seven several sex shall she she's ship shirt shoe shop short shot should shoulder show showed shown
shut sick side sight sign simple simply since sing sister sit site six size skin sky sleep slow slowly small smile so
society soft sold some someone something sometimes son song soon sorry sort sound south space speak special spend
spent spoke spring staff stage stand standing star start started state states station stay step stick still stood stop
stopped store story straight strange street strong student study stuff such sudden suddenly sugar suit summer sun
sunday support sure surely surface surprise sweet swim system table take taken taking talk talking tall tax tea teach
team tell ten test than thank thanks that that's the their them themselves then there there's these they they're thing
things think third thirty this those though thought thousand three through throw thursday time times tiny to today
together told tomorrow tonight too took top total touch toward town trade train travel tree trial trip trouble true
trust truth try trying tuesday turn turned twelve twenty twice two type under understand unit until up upon us use
used user usually value very video view visit voice vote wait walk walked wall want wanted war warm was wash wasn't
watch water way ways we wear weather wednesday week weeks weight well we'll went were we're west we've what whatever
what's when where whether which while white who whole whom whose why wide wife wild will win wind window winter wish
with within without woman women won won't wonder word words wore work worked working world worry worse worst worth
would wouldn't write writing written wrong wrote yard yeah year years yellow yes yesterday yet you young your you're
yourself zero
"""

COMMON_WORDS = frozenset(_WORDS.split())
