"""Stands in for Yahoo! Answers (Zhang et al. 2015): the title of a question in one of ten topics.

The topic is that of what is asked; what the asker tells besides may come from any other.
"""

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
    "role": plain(lexicon.ROLES),
    "object": plain(lexicon.OBJECTS, lexicon.CLOTHES),
    "food": plain(lexicon.FOOD),
    "animal": plain(lexicon.ANIMALS),
    "place": plain(lexicon.PLACES),
    "num": [str(number) for number in range(2, 60)],
} | banks(
    """
    kin: brother; sister; mom; dad; husband; wife; boss; friend; cousin; teacher; neighbor; roommate; uncle; aunt;
        son; daughter; girlfriend; boyfriend; grandmother; ex
    any: what is a good {thing}; where do I find a {thing} in {town}; do I really need a {thing}; how do I explain
        {thing} to my {kin}; is it too late for a {thing}; what should I know about {thing}; why is {thing} so hard;
        how long does a {thing} take; who knows more on {thing}; is {thing} worth it at {num}; what happens after a
        {thing}; can a {role} have a {thing}
    open: can anyone tell me; does anyone know; please help,; ok so; hey,; quick question:; serious answers only:;
        just curious,; my {kin} wants to know; I really need to know; tell me,; for {num} points:; I asked before but;
        I live in {town},; so
    close: ; ; ; please; thanks; and why; help; anyone; any ideas; need it by {day}; i'm {num}; best answer gets {num}
        points
    """
)
_TEXTS = (
    """
    thing: religion; tradition; wedding custom; holiday; tattoo; superstition; proverb; prayer; slang; fasting; gender
        role; accent; baptism; church; feminism; dialect; mythology; heritage; etiquette; veganism; sin; saint;
        ritual; belief; ghost; culture
    ask: what does the {thing} of {country} mean; why do people in {country} still believe in {thing}; is {thing} a
        sin; where does the {thing} come from; do you believe in {thing}; what {thing} do you keep in your family; how
        do I respect the {thing} of a {role}; is it rude to ask about {thing}; what do {country} people think of
        {thing}; would you give up your {thing}
    near: the {thing} in {country}; my {kin}'s {thing}
    """,
    """
    thing: gravity; triangle; molecule; planet; equation; isotope; algebra; fossil; cell; enzyme; voltage; comet;
        integral; acid; prism; momentum; ecosystem; bacteria; calculus; light speed; magnet; volcano; mitosis;
        friction; polymer; derivative
    ask: how do you calculate the {thing} of a {object}; why does {thing} change with {thing}; what is the formula for
        {thing}; how many {thing}s are there in a {animal}; how was {thing} discovered; what is the difference between
        {thing} and {thing}; can {thing} exist without {thing}; how far is the nearest {thing}; solve for x: {num}x +
        {num} = {thing}; is {thing} a theory
    near: a book on {thing}; the {thing} problem
    """,
    """
    thing: headache; rash; diet; allergy; fever; acne; back pain; vitamin; asthma; cough; insomnia; migraine;
        pregnancy; calories; blood pressure; diabetes; wart; dentist; sprain; contact lens; sore throat; weight;
        cramps; cholesterol; surgery; anxiety
    ask: how do I get rid of {thing}; what helps against {thing}; is it normal to have {thing} after {num} days; does
        {food} cause {thing}; should I see a doctor about my {thing}; can I take pills for {thing} with {food}; what
        are the symptoms of {thing}; how long does {thing} last; why do I get {thing} every {day}; how many pounds can
        I lose with {thing}
    near: my {kin}'s {thing}; this {thing}
    """,
    """
    thing: essay; homework; scholarship; GPA; dictionary; college; thesis; grammar; exam; diploma; spelling; major;
        quotation; tutor; dormitory; kindergarten; citation; SAT; transcript; synonym; book report; semester; online
        degree; textbook; encyclopedia
    ask: how do I write a {thing} about a {animal}; what {thing} do I need for college; where can I find a {thing} in
        {city}; what is another word for {object}; how do you spell the plural of {animal}; which {thing} is better
        for a {role}; how long should a {thing} be; what grade do I need on my {thing}; how do I become a {role}; is a
        {thing} from {town} worth anything
    near: my {thing} on {country}; the {thing} that is due on {day}
    """,
    """
    thing: router; password; browser; printer; laptop; web page; virus; hard drive; mp3; e-mail; firewall; keyboard;
        download; forum; operating system; memory card; screensaver; webcam; chat; hacker; spreadsheet; domain name;
        wireless network; scanner
    ask: how do I delete my {thing}; why is my {thing} so slow; where can I download a free {thing}; my {thing} will
        not start, what do I do; how do I connect a {thing} to a {thing}; is {firm} a safe {thing}; how do you reset a
        {thing}; which {thing} is best under {num} dollars; how do I put a {thing} on my page; what does error {num}
        on a {thing} mean
    near: my old {thing}; the {thing} from {firm}
    """,
    """
    thing: quarterback; goal; playoffs; home run; wrestler; offside; world cup; fantasy team; jersey; golf swing;
        boxing match; pitcher; referee; touchdown; skateboard; tournament; batting average; striker; fishing rod; NBA
        draft; marathon; slam dunk; coach
    ask: who will win the {thing} this year; who is the best {thing} ever; how many {thing}s did {surname} have; will
        {country} beat {country} on {day}; how do I improve my {thing}; which {thing} should {town} sign; what is the
        rule on a {thing}; how tall must a {thing} be; when does the {thing} season start; did you see the {thing} by
        {surname}
    near: the {thing} on {day}; {surname}'s {thing}
    """,
    """
    thing: mortgage; credit card; resume; stock; interview; loan; tax return; salary; insurance; budget; franchise;
        debt; invoice; bond; payroll; checking account; real estate; bankruptcy; small business; interest rate; job
        offer; inflation; pension; landlord
    ask: how do I get a {thing} with bad credit; what is the average {thing} of a {role}; how do I start a {thing} in
        {city}; should I refinance my {thing}; is {firm} a good {thing}; how much {thing} do I have to pay on
        ${num}000; where do I invest ${num}00; how do I write a {thing} for a job at {firm}; can my boss at {firm} cut
        my {thing}; how do I sell {object}s online
    near: my {thing}; the {thing} from {firm}
    """,
    """
    thing: movie; song; lyrics; concert; album; guitar; actor; sitcom; soundtrack; band; reality show; karaoke;
        celebrity; horoscope; riddle; trailer; rapper; horror film; piano; cartoon; comic book; magic trick; anime;
        music video; punk; ticket; sequel
    ask: what is the name of the {thing} with the {animal}; who sings the {thing} about {city}; what is your favorite
        {thing}; who played the {role} in that {thing}; when does the new {thing} by {surname} come out; can you name
        a {thing} with {object}s; is {surname} still in the {thing}; tell me a joke about a {role}; where can I hear
        the {thing} of {surname}; best {thing} of all
    near: a {thing} with {surname}; that {thing} about {city}
    """,
    """
    thing: crush; marriage; divorce; breakup; date; kiss; jealousy; mother in law; engagement ring; cheating; best
        friend; prom; stepdad; feelings; shyness; baby shower; long distance; secret; trust; proposal; argument; love
        letter; anniversary; custody
    ask: how do I tell my {kin} about my {thing}; should I forgive my {kin} for {thing}; does he like me or is it just
        {thing}; how do I get over a {thing}; my {kin} is angry about the {thing}, what should I do; how do you know
        if it is {thing}; is {num} too young for {thing}; what do I give my {kin} after the {thing}; why do guys avoid
        {thing}; how do I make my {kin} talk to me
    near: my {kin} and the {thing}; our {thing}
    """,
    """
    thing: election; senator; immigration; amendment; congress; draft; supreme court; gun law; welfare; president;
        embassy; visa; war; veto; army; governor; lawsuit; republican; democrat; police; ballot; terrorism; death
        penalty; citizenship; troops; parole
    ask: who will be the next {thing}; should {country} have a {thing}; why does the {thing} not stop the war in
        {country}; how do I apply for {thing} in {country}; is the {thing} to blame for {town}; what rights do I have
        against the {thing}; who did you vote for in the {thing}; should the {thing} be changed; can a {thing} be
        arrested; why are we still in {country}
    near: the {thing} in {country}; {surname} and the {thing}
    """,
)

