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


_PEOPLE = _roles()
# Regular verbs only: past and participle are one word, so that a passive shares every word with its active.
BANKS = {
    "x": _PEOPLE,
    "y": _PEOPLE,
    "z": _PEOPLE,
    "v": bank(
        """
        admire advise amuse attack avoid blame comfort contact deceive defend encourage entertain envy expect follow
        frighten help hire
        ignore insult interview introduce invite judge kick mention observe obey offend persuade photograph praise
        pursue question
        recognize recommend rescue reward scare stop support surprise thank threaten trick trust visit warn welcome
        """,
        verb,
    ),
    "i": bank(
        """
        agree appear arrive complain cough dance disappear escape fail faint frown gamble hesitate jump laugh march
        pause perform protest relax resign retire return shout sigh smile sneeze stumble succeed talk tremble travel
        vanish wait walk wander whisper
        """,
        verb,
    ),
    "p": bank("call clean cook help hunt investigate paint study train watch move visit", verb),
    "k": bank("believe doubt remember notice understand discover recall mention suspect question", verb),
    "place": plain(
        "office garden library museum kitchen studio village school hotel market theater station castle harbor "
        "church hospital tower valley"
    ),
    "adj": plain(
        "angry brave busy careful clever famous friendly gentle honest lazy lonely nervous polite proud quiet "
        "serious strange tired young old"
    ),
}

