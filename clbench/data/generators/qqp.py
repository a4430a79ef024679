"""Stand-in for QQP: pairs of short questions from a forum, duplicates or merely about the same thing.

The convention is strict: a duplicate asks for the same answer. Another place, purpose or kind of answer makes another
question, however many words the two share.
"""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator
from clbench.data.generators.phrasing import Bank, Mix, banks, draw_pair, frames
from clbench.data.generators.topics import BANKS

QUESTIONS: dict[str, Bank] = {name: BANKS[name] for name in ("city", "country")} | banks(
    """
    person: Isaac Newton; Albert Einstein; Cleopatra; Napoleon; Mozart; Shakespeare; Marie Curie; Darwin;
        Galileo; Gandhi; Picasso; Beethoven; Aristotle; Tesla; Lincoln; Columbus
    do: lose weight|get rid of fat; learn English|improve my English; earn money online|make money on the
        internet; stop smoking|quit cigarettes; sleep better|get better sleep; grow taller|increase my height;
        start a business|set up a company; write a novel|write a book of fiction; fix a slow laptop|speed up
        my laptop; overcome shyness|become less shy; remove acne|get rid of pimples; prepare for an
        interview|get ready for an interview; invest in stocks|buy shares; delete my account|remove my
        account; cook rice|boil rice; train a puppy|teach a young dog; forget my ex|get over my ex; whiten my
        teeth|make my teeth whiter; read faster|speed up my reading; build muscle|gain muscle; play the
        guitar|learn guitar; control my anger|manage my temper; save electricity|use less power; hide an
        app|make an app invisible
    skill: programming|coding; mathematics|maths; photography|taking photos; French|the French language;
        chess|the game of chess; swimming|how to swim; public speaking|speaking in public; drawing|sketching;
        accounting|bookkeeping; piano|playing the piano; physics|basic physics; history|world history; machine
        learning|artificial intelligence; yoga|yoga exercises; driving|driving a car; singing|how to sing
    thing: laptop|notebook computer; smartphone|mobile phone; camera|photo camera; bicycle|bike;
        guitar|acoustic guitar; washing machine|washer; car|automobile; television|TV set; mattress|bed
        mattress; watch|wristwatch; backpack|rucksack; printer|printing machine; headphone|headset;
        motorcycle|motorbike; sofa|couch; tent|camping tent
    budget: students|college students; beginners|novices; old people|the elderly; gamers|playing games;
        travel|travelling; small families|a small family; musicians|making music; office work|work in an
        office
    animal: cats; dogs; wolves; elephants; dolphins; snakes; parrots; horses; spiders; bats; whales; bees
    habit: sleep so much|spend so much time asleep; fear water|avoid water; live in groups|form groups; make
        strange noises|produce odd sounds; attack people|bite humans; eat grass|feed on grass; see in the
        dark|have night vision; follow their mothers|stay near their mothers
    job: software engineer|programmer; pilot|airline pilot; doctor|physician; lawyer|attorney;
        teacher|schoolteacher; data scientist|data analyst; chef|cook; police officer|policeman;
        nurse|hospital nurse; architect|building architect; journalist|reporter; accountant|bookkeeper;
        actor|film actor; electrician|wiring technician
    subject: gravity; inflation; evolution; black holes|a black hole; the internet; blockchain;
        photosynthesis; democracy; magnetism; the stock market; nuclear energy|nuclear power; dark matter;
        friction; sound; lightning; global warming|climate change
    sickness: a headache|a sore head; a fever|a high temperature; back pain|a sore back; a cold|a runny nose;
        hair loss|falling hair; anxiety|constant worry; a cough|coughing; insomnia|sleeplessness; a
        toothache|a sore tooth; high blood pressure|hypertension; dandruff|a flaky scalp; food poisoning|bad
        food
    remedy: honey; aspirin|an aspirin tablet; garlic; green tea; vitamin C; apple vinegar|vinegar; coconut
        oil; ginger; milk; exercise|working out
    food: eggs; rice; bananas; cheese; pasta; chicken; bread; potatoes; chocolate; yogurt; peanuts; salmon
    app: Facebook; Instagram; Gmail; WhatsApp; YouTube; Twitter; Snapchat; LinkedIn; Netflix; Skype; Uber;
        Quora
    task: recover a lost password|get back a forgotten password; block someone|stop someone from contacting
        me; change my name|edit my user name; download a video|save a video; see who viewed my profile|know
        who looked at my profile; delete old messages|erase past messages; get more followers|gain more
        followers; report a fake account|report a false profile
    degree: engineering|an engineering degree; medicine|a medical degree; law|a law degree; economics|an
        economics degree; psychology|a psychology degree; biology|a biology degree; philosophy|a philosophy
        degree; design|a design degree
    book: Hamlet; The Hobbit; Dracula; Moby Dick; Frankenstein; Oliver Twist; War and Peace; Jane Eyre;
        Ulysses; Don Quixote
    war: the First World War|World War One; the Second World War|World War Two; the Cold War; the French
        Revolution; the American Civil War; the Vietnam War; the Roman Empire|ancient Rome; the Great
        Depression; the Industrial Revolution; the space race
    visa: a student visa|a visa for students; a work visa|a work permit; a tourist visa|a visa for tourists;
        permanent residence|a permanent residency; citizenship|a passport
    sign: likes me|is interested in me; lies to me|is not telling me the truth; is jealous|feels jealous; is
        angry with me|is mad at me; misses me|thinks of me; is cheating|is unfaithful
    friend: a girl|a woman; my boss|my manager; my neighbor|the man next door; my best friend|my closest
        friend; my husband|my spouse; a coworker|a colleague; my cousin|my relative; my teacher|my professor
    superlative: tallest|highest; oldest|most ancient; most beautiful|prettiest; most dangerous|least safe;
        most expensive|costliest; strangest|weirdest
    sight: building|structure; bridge|river bridge; mountain|peak; beach|seaside; museum|gallery;
        village|small town; restaurant|place to eat; temple|shrine
    """
)

