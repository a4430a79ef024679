"""Word banks: who, what, where, and what one can do with it; :func:`clbench.data.generators.words.bank` reads them."""

from __future__ import annotations

from clbench.data.generators.words import bank, deeds, plain, verb

# No concept of a bank may entail another one unless the bank says so: a mismatch is drawn from the same bank.
PEOPLE = bank(
    """
    adult|grown-up: man|guy woman|lady
    child|kid: boy|lad girl toddler|infant
    performer|entertainer: clown juggler magician|conjurer acrobat dancer|ballerina
    musician|performer: guitarist|guitar_player drummer pianist|piano_player violinist|fiddler singer|vocalist
    athlete: skateboarder|skater surfer gymnast swimmer boxer golfer skier wrestler runner|jogger
    craftsman|tradesman: welder carpenter mechanic plumber electrician bricklayer
    traveler: tourist|sightseer hiker camper
    person_in_uniform: policeman|cop soldier sailor guard|watchman nurse firefighter|fireman pilot|aviator
    scholar: scientist|researcher professor historian
    seller|vendor: fishmonger florist bookseller
    waiter janitor|cleaner cashier doctor|physician lawyer|attorney
    """
)

ANIMALS = bank(
    """
    animal|creature: dog|hound cat|kitten horse|pony cow sheep goat pig rabbit|bunny monkey elephant lion tiger bear
    animal|creature: wolf fox deer
    bird|animal|creature: duck goose eagle parrot owl pigeon|dove chicken|hen swan crow gull|seagull
    insect|animal|creature: bee butterfly beetle ant dragonfly
    reptile|animal|creature: snake|serpent lizard turtle|tortoise crocodile
    """
)
BEASTS, BIRDS = ANIMALS[:16], ANIMALS[16:26]

FOOD = bank(
    """
    ~food: ~pizza sandwich burger|hamburger ~pasta|~spaghetti ~soup|~broth ~rice ~salad ~bread steak|beefsteak
    ~food: omelette
    fruit|~food: apple banana orange pear peach ~watermelon mango
    vegetable|~food: carrot potato onion cucumber tomato pumpkin
    dessert|~food: cake|gateau cookie|biscuit pie donut|doughnut pudding
    """
)
DRINKS = bank(
    "drink|beverage: ~coffee ~tea ~juice ~milk ~lemonade ~beer|~ale ~wine ~water ~cocoa|~hot_chocolate ~soda|~pop"
)
INSTRUMENTS = bank("instrument: guitar piano violin|fiddle flute trumpet harp cello saxophone accordion banjo organ")
SPORTS = bank(
    "sport: ~tennis ~soccer|~football ~basketball ~baseball ~golf ~hockey ~volleyball ~rugby ~cricket ~badminton"
)
LAND_VEHICLES = bank(
    "vehicle: car|automobile truck|lorry bus|coach motorcycle|motorbike bicycle|bike scooter tractor taxi|cab van "
    "wagon|cart"
)
VEHICLES = LAND_VEHICLES + bank("boat|vehicle: canoe|kayak sailboat|yacht ferry raft")
READING = bank(
    """
    book: novel manual|handbook cookbook dictionary
    periodical: newspaper magazine|journal comic
    letter map menu diary poem|verse
    """
)
OBJECTS = bank(
    """
    toy|plaything: ball kite doll balloon puppet|marionette
    tool: hammer saw shovel|spade rake broom wrench|spanner ladder axe|hatchet
    container: bucket|pail basket box|carton bottle suitcase jar
    piece_of_furniture: table|desk chair bench sofa|couch bookshelf
    device|gadget: camera phone|telephone laptop flashlight|torch microphone
    weapon: sword bow rifle|gun
    umbrella|parasol flag|banner rope|cord blanket|quilt candle pillow|cushion mirror bell lamp|lantern rug|carpet
    """
)
CLOTHES = bank(
    """
    thing_for_the_head: hat|cap helmet crown hood
    shirt jacket|coat dress|gown sweater|pullover skirt vest|waistcoat apron robe|cloak uniform
    scarf|shawl backpack|rucksack tie|necktie belt necklace glove
    """
)
COLOURS = plain(
    "red|crimson blue|azure green|emerald yellow|golden black|jet-black white|snow-white pink|rose-coloured "
    "purple|violet orange brown|tan gray|grey"
)
SIZES = plain("big|large|huge small|little|tiny")
LOOKS = plain("old|elderly|aged young|youthful")
MOODS = plain(
    "happy|cheerful|glad sad|unhappy|sorrowful angry|furious|mad tired|weary|exhausted calm|relaxed "
    "scared|frightened|afraid bored proud lonely curious"
)
NUMBERS = plain(
    "two|a_pair_of|a_couple_of three|a_trio_of four five six|half_a_dozen seven eight nine ten eleven twelve|a_dozen"
)
PLACES = bank(
    """
    body_of_water|place_outdoors: lake river|stream sea|ocean pond
    road|place_outdoors: street|avenue highway|motorway alley|lane
    building: church|cathedral school|schoolhouse library hospital museum hotel|inn castle|fortress barn|stable
    building: factory|plant station theater
    shop|building: bakery supermarket|grocery bookstore|bookshop pharmacy|drugstore
    place_outdoors: park|public_garden forest|wood beach|shore field|meadow mountain desert playground
    room: kitchen bedroom hallway|corridor office
    """
)

