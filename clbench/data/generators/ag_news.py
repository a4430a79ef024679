"""Stands in for AG News (Zhang et al. 2015): a headline and the beginning of a story, of the world, sports, business or
science and technology; the headline's event decides, whatever else the story touches."""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.invented import NAMES
from clbench.data.generators.phrasing import banks
from clbench.data.generators.texts import Speakers, plain
from clbench.data.generators.topics import in_full

COMMON = {
    **NAMES,
    "city": in_full("city"),
    "country": in_full("country"),
    "day": in_full("day"),
    "month": in_full("month"),
    "num": [str(number) for number in range(3, 97)],
    "role": plain(lexicon.ROLES),
    "body": plain(lexicon.BODIES),
    "policy": plain(lexicon.POLICIES),
    "reason": plain(lexicon.REASONS),
    "place": plain(lexicon.PLACES, lexicon.SIGHTS),
    "small": ["two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "ordinal": ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"],
} | banks(
    """
    person: {first} {surname}
    agency: Reuters; AP; AFP; Wire; The Courier; Press Union; Newsline; SPX
    nationality: French; German; Italian; Spanish; Polish; Turkish; Egyptian; Kenyan; Nigerian; Indian; Chinese;
        Japanese; Canadian; Mexican; Brazilian; Chilean; Iranian; Israeli; Russian; Australian; Greek; Swedish;
        British; American
    when: on {day}; yesterday; late on {day}; early {day}; this week; last week; overnight; in {month}; over the
        weekend
    told: said; told reporters; announced; confirmed; admitted; insisted; reported; suggested; warned; argued; noted
    source: a spokesman; an official; a person close to the matter; the {city} daily; a statement; local media; a
        close aide; several witnesses; a report; people briefed on it; state television; {person}
    generic: {^source} {told} that it was too early to say more; The news came as a surprise to {role} {person}; Few
        details were given to the {body} in {town}; It was the {ordinal} such case in {small} [months|weeks|years];
        {person}, a {role}, declined to comment {when}; Nobody at the {body} had expected it so soon; More is expected
        {when} from {town}; The story has been followed closely by the {body} of {country}; Talks about the {policy}
        will go on in {city}; "We did what we had to for {reason}," {person} {told} {when}; Critics said that the
        {policy} should have come long ago; What it means for {reason} is not yet clear; {person} called it a great
        day for {town}; The {policy} had been put off since {month}; A {role} and {small} others were seen near the
        {place}; The {body} of {town} will look into {reason} {when}; {person} spoke of {reason} and of the {policy}
        at a {place}; {town}, {num} miles from {city}, has {num},000 people and a {place}; A {policy} is under way,
        {source} {told}
    """
)

WORLD = banks(
    """
    group: rebels; militants; troops; gunmen; insurgents; protesters; police; guerrillas; refugees; soldiers;
        demonstrators; peacekeepers; hostages; opposition leaders; aid workers; separatists; villagers; prison guards;
        strikers; monks
    leader: prime minister; president; foreign minister; opposition leader; king; ambassador; interior minister;
        envoy; chancellor; rebel chief; defense secretary; head of the commission; governor; caretaker premier; crown
        prince
    violence: bomb; blast; ambush; clash; raid; air strike; gun battle; siege; mortar attack; kidnapping; shelling;
        riot; landslide; flood; earthquake; typhoon; ferry disaster; train crash; stampede; famine; cholera outbreak;
        coup
    accord: cease-fire; peace deal; election; referendum; treaty; constitution; summit; truce; border pact; amnesty;
        power-sharing deal; prisoner exchange; runoff vote; resolution; hostage deal; handover; unity cabinet;
        sanctions
    head: {violence} Kills {num} in {country}; {country} {^leader} Calls for {accord}; {^group} Seize {town};
        {country} and {country} Sign {accord}; {num} Missing After {country} {violence}; {country} Votes on {accord};
        {^leader} {surname} Faces Revolt; {^group} Free Captives in {country}; {surname} Sworn In; UN Urges {accord}
        for {town}; {country} Mourns Victims of {violence}; {nationality} {^leader} Visits {city}; Thousands Flee
        {town}
    lead: {group} [attacked|surrounded|left|shelled] the town of {town} {when}, [killing|wounding|driving out] {num}
        people; the {leader} of {country} {told} that the {accord} [would hold|was in danger|had failed]; a {violence}
        near {town} [killed|injured|displaced] at least {num} people {when}; {group} and {group} [fought|met|exchanged
        fire] {when} in the [north|south|east|west] of {country}; {country} [recalled|expelled|received] the
        {nationality} {leader} {when}; voters in {country} went to the polls {when} to [approve|reject|decide on] the
        {accord}; the {nationality} {leader} {person} [resigned|was sworn in|survived a vote] {when}; {num} {group}
        were [freed|arrested|buried] {when} in {town}
    detail: The {accord} had been brokered by {country}; The {leader} [ordered|promised] an inquiry into the
        {violence}; {^group} [denied|claimed] responsibility; The [army|parliament|United Nations] sent {group} to
        {town}; Relatives of the {num} victims waited outside the [hospital|embassy|barracks]; The {accord} is opposed
        by {group} in {town}
    """
)