PATTERNS = patterns(
    """
    # passive
    ? The {x} {v.past} the {y}.
    + The {y} {y.was} {v.part} by the {x}.
    - The {x} {x.was} {v.part} by the {y}.

    # passive with an adjunct
    ? The {x} {v.past} the {y}.
    + In the {place}, the {y} {y.was} {v.part} by the {adj} {x}.
    - In the {place}, the {x} {x.was} {v.part} by the {adj} {y}.

    # passive without its doer (fixed: v)
    ? The {y} {y.was} {v.part}.
    + The {y} near the {x} {y.was} {v.part} by the {z}.
    - The {x} near the {y} {x.was} {v.part} by the {z}.

    # two subjects
    ? The {x} {v.past} the {y}.
    + The {x} and the {z} {v.past} the {y}.
    - The {y} and the {z} {v.past} the {x}.

    # two objects
    ? The {x} {v.past} the {y}.
    + The {x} {v.past} the {z} and the {y}.
    - The {y} {v.past} the {z} and the {x}.

    # prepositional phrase on the subject
    ? The {x} {i.past}.
    + The {x} [near|behind|beside|by] the {y} {i.past}.
    - The {y} [near|behind|beside|by] the {x} {i.past}.

    # prepositional phrase on the object
    ? The {x} {v.past} the {y}.
    + The {x} {v.past} the {y} [near|behind|beside] the {z}.
    - The {x} {v.past} the {z} [near|behind|beside] the {y}.
    - The {z} [near|behind|beside] the {x} {v.past} the {y}.

    # relative clause on the subject
    ? The {x} {i.past}.
    + The {x} that {v.past} the {y} {i.past}.
    - The {y} that {v.past} the {x} {i.past}.

    # inside a relative clause
    ? The {x} {v.past} the {y}.
    + The {x} that {v.past} the {y} {i.past}.
    - The {x} that the {y} {v.past} {i.past}.

    # around a relative clause
    ? The {x} {v.past} the {y}.
    + The {x} that the {z} {k.past} {v.past} the {y}.
    - The {z} that {k.past} the {x} {v.past} the {y}.

    # embedded clause
    ? The {x} {v.past} the {y}.
    + [Because|Since|Although|Now that] the {x} {v.past} the {y}, the {z} {i.past}.
    - [If|Unless|In case] the {x} {v.past} the {y}, the {z} {i.past}.

    # main clause
    ? The {x} {i.past}.
    + [Because|Since|Although|Now that] the {z} {v.past} the {y}, the {x} {i.past}.
    - [If|Unless|In case] the {z} {v.past} the {y}, the {x} {i.past}.

    # clause under a verb
    ? The {x} {i.past}.
    + The {y} [knew|realized|noticed|regretted] that the {x} {i.past}.
    - The {y} [believed|claimed|hoped|thought] that the {x} {i.past}.

    # longer clause under a verb
    ? The {x} {v.past} the {y}.
    + The {adj} {z} [proved|knew|forgot|realized] that the {x} {v.past} the {y}.
    - The {adj} {z} [doubted|said|imagined|feared] that the {x} {v.past} the {y}.

    # adverb of certainty
    ? The {x} {v.past} the {y}.
    + [Certainly|Clearly|Obviously|Indeed], the {x} {v.past} the {y}.
    - [Maybe|Perhaps|Supposedly|Possibly], the {x} {v.past} the {y}.

    # coordinated clauses
    ? The {x} {v.past} the {y}.
    + The {z} {i.past}, and the {x} {v.past} the {y}.
    - The {z} {i.past}, or the {x} {v.past} the {y}.

    # object or clause
    ? The {x} {k.past} the {y}.
    + The {x} {k.past} the {y} in the {place}.
    - The {x} {k.past} the {y} {i.past}.

    # participle after its noun
    ? The {x} {p.past} in the {place}.
    + The {x} {p.past} in the {place} and {i.past}.
    - The {x} {p.past} in the {place} {i.past}.

    # object or next subject
    ? The {x} {p.past} the {y}.
    + [Before|After|While] the {x} {p.past} the {y}, the {z} {i.past}.
    - [Before|After|While] the {x} {p.past} the {y} {i.past}.

    # object left out
    ? The {x} {p.past}.
    + The {x} {p.past} the {y} in the {place}.
    - The {y} {p.past} the {x} in the {place}.

    # how often
    ? The {x} {v.past} the {y}.
    + The {adj} {x} [often|once|sometimes|always] {v.past} the {y}.
    - The {adj} {x} [never|nearly|almost] {v.past} the {y}.

    # cleft
    ? The {x} {v.past} the {y}.
    + It was the {x} that {v.past} the {y}.
    + It was the {y} that the {x} {v.past}.
    - It was the {y} that {v.past} the {x}.
    - It was the {x} that the {y} {v.past}.
    - It was not the {x} that {v.past} the {y}.

    # not only
    ? The {x} {i.past}.
    + Not only the {y} but also the {x} {i.past}.
    - Only the {y} but not the {x} {i.past}.

    # source or circumstance
    ? The {x} {v.past} the {y}.
    + To the delight of the {z}, the {x} {v.past} the {y}.
    - According to the {z}, the {x} {v.past} the {y}.
    - In the dreams of the {z}, the {x} {v.past} the {y}.

    # together or instead
    ? The {x} {i.past}.
    + [Together with|Just like] the {y}, the {x} {i.past}.
    - [Instead of|Without] the {x}, the {y} {i.past}.

    # known or rumored
    ? The {x} {v.past} the {y}.
    + The {x} {x.was} [known|shown|proven] to have {v.part} the {y}.
    - The {x} {x.was} [said|rumored|alleged] to have {v.part} the {y}.

    # done or only possible
    ? The {x} {v.past} the {y}.
    + The {x} had [already|finally] {v.part} the {y}.
    - The {x} [could|should|might] have {v.part} the {y}.

    # three roles
    ? The {x} recommended the {y} to the {z}.
    + The {y} {y.was} recommended to the {z} by the {x}.
    - The {y} {y.was} recommended to the {x} by the {z}.
    - The {x} {x.was} recommended to the {z} by the {y}.
    """
)

# Nothing reworded and nothing swapped for another word: only the structure tells.
STYLE = Style(reword=0.0, reword_negative=0.0, general=0.0, structural=1.0, both=0.0, changed=(1.0,), trap=0.0)


@generator("hans", positives=0.5)
def draw_hans(rng: random.Random, label: int, shift: float) -> Example:
    """A sentence, and a shorter one made of its words."""
    return draw(rng, label, PATTERNS, BANKS, STYLE)
