"""The shop's range: products with plausible names and prices, and the stock of each in every warehouse."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, field

from cartbrook.shop.model import Row
from cartbrook.shop.people import clock

Line = tuple[str, tuple[str, ...], tuple[str, ...], tuple[float, float], tuple[float, float]]
"""A subcategory, its articles, its materials, the range of its prices in dollars and of its weights in kilograms."""

RANGE: dict[str, tuple[Line, ...]] = {
    "Electronics": (
        ("Audio", ("Headphones", "Earbuds", "Soundbar", "Radio"), ("Plastic", "Aluminum"), (25, 420), (0.1, 4)),
        ("Wearables", ("Fitness Tracker", "Smart Watch"), ("Silicone", "Aluminum"), (45, 480), (0.05, 0.3)),
        ("Computing", ("Keyboard", "Web Camera", "Docking Station"), ("Plastic", "Aluminum"), (25, 260), (0.2, 1.5)),
    ),
    "Computers": (("Laptops", ("Laptop", "Gaming Laptop"), ("Aluminum",), (420, 1900), (1, 3.5)),),
    "Clothing": (
        ("Apparel", ("T-Shirt", "Hoodie", "Rain Jacket", "Jeans"), ("Cotton", "Wool", "Linen"), (14, 160), (0.1, 1.2)),
        ("Shoes", ("Running Shoes", "Hiking Boots", "Sandals"), ("Leather", "Canvas"), (29, 220), (0.4, 1.8)),
    ),
    "Home & Kitchen": (
        ("Kitchen", ("Water Bottle", "Frying Pan", "Kettle", "Knife Set"), ("Steel", "Ceramic", "Glass"), (12, 190), (0.2, 4)),
        ("Bedding", ("Pillow", "Duvet", "Blanket"), ("Cotton", "Down", "Wool"), (18, 240), (0.5, 4)),
    ),
    "Furniture": (
        ("Seating", ("Office Chair", "Armchair", "Stool"), ("Oak", "Mesh", "Leather"), (60, 900), (4, 25)),
        ("Storage", ("Bookshelf", "Sideboard", "Shoe Rack"), ("Oak", "Pine", "Steel"), (45, 800), (5, 40)),
    ),
    "Books": (("Non-fiction", ("Cookbook", "Atlas", "Field Guide"), ("Paper",), (8, 48), (0.2, 1.6)),),
    "Sports": (
        ("Fitness", ("Yoga Mat", "Dumbbell Set", "Rowing Machine"), ("Rubber", "Steel"), (16, 700), (0.8, 35)),
        ("Outdoor", ("Tent", "Backpack", "Sleeping Bag"), ("Nylon", "Canvas"), (30, 420), (0.6, 6)),
    ),
    "Beauty": (("Skin Care", ("Face Cream", "Soap Set", "Sun Lotion"), ("Glass", "Paper"), (5, 85), (0.05, 0.6)),),
    "Toys": (("Games", ("Puzzle", "Board Game", "Train Set"), ("Wood", "Cardboard", "Plastic"), (9, 140), (0.2, 3)),),
    "Garden": (("Tools", ("Pruning Shears", "Watering Can", "Hand Rake"), ("Steel", "Zinc", "Bamboo"), (8, 130), (0.2, 3)),),
}
ADJECTIVES = (
    "Classic", "Compact", "Everyday", "Folding", "Foldaway", "Handmade", "Light", "Mini", "Modern", "Organic", "Premium", "Quiet",
    "Recycled", "Robust", "Smart", "Soft", "Travel", "Vintage", "Waterproof", "Wireless",
)  # fmt: skip
BRANDS = (
    "Alderway", "Brightfen", "Cobbleton", "Dunmoor", "Everlake", "Foxhollow", "Grovely", "Harrowby", "Inkwell & Co", "Juniperie",
    "Kestrelworks", "Lumenfold", "Marrowdale", "Northbeck", "Oakhurst", "Pebblemere",
)  # fmt: skip
COLORS = ("Black", "White", "Blue", "Green", "Red", "Grey", "Silver", "Beige", "Natural")
PRAISE = ("with care", "for daily use", "to last", "with a 2-year warranty", "in small series", 'in the "old way"')
WAREHOUSES = ("Northside", "Harbor", "Valley", "Central", "Eastgate", "Lakeside", "Summit")
RATES = {"EUR": 0.92, "GBP": 0.79, "CAD": 1.36, "CHF": 0.88, "PLN": 3.95}
"""What a dollar's worth costs in a currency; 1 in any other."""


