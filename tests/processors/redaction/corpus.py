"""Texts with made-up people in them: forms, notes, chats, log lines, queries, JSON, in English and Portuguese.

The templates are in corpus.txt. In one, `<class>` is an identifier of that class, and what of it comes out is a leak;
`<other:…>` is not looked at.
"""

import re
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from stdnum import luhn
from stdnum.br import cnpj, cpf

__all__ = ["Document", "documents", "leaked", "pieces"]

_ONSETS = (
    "Br", "Cal", "D", "El", "Fr", "Gar", "H", "Jov", "Kar", "L", "Mar", "Nor", "Ol", "Pr", "Ros", "Sal", "T", "Vic",
    "W", "Z",
)  # fmt: skip
_ENDS = (
    "adine", "anda", "arta", "eira", "elio", "endes", "erto", "ica", "ildo", "ina", "iso", "ola", "onso", "orth",
    "ulio", "unes",
)  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_MESES = (
    "janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro", "novembro",
    "dezembro",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Document:
    """A text and, by class, the identifiers in it."""

    text: str
    hidden: tuple[tuple[str, str], ...]


def _digits(random: Random, shape: str) -> str:
    """A digit for each #, 1 to 9 for each %, a capital letter for each @."""
    made = {"#": string.digits, "%": "123456789", "@": string.ascii_uppercase}
    return "".join(random.choice(made[sign]) if sign in made else sign for sign in shape)


def _shape(*shapes: str) -> Callable[[Random], str]:
    return lambda random: _digits(random, random.choice(shapes))


def _word(random: Random) -> str:
    return random.choice(_ONSETS) + random.choice(_ENDS) + random.choice(("", "s", "x", "y"))


def _name(random: Random) -> str:
    last = random.choice(("{}", "{}", "{}", "O'{}", "{}-{}", "Van {}", "Mc{}")).format(_word(random), _word(random))
    middle = random.choice(("", "", f" {random.choice(string.ascii_uppercase)}.", f" {_word(random)}"))
    return f"{_word(random)}{middle} {last}"


def _nome(random: Random) -> str:
    first = f"{random.choice(('', 'Ma', 'Á', 'Jo'))}{_word(random).lower()}".capitalize()
    return f"{first} {_word(random)}{random.choice((' ', ' ', ' da ', ' dos ', ' de '))}{_word(random)}"


def _last_first(random: Random) -> str:
    return f"{_word(random)}, {_word(random)}" + random.choice(("", f" {random.choice(string.ascii_uppercase)}."))


def _date(random: Random, *forms: str) -> str:
    month = random.randrange(1, 13)
    year, day = random.randrange(1925, 2024), random.randrange(1, 29)
    names = {"name": _MONTHS[month - 1], "mês": _MESES[month - 1], "short": _MONTHS[month - 1][:3]}
    return random.choice(forms).format(y=year, m=month, d=day, yy=year % 100, **names)


def _english_date(random: Random) -> str:
    return _date(
        random, "{y}-{m:02}-{d:02}", "{m:02}/{d:02}/{y}", "{m}/{d}/{yy:02}", "{name} {d}, {y}", "{d:02}-{short}-{y}",
        "{short} {d}, {y}", "{d} {name} {y}", "{m:02}-{d:02}-{y}",
    )  # fmt: skip


def _street(random: Random) -> str:
    kind = random.choice(("Street", "Avenue", "Road", "Lane", "Drive", "Blvd", "Court", "Place", "St.", "Ave"))
    flat = random.choice(("", "", f", Apt {random.randrange(1, 99)}", f" Suite {random.randrange(1, 999)}"))
    return f"{random.randrange(1, 9999)} {random.choice(('', 'N. ', 'Old '))}{_word(random)} {kind}{flat}"


def _rua(random: Random) -> str:
    kind = random.choice(("Rua", "Avenida", "Travessa", "Alameda", "Praça", "Av.", "R."))
    joint = random.choice(("", "da ", "dos ", "Doutor "))
    return f"{kind} {joint}{_word(random)} {_word(random)}, {random.randrange(1, 4000)}"


def _email(random: Random) -> str:
    domain = random.choice(("org", "com", "com.br", "example.net"))
    return f"{_word(random)}{random.choice('._+-')}{_word(random)}@{_word(random)}.{domain}".lower()


def _with_check(random: Random, length: int, first: str) -> str:
    body = first + _digits(random, "#" * (length - len(first) - 1))
    return body + str(luhn.calc_check_digit(body))


def _card(random: Random) -> str:
    raw = _with_check(random, 16, random.choice(("4", "51", "55")))
    return random.choice(("", " ", "-")).join(raw[at : at + 4] for at in range(0, 16, 4))


def _cpf(random: Random) -> str:
    body = _digits(random, "%########")
    whole = body + str(cpf._calc_check_digits(body))
    return random.choice((whole, str(cpf.format(whole)), str(cpf.format(body + _digits(random, "##")))))


def _cnpj(random: Random) -> str:
    body = _digits(random, "%#######") + "0001"
    whole = body + str(cnpj.calc_check_digits(body))
    return random.choice((whole, str(cnpj.format(whole))))


def _mixed(random: Random, count: int) -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=count)) + "7"


def _token(random: Random) -> str:
    jwt = f"eyJ{_mixed(random, 20)}.{_mixed(random, 30)}.{_mixed(random, 30)}"
    return random.choice((jwt, *(prefix + _mixed(random, 36) for prefix in ("ghp_", "sk-proj-", "glpat-", "npm_"))))


