"""Made-up identifiers of every class, each with at least nine random characters, and how they turn up in telemetry.

Which ones are valid by their check digits and which are not is part of the class: both must go.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from stdnum import luhn
from stdnum.br import cnpj, cpf

__all__ = ["IDENTIFIERS", "Fact"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One made-up identifier.

    `key` is a key that says what it is, `text` a text that by itself says enough, `secrets` what may not come out, and
    `path` a path with it in it. `text` or `path` is empty where only the key tells.
    """

    key: str
    value: str
    text: str = ""
    secrets: tuple[str, ...] = ()
    path: str = ""
    hl7: str = ""
    """An HL7 v2 segment with `{}` where the value goes."""

    @property
    def hidden(self) -> tuple[str, ...]:
        """What may not come out."""
        return self.secrets or (self.value,)


def _digits(random: Random, count: int, first: str = "123456789") -> str:
    return random.choice(first) + "".join(random.choices(string.digits, k=count - 1))


def _letters(random: Random, count: int) -> str:
    """Lower case; no vowels but y, so that no word comes of it."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxyz", k=count))


def _mixed(random: Random, count: int) -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=count))


def _sentence(random: Random, what: str) -> str:
    """A line in which the identifier stands."""
    return random.choice(("lookup of {} failed", "cannot find {} in cache", "{} not found", "retry 3: {}")).format(what)


_PID = "MSH|^~\\&|LAB|A|EHR|B|20240503101500||ADT^A01|77|P|2.5\rPID|1||"


def _ssn(random: Random, area: str) -> str:
    return f"{area}-{_digits(random, 2)}-{_digits(random, 4)}"


def ssn_formatted(random: Random) -> Fact:
    value = _ssn(random, _digits(random, 3, "12345"))
    return Fact("ssn", value, _sentence(random, value), path=f"/lookup/{value}/x", hl7=_PID + "|||||||||||||||||{}")


def ssn_impossible(random: Random) -> Fact:
    value = _ssn(random, random.choice(("000", "666", _digits(random, 3, "9"))))
    return Fact("patient_ssn", value, _sentence(random, value))


def ssn_bare(random: Random) -> Fact:
    value = _digits(random, 9)
    return Fact("socialSecurityNumber", value, _sentence(random, f"{random.choice(('SSN', 'ssn:', 'ssn='))} {value}"))


def mrn(random: Random) -> Fact:
    value = _digits(random, 9)
    text = _sentence(random, f"{random.choice(('MRN', 'mrn:', 'medical record number'))} {value}")
    return Fact("mrn", value, text, path=f"/patients/{value}/records", hl7=_PID + "{}^^^HOSP^MR||")


def mrn_prefixed(random: Random) -> Fact:
    value = f"{random.choice(('AB', 'MR', 'H'))}-{_digits(random, 9)}"
    return Fact("medicalRecordNumber", value, _sentence(random, f"MRN {value}"), path=f"/api/v2/patients/{value}")


def patient_id(random: Random) -> Fact:
    value = _digits(random, 10)
    return Fact(random.choice(("patient_id", "patientId", "patient.id", "X-Patient-ID")), value, f"patient_id={value}")


def patient_uuid(random: Random) -> Fact:
    raw = f"{random.getrandbits(128):032x}"
    value = f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-9{raw[17:20]}-{raw[20:]}"
    return Fact("patient_uuid", value, path=f"/fhir/Patient/{value}/$everything")


def member_id(random: Random) -> Fact:
    value = f"H{_digits(random, 9)}"
    return Fact("member_id", value, _sentence(random, f"member id {value}"), path=f"/members/{value}/claims")


def mbi(random: Random) -> Fact:
    letter, number = "ACDEFGHJKMNPQRTUVWXY", string.digits
    shape = (string.digits[1:], letter, letter + number, number, letter, letter + number, number, letter, letter)
    raw = "".join(map(random.choice, shape)) + _digits(random, 2)
    value = random.choice((raw, f"{raw[:4]}-{raw[4:7]}-{raw[7:]}"))
    return Fact("mbi", value, _sentence(random, value))


def cpf_formatted(random: Random) -> Fact:
    body = _digits(random, 9)
    return Fact(
        "cpf", cpf.format(body + cpf._calc_check_digits(body)), _sentence(random, _cpf_of(body)), (_cpf_of(body),)
    )


def _cpf_of(body: str) -> str:
    return str(cpf.format(body + cpf._calc_check_digits(body)))


def cpf_formatted_invalid(random: Random) -> Fact:
    body = _digits(random, 9)
    wrong = (int(cpf._calc_check_digits(body)) + random.randrange(1, 99)) % 100
    value = str(cpf.format(f"{body}{wrong:02d}"))
    return Fact("cpf_paciente", value, _sentence(random, value))


def cpf_bare(random: Random) -> Fact:
    body = _digits(random, 9)
    value = body + str(cpf._calc_check_digits(body))
    return Fact("numeroCpf", value, _sentence(random, f"cliente {value}"))


def cpf_bare_invalid(random: Random) -> Fact:
    body = _digits(random, 9)
    value = f"{body}{(int(cpf._calc_check_digits(body)) + random.randrange(1, 99)) % 100:02d}"
    return Fact("nr_cpf", value, _sentence(random, f"CPF {value}"))


def cnpj_formatted(random: Random) -> Fact:
    body = _digits(random, 12)
    value = str(cnpj.format(body + cnpj.calc_check_digits(body)))
    return Fact("cnpj", value, _sentence(random, value))


def cnpj_alphanumeric(random: Random) -> Fact:
    body = "".join(random.choices(string.ascii_uppercase + string.digits, k=12))
    raw = body + str(cnpj.calc_check_digits(body))
    value = f"{raw[:2]}.{raw[2:5]}.{raw[5:8]}/{raw[8:12]}-{raw[12:]}"
    return Fact("cnpj_number", value, _sentence(random, value))


def cnpj_bare(random: Random) -> Fact:
    body = _digits(random, 12)
    value = body + str(cnpj.calc_check_digits(body))
    return Fact("numero_cnpj", value, _sentence(random, f"empresa {value}"))


def _cns(random: Random) -> str:
    while True:
        body = _digits(random, 14, "789")
        check = -sum(int(digit) * (15 - place) for place, digit in enumerate(body)) % 11
        if check < 10:
            return f"{body}{check}"


def cns_bare(random: Random) -> Fact:
    value = _cns(random)
    return Fact("cns", value, _sentence(random, f"cartao {value}"))


def cns_spaced(random: Random) -> Fact:
    raw = _cns(random)
    value = f"{raw[:3]} {raw[3:7]} {raw[7:11]} {raw[11:]}"
    return Fact("cartaoSus", value, _sentence(random, value))


def card_spaced(random: Random) -> Fact:
    body = _digits(random, 15, "4")
    raw = body + str(luhn.calc_check_digit(body))
    value = random.choice((" ", "-")).join(raw[at : at + 4] for at in range(0, 16, 4))
    return Fact("card_number", value, _sentence(random, value))


def card_invalid(random: Random) -> Fact:
    body = _digits(random, 15, "5")
    raw = body + str((int(luhn.calc_check_digit(body)) + 1) % 10)
    value = " ".join(raw[at : at + 4] for at in range(0, 16, 4))
    return Fact("creditCardNumber", value, _sentence(random, f"card {value}"))


def card_bare(random: Random) -> Fact:
    body = _digits(random, 15, "4")
    value = body + str(luhn.calc_check_digit(body))
    return Fact("pan", value, _sentence(random, f"card {value}"))


def email(random: Random) -> Fact:
    local, domain = _letters(random, 10), random.choice(("example.org", "mail.example.com", "exemplo.com.br"))
    value = f"{local}{random.choice(('', '.z', '+tag'))}@{domain}"
    return Fact("user.email", value, _sentence(random, value), (value, local), path=f"/users/{value}/inbox")


def phone_us(random: Random) -> Fact:
    area, middle, last = _digits(random, 3, "23456789"), _digits(random, 3, "23456789"), _digits(random, 4)
    value = random.choice((f"({area}) {middle}-{last}", f"{area}-{middle}-{last}", f"+1 {area} {middle} {last}"))
    return Fact("phone", value, _sentence(random, value), (value, area + middle + last), hl7=_PID + "|||||||||||{}")


def phone_bare(random: Random) -> Fact:
    value = _digits(random, 10, "23456789")
    return Fact("homePhone", value, _sentence(random, f"phone {value}"))


def phone_br(random: Random) -> Fact:
    area, last = f"{random.randrange(11, 99)}", _digits(random, 8)
    value = random.choice(("({}) 9{}-{}", "+55 {} 9{}-{}")).format(area, last[:4], last[4:])
    return Fact("celular", value, _sentence(random, value), (value, f"{area}9{last}"))


def birth_date(random: Random) -> Fact:
    rest = f"{random.randrange(10, 13)}-{random.randrange(10, 29)}T{random.randrange(10, 24)}"
    rest += f":{random.randrange(10, 60)}:{random.randrange(10, 60)}.{_digits(random, 3)}"
    value = f"{random.randrange(1930, 2015)}-{rest}"
    key = random.choice(("dob", "birthDate", "date_of_birth", "data_nascimento"))
    return Fact(key, value, f"{key}: {value}", (rest,))


def _name(random: Random) -> tuple[str, str]:
    return _letters(random, 9).capitalize(), _letters(random, 9).capitalize()


def name_by_cue(random: Random) -> Fact:
    first, last = _name(random)
    cue = random.choice(("patient", "Patient", "paciente", "Dr.", "Dra.", "Mrs."))
    text = _sentence(random, f"{cue} {first} {last}")
    return Fact("patient_name", f"{first} {last}", text, (first, last))


def name_by_key(random: Random) -> Fact:
    first, last = _name(random)
    key = random.choice(("patient_name", "fullName", "nome_paciente", "user.full_name"))
    return Fact(key, f"{first} {last}", f"{key}={first} {last}", (first, last))


def name_last_first(random: Random) -> Fact:
    first, last = _name(random)
    key = random.choice(("patient_name", "fullName", "nome_paciente"))
    return Fact(key, f"{last}, {first}", f"{key}={last}, {first}", (first, last))


def name_in_hl7(random: Random) -> Fact:
    first, last = _name(random)
    return Fact("last_name", f"{last}^{first}", secrets=(first, last), hl7=_PID + "77||{}||19470312|F")


def address(random: Random) -> Fact:
    street = _letters(random, 9).capitalize()
    key, place = random.choice((("street_address", f"{street} Street"), ("endereco", f"Rua {street}")))
    value = f"{random.randrange(10, 999)} {place}"
    return Fact(key, value, f"{key}: {value}", (street,), hl7=_PID + "|||||||||{}^^CITY^ST")


def zip_code(random: Random) -> Fact:
    value = f"{_digits(random, 5)}-{_digits(random, 4)}"
    return Fact(random.choice(("zip", "postal_code", "zip_code")), value, f"zip_code={value}")


def password(random: Random) -> Fact:
    value = _mixed(random, 14)
    return Fact(random.choice(("password", "senha", "db_password")), value, f"login failed password={value}")


def api_key(random: Random) -> Fact:
    value = _mixed(random, 32)
    return Fact(random.choice(("api_key", "client_secret", "access_token")), value, f"api_key={value}")


def bearer_token(random: Random) -> Fact:
    value = _mixed(random, 40)
    return Fact("http.request.header.authorization", f"Bearer {value}", f"sent Bearer {value} to it", (value,))


def url_credentials(random: Random) -> Fact:
    user, secret = _letters(random, 9), _mixed(random, 12)
    value = f"postgres://{user}:{secret}@db.internal:5432/app"
    return Fact("connection_string", value, f"cannot connect to {value}", (f"{user}:{secret}", secret))


def session_id(random: Random) -> Fact:
    return Fact(random.choice(("session.id", "sessionId")), _mixed(random, 26))


def cookie(random: Random) -> Fact:
    value = _mixed(random, 20)
    return Fact("http.request.header.cookie", f"sid={value}; theme=dark", f"Cookie: sid={value}", (value,))


def device_serial(random: Random) -> Fact:
    value = f"SN{_digits(random, 10)}"
    return Fact(random.choice(("device_serial", "serialNumber", "device.id")), value, f"serial_number={value}")


def mac_address(random: Random) -> Fact:
    raw = f"{random.getrandbits(48) | 1 << 47:012X}"
    value = ":".join(raw[at : at + 2] for at in range(0, 12, 2))
    return Fact("device_id", value, _sentence(random, f"mac address {value}"))


def udi(random: Random) -> Fact:
    serial = _mixed(random, 12)
    value = f"(01)00643169007222(17)160712(21){serial}"
    return Fact("udi", value, _sentence(random, value), (serial,))


def imei(random: Random) -> Fact:
    body = _digits(random, 14)
    value = body + str(luhn.calc_check_digit(body))
    return Fact("imei", value, _sentence(random, f"IMEI {value}"))


def client_address(random: Random) -> Fact:
    value = ".".join(str(random.randrange(130, 220)) for _ in range(4))
    return Fact(random.choice(("client.address", "net.peer.ip", "http.client_ip", "x_forwarded_for")), value)


def client_address_v6(random: Random) -> Fact:
    value = "2001:db8:" + ":".join(f"{random.randrange(4096, 65536):x}" for _ in range(6))
    return Fact(random.choice(("client.address", "net.sock.peer.addr", "source.address")), value)


def iban(random: Random) -> Fact:
    body = f"WEST{_digits(random, 14)}"
    number = int("".join(str(int(character, 36)) for character in body + "GB00"))
    value = f"GB{98 - number % 97:02d}{body}"
    return Fact("iban", value, _sentence(random, f"transfer to {value}"))


def vin(random: Random) -> Fact:
    value = "".join(random.choices("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", k=17))
    return Fact("vin", value, _sentence(random, f"VIN {value}"))


def npi(random: Random) -> Fact:
    value = _digits(random, 10, "12")
    return Fact("npi", value, _sentence(random, f"NPI {value}"))


def rg(random: Random) -> Fact:
    raw = _digits(random, 9)
    value = f"{raw[:2]}.{raw[2:5]}.{raw[5:8]}-{raw[8]}"
    return Fact("rg", value, _sentence(random, f"RG {value}"))


def pis(random: Random) -> Fact:
    raw = _digits(random, 11)
    value = f"{raw[:3]}.{raw[3:8]}.{raw[8:10]}-{raw[10]}"
    return Fact("pis", value, _sentence(random, value))


def account(random: Random) -> Fact:
    value = _digits(random, 12)
    return Fact(random.choice(("account_number", "bank_account")), value, f"account_number={value}")


IDENTIFIERS: dict[str, Callable[[Random], Fact]] = {
    make.__name__: make
    for make in (
        ssn_formatted, ssn_impossible, ssn_bare, mrn, mrn_prefixed, patient_id, patient_uuid, member_id, mbi,
        cpf_formatted, cpf_formatted_invalid, cpf_bare, cpf_bare_invalid, cnpj_formatted, cnpj_alphanumeric, cnpj_bare,
        cns_bare, cns_spaced, card_spaced, card_invalid, card_bare, email, phone_us, phone_bare, phone_br, birth_date,
        name_by_cue, name_by_key, name_last_first, name_in_hl7, address, zip_code, password, api_key, bearer_token,
        url_credentials, session_id, cookie, device_serial, mac_address, udi, imei, client_address,
        client_address_v6, iban, vin, npi, rg, pis, account,
    )
}  # fmt: skip
"""By class."""