# One thing done with another: a verb, its other words, what it is a kind of, and what it takes.
DEEDS = deeds(
    {
        "consume|have: eat|munch_on": FOOD,
        "consume|have: drink|sip": DRINKS,
        "make: cook|prepare": FOOD[:10],
        "pour": DRINKS,
        "play": INSTRUMENTS + SPORTS,
        "repair|mend": INSTRUMENTS + VEHICLES,
        "watch|look_at": SPORTS + BEASTS + BIRDS,
        "drive": LAND_VEHICLES[:3] + LAND_VEHICLES[6:9],
        "ride": LAND_VEHICLES[3:6] + ANIMALS[2:3] + ANIMALS[9:10],
        "wash|rinse": VEHICLES + CLOTHES,
        "read|peruse": READING,
        "write|jot_down": READING[7:8] + READING[10:],
        "hold: carry|lug": OBJECTS + READING,
        "throw|toss|fling": OBJECTS[:5] + OBJECTS[32:34],
        "paint|decorate": OBJECTS,
        "buy|purchase": OBJECTS + CLOTHES + FOOD,
        "sell": OBJECTS + CLOTHES,
        "fold": CLOTHES[4:13],
        "feed|give_food_to": ANIMALS,
        "chase|run_after": ANIMALS,
        "touch: pet|stroke": BEASTS,
        "photograph|take_a_picture_of": ANIMALS + PEOPLE,
        "talk_to|chat_with|speak_with": PEOPLE,
        "hug|embrace": PEOPLE,
        "help|assist|aid": PEOPLE,
    }
)
ACTIONS = bank(
    """
    go_on_foot: run|sprint|jog walk|stroll march
    rest: sleep|nap|doze lie_down|recline sit|be_seated
    perform: dance juggle
    make_noise: laugh|giggle shout|yell|scream cry|weep|sob clap|applaud whistle argue|quarrel sing
    wait|stand_around kneel smile|grin dig|dig_a_hole pray fish|catch_fish climb|climb_up crawl|creep swim stretch
    lift_weights|pump_iron
    """,
    verb,
)

