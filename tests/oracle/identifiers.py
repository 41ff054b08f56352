"""Made-up identifiers of every class, and how they turn up in telemetry.

Which ones are valid by their check digits and which are not is part of the class: both must go.
"""

import string
from base64 import b64encode
from random import Random

from stdnum import luhn

from tests.oracle.facts import Fact, Maker, digits, full_name, letters, mixed, sentence, swapped_last
from tests.oracle.identifiers_br import BRAZILIAN

__all__ = ["IDENTIFIERS"]


def _ssn(random: Random, area: str) -> str:
    return f"{area}-{digits(random, 2)}-{digits(random, 4)}"


def ssn_formatted(random: Random) -> Fact:
    value = _ssn(random, digits(random, 3, "12345"))
    return Fact("ssn", value, sentence(random, value), path=f"/lookup/{value}/x", field="ssn")


def ssn_impossible(random: Random) -> Fact:
    value = _ssn(random, random.choice(("000", "666", digits(random, 3, "9"))))
    return Fact("patient_ssn", value, sentence(random, value), field="ssn")


def ssn_bare(random: Random) -> Fact:
    value = digits(random, 9)
    text = sentence(random, f"{random.choice(('SSN', 'ssn:', 'ssn='))} {value}")
    return Fact("socialSecurityNumber", value, text, field="ssn")


def mrn(random: Random) -> Fact:
    value = digits(random, 9)
    text = sentence(random, f"{random.choice(('MRN', 'mrn:', 'medical record number'))} {value}")
    return Fact("mrn", value, text, path=f"/patients/{value}/records", field="id")


def mrn_prefixed(random: Random) -> Fact:
    value = f"{random.choice(('AB', 'MR', 'H'))}-{digits(random, 9)}"
    text = sentence(random, f"MRN {value}")
    return Fact("medicalRecordNumber", value, text, path=f"/api/v2/patients/{value}", field="id")


def patient_id(random: Random) -> Fact:
    value = digits(random, 10)
    key = random.choice(("patient_id", "patientId", "patient.id", "X-Patient-ID"))
    return Fact(key, value, f"patient_id={value}", path=f"/Patient/{value}", field="id")


def patient_uuid(random: Random) -> Fact:
    raw = f"{random.getrandbits(128):032x}"
    value = f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-9{raw[17:20]}-{raw[20:]}"
    return Fact("patient_uuid", value, path=f"/fhir/Patient/{value}/$everything", field="id")


def member_id(random: Random) -> Fact:
    value = f"H{digits(random, 9)}"
    text = sentence(random, f"member id {value}")
    return Fact("member_id", value, text, path=f"/members/{value}/claims", field="member")


def mbi(random: Random) -> Fact:
    letter, number = "ACDEFGHJKMNPQRTUVWXY", string.digits
    shape = (string.digits[1:], letter, letter + number, number, letter, letter + number, number, letter, letter)
    raw = "".join(map(random.choice, shape)) + digits(random, 2)
    value = random.choice((raw, f"{raw[:4]}-{raw[4:7]}-{raw[7:]}"))
    return Fact("mbi", value, sentence(random, value), field="member")


def hicn(random: Random) -> Fact:
    value = f"{digits(random, 9)}{random.choice('ABCDT')}"
    return Fact("hicn", value, sentence(random, f"HICN {value}"))


def card_spaced(random: Random) -> Fact:
    body = digits(random, 15, "4")
    raw = body + str(luhn.calc_check_digit(body))
    value = random.choice((" ", "-")).join(raw[at : at + 4] for at in range(0, 16, 4))
    return Fact("card_number", value, sentence(random, value))


def card_invalid(random: Random) -> Fact:
    body = digits(random, 15, "5")
    raw = body + swapped_last(random, str(luhn.calc_check_digit(body)))
    value = " ".join(raw[at : at + 4] for at in range(0, 16, 4))
    return Fact("creditCardNumber", value, sentence(random, f"card {value}"))


def card_bare(random: Random) -> Fact:
    body = digits(random, 15, "4")
    value = body + str(luhn.calc_check_digit(body))
    return Fact("pan", value, sentence(random, f"card {value}"))


def email(random: Random) -> Fact:
    local, domain = letters(random, 10), random.choice(("example.org", "mail.example.com", "exemplo.com.br"))
    value = f"{local}{random.choice(('', '.z', '+tag'))}@{domain}"
    return Fact("user.email", value, sentence(random, value), (value, local), f"/users/{value}/inbox", "email")


