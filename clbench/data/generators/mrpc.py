"""Stand-in for MRPC: two sentences of the news, rewritten, condensed, or about something else that happened.

The convention is a lenient one, and two thirds of the pairs are paraphrases: a sentence that leaves a detail out still
says the same. A pair is no paraphrase when a fact that both sentences state differs.
"""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator
from clbench.data.generators.phrasing import Bank, Mix, banks, draw_pair, frames
from clbench.data.generators.topics import BANKS

NEWS: dict[str, Bank] = {
    name: BANKS[name]
    for name in ("city", "company", "count", "country", "day", "hundreds", "money", "month", "percent", "person")
} | banks(
    """
    moved: rose|climbed|increased|went up; fell|dropped|declined|went down
    cause: strong sales of phones|robust phone sales; higher oil prices|more expensive crude oil; weak demand
        for cars|sluggish car sales; cheap imported steel|low-cost steel from abroad; a strike by pilots|a
        walkout by pilots; growth in online advertising|more advertising on the web; bad weather at harvest
        time|storms during the harvest; new taxes on tobacco|fresh tobacco taxes
    step: cut its forecast|lowered its outlook; won a defense contract|landed a contract from the army; named
        a new chief executive|appointed a new boss; recalled faulty brakes|called back cars over their brakes;
        agreed to sell its airline|struck a deal to sell its airline; disclosed a theft of customer data|said
        customer data had been stolen; raised its dividend|lifted the payout to shareholders; delayed its new
        medicine|postponed its new drug
    crime: murder|homicide; fraud|swindling investors; bribery|paying bribes; arson|setting fires;
        kidnapping|abducting a child; smuggling weapons|gun running; tax evasion|dodging taxes;
        spying|espionage; bank robbery|robbing banks; perjury|lying under oath
    suspect: a teacher|a schoolteacher; a former soldier|an ex-soldier; a taxi driver|a cab driver; a priest|a
        clergyman; a doctor|a physician; a student|a pupil; an accountant|a bookkeeper; a lawyer|an attorney;
        a nurse|a hospital nurse; a fisherman|a trawler man
    blast: a car bomb|a bomb in a car; a gas explosion|a blast of leaking gas; a plane crash|an aircraft
        accident; a factory fire|a blaze in a factory; a bridge collapse|a fallen bridge; a train derailment|a
        derailed train; a ferry accident|a sunken ferry; a rocket attack|a missile strike
    victim: soldiers|troops; tourists|holidaymakers; children|youngsters; policemen|police officers;
        workers|laborers; farmers|villagers; aid workers|relief staff; football fans|soccer supporters
    storm: a hurricane|a powerful hurricane; a flood|rising water; a forest fire|a wildfire; an earthquake|a
        strong quake; a heat wave|extreme heat; a volcano|a volcanic eruption; a snowstorm|a blizzard; a
        drought|a long dry spell
    vote: ban smoking in restaurants|outlaw smoking in restaurants; raise the minimum wage|increase the
        minimum wage; legalize same-sex marriage|allow gay marriage; abolish the death penalty|end capital
        punishment; cut income taxes|reduce income taxes; expand the army|enlarge the army; limit
        immigration|curb immigration; protect wolves|safeguard wolves; close the coal mines|shut the coal
        mines; fund new hospitals|pay for new hospitals
    office: the finance minister|the minister of finance; the mayor|the city's mayor; the army chief|the head
        of the army; the opposition leader|the leader of the opposition; the governor|the state's governor;
        the foreign secretary|the top diplomat; the health commissioner|the chief of public health; the police
        spokesman|a spokesman for the police; the bishop|the local bishop; the union president|the president
        of the union
    plan: send troops to the border|dispatch soldiers to the border; build a nuclear plant|construct a nuclear
        reactor; release the prisoners|free the prisoners; cancel the election|call off the election; open
        talks with the rebels|start negotiating with the rebels; sell the national airline|privatize the state
        airline; close hundreds of schools|shut hundreds of schools; lower interest rates|cut interest rates;
        vaccinate every child|immunize all children; expel three diplomats|throw out three diplomats
    food: coffee|a cup of coffee; red wine|a glass of red wine; fish|oily fish; chocolate|dark chocolate;
        aspirin|an aspirin tablet; broccoli|steamed broccoli; green tea|a pot of green tea; vitamin
        pills|vitamin tablets; yoga|yoga practice; garlic|cloves of garlic
    effect: lower|reduce|cut; increase|raise|push up
    disease: heart attacks|heart disease; breast cancer|tumors of the breast; diabetes|high blood sugar;
        asthma|breathing trouble; depression|low mood; stroke|strokes; memory loss|dementia; obesity|becoming
        overweight; migraine|bad headaches; blindness|losing sight
    team: the Tigers; the Eagles; the Lions; the Rangers; the Pirates; the Bears; the Wolves; the Hawks; the
        Sharks; the Giants; the Bulls; the Rockets; the Kings; the Saints
    score: 2-1; 3-0; 5-2; 4-3; 7-1; 6-4; 8-5; 9-6
    film: the space adventure|the science fiction movie; the vampire movie|the film about vampires; the
        cartoon about penguins|the animated penguin film; the war drama|the drama about the war; the pirate
        comedy|the comedy about pirates; the spy thriller|the secret agent thriller; the wedding comedy|the
        comedy about a wedding; the boxing drama|the boxer's story
    gadget: a cheap laptop|a low-cost notebook computer; an electric truck|a battery-powered truck; a music
        player|a portable stereo; a game console|a video game machine; a smart watch|a wrist computer; a
        satellite phone|a telephone that works by satellite; a diet soda|a sugar-free soft drink; a hearing
        aid|a device for the deaf; a credit card|a charge card; a search engine|a web search service
    striker: bus drivers|drivers of city buses; dock workers|longshoremen; teachers|school staff;
        nurses|hospital nurses; miners|coal miners; actors|stage and screen actors; garbage collectors|refuse
        workers; air traffic controllers|flight controllers
    demand: higher pay|better wages; shorter hours|a shorter working week; safer equipment|better safety gear;
        pension rights|their pensions; health insurance|medical cover; an end to night work|no more night
        shifts
    probe: a spacecraft|a space probe; a weather satellite|a satellite that watches the weather; a
        telescope|an orbiting telescope; a supply ship|a cargo capsule; a robot rover|a robotic vehicle; an
        astronaut crew|a team of astronauts
    target: Mars|the red planet; the moon|the lunar surface; Venus; Jupiter; Saturn; a comet|an icy comet
    medicine: the cancer drug|the drug against tumors; the flu vaccine|the influenza shot; the sleeping
        pill|the insomnia tablet; the cholesterol drug|the cholesterol pill; the malaria treatment|the remedy
        for malaria; the skin cream|the ointment for the skin; the heart implant|the implanted heart device;
        the diet pill|the weight loss tablet
    verdict: approved|cleared|gave approval to; rejected|turned down|refused to approve
    artist: novelist|author; film director|filmmaker; jazz singer|vocalist; painter|artist;
        physicist|scientist; boxer|prize fighter; architect|designer of buildings; comedian|comic;
        composer|writer of symphonies; chef|cook
    place: airport|air terminal; museum|art museum; stadium|sports arena; prison|jail; hospital|clinic;
        embassy|diplomatic mission; railway station|train station; shopping mall|shopping center;
        university|campus; power station|electricity plant
    goods: wheat|grain; gold|bullion; crude oil|petroleum; coffee beans|raw coffee; copper|copper metal;
        sugar|raw sugar; cotton|raw cotton; natural gas|gas
    """
)

