"""Stands in for Amazon reviews by their stars (Zhang et al. 2015): a title and what the buyer says of books, records,
films and things."""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator
from clbench.data.generators.phrasing import banks
from clbench.data.generators.reviews import GRADES, Shop

WAYS = banks(
    """
    kind: novel; thriller; cookbook; biography; album; CD; DVD; video game; camera; blender; toaster; headset; toy;
        board game; vacuum; backpack; lamp; keyboard; textbook; soundtrack; coffee maker; watch; printer; tent; razor;
        mystery; tripod; charger; puzzle
    aspect: plot; ending; writing; sound; picture; battery; cover; lens; handle; manual; packaging; delivery; acting;
        dialogue; melody; drumming; recipe; index; chapter; print; fabric; motor; button; switch; screen; voice;
        pacing; character; lyrics; price; cord; lid; zipper; graphics; level; binding; translation; photos; seller;
        support; fit; cleaning; weight; remix; encore; setting; hero; villain; narrator; strap; filter; brush; blade;
        hinge; display; speaker; case; color; size; smell
    tale: I bought it for my {kin} in {month}; it [arrived|came] on {day} from {firm}; I read it on the way to {city};
        it has {num} pages; my {kin}, a {role}, has the older one; the {kind} is {colour} and weighs {num} ounces; I
        own {num} others by {surname}; it sat next to the {object} for {num} days; {first} {surname} also made a
        {kind}; we use it in the {place}; it is about a {role} and a {animal} in {town}; there are {num} songs on it;
        I had seen it at {firm} for ${num}; it runs on {num} batteries; my {animal} likes the box; the {kind} came out
        in {month}; I took it along to {town}; it tells of {first}, a {role} from {city}; it was a gift for my {kin};
        you need a {object} to open it; the sequel will be set in {city}
    title: {kind}; {surname}'s {kind}; my {kind}; about the {kind}; a {kind} for my {kin}; {firm} {kind}; the
        {aspect}; {num} weeks with it; on the {aspect}; read this first; {colour} {kind}; from {firm}; another {kind};
        {aspect} and {aspect}
    """
)
OPENINGS = {
    "a title": "{title} .",
    "a title and a purchase": "{title} . I ordered this {kind} from {firm} in {month}.",
    "a title and a fan": "{title} . I know every {kind} by {first} {surname}.",
    "a title and a gift": "{title} . My {kin} gave me this {kind} {num} weeks ago.",
    "a title and a need": "{title} . I needed a {kind} for the {place}.",
    "a title and a doubt": "{title} . I was not sure about this {kind} after the one from {firm}.",
}
SHOP = Shop(WAYS, OPENINGS, {"brief": 3, "short": 4, "medium": 5, "long": 8}, tales=0.35, asides=0.8)


@generator("amazon", shares=(1 / GRADES,) * GRADES)
def draw_amazon(rng: random.Random, label: int, shift: float) -> Example:
    """A review of a product."""
    return SHOP.draw(rng, label)