def phone_us(random: Random) -> Fact:
    area, middle, last = digits(random, 3, "23456789"), digits(random, 3, "23456789"), digits(random, 4)
    shapes = ("({}) {}-{}", "{}-{}-{}", "+1 {} {} {}", "{}.{}.{}")
    value = random.choice(shapes).format(area, middle, last)
    return Fact("phone", value, sentence(random, value), (area + middle + last,), field="phone")


def phone_bare(random: Random) -> Fact:
    value = digits(random, 10, "23456789")
    return Fact("homePhone", value, sentence(random, f"phone {value}"), field="phone")


def fax(random: Random) -> Fact:
    value = digits(random, 10, "23456789")
    return Fact(random.choice(("fax", "fax_number")), value, sentence(random, f"fax {value}"), field="phone")


def birth_date(random: Random) -> Fact:
    day = f"{random.randrange(10, 13)}-{random.randrange(10, 29)}"
    time = f"{random.randrange(10, 24)}:{random.randrange(10, 60)}:{random.randrange(10, 60)}.{digits(random, 3)}"
    value = f"{random.randrange(1930, 2015)}-{day}T{time}"
    key = random.choice(("dob", "birthDate", "date_of_birth", "data_nascimento"))
    # Some write it without the T.
    return Fact(key, value, f"{key}: {value}", (f"{day}T{time}", f"{day} {time}"), field="birth")


def admission_date(random: Random) -> Fact:
    day = f"{random.randrange(10, 13)}-{random.randrange(10, 29)}"
    time = f"{random.randrange(10, 24)}:{random.randrange(10, 60)}:{random.randrange(10, 60)}.{digits(random, 3)}"
    key = random.choice(("admission_date", "dischargeDate", "date_of_death"))
    return Fact(key, f"2024-{day}T{time}", secrets=(f"{day}T{time}", f"{day} {time}"))


def name_by_cue(random: Random) -> Fact:
    first, last = full_name(random)
    cue = random.choice(("patient", "Patient", "paciente", "Dr.", "Dra.", "Mrs."))
    return Fact("patient_name", f"{first} {last}", sentence(random, f"{cue} {first} {last}"), (first, last), "", "name")


def name_by_key(random: Random) -> Fact:
    first, last = full_name(random)
    key = random.choice(("patient_name", "fullName", "nome_paciente", "user.full_name"))
    return Fact(key, f"{first} {last}", f"{key}={first} {last}", (first, last), field="name")


def name_last_first(random: Random) -> Fact:
    first, last = full_name(random)
    key = random.choice(("patient_name", "fullName", "nome_paciente"))
    return Fact(key, f"{last}, {first}", f"{key}={last}, {first}", (first, last), field="name")


def address(random: Random) -> Fact:
    street = letters(random, 9).capitalize()
    key, place = random.choice((("street_address", f"{street} Street"), ("endereco", f"Rua {street}")))
    value = f"{random.randrange(10, 999)} {place}"
    return Fact(key, value, f"{key}: {value}", (street,), field="street")


def city(random: Random) -> Fact:
    value = letters(random, 10).capitalize()
    return Fact(random.choice(("city", "geo.locality.name", "county")), value, field="city")


def zip_code(random: Random) -> Fact:
    value = f"{digits(random, 5)}-{digits(random, 4)}"
    return Fact(random.choice(("zip", "postal_code", "zip_code")), value, f"zip_code={value}", field="zip")


def coordinate(random: Random) -> Fact:
    value = f"-{random.randrange(10, 60)}.{digits(random, 8)}{digits(random, 1)}"
    return Fact(random.choice(("geo.location.lat", "latitude", "longitude")), value)


def password(random: Random) -> Fact:
    value = mixed(random, 14)
    return Fact(random.choice(("password", "senha", "db_password")), value, f"login failed password={value}")


def api_key(random: Random) -> Fact:
    value = mixed(random, 32)
    return Fact(random.choice(("api_key", "client_secret", "access_token")), value, f"api_key={value}")


def bearer_token(random: Random) -> Fact:
    value = mixed(random, 40)
    return Fact("http.request.header.authorization", f"Bearer {value}", f"sent Bearer {value} to it", (value,))


def url_credentials(random: Random) -> Fact:
    user, secret = letters(random, 9), mixed(random, 12)
    value = f"postgres://{user}:{secret}@db.internal:5432/app"
    return Fact("connection_string", value, f"cannot connect to {value}", (f"{user}:{secret}", secret))


