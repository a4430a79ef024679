"""What a school book knows: facts by relation, and how each relation is said. The bank of the scitail generator."""

from __future__ import annotations

from dataclasses import dataclass

from clbench.data.generators.words import Word, noun, verb


@dataclass(frozen=True)
class Fact:
    """``subject`` stands in a relation to ``object``; each may be said by any of its words."""

    relation: str
    subject: tuple[Word, ...]
    object: tuple[Word, ...]


@dataclass(frozen=True)
class Relation:
    """How a relation is said, on either side, and what relates its subject to something else."""

    second: tuple[str, ...]
    first: tuple[str, ...]


RELATIONS = {
    "function": Relation(
        (
            "The main function of the {s} is to {o}",
            "The {s} is the organ that {o.s}",
            "In the human body , the {s} {o.s}",
        ),
        (
            "the {s} {o.s}",
            "the {s} , an organ of the body , has the task to {o}",
            "{o.ing} is what the {s} does in the human body",
        ),
    ),
    "kind": Relation(
        ("A {s} is a type of {o}", "A {s} is best classified as a {o}", "One example of a {o} is the {s}"),
        (
            "the {s} belongs to the group of the {o.pl}",
            "{o.pl} such as the {s} are easy to tell apart",
            "scientists classify the {s} as a {o}",
        ),
    ),
    "part": Relation(
        ("The {s} is a part of the {o}", "The {s} is found inside the {o}", "One part of the {o} is called the {s}"),
        (
            "the {o} contains the {s} among its other parts",
            "inside the {o} there is a part which we call the {s}",
            "the {s} is one of the parts found in the {o}",
        ),
    ),
    "unit": Relation(
        ("The {s} is a unit of {o}", "The {s} is used as a unit to measure {o}", "{o} is measured in {s.pl}"),
        (
            "one measures {o} in a unit that is named the {s}",
            "the {s} is the unit in which {o} is given",
            "{s.pl} are units for {o}",
        ),
    ),
    "process": Relation(
        ("The process by which {o} is called {s}", "{s} is the process in which {o}", "During {s} , {o}"),
        ("when {o} , scientists speak of {s}", "{s} means that {o}", "{s} takes place as {o}"),
    ),
    "cause": Relation(
        ("{s} is a cause of {o}", "{s} can lead to {o}", "{o} can be caused by {s}"),
        ("{o} is often the result of {s}", "{s} brings about {o}", "one effect of {s} is {o}"),
    ),
    "diet": Relation(
        ("The {s} feeds mostly on {o}", "The diet of the {s} consists of {o}", "{s.pl} eat {o} to get energy"),
        ("{s.pl} live on a diet of {o}", "the main food of the {s} is {o}", "most of what {s.pl} eat is {o}"),
    ),
    "habitat": Relation(
        (
            "The natural habitat of the {s} is the {o}",
            "{s.pl} live in the {o}",
            "The {s} is adapted to life in the {o}",
        ),
        ("{s.pl} are at home in the {o}", "in the {o} one finds animals like the {s}", "the {o} is where {s.pl} live"),
    ),
    "material": Relation(
        ("{s} is made from {o}", "{o} is the raw material of {s}", "People use {o} to make {s}"),
        ("{s} is produced out of {o}", "{o} is needed in order to make {s}", "from {o} workers make {s}"),
    ),
    "instrument": Relation(
        (
            "A {s} is used to measure {o}",
            "Scientists measure {o} with a {s}",
            "The instrument that measures {o} is called a {s}",
        ),
        (
            "with the help of a {s} one can measure {o}",
            "a {s} is an instrument for measuring {o}",
            "{s.pl} measure {o}",
        ),
    ),
    "study": Relation(
        ("{s} is the study of {o}", "The science that deals with {o} is called {s}", "{o} are studied in {s}"),
        ("a scientist who works in {s} studies {o}", "{s} is a science about {o}", "the subject of {s} is {o}"),
    ),
    "discovery": Relation(
        ("{s} discovered {o}", "The discovery of {o} was made by {s}", "{s} is known for the discovery of {o}"),
        ("{o} was discovered by {s}", "{s} was the first to describe {o}", "we owe the discovery of {o} to {s}"),
    ),
    "property": Relation(
        ("{s} is {o}", "One property of {s} is that it is {o}", "Scientists describe {s} as {o}"),
        (
            "it is well known that {s} is {o}",
            "{s} , unlike many other substances , is {o}",
            "a substance such as {s} is {o}",
        ),
    ),
    "conversion": Relation(
        ("A {s} changes {o}", "The energy conversion in a {s} is {o}", "In a {s} , energy changes {o}"),
        ("a {s} works by turning energy {o}", "energy goes {o} in every {s}", "the {s} converts energy {o}"),
    ),
    "product": Relation(
        ("The {s} produces {o}", "It is the {s} that produces {o}", "The {s} is a source of {o}"),
        ("{o} comes from the {s}", "the {s} makes {o} and releases it", "without the {s} there would be no {o}"),
    ),
    "defence": Relation(
        (
            "The {s} protects itself with its {o}",
            "A {s} uses its {o} for defense",
            "The {o} of the {s} keeps enemies away",
        ),
        (
            "with its {o} , the {s} keeps predators away",
            "the {s} has a {o} that protects it",
            "a {o} serves the {s} as defense",
        ),
    ),
}