_PLAIN = (
    "{^ask}?",
    "{open} {ask}?",
    "{^ask} {close}?",
    "{open} {ask} {close}?",
    "{^ask}? {^close}?",
    "{open} my {kin} asked me, {ask}?",
    "{^ask}, in your opinion?",
    "{open} honestly, {ask}?",
    "{^ask}?? {close}!",
    "question for a {role}: {ask}?",
    "{^ask}? My {kin} says it depends.",
    "{^ask} if you are from {city}?",
    "{^any}?",
    "{open} {any}?",
)
_TOLD = (
    "I told my {kin} about {other:thing}; now {any}?",
    "Apart from {other:thing}, {any}?",
    "{^any}? (not {other:thing})",
    "Forget {other:thing}, {any}?",
    "{open} {any}, or is {other:thing} more important?",
    "{other:any}? Thanks. Now: {any}?",
    "{^any}? I was busy with {other:thing} {close}.",
    "My {kin} keeps asking, {other:ask}? What I ask is: {ask}?",
    "{^other:near} aside, {any}?",
    "{^any}? My {kin} only talks of {other:thing}.",
    "Solved: {other:ask}. Open: {ask}?",
    "{open} {any} {close}? I know all about {other:thing}.",
    "{^ask}? Earlier I asked, {other:ask}?",
    "Instead of {other:thing}, {any} {close}?",
    "{other:thing} or not, {any}?",
    "not another {other:thing} question: {any}?",
)
SPEAKERS = Speakers(
    layouts={f"asked alone, {number}": text for number, text in enumerate(_PLAIN, 1)}
    | {f"with something told, {number}": text for number, text in enumerate(_TOLD, 1)},
    common=COMMON,
    own=[banks(text) for text in _TEXTS],
)


@generator("yahoo", shares=(0.1,) * 10)
def draw_yahoo(rng: random.Random, label: int, shift: float) -> Example:
    """A question of the topic."""
    return SPEAKERS.draw(rng, label)
