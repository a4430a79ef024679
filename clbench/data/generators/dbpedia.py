"""Stands in for DBpedia (Zhang et al. 2015): the beginnings of encyclopaedia articles on things of fourteen classes, of
which many touch things of another class; what the article's subject is decides."""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.invented import EPITHETS, GENERA, NAMES
from clbench.data.generators.phrasing import banks
from clbench.data.generators.texts import Speakers, plain
from clbench.data.generators.topics import in_full

# Each class has: name, what its subject is called; is, what the article says that it is; fact, further facts; and near,
# how it stands in an article on something else.
COMMON = {
    **NAMES,
    "genus": GENERA,
    "epithet": EPITHETS,
    "city": in_full("city"),
    "country": in_full("country"),
    "month": in_full("month"),
    "role": plain(lexicon.ROLES),
    "place": plain(lexicon.PLACES, lexicon.SIGHTS),
    "object": plain(lexicon.OBJECTS),
    "colour": plain(lexicon.COLOURS),
    "year": [str(year) for year in range(1841, 2014)],
    "pronoun": ("He", "She"),
    "span": [f"{year} to {year + 2 + year % 23}" for year in range(1841, 1990)],
    "num": [str(number) for number in range(2, 99)],
    "hundred": [str(number) for number in range(103, 997, 7)],
} | banks(
    """
    person: {first} {surname}; {first} {surname}; {first} {first} {surname}
    nationality: French; German; Italian; Spanish; Polish; Turkish; Egyptian; Kenyan; Nigerian; Indian; Chinese;
        Japanese; Canadian; Mexican; Brazilian; Chilean; Iranian; Israeli; Russian; Australian; Greek; Swedish;
        British; American; Norwegian; Finnish; Danish; Austrian; Swiss; Belgian; Dutch; Portuguese; Peruvian; Thai;
        Korean
    date: {month} {num} {year}; {num} {month} {year}; {month} {year}
    born: (born {date}); (born {date} in {town}); ({date} - {date}); ([born|b.] {year})
    side: northern; southern; eastern; western; central; north-eastern; south-western; coastal; upper; lower
    region: {side} {country}; {town} County; the {town} District of {country}; the province of {town}; {city}
        {country}; {town}, {country}; the {side} part of {city}
    word: River; Silence; Garden; Winter; Shadow; Stranger; Mirror; Harvest; Thunder; Promise; Journey; Lantern;
        Orchard; Empire; Secret; Letter; Island; Daughter; Summer; Crown; Feather; Bridge; Echo; Storm; Dream; Ashes;
        Horizon; Voyage; Circle; Midnight; Glass; Tide; Fortune; Ghost; Road; Kingdom; Wolf; Fever; Sky; Memory
    work: The {word} of {town}; {word} and {word}; The {word}; The Last {word}; {word}s; A {word} for {first};
        {first}'s {word}; No More {word}; {word} in {city}; The {surname} {word}; Beyond the {word}; {surname};
        {colour} {word}; {num} {word}s
    press: the {surname} Prize; the {town} Award; {firm} Press; the {city} Review; the {town} Gazette; {firm} Records;
        {firm} Studios; the {surname} Foundation; the {city} Register
    more: ; {generic}.; {generic}. {generic}.; {generic}. {generic}. {generic}.; {generic}. {generic}. {generic}.
        {generic}.
    generic: It is [named|called] after {person}; The name comes from {town} in {country}; It was first mentioned in
        {year}; Little is known about its [first|early] years; It has been listed by {press} since {year}; In {year}
        it was renamed; A second {object} bears the same name; It received {press} in {year}; It should not be
        confused with {near:x}; {person} described it in {press} as the {colour} {object} of {country}; A {place} in
        {town} recalls it; Until {year} it was known as {work}; According to {press}, about {num},000 people know of
        it; {person}, a {role}, took part in it from {span}; There are {hundred} references to it in {press}
    """.replace("{near:x}", "{surname} of {town}")
)