_FACTS = {
    "function": """
heart = pump_blood_through_the_body|push_blood_around_the_body; lung = take_in_oxygen|absorb_oxygen_from_air
kidney = filter_waste_from_the_blood|clean_the_blood
stomach = break_down_food_with_acid|digest_food; liver = remove_poisons_from_the_body|make_bile
brain = control_the_nervous_system|direct_the_nerves; skin = protect_the_body_from_germs|keep_germs_out
small_intestine = absorb_nutrients|take_up_nutrients; large_intestine = absorb_water|take_up_water
bladder = store_urine|hold_urine; pancreas = produce_insulin|make_insulin
bone_marrow = make_new_blood_cells|form_blood_cells
eye = detect_light|sense_light; inner_ear = keep_the_body_in_balance|sense_balance
tongue = detect_taste|sense_flavor; thyroid = regulate_metabolism|control_metabolism
diaphragm = help_a_person_breathe|move_air_into_the_chest""",
    "kind": """
whale = mammal; bat = mammal; dolphin = mammal; frog = amphibian; salamander = amphibian; snake = reptile
lizard = reptile; penguin = bird; ostrich = bird; shark = fish; trout = fish; spider = arachnid; scorpion = arachnid
crab = crustacean; lobster = crustacean; ant = insect; beetle = insect; mushroom = fungus; granite = igneous_rock
basalt = igneous_rock; marble = metamorphic_rock; slate = metamorphic_rock; limestone = sedimentary_rock
sandstone = sedimentary_rock
pine = conifer; fern = seedless_plant; clam = mollusk; squid = mollusk""",
    "part": """
nucleus = cell; mitochondrion = animal_cell; chloroplast = plant_cell; electron = atom; proton = atomic_nucleus
retina = eye; cornea = eyeball; femur = leg|thigh; aorta = circulatory_system; trachea = respiratory_system
neuron = nervous_system
esophagus = digestive_tract; mantle = earth; petal = flower; root = plant; enamel = tooth; crater = volcano
photosphere = sun; comet = solar_system; ozone_layer = atmosphere; piston = engine; rotor = generator""",
    "unit": """
newton = ~force; joule = ~energy; watt = ~power; volt = ~voltage; ampere = ~electric_current
ohm = ~electrical_resistance; pascal = ~pressure; kelvin = ~temperature; meter = ~length|~distance; gram = ~mass
second = ~time; liter = ~volume; decibel = ~loudness
light_year = ~astronomical_distance; mole = ~amount_of_substance; calorie = ~heat_of_food; knot = ~speed_of_ships
acre = ~area_of_land""",
    "process": """
~evaporation = a_liquid_becomes_a_gas|a_liquid_turns_into_vapor
~condensation = a_gas_becomes_a_liquid|water_vapor_turns_into_drops
~melting = a_solid_becomes_a_liquid|ice_turns_into_water; ~freezing = a_liquid_becomes_a_solid|water_turns_into_ice
~photosynthesis = plants_make_sugar_from_sunlight|plants_turn_light_into_food
~respiration = cells_release_energy_from_food|cells_get_energy_from_sugar
~erosion = wind_and_water_carry_soil_away|soil_is_carried_off_by_water
~weathering = rock_breaks_into_smaller_pieces|stones_crumble_slowly
~mitosis = a_cell_divides_into_two_identical_cells|one_cell_splits_into_two_equal_cells
~meiosis = sex_cells_are_formed|eggs_and_sperm_are_produced
~metamorphosis = a_larva_changes_into_an_adult|a_caterpillar_turns_into_a_butterfly
~pollination = pollen_reaches_another_flower|pollen_is_brought_to_a_flower
~digestion = food_is_broken_down|the_body_breaks_food_into_nutrients
~fermentation = yeast_turns_sugar_into_alcohol|alcohol_is_made_from_sugar_by_yeast
~subduction = one_plate_sinks_below_another|a_plate_slides_under_another_plate
~diffusion = particles_spread_out_evenly|particles_move_to_where_there_are_fewer
~nuclear_fusion = light_nuclei_join_together|small_nuclei_merge
~nuclear_fission = a_heavy_nucleus_splits|a_large_nucleus_breaks_apart
~natural_selection = the_fittest_organisms_survive|better_adapted_organisms_leave_more_offspring
~transpiration = leaves_give_off_water|plants_lose_water_through_leaves""",
    "cause": """
~smoking = ~lung_cancer|~cancer_of_the_lungs; ~deforestation = ~loss_of_species|~extinction
~overfishing = ~empty_oceans|~decline_of_fish; ~earth's_rotation = ~day_and_night
~tilt_of_the_axis = ~seasons|~change_of_season; ~gravity_of_the_moon = ~tides|~rise_of_the_sea
~burning_of_coal = ~acid_rain; ~greenhouse_gas = ~global_warming|~climate_change
~movement_of_plates = ~earthquakes|~quakes; ~friction = ~heat|~warming; ~lack_of_iron = ~anemia|~weak_blood
~lack_of_vitamin_c = ~scurvy; ~noise = ~hearing_loss|~deafness; ~ultraviolet_light = ~sunburn|~burned_skin
~fertilizer_runoff = ~algal_bloom|~growth_of_algae; ~infected_mosquitoes = ~malaria; ~dirty_water = ~cholera
~mutation = ~genetic_variation|~new_traits; ~underwater_landslide = ~tsunami|~giant_waves
~drought = ~crop_failure|~poor_harvests""",
    "diet": """
koala = ~eucalyptus_leaves; panda = ~bamboo_shoots|~bamboo; anteater = ~ants_and_termites|~termites
owl = ~mice_and_voles|~small_rodents; hummingbird = ~nectar_of_flowers|~flower_nectar
blue_whale = ~tiny_krill|~krill; hyena = ~dead_animals|~carrion; ladybug = ~aphids
seal = ~fish_and_squid|~fish; beaver = ~tree_bark|~bark; giraffe = ~acacia_leaves; rabbit = ~grass_and_herbs|~grass
silkworm = ~mulberry_leaves; earthworm = ~decaying_plants|~rotting_plants; wolf = ~deer_and_elk|~large_deer
woodpecker = ~insects_under_bark""",
    "habitat": """
camel = desert|dry_sand; polar_bear = arctic|frozen_north; penguin = antarctic|icy_south; cactus_wren = dry_scrub
orangutan = rain_forest|jungle; bison = prairie|grassland; coral = warm_shallow_sea|tropical_reef
mole = soil|ground; catfish = river_bottom|muddy_river
moose = northern_forest|taiga; mountain_goat = high_mountains|alpine_slopes; lion = savanna
crocodile = swamp|wetland; salmon = cold_stream; bat = dark_cave|cavern; starfish = tide_pool; reindeer = tundra
kangaroo = outback""",
    "material": """
~glass = ~sand|~melted_sand; ~paper = ~wood|~wood_pulp; ~steel = ~iron_and_carbon|~iron; ~bronze = ~copper_and_tin
~brass = ~copper_and_zinc; ~plastic = ~petroleum|~crude_oil; ~concrete = ~cement_and_gravel
~linen = ~flax|~flax_fibers; ~silk = ~cocoons
~leather = ~animal_hides|~hides; ~rubber = ~latex|~tree_latex; ~cheese = ~milk; ~pottery = ~clay
~chalk = ~tiny_shells; ~charcoal = ~burned_wood; ~aluminum = ~bauxite|~bauxite_ore; ~gasoline = ~refined_oil
~vinegar = ~sour_wine""",
    "instrument": """
thermometer = ~temperature|~warmth; barometer = ~air_pressure|~pressure_of_the_air
seismograph = ~earthquakes|~shaking_of_the_ground; anemometer = ~wind_speed|~speed_of_the_wind
hygrometer = ~humidity|~moisture_of_the_air; balance = ~mass
graduated_cylinder = ~volume_of_a_liquid|~liquid_volume
voltmeter = ~voltage; ammeter = ~electric_current|~current; stopwatch = ~time; ruler = ~length
speedometer = ~speed_of_a_car; rain_gauge = ~rainfall|~amount_of_rain; spring_scale = ~force|~weight
altimeter = ~height|~altitude; odometer = ~traveled_distance
spectrometer = ~wavelengths_of_light; sonar = ~depth_of_the_sea|~ocean_depth""",
    "study": """
~biology = ~living_things|~life; ~geology = ~rocks_and_minerals|~rocks; ~astronomy = ~stars_and_planets|~stars
~meteorology = ~weather_patterns|~weather; ~ecology = ~ecosystems; ~botany = ~plants|~plant_life
~zoology = ~animals|~animal_life; ~genetics = ~genes_and_heredity|~genes
~chemistry = ~substances_and_their_reactions|~chemical_reactions; ~physics = ~forces_and_motion|~motion
~paleontology = ~fossils; ~entomology = ~insects; ~anatomy = ~structures_of_the_body|~body_structures
~oceanography = ~oceans|~seas; ~microbiology = ~bacteria_and_viruses|~microbes
~psychology = ~mind_and_behavior|~behavior; ~mycology = ~fungi; ~ornithology = ~birds""",
    "discovery": """
Newton = the_law_of_gravity|universal_gravitation; Mendel = the_rules_of_heredity|dominant_and_recessive_traits
Curie = radium|the_element_radium; Fleming = penicillin|the_first_antibiotic
Darwin = evolution_by_natural_selection|natural_selection
Galileo = the_moons_of_Jupiter|Jupiter's_moons; Hooke = the_cell|cells_in_cork
Pasteur = a_vaccine_for_rabies|the_rabies_vaccine; Faraday = electromagnetic_induction|induction
Hubble = the_expansion_of_the_universe|the_growth_of_the_universe; Wegener = continental_drift|drifting_continents
Rutherford = the_atomic_nucleus|the_nucleus_of_the_atom; Thomson = the_electron|negative_electrons
Chadwick = the_neutron|neutral_neutrons; Roentgen = x-rays|invisible_rays; Jenner = the_smallpox_vaccine
Harvey = the_circulation_of_blood|blood_circulation; Priestley = oxygen|the_gas_oxygen""",
    "property": """
helium = lighter_than_air; mercury = liquid_at_room_temperature|a_liquid_metal
diamond = the_hardest_mineral|extremely_hard; gold = resistant_to_rust
copper = a_good_conductor_of_electricity|a_conductor; wood = a_poor_conductor_of_heat|an_insulator
iron = attracted_by_magnets|magnetic
ice = less_dense_than_water; salt = soluble_in_water; oil = insoluble_in_water; sulfur = yellow_and_brittle
chlorine = poisonous_to_breathe|toxic; hydrogen = highly_flammable|easily_burned
talc = the_softest_mineral|very_soft; graphite = slippery_and_soft; lava = extremely_hot
neon = inert|unreactive; quartz = harder_than_steel; water = a_universal_solvent; uranium = radioactive""",
    "conversion": """
solar_cell = from_light_to_electricity; windmill = from_wind_to_motion; battery = from_chemical_to_electrical_form
loudspeaker = from_electricity_to_sound; microphone = from_sound_to_electricity; toaster = from_electricity_to_heat
light_bulb = from_electricity_to_light; car_engine = from_fuel_to_motion
leaf = from_sunlight_to_sugar; campfire = from_wood_to_heat_and_light; generator = from_motion_to_electricity
electric_fan = from_electricity_to_motion; nuclear_reactor = from_atoms_to_heat; steam_engine = from_steam_to_motion
muscle = from_food_to_movement; firefly = from_food_to_light""",
    "product": """
bee = ~honey; cow = ~milk; green_plant = ~oxygen; volcano = ~ash_and_lava|~volcanic_ash
sun = ~heat_and_light|~sunlight; yeast_cell = ~carbon_dioxide; spider = ~sticky_silk; oyster = ~pearls
pituitary_gland = ~growth_hormone; liver_cell = ~bile; salivary_gland = ~saliva; ovary = ~egg_cells
sweat_gland = ~sweat; tear_gland = ~tears; ribosome = ~proteins; sheep = ~wool; maple_tree = ~sweet_sap
flower = ~pollen; thundercloud = ~lightning""",
    "defence": """
skunk = foul_smell|stinking_spray; turtle = hard_shell; porcupine = coat_of_quills; rose = row_of_thorns
octopus = cloud_of_ink; chameleon = change_of_color; cactus = coat_of_spines; wasp = painful_sting
rattlesnake = venomous_bite; stick_insect = twig-like_shape; armadillo = bony_armor|armor_of_bone
puffer_fish = inflated_body
monarch_butterfly = bitter_taste; antelope = great_speed; bull = pair_of_horns; jellyfish = net_of_tentacles
electric_eel = electric_shock""",
}


def _facts() -> dict[str, tuple[Fact, ...]]:
    made = {}
    for relation, text in _FACTS.items():
        pairs = [pair.split(" = ") for line in text.strip().splitlines() for pair in line.split("; ")]
        word = verb if relation == "function" else noun
        made[relation] = tuple(
            Fact(relation, tuple(map(noun, s.split("|"))), tuple(map(word, o.split("|")))) for s, o in pairs
        )
    return made


FACTS = _facts()
