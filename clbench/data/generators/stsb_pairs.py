"""Stand-in for STS-B cut in two: short captions, headlines and forum sentences that mean the same or do not.

Three genres in one domain; a paraphrase may drop an adjective or a place, and a pair of label 0 differs in what is
done, by whom or to what.
"""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator
from clbench.data.generators.phrasing import Bank, Mix, banks, draw_pair, frames
from clbench.data.generators.topics import BANKS

SCENES: dict[str, Bank] = {name: BANKS[name] for name in ("city", "company", "count", "country", "percent")} | banks(
    """
    who: man|guy; woman|lady; boy|young boy; girl|little girl; baby|infant; soldier|man in uniform;
        dancer|person who dances; chef|cook; farmer|farm worker; cyclist|bike rider; clown|circus clown;
        climber|rock climber
    play: guitar|acoustic guitar; piano|grand piano; flute|wooden flute; violin|fiddle; trumpet|brass trumpet;
        drums|drum set; harp|large harp; keyboard|electric keyboard
    cut: slicing|cutting; peeling|taking the skin off; frying|cooking in oil; washing|rinsing;
        mixing|stirring; eating|chewing; throwing away|tossing out; weighing|putting on a scale
    food: an onion|onions; a potato|potatoes; a carrot|carrots; some meat|meat; a fish|fish; a
        tomato|tomatoes; some dough|dough; an apple|apples; a cucumber|cucumbers; some rice|rice; a
        banana|bananas; some eggs|eggs
    animal: dog|puppy; cat|kitten; horse|pony; monkey|ape; bird|small bird; cow|bull; panda|panda bear;
        elephant|big elephant; rabbit|bunny; turtle|tortoise; lion|big lion; goat|billy goat
    act: running|racing; sleeping|resting; jumping|leaping; swimming|paddling; eating grass|grazing;
        barking|making noise; chasing a ball|running after a ball; climbing|going up; drinking water|lapping
        water; lying down|stretched out; standing still|waiting; digging a hole|digging
    place: in the park|in a park; on the beach|at the seaside; in the snow|across the snow; on a road|along a
        street; in the water|in a pool; in a field|in the meadow; on a roof|on top of a house; in a
        kitchen|inside a kitchen; near a fence|by a fence; on the sofa|on a couch; in the mud|through mud;
        behind a tree|next to a tree
    color: black|dark; white|pale; red|bright red; yellow|golden; brown|chestnut; blue|light blue;
        green|bright green; gray|silver
    vehicle: car|automobile; bus|coach; train|locomotive; truck|lorry; bicycle|bike; motorcycle|motorbike;
        boat|ship; airplane|plane; tractor|farm tractor; helicopter|chopper
    motion: parked|standing; driving past|passing; turning|making a turn; being washed|being cleaned; on
        fire|burning; stuck|unable to move; being repaired|being fixed; crossing a bridge|going over a bridge
    sport: football|soccer; basketball|hoops; tennis|a game of tennis; chess|a game of chess; cards|a card
        game; golf|a round of golf; hockey|ice hockey; baseball|a ball game
    group: children|kids; men|guys; women|ladies; students|young people; soldiers|troops; tourists|visitors;
        workers|laborers; dancers|people who dance
    garment: hat|cap; coat|jacket; dress|gown; helmet|hard hat; scarf|shawl; mask|face mask; suit|business
        suit; uniform|work uniform
    doing: riding a horse|on horseback; reading a book|looking at a book; talking on the phone|making a phone
        call; lifting weights|pumping iron; putting on makeup|applying makeup; rowing a boat|paddling a boat;
        drawing a picture|sketching; folding paper|making a paper figure; shooting a gun|firing a rifle;
        climbing a rope|going up a rope; typing on a computer|using a computer; brushing his teeth|cleaning
        his teeth; painting a wall|putting paint on a wall; combing a doll|brushing a doll
    blast: bomb|explosion; earthquake|quake; flood|flooding; plane crash|air crash; shooting|gun attack;
        fire|blaze; storm|cyclone; landslide|mudslide; train crash|rail crash; ferry sinking|ferry accident
    leader: president|head of state; prime minister|premier; pope|pontiff; king|monarch; army chief|top
        general; finance minister|treasury chief; opposition leader|head of the opposition; foreign
        minister|top diplomat
    deed: resigns|steps down|quits; arrives for talks|begins visit; wins election|is elected; rejects peace
        plan|says no to peace plan; taken to hospital|hospitalized; arrested for fraud|held over fraud; calls
        for calm|urges calm; warns of war|says war is near; signs trade deal|agrees on trade; survives
        attack|escapes attack
    crisis: sanctions|penalties; nuclear talks|atomic talks; border clash|fighting at border; prisoner
        swap|exchange of prisoners; gas dispute|row over gas; spy scandal|spying affair; food aid|food relief;
        debt crisis|debt trouble
    move: rise|climb|go up; fall|drop|slide; stay flat|hold steady|do not move
    market: oil prices|crude prices; gold prices|price of gold; stocks|shares; house prices|home prices; car
        sales|sales of cars; exports|foreign sales; interest rates|borrowing costs; wages|pay
    device: laptop|notebook; camera|photo camera; printer|printing device; phone|handset; oven|stove;
        bike|bicycle; heater|heating unit; router|network box; drill|power drill; mixer|food mixer
    trouble: is too slow|takes too long; makes a loud noise|is very noisy; will not start|does not turn on;
        gets very hot|overheats; leaks water|drips; smells bad|has a bad smell; needs a new battery|wants a
        fresh battery; shows the wrong time|has the time wrong
    advice: buy a new one|get another one; ask a professional|talk to an expert; read the manual|look in the
        manual; send it back|return it; leave it alone|do nothing; clean it first|wipe it down first; sell
        it|find a buyer; open it up|take it apart
    topic: the first rule|rule number one; your boss|your manager; the title|the headline; the second book|the
        next book; grammar|grammar rules; salary|pay; the dog|your dog; the recipe|the instructions;
        travel|going abroad; your teacher|your instructor
    opinion: is right|is correct; does not matter|is not important; is confusing|is hard to understand; is a
        bad idea|is not a good idea; depends on the country|differs from country to country; can be
        changed|may change; costs too much|is too expensive; is worth a try|should be tried
    """
)

