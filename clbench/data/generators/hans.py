"""Stands in for HANS (McCoy et al. 2019): every word of the second sentence is in the first; the syntax alone decides.

Lexical overlap, subsequences and constituents, each construction with both labels: what differs is who stands where, or
whether the word above a clause vouches for it.
"""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.grammar import Style, draw, patterns
from clbench.data.generators.words import Bank, Concept, Word, bank, plain, verb


def _roles() -> Bank:
    """Every role in the singular and in the plural, one word a concept."""
    words = [concept.same[0] for concept in lexicon.ROLES]
    return tuple(Concept((w,)) for w in words) + tuple(Concept((Word(w.pl, many=True),)) for w in words)


# Regular verbs only: past and participle are one word, so that a passive shares every word with its active.
BANKS = {
    "x": _roles(),
    "v": bank(
        """
        accuse address admire advise amaze amuse annoy approach assist attack avoid blame bother challenge charm chase
        comfort confuse congratulate consult contact convince correct criticize deceive defend disappoint disturb
        embarrass encourage entertain envy escort excuse expect follow frighten greet help hire honor ignore impress
        inspire insult interview introduce invite irritate judge kick mention mock notify observe obey offend persuade
        photograph praise pull pursue push puzzle question reassure recognize recommend remind replace rescue respect
        reward salute scare scold shock stop support surprise surround tease thank threaten track trick trouble trust
        visit warn welcome
        """,
        verb,
    ),
    "i": bank(
        """
        agree appear argue arrive bow breathe celebrate cheer collapse complain cough cry dance disappear doze escape
        fail faint float frown gamble giggle groan hesitate hurry jump laugh listen march mumble pause perform pray
        protest recover relax resign rest retire return scream shiver shout sigh smile sneeze snore struggle stumble
        succeed suffer surrender talk travel tremble tumble vanish vote wait walk wander whisper whistle work yawn
        yell
        """,
        verb,
    ),
    "p": bank("call clean cook help hunt investigate paint study train watch move visit", verb),
    "k": bank("believe doubt remember notice understand discover recall mention suspect question", verb),
    "place": plain(
        "airport bakery barn castle cathedral church clinic courtyard factory farm forest garden harbor hospital hotel "
        "island kitchen laboratory library market museum office palace park restaurant school stadium station studio "
        "temple theater tower valley village workshop"
    ),
    "adj": plain(
        "angry brave busy careful cheerful clever clumsy curious eager elegant famous fierce friendly generous gentle "
        "grumpy honest humble jealous lazy lonely modest nervous old patient polite popular proud quiet rude serious "
        "shy silly stern strange timid tired wise young"
    ),
}