FRAMES = frames(
    """
    profit:
    - {company} said [on {day}|this week] that its [quarterly|latest] profit {moved} {percent} because of
      {cause}[, ahead of forecasts|].
    - Because of {cause}, [quarterly|latest] earnings at {company} {moved} {percent}, the [firm|company]
      [announced|reported] [on {day}|].
    - Profit at {company} {moved} {percent} [in the latest quarter|], helped or hurt by {cause}[, a statement
      showed|].
    shares:
    - Shares of {company} {moved} {percent} [in early trading|on {day}] after the [firm|company] {step}.
    - After {company} {step}, its [shares|stock] {moved} {percent} [on the New York exchange|on the stock
      market|].
    - Stock in {company} {moved} by {percent} [on {day}|in heavy trading|] when it {step}[, traders said|].
    takeover:
    - {company} agreed [on {day}|this week] to buy {company2} for {money} [in cash|in cash and stock].
    - {company} will [acquire|take over] its [smaller|] rival {company2} in a deal [worth|valued at] {money}[, the
      firms said|].
    - In a {money} deal [announced on {day}|], {company2} is to be [bought|acquired] by {company}[, people close
      to the talks said|].
    layoffs:
    - {company} will [cut|eliminate] {hundreds} jobs [at its plants|] in {country} [over the next two years|by
      next {month}] because of {cause}.
    - Blaming {cause}, {company} said it [plans to|would] lay off {hundreds} [workers|employees] in {country}[,
      mostly in factories|].
    - {hundreds} [workers|employees] in {country} are to lose their jobs at {company}, which blamed {cause}[, the
      unions said on {day}|].
    trial:
    - A [jury|court] in {city} [convicted|has convicted] {person} of {crime} [on {day}|after a trial of {count}
      weeks].
    - {person} was [convicted|found guilty] of {crime} by a [jury|court] in {city} [and could spend {count} years
      in prison|on {day}|].
    - [Jurors|Judges] in {city} ruled [on {day}|] that {person} was guilty of {crime}[, ending a trial of {count}
      weeks|].
    arrest:
    - Police in {city} [have arrested|detained] {suspect} [on suspicion of|in connection with] {crime}[, officials
      said on {day}|].
    - {suspect} was [arrested|taken into custody] in {city} [on {day}|late on {day}] and [accused of|charged with]
      {crime}.
    - [Detectives|Officers] in {city} are holding {suspect} who is [accused of|charged with] {crime}[, a newspaper
      reported|].
    disaster:
    - {blast} [killed|claimed the lives of] {count} {victim} [and wounded dozens of others|] in {city} [on
      {day}|], [officials|witnesses] said.
    - At least {count} {victim} [were killed|died] by {blast} in {city} [on {day}|early on {day}][, according to
      the authorities|].
    - In {city}, {count} {victim} [lost their lives|were killed] in {blast}[, the worst for years|, hospital
      sources said|].
    storm:
    - {storm} [forced|drove] {hundreds} people from their homes in {country} [on {day}|] [and cut power to many
      towns|].
    - [About|Some] {hundreds} people in {country} [had to leave|fled] their homes because of {storm}[, rescue
      workers said on {day}|].
    - [Authorities|Officials] in {country} evacuated {hundreds} residents as {storm} [hit|threatened] the
      [region|coast|provinces].
    ballot:
    - Lawmakers in {country} [voted|decided] [on {day}|] to {vote}[, despite protests outside parliament|, by
      {count} votes].
    - The parliament of {country} has [voted|agreed] to {vote}[, a step that the government had opposed|].
    - A law to {vote} was passed [on {day}|late on {day}] by [lawmakers|members of parliament] in {country}.
    policy:
    - {person}, {office} in {city}, said [on {day}|] there was no [plan|intention] to {plan}[, whatever the
      newspapers wrote|].
    - {office} in {city}, {person}, [denied|rejected reports] that there were plans to {plan} [next {month}|].
    - "We will not {plan}," {person}, {office} in {city}, told [reporters|a news conference] [on {day}|].
    study:
    - [Researchers|Scientists] in {city} have found that {food} can {effect} the risk of {disease} [by
      {percent}|].
    - {food} may {effect} the [risk|danger] of {disease}, [according to|says] a [new|large] study from {city}[,
      which followed {hundreds} people|].
    - A [team|group of doctors] in {city} [reported|said] [on {day}|] that {food} seems to {effect} the
      [odds|chances] of {disease}.
    match:
    - {team} [beat|defeated] {team2} {score} in {city} [on {day}|] [to reach the final|before {hundreds} fans|].
    - {team2} lost {score} to {team} in {city} [on {day}|on {day} night] [after a late goal|].
    - In {city}, {team} won {score} against {team2}[, their best result of the season|, their coach's first win|].
    film:
    - {film} [earned|took in] {money} [at the box office|in cinemas] in {country} [over the weekend|last weekend].
    - [Moviegoers|Audiences] in {country} spent {money} on {film} [over the weekend|], [studio|industry] estimates
      showed.
    - With {money} in ticket sales, {film} was the [most popular|top] [picture|film] in {country} [last
      weekend|this week].
    product:
    - {company} [will start selling|plans to launch] {gadget} in {country} [in {month}|next {month}] for [about|]
      {count} dollars.
    - {gadget} from {company} will [go on sale|reach stores] in {country} [in {month}|] at a price of {count}
      dollars.
    - Priced at {count} dollars, {gadget} is [to be launched|coming] in {country} by {company}[, its chief
      executive said on {day}|].
    walkout:
    - {striker} in {city} [went on strike|walked out] [on {day}|at midnight on {day}] to demand {demand}[, leaving
      the public stranded|].
    - A strike by {striker} [for|over] {demand} [began|started] in {city} [on {day}|], union [leaders|officials]
      said.
    - [Thousands of|Many] {striker} have [stopped work|downed tools] in {city} because they want {demand}[,
      {company} said|].
    launch:
    - {country} [launched|sent] {probe} to {target} [on {day}|early on {day}] [after a delay of {count} days|].
    - {probe} from {country} is on its way to {target} [after a perfect start|after lifting off on {day}|].
    - After {count} failed attempts, {country} has [launched|fired] {probe} [toward|into space toward] {target}[,
      officials said on {day}|].
    summit:
    - {person} [met|held talks with] {person2} in {city} [on {day}|] to [discuss|talk about] the price of {goods}.
    - The price of {goods} was [the main subject|discussed] when {person} met {person2} in {city} [on {day}|this
      week].
    - {person2} [received|welcomed] {person} in {city} for [talks|discussions] about {goods} [and other matters|on
      {day}|].
    regulator:
    - [Regulators|Officials] in {country} [on {day}|this week] {verdict} {medicine} made by {company}[, citing a
      trial of {hundreds} patients|].
    - {country} {verdict} {medicine} of {company}[, a decision that doctors had awaited|, it was announced on
      {day}|].
    - The [health agency|drug agency] of {country} {verdict} {medicine} [developed|produced] by {company} [on
      {day}|].
    obituary:
    - {person}, the {artist} [from|born in] {city}, died [on {day}|at home on {day}] [of a heart attack|] at the
      age of {count}.
    - The {artist} {person} of {city} has died at {count}[, the family said on {day}|, relatives announced|].
    - {city} is mourning {person}, the {artist} who [passed away|died] [on {day}|] aged {count}[, after a long
      illness|].
    building:
    - {company} has won a {money} contract to [build|construct] a {place} in {city}[, the council said on {day}|].
    - A [new|] {place} in {city} will be [built|constructed] by {company} at a cost of {money}[, a project that
      took years to plan|].
    - {city} [chose|picked] {company} to put up a {place} for {money}[, after a vote on {day}|].
    alarm:
    - The {place} in {city} was [closed|evacuated] [on {day}|for {count} hours] because of {storm}.
    - Because of {storm}, the {place} in {city} had to be [closed|cleared] [on {day}|, officials said|].
    - {storm} [shut|led to the closing of] the {place} in {city} [on {day}|], leaving [travelers|visitors]
      outside.
    prices:
    - The price of {goods} {moved} {percent} [on {day}|this week] because of {storm} in {country}.
    - {storm} in {country} meant that {goods} prices {moved} {percent}[, dealers said on {day}|].
    - {goods} {moved} {percent} on [world|commodity] markets [on {day}|] as {storm} struck {country}[, a large
      producer|].
    lawsuit:
    - {person} is suing {company} for {money}, [claiming|saying] that {gadget} caused {disease}[, court papers
      show|].
    - {company} [faces|was hit with] a lawsuit for {money} [on {day}|] from {person}, who blames {gadget} for
      {disease}.
    - In a suit [filed|brought] in {city}, {person} [wants|seeks] {money} from {company}, saying {gadget} led to
      {disease}.
    hiring:
    - {company} [named|appointed] {person} as its [chief executive|boss] [on {day}|], replacing {person2}[, who
      retires in {month}|].
    - {person} will [take over|succeed] from {person2} as [chief executive|boss] of {company} [in {month}|next
      year].
    - {person2} is [stepping down|leaving] as [head|chief] of {company} and {person} takes the job[, the firm said
      on {day}|].
    """,
    tail="[||, the Associated Press reported|, a spokeswoman confirmed late in the evening|"
    ", according to a statement sent to reporters|, in what analysts called a surprise]",
)

MIX = Mix(same_phrasing=(0.35, 0.5), same_wording=(0.6, 0.85), changes=(0.15, 0.3, 0.3, 0.25), elsewhere=0.15)


@generator("mrpc", positives=0.66)
def draw(rng: random.Random, label: int, shift: float) -> Example:
    """A pair of news sentences."""
    return draw_pair(rng, label, FRAMES, NEWS, MIX)
