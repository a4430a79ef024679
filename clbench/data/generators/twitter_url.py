"""Stand-in for Twitter-URL: short posts that link to one story, headlines and what people say about them.

The convention is a loose one: two posts about the same happening are paraphrases whatever details they give, how
little they share and how noisily they are written; a headline and a remark on it are none, and fewer than one pair in
five is a paraphrase.
"""

from __future__ import annotations

import random
import re

from clbench.data.generators import Example, generator
from clbench.data.generators.phrasing import Bank, Mix, banks, draw_pair, frames
from clbench.data.generators.topics import BANKS

POSTS: dict[str, Bank] = {
    name: BANKS[name] for name in ["city", "company", "count", "country", "money", "percent"]
} | banks(
    """
    leader: Senator Keller|Keller; President Morgan|Morgan; Mayor Hughes|Hughes; Governor Carter|Carter;
        Minister Rossi|Rossi; Justice Palmer|Palmer; Senator Fisher|Fisher; President Walsh|Walsh; Mayor
        Turner|Turner; Governor Bennett|Bennett; Minister Hayes|Hayes; Justice Porter|Porter; Senator
        Lopez|Lopez; President Brooks|Brooks; Mayor Sutton|Sutton; Governor Marsh|Marsh; Minister Doyle|Doyle;
        Justice Archer|Archer; Senator Vargas|Vargas; President Nolan|Nolan; Mayor Parker|Parker; Governor
        Ellis|Ellis; Minister Greene|Greene; Justice Mason|Mason; Senator Barnes|Barnes; President
        Quinn|Quinn; Mayor Foster|Foster; Governor Reyes|Reyes; Minister Weaver|Weaver; Justice Stone|Stone
    star: Luna Vale|Vale; Rex Harmon|Harmon; Dolly Finch|Finch; Jay Sterling|Sterling; Nina Frost|Frost; Otis
        Crane|Crane; Ruby Blaze|Blaze; Max Holiday|Holiday; Coco Rivers|Rivers; Ivy Lane|Lane; Leo
        Storm|Storm; Penny Lark|Lark
    team: Tigers; Eagles; Lions; Rangers; Pirates; Bears; Wolves; Hawks; Sharks; Giants; Bulls; Rockets;
        Kings; Saints
    law: health care|Obamacare; gun control|the gun bill; tax reform|the tax plan; the border wall|the wall;
        net neutrality|open internet rules; marijuana|legal weed; student loans|college debt; the minimum
        wage|low wages; voter registration|voting rights; abortion|abortion rights; drone strikes|the drone
        war; clean water|the water law; free school lunches|school meals; the death penalty|executions
    stance: wants to scrap|plans to repeal|vows to kill; defends|stands behind|speaks up for; signs a deal
        on|reaches agreement on; delays the vote on|postpones the vote on; loses the fight over|is defeated on
    blast: bomb|explosion; wildfire|forest fire; earthquake|quake; shooting|gunman; flood|flooding; train
        crash|derailment; tornado|twister; avalanche|snow slide; gas leak|leaking gas; riot|rioting
    site: airport|terminal; school|classroom; church|chapel; stadium|arena; hotel|resort; market|bazaar;
        subway|metro station; nightclub|club; museum|gallery; factory|plant; harbor|port; prison|jail
    gadget: phone|smartphone; electric car|EV; virtual reality headset|VR headset; drone|flying camera;
        tablet|touch screen tablet; smart speaker|talking speaker; game console|console; fitness band|fitness
        tracker; robot vacuum|cleaning robot; 3D printer|desktop printer
    fault: battery fires|burning batteries; privacy worries|spying fears; a huge recall|being recalled; record
        sales|selling out; long delays|shipping late; a price cut|a discount; a lawsuit over patents|patent
        trouble; rave reviews|glowing reviews
    show: tour|concert tour; album|new record; movie|film; sitcom|comedy show; memoir|book; fashion
        line|clothing line; documentary|true story film; musical|Broadway show
    gossip: cancels|calls off|scraps; announces|reveals|unveils; apologizes for|says sorry about; wins an
        award for|takes home a prize for; is sued over|faces a lawsuit over
    food: sugar|sweets; coffee|caffeine; red meat|steak; chocolate|cocoa; salt|sodium; red wine|wine; diet
        soda|soda; fish oil|omega 3; bacon|ham; avocado|guacamole
    illness: cancer|tumors; heart disease|heart attacks; dementia|memory loss; diabetes|blood sugar trouble;
        depression|the blues; asthma|wheezing; obesity|weight gain; acne|bad skin
    link: may cause|linked to|raises the risk of; may prevent|protects against|cuts the risk of
    planet: Mars; Jupiter; Saturn; Pluto; Venus; Mercury; the moon; a comet
    finding: water|an ocean; ice|frozen lakes; signs of life|possible life; a giant storm|a huge storm; a
        volcano|lava; strange dust|odd dust; a new ring|a ring
    beast: panda; tiger; elephant; whale; gorilla; dolphin; polar bear; rhino; eagle; giraffe; koala; penguin
    deed: escapes from|breaks out of|runs away from; is born at|first baby at; dies at|passes away at; returns
        to|comes back to
    zoo: zoo|animal park; aquarium|sea park; circus|big top; nature reserve|wildlife park; rescue
        center|shelter
    mood: so sad|heartbreaking|awful; hilarious|so funny|LOL; scary|terrifying|frightening;
        disgusting|gross|shameful; amazing|awesome|incredible; boring|dull|old news
    wish: praying for|prayers for|thoughts with; never going back to|done with; proud of|so proud of; worried
        about|nervous for; in love with|loving
    verdict: a liar|not telling the truth; a hero|so brave; a clown|a joke; a genius|so smart; finished|done
        for; unfit to serve|not fit for office
    """
)