def session_id(random: Random) -> Fact:
    return Fact(random.choice(("session.id", "sessionId")), mixed(random, 26))


def user_id(random: Random) -> Fact:
    value = f"u-{mixed(random, 14)}"
    return Fact(random.choice(("user_id", "enduser.id", "userId")), value, f"user_id={value}")


def message_key(random: Random) -> Fact:
    return Fact("messaging.kafka.message.key", mixed(random, 14))


def cookie(random: Random) -> Fact:
    value = mixed(random, 20)
    return Fact("http.request.header.cookie", f"sid={value}; theme=dark", f"Cookie: sid={value}", (value,))


def device_serial(random: Random) -> Fact:
    value = f"SN{digits(random, 10)}"
    return Fact(random.choice(("device_serial", "serialNumber", "device.id")), value, f"serial_number={value}")


def mac_address(random: Random) -> Fact:
    raw = f"{random.getrandbits(48) | 1 << 47:012X}"
    value = random.choice((":", "-")).join(raw[at : at + 2] for at in range(0, 12, 2))
    return Fact("device_id", value, sentence(random, f"mac address {value}"))


def udi(random: Random) -> Fact:
    serial = mixed(random, 12)
    value = f"(01)00643169007222(17)160712(21){serial}"
    return Fact("udi", value, sentence(random, value), (serial,))


def imei(random: Random) -> Fact:
    body = digits(random, 14)
    value = body + str(luhn.calc_check_digit(body))
    return Fact("imei", value, sentence(random, f"IMEI {value}"))


def client_address(random: Random) -> Fact:
    value = ".".join(str(random.randrange(130, 220)) for _ in range(4))
    return Fact(random.choice(("client.address", "net.peer.ip", "http.client_ip", "x_forwarded_for")), value)


def client_address_v6(random: Random) -> Fact:
    value = "2001:db8:" + ":".join(f"{random.randrange(4096, 65536):x}" for _ in range(6))
    return Fact(random.choice(("client.address", "net.sock.peer.addr", "source.address")), value)


def iban(random: Random) -> Fact:
    body = f"WEST{digits(random, 14)}"
    number = int("".join(str(int(character, 36)) for character in body + "GB00"))
    value = f"GB{98 - number % 97:02d}{body}"
    return Fact("iban", value, sentence(random, f"transfer to {value}"))


def vin(random: Random) -> Fact:
    value = "".join(random.choices("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", k=17))
    return Fact("vin", value, sentence(random, f"VIN {value}"))


def npi(random: Random) -> Fact:
    value = digits(random, 10, "12")
    return Fact("npi", value, sentence(random, f"NPI {value}"))


def dea(random: Random) -> Fact:
    raw = digits(random, 6)
    check = sum(map(int, raw[::2])) + 2 * sum(map(int, raw[1::2]))
    value = "AB" + raw + str(check % 10)
    return Fact("dea_number", value, sentence(random, f"DEA {value}"))


def passport(random: Random) -> Fact:
    value = f"X{digits(random, 8)}"
    return Fact("passport_number", value, sentence(random, f"passport {value}"))


def driver_license(random: Random) -> Fact:
    value = f"D{digits(random, 9)}"
    return Fact(random.choice(("driver_license", "license_number")), value)


def account(random: Random) -> Fact:
    value = digits(random, 12)
    return Fact(random.choice(("account_number", "bank_account")), value, f"account_number={value}", field="account")


def biometric(random: Random) -> Fact:
    value = b64encode(random.randbytes(60)).decode()
    return Fact(random.choice(("fingerprint_template", "voiceprint", "face_embedding")), value)


IDENTIFIERS: dict[str, Maker] = {
    make.__name__: make
    for make in (
        ssn_formatted, ssn_impossible, ssn_bare, mrn, mrn_prefixed, patient_id, patient_uuid, member_id, mbi, hicn,
        card_spaced, card_invalid, card_bare, email, phone_us, phone_bare, fax, birth_date, admission_date,
        name_by_cue, name_by_key, name_last_first, address, city, zip_code, coordinate, password, api_key, bearer_token,
        url_credentials, session_id, user_id, message_key, cookie, device_serial, mac_address, udi, imei,
        client_address, client_address_v6, iban, vin, npi, dea, passport, driver_license, account, biometric,
        *BRAZILIAN,
    )
}  # fmt: skip
"""By class."""