# mnli, hans, rte: names and what they do.
SURNAMES = plain(
    "Adler Barnes Becker Brennan Carver Chandra Collins Dawson Delgado Duarte Ellison Farrell Fischer Gibson "
    "Hartman Hassan Ibarra Jensen Keller "
    "Kowalski Lambert Lindqvist Mercer Moreno Nakamura Novak Okafor Osborne Patel Quinn Ramsey Rossi Sandoval "
    "Sherman Tanaka Thornton Vargas Vogel "
    "Whitaker Yamada Zimmer Abbott Bishop Crawford Drummond Erikson Fowler Goddard Holloway Ingram Jarvis Kendall "
    "Lawson Marsh Norris Pryor Reeves"
)
FIRST_NAMES = plain(
    "Anna Boris Clara Daniel Edith Felix Grace Henry Irene Jonas Karen Louis Maria Nathan Olive Peter Rachel Simon "
    "Teresa Victor Wendy Arthur "
    "Bella Conrad Dora Ernest Flora George Helen Isaac Julia Kenneth Laura Martin Nora Oscar Paula Robert Sarah Thomas"
)
CITIES = plain(
    "Paris London Berlin Madrid Rome Vienna Lisbon Dublin Prague Athens Warsaw Budapest Cairo Nairobi Lagos Mumbai "
    "Delhi Tokyo Osaka Seoul "
    "Beijing Shanghai Bangkok Jakarta Manila Sydney Melbourne Toronto Montreal Chicago Boston Denver Seattle "
    "Houston Dallas Atlanta Miami "
    "Lima Bogota Santiago Oslo Stockholm Helsinki Copenhagen Brussels Geneva Zurich Istanbul Ankara Moscow"
)
# Invented, so that a passage can put them into any country.
TOWNS = plain(
    "Altenfeld Ashcombe Belmora Brackwater Calder_Falls Casterly Dunmere Eastholm Elmsworth Fairhaven Farrowdale "
    "Glenbrook Greymouth Halvern Harrowgate "
    "Ironbridge Kestrel_Bay Kingsmere Larkfield Lowmoor Marlowe Millbrook Northwold Oakhurst Pinecrest Port_Lucan "
    "Ravensford Redcliff Saltmarsh "
    "San_Velado Silverton Stonebury Thornbury Upper_Wick Valmora Vesterby Westmarch Whitecross Winterford "
    "Yellow_Springs"
)
COUNTRIES = plain(
    "France Germany Spain Italy Austria Portugal Ireland Greece Poland Hungary Egypt Kenya Nigeria India Japan "
    "China Thailand Indonesia "
    "Australia Canada Peru Colombia Chile Norway Sweden Finland Denmark Belgium Switzerland Turkey Russia Brazil "
    "Argentina Mexico Cuba Iran Iraq "
    "Israel Jordan Morocco"
)
MONTHS = plain("January February March April May June July August September October November December")
DAYS = plain("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
ROLES = bank(
    """
    lawyer|attorney judge|magistrate doctor|physician nurse teacher|instructor professor senator|legislator
    president manager|supervisor secretary
    banker|financier artist|painter actor author|writer scientist|researcher student tourist|sightseer
    athlete|sportsman baker engineer farmer|grower
    sailor pilot|aviator butcher tailor carpenter plumber librarian journalist|reporter editor
    detective|investigator soldier singer|vocalist dancer
    musician chemist historian gardener waiter cashier driver|chauffeur hunter guide translator
    accountant|bookkeeper architect barber dentist
    governor mayor minister ambassador|envoy spokesman coach|trainer curator publisher designer programmer mechanic
    electrician merchant|trader
    """
)
BODIES = bank(
    """
    ministry|department agency|bureau court|tribunal council|assembly commission|panel committee|working_group
    parliament|legislature senate bank
    university|college hospital|clinic union|labor_union company|firm airline|air_carrier newspaper|daily museum
    charity|aid_group army|military
    church police_force|constabulary school_board railway|railroad hotel_chain chamber_of_commerce
    """
)
POLICIES = bank(
    """
    tax|levy budget|spending_plan law|statute program|scheme fee|charge contract|agreement permit|licence
    grant|subsidy pension|retirement_benefit
    inspection|audit ban|prohibition loan reform|overhaul treaty|accord rule|regulation salary|wage
    tariff|customs_duty merger election|vote survey|poll
    training_course|workshop rescue_plan|bailout road_project bridge dam power_plant|power_station tunnel
    archive|record_office
    """
)
CIVIC = deeds(
    {
        "raise|increase": POLICIES[:1] + POLICIES[4:5] + POLICIES[7:9] + POLICIES[15:17],
        "cut|reduce|lower": POLICIES[:2] + POLICIES[4:5] + POLICIES[7:9] + POLICIES[15:17],
        "approve|endorse|back": POLICIES[1:8] + POLICIES[10:19],
        "reject|refuse|turn_down": POLICIES[1:8] + POLICIES[10:19],
        "review|examine|look_into": POLICIES,
        "delay|postpone|put_off": POLICIES[9:12] + POLICIES[12:14] + POLICIES[17:28],
        "cancel|scrap|abandon": POLICIES[2:28],
        "finance|fund|pay_for": POLICIES[19:],
        "propose|suggest": POLICIES,
        "criticize|attack|condemn": POLICIES,
        "praise|applaud|commend": POLICIES,
        "explain|clarify": POLICIES[:19],
    }
)
REASONS = bank(
    """
    ~cost|~expense ~safety|~security ~pollution|~contamination ~corruption|~bribery ~crime|~lawlessness
    ~unemployment|~joblessness ~poverty|~hardship
    ~inflation|~rising_prices ~health|~public_health ~education|~schooling ~housing ~traffic|~congestion
    ~farming|~agriculture ~tourism|~travel ~trade|~commerce
    ~energy|~power ~immigration ~privacy ~debt|~borrowing ~war|~armed_conflict ~weather|~climate ~science|~research
    ~art|~culture ~religion|~faith
    """
)
SIGHTS = bank(
    """
    place_of_worship: temple|shrine church|chapel mosque monastery|abbey cathedral
    palace|royal_residence castle|fortress tower bridge market|bazaar museum|gallery theater|playhouse garden|park
    harbor|port fountain
    library square|plaza city_wall|rampart bathhouse tomb|grave statue|sculpture lighthouse university courthouse
    """
)