FRAMES = frames(
    """
    how-to:
    - How [can|do] I {do}?
    - What is the [best|easiest|right] way to {do}?
    - What [should|must] I do [if I want to|in order to] {do}?
    - [Which|What] are [some|good] tips [if you want to|to] {do}?
    learning:
    - [Where|How] should [a beginner|I] start [to learn|learning] {skill}?
    - What is the [best|first] thing to do for [someone who learns|learning] {skill}?
    - I want to [study|learn] {skill}, [how do I begin|where do I start]?
    time-needed:
    - How [long|much time] does it take to [learn|master] {skill}?
    - How many [months|years] do I need [to learn|before I master] {skill}?
    - Can I [learn|master] {skill} in [a few months|a short time], or how long will it take?
    purchase:
    - What is the best {thing} for {budget}[ in 2016|]?
    - Which {thing} [should I buy|would you recommend] for {budget}?
    - Can [you|anyone] [suggest|recommend] a good {thing} for {budget}?
    price:
    - How much does a [good|decent] {thing} cost in {country}?
    - What is the [price|cost] of a [good|decent] {thing} in {country}?
    - What do people in {country} [have to pay|pay] for a [good|decent] {thing}?
    animal-why:
    - Why do {animal} {habit}?
    - What is the reason [that|why] {animal} {habit}?
    - What makes {animal} {habit}?
    - [Is there a reason why|Can you explain why] {animal} {habit}?
    salary:
    - What is the [average|typical] salary of a {job} in {country}?
    - How much does a {job} [earn|make] in {country}?
    - What [can|will] a {job} [expect to earn|be paid] in {country}?
    career:
    - How do I become a {job}?
    - What [steps|qualifications] are needed to become a {job}?
    - I want to be a {job}, what should I [study|do]?
    explain:
    - What is {subject} [in simple words|]?
    - How would you explain {subject} to a [child|layman]?
    - Can [someone|anyone] explain {subject} [in simple terms|simply]?
    - What [exactly|] is meant by {subject}?
    discovery:
    - Who [discovered|first described] {subject}?
    - Which person is [credited with|known for] [discovering|first describing] {subject}?
    - By whom was {subject} [discovered|first described]?
    cure:
    - Does {remedy} [help|work] against {sickness}?
    - Can I use {remedy} to [treat|cure] {sickness}?
    - Is {remedy} a good [treatment|cure] for {sickness}?
    - [I have|If I have] {sickness}, should I take {remedy}?
    symptom:
    - What [causes|is the cause of] {sickness}?
    - Why do [people|I] get {sickness}?
    - What are the [main reasons|reasons] for {sickness}?
    diet:
    - Is it [healthy|good] to eat {food} every day?
    - Are {food} [healthy|good for me] if I eat [them|that] daily?
    - What happens to [my|the] body if I eat {food} every day?
    app-task:
    - How [can|do] I {task} on {app}?
    - Is there [a|any] way to {task} on {app}?
    - What [is the procedure|steps are needed] to {task} on {app}?
    app-money:
    - How does {app} [make money|earn money]?
    - What is the [business model|source of income] of {app}?
    - Where does the [revenue|income] of {app} come from?
    university:
    - Which [university|college] in {country} is best for {degree}?
    - What are the [top|best] [universities|colleges] for {degree} in {country}?
    - Where in {country} should I study if I want {degree}?
    worth:
    - Is {degree} [worth it|a good choice] in {country}?
    - Should I [choose|go for] {degree} in {country}?
    - Does it [make sense|pay] to choose {degree} in {country}?
    reading:
    - What is the [main theme|meaning] of {book}?
    - What does {book} [really mean|try to say]?
    - Can you [explain|tell me] what {book} is about?
    history:
    - What [caused|led to] {war}?
    - What were the [causes|reasons] of {war}?
    - Why did {war} [happen|begin]?
    what-if:
    - What would have happened if {person} had [never lived|not been born]?
    - How [different would the world be|would the world look] without {person}?
    - What would the world be like if {person} had never [existed|lived]?
    visa:
    - How [can|do] I get {visa} for {country}?
    - What is the [process|procedure] to [obtain|get] {visa} for {country}?
    - What do I need to [apply for|obtain] {visa} in {country}?
    feelings:
    - How do I know [if|whether] {friend} {sign}?
    - What are the signs that {friend} {sign}?
    - How can [you|I] tell [if|whether] {friend} {sign}?
    travel:
    - What is the {superlative} {sight} in {country}?
    - Which {sight} in {country} is the {superlative}?
    - Where [can I find|is] the {superlative} {sight} in {country}?
    city-life:
    - What is it like to [live|work] as a {job} in {city}?
    - How is the life of a {job} in {city}?
    - Is {city} a good [place|city] for a {job} to [live|settle]?
    versus:
    - Which is better for my future, a career as a {job} or as a {job2}?
    - Should I become a {job} or a {job2}?
    - Is it better to be a {job} [or|than] a {job2}?
    """,
    lead="[||||Just curious:|Honest question:|For those who know about these things:|I keep asking myself:] ",
)

MIX = Mix(same_phrasing=(0.3, 0.45), same_wording=(0.55, 0.8), changes=(0.6, 0.4), elsewhere=0.28)


@generator("qqp", positives=0.37, first="mrpc")
def draw(rng: random.Random, label: int, shift: float) -> Example:
    """A pair of questions."""
    return draw_pair(rng, label, FRAMES, QUESTIONS, MIX)
