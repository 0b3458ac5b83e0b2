"""The words that name credentials, and what stands where their values would be."""

HEAD = 200

PASSWORDS = (
    "pass(?:words?|wd|phrase|w[oö]rter|w[oö]rt|ord|codes?|e)?|pwd|pswd|pw|kennwort"
    "|wachtwoord|contraseña|contrasena|clave|senha|parola|mdp|has[lł]o|heslo"
    "|salasana|adgangskode|lösenord|jelszó|şifre|пароль|密码|密碼|口令|パスワード|비밀번호"
)
TOKENS = (
    "tokens?|jeton|secrets?(?:[_ .-]?(?:access[_ .-]?)?(?:key|id)(?:[_ .-]?base)?)?"
    "|geheimnis|sess(?:ion)?(?:[_ .-]?(?:id|key|cookie))|signature|sid"
    "|credentials?|authkey|令牌|токен"
)
KEYS = "keys?|schlüssel|psk"
STEMS = (
    *("pass", "pswd", "pw", "kennwort", "wachtwoord", "contrase", "clave"),
    *("senha", "parola", "mdp", "haslo", "heslo", "salasana", "adgangskode", "sess"),
    *("token", "jeton", "secret", "geheimnis", "signature", "sid", "credential"),
    *("authkey", "key", "psk"),
)
FOREIGN = (
    *("hasło", "lösenord", "jelszó", "şifre", "пароль", "密码", "密碼", "口令"),
    *("パスワード", "비밀번호", "令牌", "токен", "schlüssel"),
)
SHORT = "pass|passe|pwd|pw|pswd|mdp|sid|psk|clave|parola|senha|haslo|heslo"
OWNERS = (
    "db|user|root|admin|store|key|bind|my|ldap|smtp|mail|ftp|require|master|svc"
    "|sql|vpn|sudo|become|sess|connect"
)
KEY_OWNERS = (
    "api|access|account|private|secret|encryption|master|signing|shared|storage"
    "|auth|client|license|licence|consumer|subscription|application|app|service"
    "|webhook|integration|routing|zugangs|zugriffs|wpa"
)

TYPES = r"str|string|bytes|secretstr|char|text|varchar|any|object|optional\[str\]"
NAMED = rf"""(?:(?P<password>{PASSWORDS})|(?P<token>{TOKENS})|(?P<key>{KEYS}))
(?:[_.-]?(?:[0-9]{{1,3}}|value|plain|plaintext|new|old|current|confirm|prod|dev|test
  |root|admin|default|base|hash)(?![a-z0-9]))?
(?:[ ](?:for|of|für|von|de|del|pour|per)[ ][\w.@/$-]{{1,40}}(?:[ ][\w.@-]{{1,20}})?
  |[ ]?\([^()\n]{{1,40}}\))?
(?:\\{{0,3}}["'`]|\*\*|[\])]){{0,3}}
(?:
  (?P<assign>[ \t]?:[ \t]?(?:{TYPES})(?:[ ]\|[ ]none)?[ \t]?=[ \t]?
    |[ \t]{{0,8}}(?::=|=>|->|={{1,3}}|:|\uff1a|\uff1d)[ \t]{{0,16}}(?:\*\*[ \t]?)?
     (?:\[[ \t]{{0,4}}(?=["']))?)
  |(?P<xml>(?:\s[^<>\n]{{0,60}})?>[ \t]{{0,8}}(?:<!\[cdata\[)?(?=[^<>\n]{{1,200}}(?:</|\]\])))
  |(?P<pair>["',]{{0,2}}\s{{0,40}}["']?value["']?[ \t]{{0,3}}[:=][ \t]{{0,3}})
  |(?P<prose>[ ](?:is[ ]now|is|was|=|ist|war|lautet|est|es|è|é|to|auf|set[ ]to|now
    |changed[ ]to|reset[ ]to|has[ ]been[ ]set[ ]to)(?:[ ]?:)?[ ]{{1,2}})
  |(?P<space>[ \t]{{1,4}})
)"""
QUOTED = (
    r"""[bruf@$]{0,2}(?:"(?P<d>[^"\\\n]*+(?:\\.[^"\\\n]*+)*+)"|"""
    r"""'(?P<s>[^'\\\n]*+(?:\\.[^'\\\n]*+)*+)'|`(?P<b>[^`\n]*+)`|"""
    r"""\\{1,3}["'](?P<e>[^\\"'\n]*+)|[„“”«»\u201a\u2018\u2019](?P<t>[^„“”«»\u201a\u2018\u2019\n]*+))"""
)
END = r"""[,;&|](?:[\s"']|$|[\w.%-]{1,40}[ ]?[=:]|[,;&|])"""
BARE = rf"""(?:[^\s"'`<>,;&|]|(?!{END})[,;&|])"""
BARE_HEAD, BARE_REST = rf"{BARE}{{1,{HEAD}}}+", rf"{BARE}*+"
QUOTES = "\"'`„“”«»\u201a\u2018\u2019\\"

PLACEHOLDER = (
    r"""\[(?:token|password|key|email|phone|card|jwt)\].{0,3}|[*•.x_?#-]+|\$\{.*"""
    r"""|\$\(.*|\$\w+|%\w+%|%[sdv]|%\(\w+\)s|\{\{.*|\{[\w.]*\}?|<.*|\[[a-z _-]*\]?"""
    r"""|@\w+@|:\w+|(?:null|none|nil|undefined|true|false|yes|no|n/a|tbd|todo|unset"""
    r"""|empty|redacted|masked|hidden|removed|required|optional)[?!.*;)\]}]*"""
)
EXPRESSION = (
    r"""(?:str|string|bytes|secretstr|char|text|varchar|any|object|int|bool|boolean"""
    r"""|number|self|password|secret|token|key|passwd|pwd|pass|passphrase|api_?key)[?!.*)]*"""
    r"""|[a-z_]\w*\(.*|[a-z_]{1,20}(?:\.[a-z_]{1,20}){1,8}|[a-z_][\w.]*\[.*"""
    r"""|/(?:run|etc|var|home|root|tmp|usr|opt|srv|mnt|users)(?:/.*)?"""
    r"""|(?:file|env|vault|arn|https?|sha\d+):.*"""
)
STATUS = (
    "invalid|incorrect|wrong|expired|missing|must|should|not|is|the|failed|denied"
    "|rejected|too|a|an|for|from|unknown|set|ok|okay|authentication|rotated"
    "|changed|reset|see|in|stored|on|please|contact|was|has|are|to|and|or|of|by"
    "|with|new|old|same|expires|unexpected|expected|found|mismatch|mismatched"
    "|good|bad|update|updated|change|rotate|sent|your|my|our|it|at|as|can|could"
    "|cannot|will|policy|length|minimum|if|when|only|falsch|abgelaufen|ungültig"
    "|fehlt|invalide|incorrecto|wurde|nicht|siehe|vergessen|forgotten|need|needs"
    "|ask|try|use|check|value"
)