SPORTS = banks(
    """
    team: Falcons; Comets; Rovers; United; Wanderers; Lions; Bulls; Rangers; Sharks; Pirates; Royals; Hornets; Saints;
        Rockets; Wolves; Titans; Blues; Cardinals; Mariners; Chargers; Owls; Badgers; Tigers; Athletic; Spartans;
        Ravens
    game: football; basketball; tennis; golf; hockey; cricket; rugby; baseball; soccer; swimming; boxing; cycling;
        athletics; rowing; gymnastics; skiing; volleyball; motor racing; marathon; judo; sailing; weightlifting
    player: striker; pitcher; goalkeeper; quarterback; captain; rookie; midfielder; center; defender; sprinter; coach;
        batsman; champion; guard; shortstop; receiver; driver; title holder; wicketkeeper; skipper; winger; veteran
    prize: title; final; cup; semifinal; playoff; medal; series; gold; season opener; derby; qualifier; tournament;
        crown; Open; grand prix; relay; friendly; championship; pole position; quarterfinal
    feat: home run; hat trick; touchdown; birdie; penalty; century; free throw; knockout; world record; comeback;
        overtime goal; straight-set win; no-hitter; three-pointer; double fault; photo finish; personal best; shutout
    head: {team} Beat {team} in {prize}; {surname} Wins {game} {prize}; {surname}'s {feat} Lifts {team}; {team} Sign
        {surname}; {surname} Out for {small} Games; {country} Takes {game} Gold; {team} Fire {player} {surname};
        {surname} Edges {surname} to Reach {prize}; {team} {num}, {team} {num}; {player} {surname} Banned; {team} End
        Losing Streak; {surname} Retires; {country} Out of {game} {prize}
    lead: {person} [hit|scored|added|set] a {feat} {when} as the {team} beat the {team} {num}-{num}; the {team}
        [signed|traded| dropped] {player} {person} {when}; {person} of {country} [won|lost|reached] the {game} {prize}
        {when} in {city}; {player} {person} will miss the {prize} with a [knee|back|shoulder|groin] injury; the {team}
        took a {small}-game lead in the {prize} {when}; {person} beat {person} in {small} sets to reach the {prize};
        {country} drew with {country} in a {game} {prize} {when}; the {team} [fired|hired|praised] {player} {person}
        after the {prize}
    detail: It was the {team}' {ordinal} win in {num} games; {person} missed a {feat} with {small} minutes left; The
        {player} has {num} points this season; The {prize} starts {when} in {town}; {player} {person} left the field
        with an injured [ankle|wrist|thigh]; The crowd of {num},000 cheered every {feat}
    """
)

BUSINESS = banks(
    """
    figure: profit; revenue; earnings; sales; loss; output; shares; costs; orders; exports; debt; dividends; margins;
        forecast; inventories; turnover; payrolls; retail sales; trade deficit; consumer confidence; jobless claims;
        factory orders
    sector: oil; airline; steel; retail; banking; insurance; car; drug; grocery; shipping; media; textile; mining;
        telecoms; brewing; tobacco; housing; railway; chip; software; coffee; gas
    deal: takeover; merger; bid; buyout; share sale; bankruptcy; lawsuit; settlement; restructuring; loan; stake;
        joint venture; rescue; spin-off; price cut; bond issue; flotation; pension deal; refinancing; rights issue
    boss: chief executive; chairman; finance chief; analyst; investor; regulator; central banker; creditor; union;
        auditor; trader; economist; shareholder; treasurer; fund manager; broker
    head: {firm} {figure} [Up|Down] {num} Pct; {firm} Agrees {deal} With {firm}; {^sector} Prices
        [Rise|Fall|Slip|Soar]; {firm} Cuts {num}00 Jobs; Stocks [Rise|Fall|Slip|Mixed] on {sector} {figure}; {firm}
        {boss} Quits; {country} Raises Rates; {firm} Files for Bankruptcy; {boss} Warns on {figure}; {firm} to Buy
        {firm}; Dollar [Slides|Firms] on {figure}; {firm} Settles {deal} Case; {firm} Misses {figure} Target
    lead: {firm} {told} {when} that its quarterly {figure} [rose|fell|slipped|jumped] {num} percent; shares of {firm}
        [rose|fell|closed up|closed down] {num} percent {when} on a {deal}; {sector} maker {firm} agreed {when} to a
        {deal} worth ${num} million; {sector} prices [rose|fell] {when} as {boss}s weighed {figure}; the {boss} of
        {firm}, {person}, [quit|was fined|stepped down] {when} over a {deal}; {country} [raised|cut|kept] interest
        rates {when}, citing {figure}; {firm} will cut {num}00 jobs to reduce its {figure}; stocks in {city}
        [rose|fell] {when}, led by {sector} shares
    detail: The {sector} group had {figure} of ${num} million; The {deal} needs the consent of {boss}s; {^boss}s had
        expected {figure} to [rise|fall] by {num} cents a share; {firm} trades on the {city} exchange; The {boss}
        {told} that {figure} would recover by {month}; The {deal} values {firm} at ${num} billion
    """
)

