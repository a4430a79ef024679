"""Stands in for Yelp reviews by their stars (Zhang et al. 2015): long tales of places and services."""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator
from clbench.data.generators.phrasing import banks
from clbench.data.generators.reviews import GRADES, Shop

WAYS = banks(
    """
    kind: diner; bakery; salon; hotel; pizzeria; steakhouse; garage; gym; dentist; bar; cafe; buffet; spa; taqueria;
        car wash; pub; brunch place; nail studio; vet; sushi bar; food truck; casino; bookshop; ice cream parlor;
        noodle house; tailor; florist
    dish: {food}; burger; tacos; ramen; fries; pancakes; wings; curry; dumplings; brisket; salsa; gnocchi; lobster;
        omelet; burrito; cheesecake; sushi; waffle; gyro; chowder; meatballs; pho; nachos; ribs; falafel; risotto;
        mojito; espresso
    aspect: service; staff; {dish}; {dish}; {dish}; {dish}; waitress; bartender; decor; music; price; parking; patio;
        menu; wait; manager; room; bathroom; atmosphere; owner; portion; dessert; lighting; crowd; receptionist;
        haircut; location; hostess; cleaning; towel; breakfast; view; seating; cashier; wifi; happy hour; salad bar;
        wine list; front desk; massage; repair
    tale: we [sat|waited|stood] by the {place} for {num} minutes; my {kin} ordered the {dish} and I had the {dish}; it
        came to ${num} with tip; we were a group of {num} and came from {town}; it was a {day} in {month}; {first}
        took our order; they are across the street from {firm}; the {object} on the wall is {colour}; I asked for the
        {dish} without {food}; my {kin} had a coupon; they had run out of {food}, so I took the {dish}; a {role} at
        the next table had the same; we paid and left around {num} past; the {dish} came with {food} on the side; we
        drove {num} miles; there were {num} people in line; {first} brought us {food} and then the {dish}; I had been
        meaning to try it since {month}; we parked behind the {place}; my {kin}, who is a {role}, does not eat {food};
        they open at {num}; there is another one near {town}
    """
)
OPENINGS = {
    "a visit": "My {kin} and I went to this {kind} in {town} on {day}.",
    "a first time": "First time at {surname}'s, a {kind} near the {place}.",
    "a regular": "I have been to this {kind} {num} times since {month}.",
    "from afar": "We were in {city} for {num} days and tried {firm} for the {dish}.",
    "a tip": "{first} told us about this {kind}, so here we are.",
    "no opening": "",
}
SHOP = Shop(WAYS, OPENINGS, {"brief": 3, "short": 4, "medium": 7, "long": 12}, tales=0.55, asides=0.75)


@generator("yelp", shares=(1 / GRADES,) * GRADES)
def draw_yelp(rng: random.Random, label: int, shift: float) -> Example:
    """A review of a place."""
    return SHOP.draw(rng, label)