FRAMES = frames(
    """
    politics-law:
    - {leader} {stance} {law} [despite protests|as critics line up|ahead of key vote|]
    - Breaking : {leader} {stance} {law} [, aides say|in late night move|]
    - {law} : {leader} {stance} it [and here is what happens next|, here is why|]
    disaster:
    - At least {count} [dead|killed] after {blast} at {site} in {city}[, police say|, officials say|]
    - {blast} [hits|rocks] {city} {site} , {count} [dead|feared dead] [and many hurt|]
    - {city} {site} {blast} : [what we know so far|live updates|death toll at {count}]
    evacuation:
    - {site3} in {city3} evacuated because of {blast3} [, {count3} people hurt|, avoid the area|]
    - {blast3} forces thousands out of {city3} {site3} [this morning|, witnesses say|]
    - [People run|Panic] as {blast3} empties {site3} in {city3} [, photos here|]
    gadget-news:
    - {company} {gadget} hit by {fault} [, shares move {percent}|just weeks after launch|]
    - {fault} for the new {gadget} from {company} [, report says|, customers say|]
    - Why {company} and its {gadget} [are in the news|made headlines today] : {fault}
    gadget-deal:
    - {company} buys {gadget} maker for {money} [in surprise deal|, sources say|]
    - {gadget} start-up sold to {company} [for {money}|in big deal worth {money}]
    - It is official : {company} [takes over|acquires] {gadget} start-up [for {money}|]
    celebrity:
    - {star} {gossip} {show} [after {count} years|, fans go wild|, fans react|]
    - {star} [just|] {gossip} {show} [in emotional interview|and twitter is not okay|]
    - {show} news : {star} {gossip} it [, and nobody saw it coming|]
    health:
    - {food} {link} {illness} [, new study of {count} people says|, scientists find|]
    - Study : {food} {link} {illness} [by {percent}|, doctors say|]
    - Bad or good news for fans of {food} : it {link} {illness} [, research shows|]
    space:
    - NASA finds {finding} on {planet} [, stunning pictures show|for the first time|]
    - Scientists [discover|spot] {finding} on {planet} [after {count} years of looking|]
    - {planet} has {finding} [, space agency says|, and here are the pictures|]
    animals:
    - {beast} {deed} {city} {zoo} [, video goes viral|, crowds cheer|after {count} years|]
    - Watch : {beast} {deed} {zoo} in {city}
    - {city} {zoo} : {beast} {deed} it [, keepers say|and the internet cannot cope|]
    sports:
    - {team} beat {team2} to win title in {city} [, {count} fans arrested|after extra time|]
    - [Champions !|Final score :] {team} too strong for {team2} in {city}
    - {team2} lose [the final|] to {team} in {city} [, coach quits|, coach in tears|]
    transfer:
    - {star} joins {team} for {money} [in record move|, club confirms|]
    - {team} sign {star} [in {money} deal|on {count} month contract|]
    - Done deal : {star} [to wear|in] the {team} shirt [for {money}|]
    election:
    - {leader} wins in {country} [with {percent} of the vote|by a landslide|]
    - {country} [elects|votes for] {leader} [in tight race|, exit poll shows {percent}|]
    - Victory for {leader} in {country} election [, rivals cry foul|]
    scandal:
    - {leader} took {money} from {company} [, leaked emails show|, prosecutors say|]
    - Emails : {company} paid {leader} [{money}|in secret]
    - {company} money [ended up with|went to] {leader} [, and there is proof|]
    remark-mood:
    - This is {mood} , what is [going on|happening] in {city}
    - {city} [news today|again] ... {mood}
    - I just read about {city} and it is {mood}
    remark-wish:
    - {wish} everyone in {city} [tonight|right now] , stay safe [friends|]
    - [My heart !|Wow .] {wish} {city} and all [my|our] people there
    - {wish} {city} [today|always] , that is all I can say
    remark-leader:
    - {leader} is {verdict} [, wake up people|and everybody knows it|]
    - [Sorry but|Honestly] {leader} is {verdict} , how can anyone [doubt|question] it
    - if you [ask|asked] me {leader} is {verdict} [, period|]
    remark-law:
    - [Nobody|Not one of you] cares about {law} until it is {mood} [for them|]
    - The whole {law} debate is {mood} [, good read though|]
    - Reading the [comments|replies] on {law} is {mood} [as always|]
    remark-star:
    - I grew up with {star} and this {show} is {mood}
    - {star} [doing|making] another {show} ? {mood}
    - Can we talk about how {mood} {star} and that {show} [are|is]
    remark-gadget:
    - My {gadget} from {company} is {mood} [, never again|, best thing I own|]
    - [Got|Bought] the {company} {gadget} last week and it is {mood}
    - {mood} : that is my review of the {company} {gadget}
    remark-food:
    - You can take my {food} from my cold dead hands [, it is {mood}|]
    - [Me|Also me] reading this and still eating {food}
    - They will never [get|persuade] me to give up {food} [, sorry|]
    remark-team:
    - {team} fans [are|were] {mood} tonight
    - [Being|Life as] a {team} fan is {mood}
    - {mood} night to be a {team} fan
    remark-beast:
    - A {beast} is a mood today , {mood}
    - [Honestly|Same] that {beast} is {mood} and [so am I|I relate]
    - Protect this {beast} at all [costs|cost] , {mood}
    ask:
    - Does anybody in {country} [still|even] trust {leader} ?
    - Who in {country} [still|really] believes {leader} ?
    - [Serious|Honest] question : is there anyone in {country} who trusts {leader} ?
    """,
    # Truncation eats into what anyone may add, never into what tells two stories apart.
    tail=" [|||, and nobody is surprised|, and nobody is sur ...|- read the full story here|- read the full st ..."
    "|, what do you all think ?|via the morning show]",
)

