"""Word banks that the paraphrase generators share: people, places, firms, times, numbers.

A bank is a tuple of concepts that exclude each other; a concept lists its surfaces, divided by ``|`` (see phrasing.py).
People and firms are invented.
"""

from __future__ import annotations

from clbench.data.generators.phrasing import Bank, banks

_NUMBERS = {
    3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 11: "eleven", 12: "twelve",
    14: "fourteen", 15: "fifteen", 17: "seventeen", 18: "eighteen", 20: "twenty", 23: "twenty-three", 26: "twenty-six",
    30: "thirty", 35: "thirty-five", 40: "forty", 48: "forty-eight", 50: "fifty", 60: "sixty", 75: "seventy-five",
    90: "ninety",
}  # fmt: skip

BANKS: dict[str, Bank] = {
    "year": tuple(str(year) for year in range(1921, 2016, 3)),
    "count": tuple(f"{number}|{word}" for number, word in _NUMBERS.items()),
    "hundreds": tuple(f"{number},000|{word} thousand" for number, word in _NUMBERS.items()),
    "percent": tuple(f"{number} percent|{number}%|{word} percent" for number, word in _NUMBERS.items()),
    "money": tuple(f"${number} million|{number} million dollars" for number in _NUMBERS),
} | banks(
    """
    person: Anna Keller|Keller; Brian Morgan|Morgan; Carla Hughes|Hughes; David Carter|Carter; Elena Rossi|Rossi;
        Frank Palmer|Palmer; Grace Fisher|Fisher; Henry Walsh|Walsh; Irene Turner|Turner; James Bennett|Bennett;
        Karen Hayes|Hayes; Louis Porter|Porter; Maria Lopez|Lopez; Nathan Brooks|Brooks; Olivia Sutton|Sutton;
        Peter Marsh|Marsh; Rachel Doyle|Doyle; Simon Archer|Archer; Teresa Vargas|Vargas; Victor Nolan|Nolan;
        Anna Parker|Parker; Brian Ellis|Ellis; Carla Greene|Greene; David Mason|Mason; Elena Barnes|Barnes;
        Frank Quinn|Quinn; Grace Foster|Foster; Henry Reyes|Reyes; Irene Weaver|Weaver; James Stone|Stone
    city: Boston; Chicago; Denver; Seattle; Houston; Atlanta; Dallas; London; Paris; Madrid; Rome; Berlin; Vienna;
        Dublin; Moscow; Cairo; Lagos; Nairobi; Delhi; Mumbai; Tokyo; Beijing; Sydney; Toronto; Oslo; Athens;
        Lisbon; Prague; Warsaw; Geneva
    country: France; Germany; Italy; Spain; Poland; Turkey; Egypt; Kenya; Nigeria; India; China; Japan; Canada;
        Mexico; Brazil; Chile; Peru; Iran; Iraq; Israel; Syria; Ukraine; Russia; Australia; Greece; Sweden;
        Norway; Pakistan; Thailand; South Africa
    company: Northgate Bank|Northgate; Silverline Airlines|Silverline; Bluestone Energy|Bluestone;
        Harbor Foods|Harbor; Crestview Motors|Crestview; Orion Software|Orion; Pinnacle Insurance|Pinnacle;
        Redwood Paper|Redwood; Summit Telecom|Summit; Delta Steel; Falcon Robotics|Falcon; Granite Capital|Granite;
        Horizon Media|Horizon; Ironbridge Rail|Ironbridge; Juniper Health|Juniper; Kestrel Games|Kestrel;
        Lakeside Hotels|Lakeside; Maple Stores|Maple; Neptune Shipping|Neptune; Oakwood Furniture|Oakwood;
        Pioneer Mining|Pioneer; Quartz Electronics|Quartz; Riverton Dairy|Riverton; Sunrise Solar|Sunrise
    day: Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday
    month: January; February; March; April; May; June; July; August; September; October; November; December
    """
)


def in_full(name: str) -> Bank:
    """A bank of which every concept has its first surface alone."""
    return tuple(concept.split("|")[0] for concept in BANKS[name])
