"""The shop's customers: invented people with a taste for buying."""

from __future__ import annotations

import datetime as dt
import random
import unicodedata
from dataclasses import dataclass

from cartbrook.shop.model import Row

FIRST_NAMES = (
    "Ada", "Adam", "Aisha", "Alice", "Amir", "Ana", "Anton", "Aya", "Ben", "Bianca", "Carlos", "Chen", "Chloé", "Clara",
    "Daniel", "David", "Elena", "Emil", "Emma", "Eva", "Felix", "Fiona", "Frida", "George", "Grace", "Hana", "Hugo", "Ines",
    "Isaac", "Ivy", "Jack", "Jonas", "José", "Julia", "Kai", "Karl", "Laura", "Leo", "Lina", "Lucía", "Maja", "Marco",
    "Maria", "Max", "Mei", "Mia", "Nadia", "Nina", "Noah", "Olga", "Omar", "Oscar", "Paula", "Pedro", "Priya", "Rosa", "Ruth",
    "Sam", "Sara", "Sofia", "Theo", "Tomás", "Uma", "Vera", "Victor", "Wei", "Yara", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Abbott", "Almeida", "Andersen", "Baker", "Banerjee", "Bauer", "Becker", "Bell", "Brandt", "Brooks", "Carter", "Castillo",
    "Chang", "Clarke", "Cohen", "Cole", "Costa", "Díaz", "Dubois", "Edwards", "Evans", "Fischer", "Fletcher", "Fontaine",
    "Foster", "García", "Graham", "Gupta", "Haddad", "Hansen", "Hughes", "Ivanova", "Jansen", "Jensen", "Kaya", "Keller",
    "Kim", "Kowalski", "Larsen", "Laurent", "Lindqvist", "Lopez", "Marino", "Meyer", "Mitchell", "Moreau", "Müller",
    "Nakamura", "Nguyen", "Novak", "O'Neill", "Okafor", "Olsen", "Park", "Patel", "Pereira", "Quinn", "Ramos", "Reed",
    "Rossi", "Santos", "Schmidt", "Silva", "Sullivan", "Tanaka", "Tran", "Vargas", "Wagner", "Walsh", "Weber", "Young",
    "Zhang",
)  # fmt: skip
STREETS = (
    "Acorn", "Birch", "Bridge", "Cedar", "Chapel", "Cherry", "Church", "Clover", "Dogwood", "Elm", "Fern", "Garden", "Harbor",
    "Hazel", "Hill", "Juniper", "Lake", "Laurel", "Lime", "Maple", "Market", "Meadow", "Mill", "Oak", "Orchard", "Park", "Pine",
    "Poplar", "River", "School", "Spring", "Station", "Sunset", "Valley", "Walnut", "Willow",
)  # fmt: skip
STREET_KINDS = ("St", "Ave", "Rd", "Ln", "Dr", "Way", "Pl")

Place = tuple[str, str, str, str]
"""City, state, pattern of its postcodes (# a digit, @ a letter), country."""

AMERICAN: tuple[Place, ...] = (
    ("New York", "NY", "100##", "USA"), ("Los Angeles", "CA", "900##", "USA"), ("Chicago", "IL", "606##", "USA"),
    ("Houston", "TX", "770##", "USA"), ("Phoenix", "AZ", "850##", "USA"), ("Philadelphia", "PA", "191##", "USA"),
    ("San Diego", "CA", "921##", "USA"), ("Austin", "TX", "787##", "USA"), ("Columbus", "OH", "432##", "USA"),
    ("Seattle", "WA", "981##", "USA"), ("Denver", "CO", "802##", "USA"), ("Boston", "MA", "021##", "USA"),
    ("Nashville", "TN", "372##", "USA"), ("Portland", "OR", "972##", "USA"), ("Newark", "NJ", "071##", "USA"),
)  # fmt: skip
PLACES: dict[str, tuple[Place, ...]] = {
    "USD": AMERICAN,
    "EUR": (
        ("Berlin", "BE", "101##", "Germany"), ("München", "BY", "803##", "Germany"), ("Leipzig", "SN", "041##", "Germany"),
        ("Paris", "IDF", "750##", "France"), ("Lyon", "ARA", "690##", "France"), ("Madrid", "MD", "280##", "Spain"),
        ("Milano", "MI", "201##", "Italy"), ("Tampere", "11", "331##", "Finland"),
    ),
    "GBP": (
        ("London", "LND", "SE# #@@", "United Kingdom"), ("Leeds", "LDS", "LS# #@@", "United Kingdom"),
        ("Bristol", "BST", "BS# #@@", "United Kingdom"), ("Glasgow", "GLG", "G## #@@", "United Kingdom"),
    ),
    "CAD": (
        ("Toronto", "ON", "M#@ #@#", "Canada"), ("Calgary", "AB", "T#@ #@#", "Canada"), ("Halifax", "NS", "B#@ #@#", "Canada"),
    ),
    "CHF": (
        ("Zürich", "ZH", "80##", "Switzerland"), ("Bern", "BE", "30##", "Switzerland"), ("Basel", "BS", "40##", "Switzerland"),
    ),
    "PLN": (
        ("Warszawa", "MZ", "00-###", "Poland"), ("Kraków", "MA", "30-###", "Poland"), ("Gdańsk", "PM", "80-###", "Poland"),
    ),
}  # fmt: skip
"""Where the customers of a currency live; those of any other live in America."""