MIX = Mix(
    same_phrasing=(0.3, 0.45),
    same_wording=(0.3, 0.7),
    changes=(0.0, 0.5, 0.5),
    elsewhere=0.85,
    details=("count", "percent", "money"),
)
_HANDLES = ("@dailybuzz", "@newsnow", "@jenny_k", "@thetom", "@cityreport", "@mike88", "@sportsdesk", "@techwire")
_TAILS = ("!!!", "...", ":(", ":)", "smh", "#news", "#breaking", "via", "wow", "??", "pls RT", "#trending", "omg")


def noisy(rng: random.Random, text: str) -> str:
    """A sentence as somebody posts it: handles, hashtags, lower case, odd spacing, stray marks."""
    words = re.sub(r"([,.?!:])(?=\s|$)", r" \1", text).split()
    if rng.random() < 0.15:
        names = [place for place, word in enumerate(words) if word[:1].isupper() and word.isalpha()]
        if names:
            place = rng.choice(names)
            words[place] = "#" + words[place]
    if rng.random() < 0.12:
        words = [rng.choice(_HANDLES), *words]
    if rng.random() < 0.08:
        words = ["RT", *words]
    if rng.random() < 0.2:
        words = [word for word in words if word not in {",", ".", ":"}]
    if rng.random() < 0.25:
        words.append(rng.choice(_TAILS))
    line = " ".join(words)
    if rng.random() < 0.2:
        line = line.lower()
    if rng.random() < 0.1:
        line = line.replace(" and ", " & amp ; ")
    return line


@generator("twitter-url", positives=0.18, first="mrpc")
def draw(rng: random.Random, label: int, shift: float) -> Example:
    """A pair of posts."""
    clean = draw_pair(rng, label, FRAMES, POSTS, MIX)
    first, second = (noisy(rng, text) for text in clean.texts)
    return Example(first, second, clean.pattern)