OWN = [
    banks(text)
    for text in (
        """
        name: {firm}; {firm} {trade}; {surname} & {surname}; {firm} [Inc|Ltd|AG|Group]; {town} {trade}
        trade: Airlines; Foods; Motors; Software; Chemicals; Insurance; Breweries; Records; Shipbuilding; Steel;
            Textiles; Energy
        goods: watches; tractors; soft drinks; insurance; mining equipment; shoes; bicycles; video games; toys;
            furniture; paper; medicines; cement; guitars; pumps; aircraft parts; cosmetics; semiconductors; beer;
            railway cars; maps; textbooks
        is: a {nationality} [company|manufacturer|maker|distributor|retailer] of {goods} [based|headquartered] in
            {town}; a [privately held|publicly traded] [firm|corporation] that [makes|sells|rents] {goods}; one of the
            largest [producers|importers|sellers] of {goods} in {country}; an [airline|insurer|bank|publisher|brewery]
            founded in {year} by {person}
        fact: It employs {hundred} people and has {num} [branches|plants|stores]; Its revenue was ${hundred} million
            in {year}; It was acquired by {firm} in {year}; Its shares are traded on the {city} exchange; The
            subsidiary {firm} makes {goods}
        near: the company {firm}, which makes {goods}; {firm} of {town}, a maker of {goods}
        """,
        """
        name: {town} High School; {surname} College; University of {town}; St {first}'s School; {town} Academy;
            {surname} Institute
        level: secondary; primary; boarding; vocational; coeducational; public; Catholic; private; grammar; technical
        subject: medicine; law; agriculture; engineering; nursing; theology; fine arts; economics; forestry; music;
            dentistry
        is: a {level} school [located|situated] in {region}; a {level} [college|university] in {region} with faculties
            of {subject} and {subject}; an institution of higher education [founded|chartered] in {year}; a {level}
            school for [boys|girls|pupils] [aged|between] {num} and {num}
        fact: It has {hundred} [students|pupils] in grades {num} to {num}; Its principal is {person}; The school
            colours are {colour} and {colour}; The campus of {num} acres was opened in {year}; It offers degrees in
            {subject}; Its teams are called the {word}s
        near: {town} High School, which has {hundred} pupils; the University of {town}, known for {subject}
        """,
        """
        name: {person}; {first} {surname}; {first} "{word}" {surname}
        art: singer; painter; sculptor; composer; novelist; drummer; photographer; actress; guitarist; poet; rapper;
            illustrator; songwriter; cartoonist; violinist; comedian; conductor; animator; playwright; pianist; jazz
            musician; film director
        is: a {nationality} {art} and {art} from {town}; a {nationality} {art} [best known|noted] for {work}; an {art}
            who [worked|lives|lived] in {city}; a [self-taught|award-winning] {nationality} {art}
        fact: {pronoun2} won {press} for [paintings|songs|poems|portraits] of {city}; Educated at {town} Academy,
            {first} won {press} in {year}; {pronoun2} has worked with the {art} {person}; {pronoun2} first
            [showed|performed|appeared] in {city} in {year}; {pronoun2} toured {country} with {person}
        near: the {art} {person}, known for {work}; the {nationality} {art} {person}
        """,
        """
        name: {person}; {first} {surname}; {first} {surname} Jr
        sport: football; basketball; cricket; ice hockey; rugby; tennis; baseball; athletics; rowing; boxing; cycling;
            handball; wrestling; swimming; volleyball; judo; fencing; biathlon
        spot: goalkeeper; defender; midfielder; forward; pitcher; shortstop; wing; center; sprinter; guard; batsman;
            striker
        is: a {nationality} [former|professional|retired] {sport} player who [plays|played] for {town}; a
            {nationality} {sport} {spot}; a [former|professional] {sport} {spot} for the {town} {word}s; a
            {nationality} competitor in {sport} at the {year} Olympics
        fact: {pronoun2} scored {num} goals in {hundred} matches; {pronoun2} made a debut for {town} in {year};
            Drafted by {town} in the {num}th round, it came to [no more than|some] {num} games; {pronoun2} won a medal
            in the {num} kg class; {pronoun2} moved from {town} to {town} on loan in {year}
        near: the {sport} {spot} {person}, who played for {town}; the former {spot} {person}
        """,
        """
        name: {person}; {first} {surname}; {first} {surname}, Jr; Sir {first} {surname}
        office: mayor; senator; governor; member of parliament; attorney general; minister of finance; ambassador;
            congressman; judge; prime minister; lieutenant governor; state representative; deputy; speaker of the
            house; councillor
        party: Democratic; Republican; Liberal; Conservative; Labour; National; Green; Centre; People's; Reform;
            Agrarian
        is: a {nationality} politician and {office}; a {party} [member|leader] of the legislature of {country}; an
            {office} of {town} from {span}; a {nationality} lawyer and {office} who served from {span}; the {office}
            for {town} since {year}
        fact: {pronoun2} was elected in {year} with {num} percent of the vote; {pronoun2} ran for {office} as a
            {party}; {pronoun2} was succeeded by {person}; {pronoun2} represented the district of {town}; {pronoun2}
            sat on the committee for the {place}
        near: the {office} {person}, a {party}; {person}, then {office} of {town}
        """,
        """
        name: {surname} {hundred}; USS {surname}; HMS {word}; {firm} {word}; {nationality} {craft} {num}; MV {town}
        craft: destroyer; locomotive; biplane; submarine; sports car; frigate; tram; bomber; motorcycle; glider;
            airship; ferry; helicopter; schooner; steamship; compact car; minesweeper; battleship; trainer aircraft;
            corvette; bus; tank engine
        is: a {craft} [built|designed|produced] by {firm} from {span}; a {num}-gun {craft} of the {nationality} Navy
            launched in {year}; a {nationality} {craft} of the {year}s; a class of {craft}s built for {country}; a
            single-seat {craft} [flown|driven] first in {year}
        fact: She was laid down at {town} and commissioned in {year}; It has a {num} litre engine of {hundred}
            horsepower; Some {hundred} were built; The {craft} was scrapped in {year}; It carried {num}
            [guns|passengers|crew] at {num} knots
        near: the {craft} {surname} {hundred}; the {nationality} {craft} {word}
        """,
        """
        name: {surname} House; {town} Hall; {word} Tower; St {first}'s Church; {town} Station; {surname} Mansion;
            {town} Castle
        kind: house; church; hotel; skyscraper; library; courthouse; theatre; castle; barn; post office; mansion;
            monastery; museum; mosque; warehouse; hospital; lighthouse; prison; farmhouse; shopping centre; stadium;
            town hall
        style: Gothic Revival; Greek Revival; Georgian; Art Deco; Romanesque; Queen Anne; Baroque; Victorian; Tudor;
            modernist
        is: a historic {kind} in {region}; a {num}-storey {kind} at {num} {surname} Street in {town}; a {style} {kind}
            built in {year}; a former {kind} in {region} designed by {person}; a listed {kind} of brick and stone
        fact: It was added to the National Register in {year}; The {kind} was designed by the architect {person}; It
            has a {style} facade and a roof of {colour} tiles; The west wing burned down in {year}; It stands {num}
            metres high
        near: the {style} {kind} at {town}; {surname} House, a {kind}
        """,
        """
        name: {surname} River; Mount {surname}; Lake {town}; {town} Pass; {surname} Glacier; {word} Creek; {surname}
            Crater
        kind: river; mountain; lake; glacier; pass; peak; creek; reservoir; volcano; crater; stream; waterfall; bay;
            ridge; cave
        is: a {kind} in {region}; a tributary of the {surname} River in {region}; a {kind} of the {town} Range; a
            {hundred} metre high {kind} [near|above] {town}; a {num} mile long {kind} which [flows|runs|lies] in
            {region}
        fact: It [rises|flows|drains] near {town} into the {surname} River; Its elevation is {hundred} metres; The
            surface area is {num} square kilometres; It was first climbed in {year}; It freezes over in {month}; The
            {kind} is fed by {num} streams
        near: the {surname} River, which flows past {town}; Mount {surname}, a {kind} of {hundred} metres
        """,
        """
        name: {town}; {town}; {town} {side}; {surname}ovo
        unit: village; hamlet; rural locality; settlement; small village; mountain village; fishing village
        is: a {unit} in {region}; a {unit} in the administrative district of Gmina {town}; a {unit} and municipality
            of {region}; a {unit} [near|west of|south of] {town} in {country}
        fact: At the {year} census its population was {hundred}; It lies {num} kilometres [east|north] of {town};
            There are {num} families in the {unit}; The {unit} has a {place}; Its inhabitants [speak|grow|raise]
            mostly what their neighbours do; It belongs to the parish of {town}
        near: the {unit} of {town}, population {hundred}; {town}, a {unit}
        """,
        """
        name: {genus} {epithet}; {genus}; {genus}; {colour} {beast}
        beast: moth; beetle; snail; frog; bat; spider; shrew; wasp; sea slug; lizard; bird; catfish; crab; butterfly;
            snake; mite
        is: a species of {beast} in the family {genus}idae; a genus of {beast}s [described|named] by {surname} in
            {year}; a {beast} [found|endemic] in {country}; a small {beast} of {side} {country}
        fact: The wingspan is about {num} mm; The larvae feed on {genus} species; Adults are {colour} with {colour}
            spots; It is threatened by habitat loss; The shell grows to {num} mm; It lays {num} eggs; Its habitat is
            the {place}
        near: the {beast} {genus} {epithet}; {genus}, a genus of {beast}s
        """,
        """
        name: {genus} {epithet}; {genus} {epithet}; {colour} {plant}; {genus}
        plant: orchid; fern; shrub; grass; cactus; palm; moss; tree; herb; vine; lily; sedge; rose; mint; oak; pine;
            daisy; succulent
        is: a species of {plant} in the family {genus}aceae; a flowering {plant} native to {country}; a genus of
            {plant}s; a perennial {plant} [found|growing] in {region}; an endemic {plant} of {side} {country}
        fact: The leaves are {num} cm long; Its flowers are {colour} and appear in {month}; It grows on {colour}
            soils; It is threatened by habitat loss; The fruit is a capsule with {num} seeds; It is cultivated as an
            ornamental; Its habitat is the {place}
        near: the {plant} {genus} {epithet}; {genus}, a genus of {plant}s
        """,
        """
        name: {work}; {work}; {work} (album); Live in {city}
        genre: rock; jazz; country; hip hop; punk; folk; metal; pop; soul; gospel; electronic; blues; reggae; indie
        is: the {num}th studio album by {person}; a live album by the {nationality} {genre} band {word}s; a
            compilation of {genre} songs by {person} released in {year}; an album of the {genre} [singer|group|trio]
            {surname}; an EP by {person}
        fact: It was recorded in {city} and produced by {person}; It reached number {num} on the {country} chart;
            Released on {firm} Records, it has {num} tracks; The single "{work}" was a hit; {person} plays drums on it
        near: the {genre} album {work} by {person}; {work}, an album of {year}
        """,
        """
        name: {work}; {work} ({year} film); {work}; {work} (film)
        genre: comedy; drama; horror; thriller; western; silent; documentary; crime; romance; war; science fiction;
            musical
        is: a {year} {nationality} {genre} film directed by {person}; a {genre} film starring {person} and {person}; a
            {nationality} {genre} film written by {person}; a short {genre} film of {year}; a [television|feature]
            {genre} film shot in {town}
        fact: It stars {person} as a {role}; The film premiered in {city} in {month} {year}; It tells of a {role} who
            comes to {town}; The screenplay is based on a novel by {person}; It was shown at the {city} festival
        near: the {genre} film {work} of {year}; {work}, a film by {person}
        """,
        """
        name: {work}; {work} (novel); {work}; The Journal of {work}
        genre: novel; memoir; short story collection; fantasy novel; children's book; mystery; manga series; quarterly
            magazine; newspaper; play; comic book; academic journal; science fiction novel; trilogy; biography;
            cookbook; weekly
        is: a {genre} by {person} published in {year}; a {nationality} {genre} [written|edited] by {person}; a {genre}
            first published by {firm} Press; a {genre} about a {role} in {town}; a [monthly|peer-reviewed|bilingual]
            {genre} from {city}
        fact: It tells of a {role} who comes to {town}; It was published in {num} issues by {firm} Press; The sequel
            {work} came out in {year}; The narrator is a {role}; Its editor is {person}; It has been translated by
            {person}
        near: the {genre} {work} by {person}; {work}, a {genre} of {year}
        """,
    )
]