@dataclass(slots=True)
class Product:
    """Something to sell, and how much of it lies in each warehouse.

    Attributes:
        base: The price it was launched at, in cents; later prices stay near it.
        price: The price as orders carry it.
        appeal: How much likelier than the least wanted product to be bought.
        reorder: Stock at which a warehouse orders more.
        stock, reserved: Units by warehouse, in the order of the warehouses.
        restocked: The last day each warehouse got more.
    """

    id: str
    name: str
    category: str
    subcategory: str
    brand: str
    base: int
    price: str
    currency: str
    weight: float
    dimensions: str
    color: str
    material: str
    description: str
    launched: str
    appeal: float
    discontinued: bool = False
    reorder: int = 5
    stock: list[int] = field(default_factory=list)
    reserved: list[int] = field(default_factory=list)
    restocked: list[str] = field(default_factory=list)

    def reprice(self, rng: random.Random) -> None:
        """Set another price near the one it was launched at."""
        before = self.price
        while self.price == before:
            self.price = price_text(self.base * rng.uniform(0.75, 1.3), rng)

    def change(self, rng: random.Random) -> None:
        """Change one tracked attribute: mostly the price, else color or description."""
        kind = rng.random()
        if kind < 0.65:
            self.reprice(rng)
        elif kind < 0.8:
            self.color = rng.choice([color for color in COLORS if color != self.color])
        else:
            others = [text for text in (self.describe(words) for words in PRAISE) if text != self.description]
            self.description = rng.choice(others)

    def describe(self, praise: str) -> str:
        """A sentence about the product."""
        return f"{self.name} by {self.brand}, {self.material.lower()}, made {praise}"

    def fill(self, warehouses: int, demand: float, day: dt.date, rng: random.Random) -> None:
        """Put a first stock in all warehouses, for so many units a day in each."""
        self.reorder = max(5, round(2.5 * demand))
        self.stock = [int(self.reorder * rng.uniform(1.5, 5)) + 1 for _ in range(warehouses)]
        self.reserved = [0] * warehouses
        self.restocked = [str(day - dt.timedelta(days=rng.randrange(1, 20))) for _ in range(warehouses)]

    def restock(self, day: dt.date, rng: random.Random) -> None:
        """In the evening: what is oversold comes at once, what is low perhaps."""
        for at, units in enumerate(self.stock):
            available = units - self.reserved[at]
            if available < 0 or (available <= self.reorder and not self.discontinued and rng.random() < 0.4):
                self.stock[at] += 3 * self.reorder + max(0, -available)
                self.restocked[at] = str(day)

    def row(self, day: dt.date, rng: random.Random) -> Row:
        """The line of this product as extracted on the evening of `day`."""
        return (
            self.id, self.name, self.category, self.subcategory, self.brand, self.price, self.currency, str(sum(self.stock)),
            f"{self.weight:g}", self.dimensions, self.color, self.material, self.description, self.launched,
            "true" if self.discontinued else "false", f"{day} {clock(rng, 8, 17)}",
        )  # fmt: skip

    def inventory(self, day: dt.date, number: int, rng: random.Random) -> list[Row]:
        """The lines of this product's stock, one a warehouse."""
        rows: list[Row] = []
        for at, (units, reserved) in enumerate(zip(self.stock, self.reserved, strict=True)):
            rows.append((
                f"INV{number:05d}-{at + 1:02d}", self.id, warehouse_id(at), warehouse_name(at),
                f"{'ABCDEFGH'[number % 8]}{at + 1}-B{number % 7 + 1}-C{number % 5 + 1}",
                str(units), str(reserved), str(units - reserved), str(self.reorder), self.restocked[at],
                str(day - dt.timedelta(days=1 + number % 6)), f"{day} {clock(rng, 8, 17)}",
            ))  # fmt: skip
        return rows


def launch(number: int, day: dt.date, currency: str, rng: random.Random) -> Product:
    """A new product of a random category."""
    category = rng.choice(list(RANGE))
    subcategory, articles, materials, prices, weights = rng.choice(RANGE[category])
    low, high = prices
    base = int(100 * low * (high / low) ** (rng.random() ** 1.4) * RATES.get(currency, 1.0))
    product = Product(
        id=f"P{number:05d}",
        name=f"{rng.choice(ADJECTIVES)} {rng.choice(articles)}",
        category=category,
        subcategory=subcategory,
        brand=rng.choice(BRANDS),
        base=base,
        price=price_text(base, rng),
        currency=currency,
        weight=round(rng.uniform(*weights), 2),
        dimensions="x".join(str(rng.randrange(2, 60)) for _ in range(3)),
        color=rng.choice(COLORS),
        material=rng.choice(materials),
        description="",
        launched=str(day - dt.timedelta(days=rng.randrange(0, 900))),
        appeal=min(rng.paretovariate(1.0), 25.0),
    )
    product.description = product.describe(rng.choice(PRAISE))
    return product


def price_text(cents: float, rng: random.Random) -> str:
    """A price near so many cents, as shops like it: it ends in .99, .95, .49 or .00."""
    ending = rng.choice((99, 99, 99, 95, 49, 0))
    return f"{max(int(cents) // 100, 2)}.{ending:02d}"


def warehouse_id(at: int) -> str:
    """Key of the warehouse at this place of the list."""
    return f"WH{at + 1:03d}"


def warehouse_name(at: int) -> str:
    """Its name, e.g. ``Harbor Warehouse``."""
    again = at // len(WAREHOUSES)
    return f"{WAREHOUSES[at % len(WAREHOUSES)]} Warehouse{f' {again + 1}' if again else ''}"
