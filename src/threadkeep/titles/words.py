"""Words that say nothing in a title, in the languages that people most often write."""

import re

# --- what a model says around a title

TITLE_FIELD = re.compile(r'"(?:thread_?|chat_?|conversation_?)?(?:title|name)"\s*:\s*"((?:[^"\\]|\\.){0,500})"', re.I)

_TITLE_WORDS = (
    "title|name|subject|topic|headline|suggestion|answer|output|response"
    "|titel|betreff|thema|antwort|título|titulo|tema|asunto|assunto|titre|sujet|objet|titolo|oggetto"
    "|название|заголовок|тема|имя|ответ|tytuł|temat|başlık|titul|otsikko"
    "|标题|標題|题目|題目|主题|主題|名称|名稱|タイトル|件名|題名|제목|عنوان|العنوان|शीर्षक|כותרת"
)
# Up to the colon, or up to the verb: "A good title would be …".
LABEL = re.compile(
    rf"^(?:[^:：\n]{{0,60}}?(?<!\w)(?:{_TITLE_WORDS})(?!\w)[^:：\n]{{0,50}}[:：]"
    rf"|(?:a|an|the|my|one|ein|un|une|le|el)\s[^:：\n]{{0,30}}(?<!\w)(?:{_TITLE_WORDS})\s[^:：\n]{{0,30}}?"
    r"\b(?:is|be|wäre|ist|sería|es|serait|est)\b"
    r"|[^:：\n]{0,30}(?:标题|標題|题目|タイトル|件名)[^:：\n]{0,10}[:：]"
    r"|here(?:['’ ]?s| is| are| you go)[^:：\n]{0,60}[:：]"
    rf"|(?:{_TITLE_WORDS})\s*[-–—]+\s|(?:assistant|ai|model|user)\s*[:：])[\s*_\"'“”„«»]*",
    re.I,
)
INTERJECTION = re.compile(
    r"^(?:(?:sure(?: thing)?|certainly|of course|absolutely|okay|ok|great|got it|alright|no problem|yes|happy to help"
    r"|sicher|natürlich|gerne?|klar|okay|claro(?: que sí)?|por supuesto|bien sûr|certo|certamente|конечно|хорошо"
    r"|好的|当然|當然|はい|わかりました|承知しました|네|بالتأكيد|بالطبع|حسنا)\s*[!.,:;。！，、：—–-]+\s*)+",
    re.I,
)
PREAMBLE = re.compile(
    r"^(?:here(?:['’ ]?s| is| are| you go)\b|below (?:is|are)\b|i (?:would|suggest|propose|think|recommend|have)\b"
    r"|i (?:will|chose)\b"
    r"|i['’](?:d|ve|ll)\b|let me (?:know|suggest)\b|this (?:title|name)\b|based on\b"
    r"|the (?:user|person|conversation|title) (?:is|was|should|could|would|wants?|asks?|asked|has|needs?|seems?)\b"
    r"|we need to\b|hope this\b|hier (?:ist|sind)\b|voici\b|aquí (?:tienes|está)\b|ecco\b|вот\b|以下是|这是|這是|こちら"
    r"|(?:title|name|titel|titre|título|null|none|undefined|n/a|untitled(?: \w+)?|new (?:chat|conversation|thread))$)",
    re.I,
)
REFUSAL = re.compile(
    r"^(?:i['’]?m (?:sorry|afraid|unable|just|an? )|i am (?:sorry|unable|an? )|(?:i['’]?m )?sorry\b|i apologi[sz]e"
    r"|my apologies"
    r"|i (?:cannot|can['’]?t|can not|do not|don['’]?t|am not|won['’]?t|understand)\b|as an? (?:ai|language|large)\b"
    r"|unfortunately\b|please (?:provide|share|tell|give|clarify)\b|(?:hello|hi|hey)\b.{0,30}\b(?:help|assist)\b"
    r"|how (?:can|may) i (?:help|assist)\b|es tut mir leid|tut mir leid|leider\b|entschuldigung\b|lo siento|lamento\b"
    r"|désolée?\b|je suis désolée?|je ne peux\b|mi dispiace|desculpe|извините|к сожалению|я не могу|抱歉|对不起|對不起"
    r"|很抱歉|我无法|我無法|申し訳|すみません|죄송|آسف|عذرا)",
    re.I,
)