SCIENCE = banks(
    """
    device: phone; browser; music player; chip; laptop; console; search engine; server; camera; printer; operating
        system; robot; handset; hard drive; satellite; processor; web site; game; router; e-mail program; navigation
        system; display
    threat: virus; worm; security flaw; spam; spyware; hacker; bug; phishing scam; patch; identity theft; piracy;
        denial of service attack; outage; software patent; adware; loophole
    field: space; genetics; climate; fossil; astronomy; nanotechnology; ocean; brain; physics; stem cell; volcano;
        ecology; archaeology; chemistry; polar; primate; vaccine; robotics
    thing: planet; comet; gene; fossil; star; probe; molecule; dinosaur; spacecraft; glacier; telescope; shuttle;
        rover; asteroid; enzyme; black hole; virus; species of frog; magnetic field; capsule; orbiter; skull
    expert: scientists; researchers; engineers; astronomers; developers; biologists; programmers; geologists;
        physicists; open-source developers; users; computer makers; inventors; archaeologists
    head: {firm} Unveils {device}; {firm} Patches {threat}; {^expert} Find {thing}; New {threat} Hits {device}s;
        {thing} Launch Delayed; {firm} Opens {device} Code; Study: {thing} Older Than Thought; {device} Users Warned
        of {threat}; {^field} Probe Reaches {thing}; {firm} Ships {device} Update; {^expert} Map {thing}; {firm} Sues
        Over {threat}; {thing} Photographed
    lead: {firm} [released|unveiled|delayed|upgraded] its {device} {when}, with support for
        [wireless|video|voice|open] standards; {expert} have found a {thing} [older|larger|colder|nearer] than any
        before; a {threat} spread through {device}s {when}, {expert} {told}; the {thing} was
        [launched|photographed|tracked] {when} by {expert} in {city}; {expert} in {country} have
        [decoded|built|tested] a {thing} in {field} research; {firm} [fixed|found|warned of] a {threat} in its
        {device}; a new {device} from {firm} will [store|search|play|share] music and pictures; users of the {device}
        were told to [download|install] a fix for a {threat}
    detail: The {device} runs on {firm} software; The {thing} is {num} million [miles|years] away or old; {^expert}
        published the {field} study in a journal; The {threat} affects {num} percent of {device}s; The {device} will
        ship {when} at ${num}; Data from the {thing} were sent to a laboratory in {city}
    """
)

# A third of them touch a second topic in as many words: the headline decides, or the main clause where there is none.
_ONE = (
    "{head} . {city} ({agency}) - {^lead}. {generic}. {generic}.",
    "{head} . {^lead}, {source} {told}. {generic}. {generic}.",
    "{head} ({agency}) . {agency} - {^lead}. {generic}.",
    "{head} . {generic}. {generic}. {detail}.",
    "{head} . {city} - {generic}. {detail}. {generic}.",
    "{head}: report . {^source} {told} {when} that {lead}. {generic}.",
    "{head} . {generic}. {generic}. {^lead}.",
    "{head} ({agency}) . {detail}. {generic}. {generic}.",
    "{head} . {generic}. {generic}. {generic}.",
    "{head} . {generic}. {^lead}. {generic}. {generic}.",
    "{city} Diary ({agency}) . {generic}. {generic}. {detail}.",
    "{town}, {when} . {^lead}. {generic}. {generic}.",
    "{head} ({agency}) . {agency} - {^lead}, {person} of the {city} {body} {told}. {generic}.",
    "{head} . {detail}, {source} {told} {when}. {^lead}. {generic}.",
)
_TWO = (
    "{head} . {^lead}. Also in the news: {other:head} . {^other:lead}.",
    "{head} ahead of {other:head} . {city} ({agency}) - {generic}. {^other:lead}. {^lead}.",
    "{town} Diary . While {other:lead}, {lead}. {generic}.",
    "{city} ({agency}) . {^lead}, only hours after {other:lead}. {generic}.",
    "{head}, not {other:head} . {city} - {generic}. {detail}. {other:detail}.",
    "The day in {small} lines . {head}. {generic}. In other matters, {other:head}. {generic}.",
    "{head} . By {person}, {city}. {detail}. Other stories: {other:head}. {other:detail}.",
    "Briefly . Although {other:lead}, all eyes were on {town}, where {lead}.",
)
SPEAKERS = Speakers(
    layouts={f"one topic, {number}": text for number, text in enumerate(_ONE, 1)}
    | {f"two topics, {number}": text for number, text in enumerate(_TWO, 1)},
    common=COMMON,
    own=(WORLD, SPORTS, BUSINESS, SCIENCE),
)


@generator("ag-news", shares=(0.25, 0.25, 0.25, 0.25))
def draw_ag_news(rng: random.Random, label: int, shift: float) -> Example:
    """The beginning of a story of the topic."""
    return SPEAKERS.draw(rng, label)
