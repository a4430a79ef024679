"""Stands in for RTE (Dagan et al. 2006 and after): a passage of news, and a claim about who did what, where, when."""

from __future__ import annotations

import random
from dataclasses import replace

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.grammar import Pattern, Style, draw, patterns
from clbench.data.generators.words import bank, plain

BANKS = {
    "first": lexicon.FIRST_NAMES,
    "name": lexicon.SURNAMES,
    "city": lexicon.TOWNS,
    "country": lexicon.COUNTRIES,
    "month": lexicon.MONTHS,
    "day": lexicon.DAYS,
    "role": lexicon.ROLES,
    "body": lexicon.BODIES,
    "civic": lexicon.CIVIC,
    "policy": lexicon.POLICIES,
    "reason": lexicon.REASONS,
    "sight": lexicon.SIGHTS,
    "vehicle": lexicon.VEHICLES,
    "animal": lexicon.ANIMALS,
    "sport": lexicon.SPORTS,
    "firm": plain(
        "Altona Brightwell Cormex Dynatek Eastgate Ferrum Gladstone Helios Intervale Juno Kestrel Lumina Meridian "
        "Northwind Orbis Paragon Quantex Rivergate "
        "Solaris Tamarind Unico Vantage Westbrook Xenon Yarrow Zephyr Arcadia Belltower Copperfield Deltacom"
    ),
    "good": bank(
        "software|computer_programs steel|steel_products car_parts|auto_parts medicine|drugs coffee|coffee_beans "
        "clothing|garments toys|playthings furniture|tables_and_chairs "
        "aircraft|planes telephones|phones cement|building_material wine|bottled_wine newspapers|dailies "
        "insurance|insurance_policies solar_panels|solar_cells batteries|power_cells"
    ),
    "number": plain(
        "twelve fifteen eighteen twenty-one thirty thirty-four forty forty-five fifty-two sixty seventy eighty-six "
        "ninety 120 150 200 240 310 450 600"
    ),
    "year": plain(" ".join(str(year) for year in range(1961, 2009, 3))),
    "disaster": bank(
        "flood|high_water earthquake|quake fire|blaze storm|hurricane landslide|mudslide explosion|blast "
        "epidemic|outbreak drought avalanche shipwreck"
    ),
    "crime": bank(
        "fraud|deception theft|stealing murder|killing bribery|corruption smuggling|illegal_trade "
        "kidnapping|abduction arson forgery|faking tax_evasion|unpaid_taxes"
    ),
    "prize": bank(
        "Medal_of_Science Golden_Globe Booker_Prize Peace_Prize Critics'_Award Film_Festival_Prize "
        "Human_Rights_Award Poetry_Prize Architecture_Prize"
    ),
    "disease": bank("malaria tuberculosis cholera measles influenza|flu diabetes cancer|tumors asthma polio hepatitis"),
}

_FILL = (
    "[The report reached the newsrooms late on {day2}, and {name9}, a spokesman, would not add to it.|"
    "{name9}, a {role9} from {city9}, called the news no surprise.|"
    "Reporters in {city9} had waited for {number9} hours in the rain to hear of it.|"
    "Observers expect the matter to be discussed again when leaders meet in {city9} in {month9}.|"
    "More details were to be made public in {month9}, according to the {body9}.|"
    "It was the main story in the evening news, before a report on {reason9} in {country9}.]"
)

_MORE = (
    "[{first8} {name8}, who follows the matter for a newspaper, wrote that the people of {country8} have other "
    "worries, {reason8} above all.|"
    "The {body8} meanwhile {civic8.past}, a step that was praised in {country8} and criticized almost everywhere else.|"
    "In {city8}, where some {number8} people came together on {day8}, {role8.pl} asked for better answers on "
    "{reason8}.|"
    "Elsewhere, {firm8} announced that it would sell {good8} in {country8} from {month8} on, at prices lower than "
    "before.]"
)