FRAMES = frames(
    """
    music:
    - A {who} is playing [the|a] {play}[ on stage|].
    - A {who} plays [the|a] {play}.
    - The {play} is being played by a {who}.
    kitchen:
    - A {who} is {cut} {food}.
    - The {who} is {cut} {food}[ in a bowl| with care|].
    - Someone, a {who}, is {cut} {food}.
    animal:
    - A [{color}|] {animal} is {act} {place}.
    - The {animal} is {act} {place}.
    - A [{color}|] {animal} {act} {place}.
    two-animals:
    - A {animal5} and a {animal6} are {act5}[ {place5}|].
    - A {animal6} is {act5} with a {animal5}.
    - There is a {animal5} and a {animal6} {act5}.
    color:
    - A {color3} {animal3} {place3}.
    - There is a {color3} {animal3} {place3}.
    - The {animal3} {place3} is {color3}.
    activity:
    - A {who} is {doing}[ {place}|].
    - The {who} is {doing}.
    - There is a {who} {doing}[ {place}|].
    vehicle:
    - A {color} {vehicle} is {motion}[ {place}|].
    - The {color} {vehicle} is {motion}.
    - A {color} {vehicle} {motion}[ {place}|].
    game:
    - A group of {group} play {sport}[ {place}|].
    - [Some|Several] {group} are playing {sport}.
    - {group} are playing {sport} {place}.
    clothes:
    - A {who} [wearing|in] a {color} {garment} is {place}.
    - A {who} with a {color} {garment} stands {place}.
    - The {who} {place} wears a {color} {garment}.
    crowd:
    - {group} are {place} next to a {vehicle}.
    - [Some|A few] {group} and a {vehicle} {place}.
    - A group of {group} [stands|gathers] by a {vehicle} {place}.
    feeding:
    - A {who} is feeding a {animal}[ {place}|].
    - The {animal} is being fed by a {who}.
    - A {who} gives food to a {animal}.
    riding:
    - A {who} is riding a {vehicle} {place}.
    - A {who} on a {vehicle} {place}.
    - The {who} rides a [{color}|] {vehicle} {place}.
    attack:
    - {blast} kills {count} in {country}
    - {count} [dead|killed] in {country} {blast}
    - {country} {blast} leaves {count} dead
    toll:
    - {blast} in {city} : {count} people hurt
    - {count} injured in {city} {blast}
    - {city} {blast} injures {count}
    leader:
    - {country} {leader} {deed}
    - {leader} of {country} {deed}
    - {deed} : {leader} in {country}
    dispute:
    - {country} and {country2} at odds over {crisis}
    - {crisis} : {country} accuses {country2}
    - {country} angry at {country2} over {crisis}
    markets:
    - {market} in {country} {move} {percent}
    - {country} {market} {move} {percent}
    - {market} {move} {percent} in {country}
    firm:
    - {company} to close {count} shops in {country}
    - {count} {country} shops to be shut by {company}
    - {company} shuts {count} stores in {country}
    court:
    - {country} court [frees|releases] {count} {group}
    - {count} {group} [freed|released] by {country} court
    - {group} set free in {country} : {count} in all
    strike:
    - {group} on strike in {city} over {crisis}
    - {crisis} : {group} walk out in {city}
    - {city} {group} stop work over {crisis}
    repair:
    - My {device} {trouble}, [what should I do|any ideas]?
    - I have a {device} that {trouble}.
    - The {device} I [own|bought] {trouble}.
    advice:
    - You should {advice} if your {device} {trouble}.
    - If the {device} {trouble}, {advice}.
    - {advice}, [I would say|that is my advice], when a {device} {trouble}.
    opinion:
    - I think {topic} {opinion}.
    - In my opinion {topic} {opinion}.
    - {topic} {opinion}, [if you ask me|as far as I know].
    question:
    - Is it true that {topic2} {opinion2}?
    - Would you say {topic2} {opinion2}?
    - Do you [agree|think] that {topic2} {opinion2}?
    """
)

MIX = Mix(same_phrasing=(0.45, 0.35), same_wording=(0.6, 0.65), changes=(0.2, 0.45, 0.35), elsewhere=0.15)


@generator("stsb-pairs", positives=0.31, first="mrpc")
def draw(rng: random.Random, label: int, shift: float) -> Example:
    """A pair of captions, headlines or forum sentences."""
    return draw_pair(rng, label, FRAMES, SCENES, MIX)