# --- small words


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Left out of extracted titles wherever they stand: a title loses nothing without them.
ARTICLES = {
    "en": _words("""
        a an the my your our their his her its this these those some any following above below given please all
    """),
    "de": _words("""
        der die das den dem des ein eine einen einem einer eines mein meine meinen meinem meiner meines bitte mich mir
    """),
    "es": _words("el la los las un una unos unas mi mis tu tus su sus favor"),
    "fr": _words("le la les un une des ma mes mon ton ta tes sa ses son notre nos votre vos"),
    "pt": _words("o os a as um uma uns umas meu minha meus minhas"),
    "it": _words("il lo la i gli le un uno una mio mia miei mie"),
    "nl": _words("de het een mijn"),
    "sv": _words("en ett min mitt mina"),
    "ru": _words("мой моя моё мое мои моего моей мою моих"),
}
# A cut title does not end with one of these.
DANGLING = _words("""
    a an the of in on at to for from by with without and or but as is are be was how what why that which who when
    where into about between vs your my our their his her its this these using via per than if it i you we der die
    das den dem des ein eine einen einem einer und oder im am auf zu zum zur von vom für mit bei aus als wie ist
    sind el la los las un una unos unas de del al en y o e u con por para que es como su mi le les une du et ou à au
    aux dans sur pour par avec ce cette est mon ma mes di il lo gli da nel nella che è do dos no na em com um uma os
    и в во на с со к по о об от до из за для или не как что это а но у في من على إلى عن مع و أو أن
""")
# Stop words of the library that mean something in a title.
CONTENT = _words("""
    area beginning best bill book call case cases cause causes changes computer copy date detail details effect
    effects empty example examples face facts fire free front full goods group groups high highest home homepage
    html http importance information interest interests invention key keys large largest latest length line lowest
    member members microsoft mill million billion name netscape novel number numbers opening order orders page pages
    place places point points problem problems research result results room rooms section shell site small smallest
    state states system test text thoughts thing things value values webpage website width words work world year
    years young zero москва земля деньги женщина люди дом город жизнь машина мир работа отец мать ребенок время
    книга ночь год mittel jahr jahre tag tage mensch menschen stadt zeit trabajo trabajar país paises estado verdad
    معاذ سنة صفر مليار مايو man men woman women people
""")
# Words about the request itself: they say less than its subject.
META = _words("""
    passage paragraph paragraphs question questions answer answers sentence sentences statement statements text
    texts information data detail details task response format role carefully conversation conversations example
    examples result results way ways thing things point points time times words explanation
""")
# Words with which people ask for something, and greetings. Left out at the beginning of a request.
REQUESTS = _words("""
    write compose draft create make give provide generate explain describe tell show list help craft construct
    discuss identify implement develop design prepare produce suggest outline elaborate answer read find come think
    consider imagine suppose assume pretend act embrace picture let could can would will should do does did want
    need like wish try know understand solve determine evaluate analyze analyse present offer share assign embody
    include including providing examine hi hello hey dear thanks thank please schreibe schreib schreiben erkläre
    erklär erklären erstelle erstell erstellen gib zeige zeig nenne mache mach hilf helfen beschreibe hallo guten
    tag moin danke möchte brauche kannst können könntest escribe escribir escríbeme explica explicar explícame crea
    crear dame haz hazme ayuda ayúdame ayudarme hola buenos buenas días tardes quiero necesito puedes podrías
    gracias écris écrire écrivez explique expliquer expliquez crée créer donne donnez fais faire aide aidez aider
    décris bonjour salut merci peux pouvez pourriez veux voudrais aimerais besoin rédige rédiger escreva crie faça
    ajude olá quero preciso scrivi spiega dammi fammi aiutami ciao vorrei напиши напишите объясни объясните создай
    расскажи расскажите дай покажи помоги помогите составь привет здравствуйте хочу нужно можешь можете спасибо اكتب
    اشرح اشرحي أنشئ أعطني ساعدني مرحبا أريد يمكنك هل السلام عليكم writing happen happens def const var return import
    يمكنني ajudar escrever ajudame
""")
CONJUNCTIONS = _words("and or then und oder y et e ou и или")

# In scripts without spaces: phrases before or after the subject of a request, and endings that no title has.
UNSPACED_REQUEST = re.compile(
    r"^(?:你好|您好|こんにちは|请问|请你?帮我|请你?|請問|請你?幫我|請你?|帮我|幫我|麻烦你?|我想(?:要|知道|了解|问)?|我要|能不能|可以|你能)+(?:写|寫)?"
    r"|(?:について)?(?:を|に)?(?:教えて|書いて|作って|説明して|考えて|翻訳して)?(?:ください|下さい|くれますか|もらえますか)?$"
)
UNSPACED_DANGLING = re.compile(r"(?:を|は|が|に|で|と|の|も|から|について|的|和|了|吗|呢)$")

# Added to a single word if that is all there is; by script, the first word of a character's Unicode name.
COMPANIONS = {
    "CYRILLIC": "чат",
    "ARABIC": "محادثة",
    "HEBREW": "שיחה",
    "GREEK": "συνομιλία",
    "DEVANAGARI": "चैट",
    "CJK": "聊天",
    "HIRAGANA": "チャット",
    "KATAKANA": "チャット",
    "HANGUL": "채팅",
    "THAI": "แชท",
}
COMPANION = "chat"
UNNAMED = "New chat"
