"""Names of people, places, firms and species that do not exist: parts joined, thousands of each."""

from __future__ import annotations

from collections.abc import Iterable


def words(text: str) -> tuple[str, ...]:
    """A list of words."""
    return tuple(text.split())


def joined(*parts: str) -> tuple[str, ...]:
    """Every way to put one word of each part after another, as one word; ``_`` is a space."""
    made: Iterable[str] = ("",)
    for part in parts:
        made = [begun + end for begun in made for end in part.split()]
    return tuple(name.replace("_", " ") for name in made)


FORENAMES = words(
    "Aaron Abby Adele Alan Alice Amos Anita Arlo Astrid Basil Bianca Boyd Brenda Bruno Calvin Carmen Cecil Celia "
    "Chester Cora Cyril Dale Damian Darla Delia Derek Dexter Donna Doris Edgar Edwin Elaine Elmer Elsa Enid Erica "
    "Ernesto Esther Ethel Eugene Faye Fergus Fiona Floyd Frida Gail Garth Gerald Gilbert Gina Glenda Gordon Greta "
    "Gwen Harold Harriet Hector Heidi Herbert Hilda Hugo Ida Imogen Inga Iris Ivan Jasper Joan Joel Josef Joyce Juan "
    "Judith Kai Keith Kirsten Klaus Lana Leif Lena Leon Lester Lloyd Lorna Lucia Luther Mabel Magnus Marco Marta Maud "
    "Mavis Miles Milton Mina Mona Morgan Muriel Nadia Ned Neil Nigel Nils Nina Norma Odette Olaf Omar Oswald Otto "
    "Pablo Pamela Percy Petra Philip Priya Quentin Ramon Regina Rex Rhoda Roland Rosa Rufus Ruth Sandor Selma Seth "
    "Sonia Stella Sven Tamara Tariq Tessa Theo Tilda Tobias Ulrich Una Vera Vernon Vivian Wanda Walter Wilma Xavier "
    "Yusuf Yvonne Zelda"
)
SURNAMES = joined(
    "Ald Ash Bar Bel Bor Bran Bren Cal Car Cor Crest Dal Dar Del Dor Dun Eld Els Far Fen Gar Gil Gor Hal Har Hol Jor "
    "Kel Kin Kor Lan Lor Mal Mar Mel Mor Nor Nor Ol Or Pal Per Pol Ran Ros Sal Sel Sor Stan Tal Tor Ul Van Var Vel Wal "
    "War Wes Wil Yar Zal Zor",
    "aro berg bury by combe dale den din dorf eau erman esco ev field ford gate ham hurst ides ini ison ker kov land "
    "ley lin low man mere mont nett nez off ola on one owitz quist rath ren ridge sen shaw ski son stad stein ster "
    "stone strom ton uzzi vale ville well wick win wood worth",
)
TOWNS = joined(
    "Ald Amber Ash Barren Beck Birch Black Bridge Brier Broad Cedar Chester Clay Cold Copper Crane Dart Deep Elder "
    "Fal Fern Flint Fox Glen Gold Gray Green Grim Hart Hazel Heron Hollow Iron Kings Lang Lark Linden Long Mill Moss "
    "North Oak Otter Pine Queens Rush Salt Sand Sheep Silver South Stone Swan Thorn Timber West White Wind Wolf",
    "_Bay _Falls _Heights _Point bourne bridge brook bury cliff cote dale den field ford gate grove ham haven holm "
    "hurst lake leigh mead minster moor mouth pool port ridge shore stead stoke thorpe ton vale view wich wick wood",
)
FIRMS = joined(
    "Acu Aero Agri Alti Astra Avi Bio Calo Cata Cento Cyber Dyna Eco Elec Endo Enter Equi Exa Ferro Flexi Gen Geo Giga "
    "Helio Hydro Inter Kine Lumi Macro Mari Medi Mega Meri Micro Mono Multi Neo Nova Octo Omni Opti Orbi Pan Petro "
    "Poly Prima Pro Quanta Sola Syn Tele Terra Trans Tri Uni Vari Veri Vita Xeno Zeno",
    "base bond com core corp data dex dyne fab flux form gen graph grid lab line link log matic max media net nex nix "
    "pact path phon plex point scale scan sense soft sol span star stat tech tel tek ton tron vance vex ware way wire",
)
GENERA = joined(
    "Acan Aden Albi Ambly Angu Arci Astra Bala Bela Brachy Calo Campy Cera Chloro Clado Cory Crypto Cyano Den Dicra "
    "Ela Eri Eupho Fusi Gale Glypto Haplo Helio Hypo Ixo Kale Lasi Lepto Lipa Macro Mela Meso Micro Myri Neo Ocho Odo "
    "Oxy Pachy Pela Phyllo Platy Pseudo Rhodo Sclero Sphaero Steno Tetra Theli Tri Uro Vexi Xantho Zygo",
    "baena carpus cera ceras chaeta dendron derma donta gaster glossa gnathus lepis mera mys nema nia phora phyllum "
    "phyton poda pogon psis ptera rhina saurus soma spermum spora stoma taenia theca thrix tropis xenus",
)
EPITHETS = words(
    "alba albida alpina amabilis angusta arenaria argentea aurea australis bicolor borealis caerulea campestris "
    "candida cinerea communis cordata cornuta crassa cristata curvata decora dentata discolor elegans elongata fallax "
    "flava fragilis fulva fusca gigantea glabra gracilis grandis hirsuta humilis incana insignis laevis lanata "
    "latifolia litoralis longipes lucida lutea maculata magnifica marina minor minuta mirabilis modesta montana "
    "mutabilis nana nigra nitida nobilis obscura occidentalis orientalis ornata ovata pallida palustris parva parvula "
    "picta plana pulchra pumila punctata rara regalis robusta rosea rotunda rubra rugosa sagittata saxatilis serrata "
    "silvestris simplex sinuata spinosa splendida striata subtilis tenuis terrestris tomentosa tristis undulata "
    "variabilis velutina venusta vernalis viridis vulgaris"
)

# By the names that patterns have for them.
NAMES = {"first": FORENAMES, "surname": SURNAMES, "town": TOWNS, "firm": FIRMS}