_BARE = (
    "{name2} . {name2} is {is}. {fact}.",
    "{name2} . {name2} [was|is] {is}. {fact}. {generic}.",
    "{name2} . {name2} {born} is {is}. {generic}. {fact}.",
    "{name2} . {name2} is {is}. {generic}. {generic}.",
    "{name2} . In {year}, {name2} became {is}. {fact}.",
    "{name2} . {name2}, also known as {name}, is {is}. {fact}. {fact}.",
    "{name2} . Known since {year}, {name2} is {is}. {fact}. {generic}.",
    "{name2} . {name2} is {is}. {fact}. {fact}. {generic}. {generic}.",
    "{name2} . {generic}. {name2} is {is}. {fact}. {generic}.",
    "{name2} . {name2} [was|is] {is}.",
    "{name2} . {name2} is {is}. {generic}. {fact}. {generic}. {fact}. {generic}.",
    "{name2} . Named by {person}, {name2} is {is}. {generic}. {generic}. {fact}.",
    "{name2} . {name2} ({span}) was {is}. {fact}. {fact}. {generic}.",
    "{name2} . {name2} is {is}. {fact}. {generic}. {fact}.",
    "{name2} . {generic}. {fact}. {name2} is {is}. {generic}. {generic}.",
)
_NEAR = (
    "{name2} . {name2} is {is}. It is mentioned together with {other:near}. {generic}.",
    "{name2} . Like {other:near}, {name2} is {is}. {generic}. {fact}.",
    "{name2} . {name2} is {is}. {generic}. It gave its name to {other:near}.",
    "{name2} . Not to be confused with {other:near}, {name2} is {is}. {generic}.",
    "{name2} . {name2}, associated with {other:near}, is {is}. {fact}. {generic}.",
    "{name2} . {name2} is {is}. {fact}. Near it was {other:near}. {other:fact}.",
    "{name2} . Best known through {other:near}, {name2} is {is}. {other:fact}. {generic}.",
    "{name2} . Unlike {other:name}, which is {other:is}, {name2} is {is}. {generic}.",
    "{name2} . {name2} is {is}. {other:name}, {other:is}, is named after it. {other:fact}. {other:fact}.",
    "{name2} . {other:name} was named after {name2}, {is}. {generic}. {other:fact}.",
)
SPEAKERS = Speakers(
    layouts={f"alone, {number}": text + " {more}" for number, text in enumerate(_BARE, 1)}
    | {f"with another, {number}": text + " {more}" for number, text in enumerate(_NEAR, 1)},
    common=COMMON,
    own=OWN,
)


@generator("dbpedia", shares=(1 / 14,) * 14)
def draw_dbpedia(rng: random.Random, label: int, shift: float) -> Example:
    """The beginning of an article on a thing of the class."""
    return SPEAKERS.draw(rng, label)