PATTERNS = patterns(
    """
    # passive
    ? The {x} {v.past} the {x2}.
    + The {x2} {x2.was} {v.part} by the {x}.
    - The {x} {x.was} {v.part} by the {x2}.

    # passive with an adjunct
    ? The {x} {v.past} the {x2}.
    + In the {place}, the {x2} {x2.was} {v.part} by the {adj} {x}.
    - In the {place}, the {x} {x.was} {v.part} by the {adj} {x2}.

    # passive without its doer (fixed: v)
    ? The {x2} {x2.was} {v.part}.
    + The {x2} near the {x} {x2.was} {v.part} by the {x3}.
    - The {x} near the {x2} {x.was} {v.part} by the {x3}.

    # two subjects
    ? The {x} {v.past} the {x2}.
    + The {x} and the {x3} {v.past} the {x2}.
    - The {x2} and the {x3} {v.past} the {x}.

    # two objects
    ? The {x} {v.past} the {x2}.
    + The {x} {v.past} the {x3} and the {x2}.
    - The {x2} {v.past} the {x3} and the {x}.

    # prepositional phrase on the subject
    ? The {x} {i.past}.
    + The {x} [near|behind|beside|by] the {x2} {i.past}.
    - The {x2} [near|behind|beside|by] the {x} {i.past}.

    # prepositional phrase on the object
    ? The {x} {v.past} the {x2}.
    + The {x} {v.past} the {x2} [near|behind|beside] the {x3}.
    - The {x} {v.past} the {x3} [near|behind|beside] the {x2}.
    - The {x3} [near|behind|beside] the {x} {v.past} the {x2}.

    # relative clause on the subject
    ? The {x} {i.past}.
    + The {x} that {v.past} the {x2} {i.past}.
    - The {x2} that {v.past} the {x} {i.past}.

    # inside a relative clause
    ? The {x} {v.past} the {x2}.
    + The {x} that {v.past} the {x2} {i.past}.
    - The {x} that the {x2} {v.past} {i.past}.

    # around a relative clause
    ? The {x} {v.past} the {x2}.
    + The {x} that the {x3} {k.past} {v.past} the {x2}.
    - The {x3} that {k.past} the {x} {v.past} the {x2}.

    # embedded clause
    ? The {x} {v.past} the {x2}.
    + [Because|Since|Although|Now that] the {x} {v.past} the {x2}, the {x3} {i.past}.
    - [If|Unless|In case] the {x} {v.past} the {x2}, the {x3} {i.past}.

    # main clause
    ? The {x} {i.past}.
    + [Because|Since|Although|Now that] the {x3} {v.past} the {x2}, the {x} {i.past}.
    - [If|Unless|In case] the {x3} {v.past} the {x2}, the {x} {i.past}.

    # clause under a verb
    ? The {x} {i.past}.
    + The {x2} [knew|realized|noticed|regretted] that the {x} {i.past}.
    - The {x2} [believed|claimed|hoped|thought] that the {x} {i.past}.

    # longer clause under a verb
    ? The {x} {v.past} the {x2}.
    + The {adj} {x3} [proved|knew|forgot|realized] that the {x} {v.past} the {x2}.
    - The {adj} {x3} [doubted|said|imagined|feared] that the {x} {v.past} the {x2}.

    # adverb of certainty
    ? The {x} {v.past} the {x2}.
    + [Certainly|Clearly|Obviously|Indeed], the {x} {v.past} the {x2}.
    - [Maybe|Perhaps|Supposedly|Possibly], the {x} {v.past} the {x2}.

    # coordinated clauses
    ? The {x} {v.past} the {x2}.
    + The {x3} {i.past}, and the {x} {v.past} the {x2}.
    - The {x3} {i.past}, or the {x} {v.past} the {x2}.

    # object or clause
    ? The {x} {k.past} the {x2}.
    + The {x} {k.past} the {x2} in the {place}.
    - The {x} {k.past} the {x2} {i.past}.

    # participle after its noun
    ? The {x} {p.past} in the {place}.
    + The {x} {p.past} in the {place} and {i.past}.
    - The {x} {p.past} in the {place} {i.past}.

    # object or next subject
    ? The {x} {p.past} the {x2}.
    + [Before|After|While] the {x} {p.past} the {x2}, the {x3} {i.past}.
    - [Before|After|While] the {x} {p.past} the {x2} {i.past}.

    # object left out
    ? The {x} {p.past}.
    + The {x} {p.past} the {x2} in the {place}.
    - The {x2} {p.past} the {x} in the {place}.

    # how often
    ? The {x} {v.past} the {x2}.
    + The {adj} {x} [often|once|sometimes|always] {v.past} the {x2}.
    - The {adj} {x} [never|nearly|almost] {v.past} the {x2}.

    # cleft
    ? The {x} {v.past} the {x2}.
    + It was the {x} that {v.past} the {x2}.
    + It was the {x2} that the {x} {v.past}.
    - It was the {x2} that {v.past} the {x}.
    - It was the {x} that the {x2} {v.past}.
    - It was not the {x} that {v.past} the {x2}.

    # not only
    ? The {x} {i.past}.
    + Not only the {x2} but also the {x} {i.past}.
    - Only the {x2} but not the {x} {i.past}.

    # source or circumstance
    ? The {x} {v.past} the {x2}.
    + To the delight of the {x3}, the {x} {v.past} the {x2}.
    - According to the {x3}, the {x} {v.past} the {x2}.
    - In the dreams of the {x3}, the {x} {v.past} the {x2}.

    # together or instead
    ? The {x} {i.past}.
    + [Together with|Just like] the {x2}, the {x} {i.past}.
    - [Instead of|Without] the {x}, the {x2} {i.past}.

    # known or rumored
    ? The {x} {v.past} the {x2}.
    + The {x} {x.was} [known|shown|proven] to have {v.part} the {x2}.
    - The {x} {x.was} [said|rumored|alleged] to have {v.part} the {x2}.

    # done or only possible
    ? The {x} {v.past} the {x2}.
    + The {x} had [already|finally] {v.part} the {x2}.
    - The {x} [could|should|might] have {v.part} the {x2}.

    # three roles
    ? The {x} recommended the {x2} to the {x3}.
    + The {x2} {x2.was} recommended to the {x3} by the {x}.
    - The {x2} {x2.was} recommended to the {x} by the {x3}.
    - The {x} {x.was} recommended to the {x3} by the {x2}.
    """
)

# Nothing reworded and nothing swapped for another word: only the structure tells.
STYLE = Style(reword=0.0, reword_negative=0.0, general=0.0, structural=1.0, both=0.0, changed=(1.0,), trap=0.0)


@generator("hans", positives=0.5, first="mnli")
def draw_hans(rng: random.Random, label: int, shift: float) -> Example:
    """A sentence, and a shorter one made of its words."""
    return draw(rng, label, PATTERNS, BANKS, STYLE)