_IDENTIFIERS: dict[str, Callable[[Random], str]] = {
    "name": _name,
    "plain_name": lambda random: f"{_word(random)} {_word(random)}",
    "last_first": _last_first,
    "upper_name": lambda random: _name(random).upper(),
    "lower_name": lambda random: f"{_word(random)} {_word(random)}".lower(),
    "word": _word,
    "nome": _nome,
    "date": _english_date,
    "data": lambda random: _date(random, "{d:02}/{m:02}/{y}", "{d} de {mês} de {y}", "{y}-{m:02}-{d:02}"),
    "iso": lambda random: _date(random, "{y}-{m:02}-{d:02}T00:00:00Z"),
    "phone": _shape("(%##) %##-####", "%##-%##-####", "+1-%##-%##-####", "+1 (%##) %##-####", "%##.%##.####",
                    "%##%######", "+44 20 7### ####", "001-%##-%##-####x###", "%##-%##-####x####",
                    "+1%##%######", "(%##)%##-####"),
    "telefone": _shape("(1%) 9####-####", "+55 2% 9####-####", "+55 (3%) 3###-####", "(4%) 3###-####", "1% 9####-####",
                       "+551%9########", "+55 2% 9#### ####", "(011) 3###-####"),
    "ssn": _shape("%##-%#-####"),
    "bare_ssn": _shape("%########", "%## %# ####"),
    "mrn": _shape("%#######", "@@-%#####", "M%######", "%####-%#"),
    "id": _shape("%######", "P-%#####", "%#########"),
    "member": _shape("H%########", "@@@%########", "%##########", "@@@-%########"),
    "mbi": _shape("1EG4-TE5-MK%#", "%AC#DE#FG%#"),
    "account": _shape("%#########", "%###########", "%####-#"),
    "card": _card,
    "email": _email,
    "street": _street,
    "rua": _rua,
    "zip": _shape("%####", "%####-####"),
    "cep": _shape("%####-###", "%#######"),
    "city": _word,
    "ip": _shape("2%.1##.%#.%#"),
    "ipv6": lambda random: "2001:db8:" + ":".join(f"{random.randrange(4096, 65536):x}" for _ in range(6)),
    "mac": lambda random: random.randbytes(6).hex(":"),
    "imei": lambda random: _with_check(random, 15, "35"),
    "serial": _shape("SN%#########", "PM-%######", "%#########"),
    "vin": lambda random: "".join(random.choices("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", k=17)),
    "plate": _shape("@@@-%###", "@@@%@##", "%@@@###", "@@%####"),
    "npi": _shape("1%########"),
    "dea": lambda random: random.choice(("AB1234563", "BC2345676", "FM9876541")),
    "passport": _shape("@%#######", "%########"),
    "license": _shape("@%#######", "%########", "@%##-####-####"),
    "cpf": _cpf,
    "cnpj": _cnpj,
    "cns": _shape("7## #### #### ####", "8##############"),
    "rg": _shape("%#.###.###-#", "%########", "MG-%#.###.###"),
    "pis": _shape("1##.#####.##-#", "1##########"),
    "titulo": _shape("%### #### ####", "%###########"),
    "cnh": _shape("%##########"),
    "crm": _shape("CRM/SP %#####", "CRM-MG %####", "COREN/RJ %#####", "CRM %#####/PR", "CRO-BA %####"),
    "prontuario": _shape("%#####", "%##.###-#", "A-%####"),
    "age": lambda random: str(random.randrange(90, 112)),
    "session": lambda random: _mixed(random, 26),
    "secret": lambda random: _mixed(random, 14),
    "token": _token,
    "user": lambda random: f"{random.choice(string.ascii_lowercase)}{_word(random).lower()}{random.randrange(99)}",
    "uuid": lambda random: f"{random.randbytes(4).hex()}-4abc-4abc-9def-{random.randbytes(6).hex()}",
}  # fmt: skip

_TEMPLATES = [
    line.encode("latin-1", "backslashreplace").decode("unicode_escape")
    for line in (Path(__file__).parent / "corpus.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("## ")
]
_PLACE = re.compile(r"<(other:)?([a-z0-9_]+)>")


def _filled(template: str, random: Random) -> Document:
    hidden: list[tuple[str, str]] = []

    def one(found: re.Match[str]) -> str:
        if found[1]:
            return str(found[2])
        if found[2] not in _IDENTIFIERS:
            return str(found[0])
        hidden.append((found[2], _IDENTIFIERS[found[2]](random)))
        return hidden[-1][1]

    return Document(_PLACE.sub(one, template), tuple(hidden))


def documents(each: int, seed: int) -> list[Document]:
    """As many of each template."""
    random = Random(seed)
    return [_filled(template, random) for template in _TEMPLATES for _ in range(each)]


def pieces(value: str) -> list[str]:
    """The parts of an identifier that say something."""
    return re.findall(r"\w{3,}", value) or [value]


def leaked(value: str, document: Document, text: str) -> int:
    """How many letters and digits of an identifier are still in what became of a document."""
    around = document.text
    for _, hidden in document.hidden:
        around = around.replace(hidden, "\0")
    return sum(len(piece) for piece in pieces(value) if text.count(piece) > around.count(piece))