TIERS = ("standard", "bronze", "silver", "gold", "platinum", "premium")
PAYMENTS = ("credit_card", "paypal", "debit_card", "apple_pay", "google_pay", "bank_transfer", "gift_card")
_PAYMENT_WEIGHTS = (38, 20, 18, 9, 7, 6, 2)


@dataclass(slots=True)
class Customer:
    """Someone who buys, more or less often.

    Attributes:
        loyalty: How much likelier than the least interested customer to place an order; a few are far above the rest.
        payment: The favourite way to pay.
        destination: The address as orders carry it; follows each move.
    """

    id: str
    first: str
    last: str
    email: str
    phone: str
    born: str
    registered: str
    street: str
    place: Place
    postcode: str
    tier: str
    currency: str
    payment: str
    loyalty: float
    destination: str = ""

    def move(self, rng: random.Random) -> None:
        """Find a new home somewhere in the lands of the customer's currency."""
        self.street = f"{rng.randrange(1, 990)} {rng.choice(STREETS)} {rng.choice(STREET_KINDS)}"
        if rng.random() < 0.15:
            self.street += f", Apt {rng.randrange(1, 60)}"
        self.place = rng.choice(PLACES.get(self.currency, AMERICAN))
        self.postcode = _postcode(self.place[2], rng)
        self.destination = f"{self.street}, {self.place[0]}, {self.place[1]} {self.postcode}"

    def change(self, rng: random.Random) -> None:
        """Change one tracked attribute: home, tier, phone or e-mail, so that it differs from before."""
        kind = rng.random()
        if kind < 0.40:
            before = self.destination
            while self.destination == before:
                self.move(rng)
        elif kind < 0.75:
            step = 1 if rng.random() < 0.75 else -1
            at = TIERS.index(self.tier) + step
            self.tier = TIERS[at if 0 <= at < len(TIERS) else at - 2 * step]
        elif kind < 0.90:
            before = self.phone
            while self.phone == before:
                self.phone = _phone(rng)
        else:
            name, host = self.email.split("@")
            self.email = f"{name}@{'example.org' if host == 'example.com' else 'example.com'}"

    def row(self, day: dt.date, rng: random.Random) -> Row:
        """The line of this customer as extracted on `day`."""
        city, state, _, country = self.place
        login = max(day - dt.timedelta(days=min(int(rng.expovariate(0.4)) + 1, 40)), dt.date.fromisoformat(self.registered))
        return (
            self.id, self.first, self.last, self.email, self.phone, self.born, self.registered, self.street, city, state,
            self.postcode, country, self.tier, f"{login} {clock(rng, 7, 18)}", f"{day} {clock(rng, 8, 17)}",
        )  # fmt: skip


def register(number: int, day: dt.date, currency: str, rng: random.Random, *, key: str | None = None) -> Customer:
    """A new customer; their e-mail is unique by `number`, their key is made of it unless given."""
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    loyalty = min(rng.paretovariate(1.1), 60.0)
    rank = sum(loyalty >= limit for limit in (1.25, 1.7, 2.6, 5.0, 9.0))
    customer = Customer(
        id=key or f"C{number:06d}",
        first=first,
        last=last,
        email=f"{_plain(first)}.{_plain(last)}{number}@{'example.com' if rng.random() < 0.7 else 'example.org'}",
        phone=_phone(rng),
        born=str(day - dt.timedelta(days=int(rng.triangular(18, 85, 34) * 365.25))),
        registered=str(day),
        street="",
        place=AMERICAN[0],
        postcode="",
        tier=TIERS[rank],
        currency=currency,
        payment=rng.choices(PAYMENTS, _PAYMENT_WEIGHTS)[0],
        loyalty=loyalty,
    )
    customer.move(rng)
    return customer


def clock(rng: random.Random, first_hour: int, last_hour: int) -> str:
    """A time of day from the start of the first hour to the end of the last."""
    second = rng.randrange(first_hour * 3600, (last_hour + 1) * 3600)
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def _phone(rng: random.Random) -> str:
    return f"{rng.randrange(201, 990)}-555-01{rng.randrange(100):02d}"


def _plain(name: str) -> str:
    """The letters of a name as an e-mail address spells them."""
    text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "".join(letter for letter in text if letter.isalnum())


def _postcode(pattern: str, rng: random.Random) -> str:
    letters = {"#": "0123456789", "@": "ABDEFGHJLNPQRSTUWXYZ"}
    return "".join(rng.choice(letters[sign]) if sign in letters else sign for sign in pattern)