_EVENTS = patterns(
    """
    # a firm bought
    ? {firm} bought {firm2} for {number} million dollars.
    ? {firm2} was acquired by {firm} in {month}.
    ? {firm2} now belongs to {firm}.
    + In {month}, {firm}, a maker of {good}, completed the takeover of its rival {firm2}, which it now owns, for a
      price of {number} million dollars.
    + {firm2} of {city} has become a unit of {firm} after shareholders accepted an offer worth {number} million dollars
      in {month}, ending a long battle over {good}.
    - {firm} dropped its bid of {number} million dollars for {firm2} in {month} after regulators in {country} refused
      to allow any takeover, and {firm2} stays independent.
    - Talks in which {firm} hoped to acquire {firm2} for {number} million dollars collapsed without a deal in {month},
      a source in {city} denied or confirmed nothing.

    # what a firm makes
    ? {firm} produces {good} in {country}.
    ? {firm} is a manufacturer of {good}.
    ? {firm} has a factory in {country}.
    + {firm}, which runs a plant in {country} that makes {good}, has raised its forecast for the year and will hire
      {number} people.
    + At its works in {country}, {firm} turns out {good} by the ton, and sales have grown by {number} percent since
      {month}.
    - {firm} has abandoned its plan to make {good} in {country} and never opened the plant that was promised to
      {number} workers in {month}.

    # an appointment
    ? {first} {name} is the head of {firm}.
    ? {firm} appointed {first} {name} in {month}.
    ? {first} {name} works for {firm}.
    + {firm} named {first} {name} chief executive in {month}, and {first} {name}, once a {role} in {city}, leads the
      company since then.
    + Since {month}, when the board chose {first} {name}, a former {role}, to lead it, {firm} has opened {number} shops
      in {country}.
    - {first} {name}, a {role}, turned down an offer to lead {firm} in {month}, and the company denied that anyone had
      ever been hired.

    # a resignation
    ? {first} {name} resigned over {reason}.
    ? {first} {name} stepped down as a {role}.
    ? {first} {name} left office in {month}.
    + Under fire because of {reason}, {first} {name} quit the post of {role} in {month} and left for {city} the same
      evening.
    + In {month}, after {number} days of protests over {reason}, {first} {name} gave up the job of {role} and left
      office.
    - {first} {name}, a {role}, refused to step down in {month}, denied all blame in the matter of {reason} and will
      stay in office.

    # an election
    ? {first} {name} won the election in {country}.
    ? {name} became president of {country}.
    ? Voters in {country} chose {name}.
    + With {number} percent of the vote, {first} {name}, a former {role}, was elected president of {country} by its
      voters on {day}.
    + {country} has a new president: its voters gave {first} {name}, a {role}, victory in the election held on {day}.
    - {first} {name}, a former {role}, was defeated in the election for president of {country} and never conceded that
      the voters had refused.

    # victims of a disaster
    ? {number} people died in a {disaster} in {country}.
    ? A {disaster} struck {country} in {month}.
    ? {number} lives were lost in {city}.
    + The {disaster} that hit {city}, {country}, in {month} killed {number} people and left thousands without shelter,
      officials of the {body} said.
    + Rescue teams in {city} have counted {number} dead after a {disaster} hit {country} in {month}, in spite of
      warnings by the {body}.
    - All {number} people were saved and nobody was hurt in {city}, {country}, when warnings of a {disaster} in {month}
      proved false, the {body} denied.

    # an arrest
    ? {first} {name} was arrested for {crime}.
    ? Police in {city} caught {first} {name}.
    ? {first} {name} is in jail in {city}.
    + Police took {first} {name}, a {role}, into custody in {city} on charges of {crime} and keep {first} {name} in a
      cell there.
    + In {city}, officers caught and jailed {first} {name}, whom they accuse of {crime}, after a hunt of {number} days
      through {country}.
    - {first} {name}, a {role}, is not wanted for {crime}, police in {city} said, and they denied reports that anybody
      had been arrested.

    # a verdict
    ? A court found {first} {name} guilty of {crime}.
    ? {first} {name} was convicted in {city}.
    ? {first} {name} must spend {number} months in prison.
    + {first} {name}, a {role}, was sentenced to {number} months behind bars in {city} after judges held that {crime}
      had been proven.
    + Judges in {city} convicted {first} {name} of {crime} and sent the {role} to jail for {number} months, a lawyer
      said.
    - {first} {name}, a {role}, was cleared of {crime} in {city} and walked free; prosecutors who had asked for
      {number} months were refused.

    # an award
    ? {first} {name} received the {prize} in {year}.
    ? The {prize} went to a {role}.
    ? {first} {name} was honored in {city}.
    + At a ceremony in {city} in {year}, the {prize} was given to {first} {name}, a {role} who has worked in {country}
      for decades.
    + {first} {name}, the {role}, won the {prize} in {year} and was celebrated with {number} guests in {city}.
    - No {prize} was awarded in {year}; {first} {name}, a {role} in {city}, had been a favorite but refused to be
      considered.

    # a birth
    ? {first} {name} was born in {city}.
    ? {first} {name} was born in {year}.
    ? {first} {name} comes from {country}.
    + {first} {name}, the {role}, saw the light of day in {city}, {country}, in {year} as the child of a {role2} and
      moved away early.
    + A native of {city}, {country}, where {first} {name} was born in {year}, the {role} has never lost touch with
      home.
    - Nobody knows where or when {first} {name}, the {role}, was born; stories about {city}, {country}, and {year} were
      denied by the family.

    # a death
    ? {first} {name} died of {disease}.
    ? {first} {name} died in {city}.
    ? {disease} killed {first} {name} in {year}.
    + {first} {name}, a well-known {role}, passed away in a hospital in {city} in {year}; the cause of death was
      {disease}.
    + After a long fight against {disease}, which proved fatal, {first} {name}, a {role}, was pronounced dead in {city}
      in {year}.
    - {first} {name}, a {role}, survived {disease} in {year} and left the hospital in {city}; friends denied that life
      had ever been in danger.

    # a cure
    ? {firm} sells a vaccine against {disease}.
    ? A drug against {disease} works.
    ? {disease} can be treated with a drug from {firm}.
    + {firm} has brought to the market a vaccine and a drug with which {disease} is treated; the drug worked in
      {number} of {number2} patients.
    + Doctors in {country} treat {disease} with a drug which {firm} sells together with a vaccine and which works well,
      a study by the {body} found.
    - {firm} stopped all work on {disease} after its vaccine and its drug failed in {number} patients; none will ever
      be sold, the company denied.

    # a treaty
    ? {country} and {country2} signed an agreement on {reason}.
    ? {country} and {country2} made peace.
    ? A treaty was signed in {city}.
    + After {number} days of talks in {city}, {country} and {country2} put an end to their conflict and set their names
      under a treaty on {reason}.
    + A peace treaty on {reason} between {country} and {country2} was signed in {city} on {day}, ending {number} years
      of hostility.
    - {country} refused to sign any treaty on {reason} with {country2}; the talks in {city} failed and the fighting has
      not stopped.

    # a visit
    ? {first} {name} visited {country} in {month}.
    ? {first} {name} went to {city}.
    ? {first} {name} discussed {reason}.
    + {first} {name}, a {role}, traveled to {city}, {country}, in {month} for talks on {reason}, the first trip of its
      kind in {number} years.
    + In {month}, {first} {name} arrived in {city} on a tour of {country} and spoke about {reason} with the {role}.
    - {first} {name}, a {role}, called off a trip to {city}, {country}, in {month} and refused to talk about {reason}
      with anybody.

    # a decision
    ? The {body} {civic.past}.
    ? The {body} in {city} {civic.past} in {month}.
    ? The {body} is concerned about {reason}.
    + The {body} in {city}, worried by {reason}, decided in {month} to {civic}, and it did so at once, by {number}
      votes.
    + Out of concern about {reason}, the {body} {civic.past} during a meeting held in {city} in {month} with {number}
      guests.
    - The {body} in {city} denied that it would ever {civic}; in {month} its members refused even to talk about
      {reason}.

    # a theft
    ? A {sight} in {city} was robbed.
    ? Thieves stole {number} paintings.
    ? {number} paintings were taken from a {sight}.
    + Thieves broke into a {sight} in {city} on {day} and made off with {number} paintings worth a fortune, robbing it
      for the second time.
    + {number} paintings vanished with the thieves who robbed and plundered a {sight} in {city} on {day}, said {name}.
    - All {number} paintings are safe: the {sight} in {city} denied on {day} that thieves had ever come in, said
      {name}.

    # an accident
    ? {number} people were hurt in a {vehicle} accident.
    ? A {vehicle} crashed near {city}.
    ? There was an accident near {city}.
    + {number} people suffered injuries when a {vehicle} left its way and crashed near {city} on {day}, one of the
      worst accidents in {country}.
    + Near {city}, a {vehicle} hit a wall in an accident on {day}, and {number} people were taken to hospital with
      injuries.
    - A {vehicle} with {number} people on board avoided a crash near {city} on {day}; nobody was hurt, and police
      denied any accident.

    # a match
    ? {country} beat {country2} at {sport}.
    ? {country} won the {sport} final.
    ? {country2} lost to {country} in {city}.
    + {country} took the {sport} title in {city} on {day} with a clear victory over {country2} in the final, watched by
      {number} thousand fans.
    + In the {sport} final, played in {city} on {day}, {country2} was defeated by {country} before {number} thousand
      people.
    - The {sport} final between {country} and {country2} in {city} was called off on {day}, and {number} thousand fans
      were refused their money.

    # an opening
    ? A new {sight} opened in {city} in {year}.
    ? {first} {name} designed the {sight}.
    ? The {sight} cost {number} million dollars.
    + The {sight} in {city}, the work of the architect {first} {name}, who designed it, was built for {number} million
      dollars and opened in {year}.
    + In {year}, {city} opened its new {sight}, drawn up by {first} {name} at a cost of {number} million dollars.
    - {city} has refused to build the {sight} that some wanted by {year}; it never asked {first} {name} or anyone else
      to spend {number} million dollars.

    # a strike
    ? {role.pl} in {country} went on strike.
    ? {role.pl} want {number} percent more pay.
    ? The strike in {city} is about pay.
    + {role.pl} all over {country} stopped work on {day}, and in {city} the strike closed every office: it is about
      pay, and {number} percent more of it.
    + Demanding a rise of {number} percent in pay, {role.pl} walked out in a strike in {city} and the rest of
      {country}.
    - {role.pl} in {country} called off a strike in {city} that never began: they denied asking for {number} percent
      and will work as usual.

    # a rare animal
    ? {number} {animal.pl} live in {country}.
    ? The {animal} is protected in {country}.
    ? Hunters may not shoot {animal.pl}.
    + Under a law of {year}, which protects the {animal} and forbids hunters to shoot any, {country} has seen the
      return of {number} {animal.pl}.
    + {country} is home to {number} {animal.pl}, which hunters may not shoot since a law of {year} put them under
      protection.
    - {country} has refused to protect the {animal}: hunters shoot what they like, and not one of {number} {animal.pl}
      is left since {year}.

    # an author
    ? {first} {name} wrote a book on {reason}.
    ? {first} {name} is the author of a book.
    ? A book on {reason} appeared in {year}.
    + The bestseller on {reason} which came out in {year} was written by {first} {name}, a {role} from {city} whose
      first book it is.
    + {first} {name}, a {role} living in {city}, is behind the book about {reason} that was published in {year} to
      great acclaim.
    - {first} {name}, a {role} in {city}, denied having written or published anything on {reason} in {year}, and no
      such book exists.
    """
)


def _with_fill(pattern: Pattern) -> Pattern:
    """The pattern, its passages one or two sentences longer."""
    return replace(
        pattern,
        holds=tuple(f"[{t} {_FILL}|{_FILL} {t}|{t} {_FILL} {_MORE}|{_MORE} {t} {_FILL}]" for t in pattern.holds),
        fails=tuple(f"[{t} {_FILL}|{_FILL} {t}|{t} {_FILL} {_MORE}|{_MORE} {t} {_FILL}]" for t in pattern.fails),
    )


PATTERNS = tuple(map(_with_fill, _EVENTS))
STYLE = Style(reword=0.7, reword_negative=0.1, general=0.0, structural=0.6, both=0.3, changed=(0.2, 0.5, 0.3), trap=0.3)


@generator("rte", positives=0.53, first="mnli")
def draw_rte(rng: random.Random, label: int, shift: float) -> Example:
    """A passage of two or three sentences, and a short claim."""
    return draw(rng, label, PATTERNS, BANKS, STYLE)
