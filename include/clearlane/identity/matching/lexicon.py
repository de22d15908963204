"""What single words of a company's name are worth: legal forms, fillers, trades, places, common words, other names.

Our own compact lists. In each line the word before the colon is the one that all the others are read as.
Words are as `names.spelled` leaves them: Latin letters, lower case, no accents.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a word says about which company it is, from nothing to nearly all."""

    FILLER = "filler"
    TRADE = "trade"
    COMPOUND = "name with a trade"
    PLACE = "place"
    COMMON = "common"
    GIVEN = "given name"
    NUMBER = "number"
    INITIAL = "initial"
    NAME = "name"


def _canonical(lines: str) -> dict[str, str]:
    """Spelling → the word it is read as: what stands before the colon; words without a colon are their own."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        words, _, spellings = line.partition(": ")
        own = words.split()
        found |= {word: word for word in own} | dict.fromkeys(spellings.split(), own[-1])
    return found


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _phrases(lines: str) -> dict[str, str]:
    """As _canonical, for spellings of several words, which commas keep apart."""
    found: dict[str, str] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        word, _, spellings = line.partition(": ")
        found |= {spelling.strip(): word for spelling in spellings.split(",")}
    return found


FORMS: Final = _canonical(
    """
    inc: incorporated incorporation incorp
    corp: copr crp corporation corporacion corporacao corporate kabushiki kaisha
    ltd: lmtd limitd limted limited ltda lda limitada limitee limitata limitato lmt ltdt
    llc: lc pllc
    plc: pcl
    lp: llp lllp
    pvt: private pte pty proprietary
    gmbh: mbh gesmbh ggmbh
    ag: aktiengesellschaft
    kg: kommanditgesellschaft kgaa ohg gbr
    ug: haftungsbeschrankt
    nv: naamloze vennootschap
    bv: besloten bvba cvba vof
    sa: ae saa saoc saog sae sca sociedade societe
    sarl: sarlu eurl sprl
    sas: sasu
    sl: slu slne
    srl: srls
    spa: sapa
    ab: aktiebolag aktiebolaget
    as: aksjeselskap aktieselskab asa aps anpartsselskab osauhing
    oy: oyj osakeyhtio abp
    zoo: spzoo
    sro: spolsro
    kft: zrt nyrt bt
    doo: dooel
    ooo: oao zao pao too tov
    ood: eood ead
    kk: yk gk godo yugen
    tbk: persero
    sdn: bhd berhad
    cv: sapi sab
    jsc: ojsc cjsc pjsc ojscb
    coop: ev eg gcv asbl vzw stiftelsen ehf hf
    """
)
"""Legal forms of one word → the family that is compared. Each family is one that firms write for one another."""
FORMS_AT_THE_ENDS: Final = _each(
    "ab ae ag as sa se sl lp cv pt bt hf gk ev eg ad dd kk yk ab ko co company cie compania companhia compagnia kb rt "
    "sas spa oy kg nv bv ug lc od ou uab sia tov too"
)
"""Letters that are a legal form only as the first or last words: elsewhere they are a word (Sa, As, Se)."""
LEADING_FORMS: Final = _each(
    "ab ag as kk corp pt cv ooo oao zao pao too tov nv bv sa sas sc spa cia jsc ojsc pjsc uab sia srl fa firma ste"
)
FORM_PHRASES: Final = _phrases(
    """
    gmbh: gesellschaft mit beschrankter haftung, gesellschaft m b h, ges m b h, gesellschaft mbh, ges mbh
    gmbh: g m b h
    bv: besloten vennootschap met beperkte aansprakelijkheid, besloten vennootschap
    nv: naamloze vennootschap, naamlooze vennootschap, naamloze venootschap, naamloose vennootschap
    sa: societe anonyme, sociedad anonima, sociedade anonima, societate pe actiuni, anonymi etairia
    sa: anonymos etaireia
    sa: anonymi etaireia, anonim sirketi
    as: anonim sirket, akciova spolecnost, akciova spolocnost
    sarl: societe a responsabilite limitee, societa a responsabilita limitata
    sarl: sociedad de responsabilidad limitada
    sas: societe par actions simplifiee, sociedad por acciones simplificada
    spa: societa per azioni, societa per aziono, s p a
    srl: s de rl de cv, s de rl, s r l, societa responsabilita limitata, s rl
    sa: sab de cv, sapi de cv, sa de cv, sa dec v, sociedad anonima de capital variable, sociedad anonima bursatil
    sa: s a b de c v
    sl: sociedad limitada, s l u
    ltd: private limited, proprietary limited, pty ltd, pte ltd, pvt ltd, co ltd, company limited
    ltd: limited company
    ltd: limited liability partnership, public company limited, public co ltd, sdn bhd, sendirian berhad
    llc: limited liability company, limited liability co, l l c
    lp: limited partnership
    plc: public limited company
    inc: c corp, s corp
    zoo: sp z oo, sp zoo, spolka z ograniczona odpowiedzialnoscia, spolka zoo, z oo
    sa: spolka akcyjna
    sro: spol s ro, spolecnost s rucenim omezenym, spolocnost s rucenim obmedzenym, s ro
    ooo: obshchestvo s ogranichennoy otvetstvennostyu, obschestvo s ogranichennoy otvetstvennostyu
    ooo: publichnoe aktsionernoe obshchestvo, otkrytoe aktsionernoe obshchestvo, aktsionernoe obshchestvo
    ooo: zakrytoe aktsionernoe obshchestvo, aktsionernoye obshchestvo
    ooo: tovarystvo z obmezhenoyu vidpovidalnistyu, tovarishchestvo s ogranichennoy otvetstvennostyu
    kft: korlatolt felelossegu tarsasag, reszvenytarsasag
    as: limited sirketi, ltd sti, limited sti, tic as, ve ticaret as, san ve tic as, san ve tic ltd sti
    kk: kabushiki kaisha, kabushiki gaisha, godo kaisha, yugen kaisha
    kg: gmbh and co kg, gmbh and co, gmbh co kg, ag and co kg, se and co kgaa, ag and co kgaa, mbh and co kg
    ab: aktiebolaget publ, ab publ
    """
)
"""Legal forms of several words; the longest is looked for first."""

DOMAIN_ENDINGS: Final = (
    "com",
    "net",
    "org",
    "info",
    "biz",
    "app",
    "dev",
    "tech",
    "cloud",
    "shop",
    "online",
    "group",
)
"""beside countries', which have two letters"""
DESKS: Final = (
    "marketing", "sales", "it", "hr", "human resources", "purchasing", "procurement", "accounts payable", "finance",
    "accounting", "legal", "engineering", "operations", "r&d", "research and development", "customer service",
    "support", "main office", "head office", "headquarters", "head quarters", "hq", "corporate", "corporate office",
    "einkauf", "vertrieb", "personal", "verwaltung", "zentrale", "achats", "ventes", "siege social", "compras",
    "ventas",
)  # fmt: skip
"""What people put behind their company's name: where in it they work."""

FILLERS: Final = _canonical(
    """
    company: co cos companies cie compagnie compania companhia compagnia maatschappij comp kompania kompani
    group: groupe grupo gruppo gruppe gruppen groep grupa grup grp guruppu gurupu konzern concern conglomerate
    holding: holdings holdco hldg hldgs holdingi houldingusu horudingusu beteiligungs beteiligungen
    holding: beteiligung
    international: intl internatl internat inter internationale internacional internazionale internationaal
    international: internacionale
    enterprise: enterprises entreprise enterprize empresas empresa entpr unternehmen
    industry: industries industrie industria industrias industrial ind inds industriali industriel
    global: worldwide mondial mundial
    solution: solutions soln solns
    service: services svc svcs servicios servicos servizi dienste diensten
    association: assoc associates associates assn assocs partners partner partnership verband vereniging
    brand: brands
    com: www net org biz
    the: de la le les el los las der die das den het il lo gli een un una al a
    of: von van du des del della di da dos das of for fur pour para per
    and: und et y e i och og ja ve en with mit
    royal: koninklijke kongelige konin
    product: products produkte produits productos prodotti prods
    system: systems systeme sistemas sistemi systemes sys syst
    trust: foundation stiftung fondation fundacion trustees
    class: series
    societe: soc
    business: biz
    ventures: venture
    general: gen
    management: mgmt mgt
    operations: operating operation
    new: neue nouvelle nuevo nuova
    gesellschaft: vennootschap sociedad societa societe
    """
)
"""Words that firms add and leave out as they like."""
UNHEARD: Final = frozenset({"the", "of", "and", "com"})
"""Fillers that weigh nothing at all."""

TRADES: Final = _canonical(
    """
    technology: tech technologies technologie technologia technologias tecnologia tecnologias tecnologie
    technology: technologien techn technol
    technique: techniques technik technika technical tecnica
    research: recherche recherches forschung onderzoek res ricerca
    development: dev devel entwicklung developments
    laboratory: lab labs laboratories laboratoire laboratoires laboratorios labor laboratorium
    university: univ universite universitat universidad universita universiteit uniwersytet
    institute: inst institut instituto istituto
    college hospital clinic: clinics clinique klinik klinikum
    hospital: hospitals hosp
    college: colleges
    school: schools schule ecole escuela scuola sch
    electronics: electronic elec electron elektronik elektroniks elektronika electronique eletronica
    electronics: elettronica electronica denshi
    electric: electrical electrique elettrica electricite elektro elektrik elektrische electrica denki
    power: energie energy energia energi energies
    chemical: chemicals chemie chemische chem chimie chimique chimica quimica kagaku
    pharmaceutical: pharmaceuticals pharma pharmaceutica pharmaceutique farmaceutica farma
    health: healthcare gesundheit sante salud saude salute
    medical: medizin medizintechnik medicals medica
    life sciences science: scientific sci
    bank: banque banco banca banken banc banking bankasi
    bancorp: bancorporation bancshares bankshares
    finance: financial financiere financiera finanz finanzas fin
    oilfield: offshore
    insurance: assurance assurances versicherung versicherungen seguros assicurazioni ins verzekeringen
    capital invest: investment investments investissement investimentos
    capital: capitals
    asset: assets
    property: properties immobilien realty estate immobiliare
    motor: motors auto automobile automobiles automotive automobil jidosha motoren
    works: werke werk works workshop
    manufacturing: mfg manuf manufacture manufacturers manufacturer mfr mfrs fabrication seizo
    factory: fabrik fabriken fabrieken usine
    machine: machines machinery maschinen maschinenbau maskin macchine machinen
    tool: tools
    engineering: engineers eng engr engrg engg ingenieria ingenierie ingegneria
    construction: constructions bau bouw construcciones costruzioni construct constr kensetsu
    building: builders build
    design: designs
    software: softwares
    data: daten
    digital: numerique
    network: networks netw
    communication: communications comm comms kommunikation communicaciones comunicaciones
    telecom: telecommunications telecommunication telekom telecomunicaciones tele telco
    media: medias
    entertainment pictures picture film studio: studios
    film: films
    picture: pictures
    publishing: publishers publisher verlag editions editora editorial
    print: printing printers druck
    food: foods alimentos lebensmittel aliments alimentaire shokuhin
    beverage: beverages drinks
    brewery: brewing brewers breweries brauerei brouwerij
    wine: wines winery
    restaurant: restaurants
    hotel: hotels hospitality resorts resort
    travel: travels tours reisen
    air: airlines airways airline aviation aero lines
    aerospace: aeronautics luftfahrt
    transport: transportation transports transporte spedition trans
    logistics: logistic logistik logistica logistique
    freight shipping: ship ships
    marine: maritime
    rail: railway railways railroad bahn
    oil: oils
    petroleum: petrol petroleo petrole petroliere
    gas: gases gaz
    mining: mines mine minerals mineral
    resource: resources ressources recursos
    metal: metals metall metalle
    steel: stahl acier acero acciaio
    gold: golds
    paper: papier papeles
    packaging: packagings verpackung
    plastic: plastics kunststoff
    rubber: tyre tire tires
    glass: glas
    textile: textiles textil
    fashion: apparel clothing
    retail: retailers
    store: stores shop shops outlet
    market: markets marketing
    trade: trading handel handels commerce comercio comercial trd
    import export distribution: distributors distributor distribuidora
    supply: supplies
    equipment: equip equipments
    instrument: instruments instr instrumentation instrumente
    optical: optics optik optique opto
    photo: photonics photographic
    semiconductor: semiconductors semicon halbleiter handotai
    component: components
    device: devices
    control: controls
    sensor: sensors
    robot: robotics
    automation: automatisierung automazione
    security: securities securite sicherheit
    legal: law lawyers
    consult: consulting consultants consultancy consultores beratung conseil
    audit: auditors accounting
    advertising: advertisement
    education: educational learning
    training academy
    department: dept depts departement departamento
    center: centre ctr cntr zentrum centro
    authority: auth
    commission committee: cttee
    church library police district agency ministry: ministerium ministere ministerio
    sport: sports
    game: games gaming
    environment: environmental umwelt
    water: wasser acqua agua eaux
    waste recycling farm: farms farming
    agriculture: agri agricultural agro agricole agricola agrar
    seed: seeds zaden
    animal vet: veterinary
    cosmetic: cosmetics
    beauty hygiene care: caring
    home: homes
    furniture: mobel meubles muebles
    kitchen: kuchen
    light: lighting lights licht leuchten
    heat: heating
    pump: pumps pumpen
    valve: valves
    storage: warehouse
    computer: computers computing
    microelectronics: microelectronic
    intellectual patent: patents
    ip licensing: licence license
    staff: staffing
    personnel: recruitment
    credit: kredit credito
    lease: leasing
    fund: funds
    mutual equity: equities
    real wholesale: grosshandel
    biotech: biotechnology biotechnologies bio biotek
    genetics: genetic genomics genetica
    therapeutics: therapeutic therapies
    diagnostics: diagnostic
    biosciences: bioscience biologics biological
    nuclear: nucleaire
    solar: photovoltaic
    wind: windenergie
    defence: defense
    space: satellite
    systemtechnik: systemtechniek
    aluminium: aluminum
    cement: cements zement
    brothers: bros bro gebruder frere freres hermanos fratelli gebr
    sons: son sohne fils hijos figli zonen
    gloeilampen: gloeilampenfabrieken
    dental: dentistry orthodontics
    pizza: pizzeria
    coffee: kaffee cafe
    bakery: bakeries
    outdoor: outdoors
    financial: financials
    information: info informatics informatik informatique informatica
    internet: online web
    cloud platform: platforms
    analytics: analytic analysis
    interactive world: welt monde
    consumer: consumers
    consumer leisure: recreation
    fitness: gym
    nutrition: nutritional
    vision: eyewear
    surgical: surgery
    imaging: image images
    cardiology oncology radiology pediatrics pharmacy: pharmacies apotheke
    ambulance cleaning: cleaners
    plumbing roofing painting: paints paint
    coatings: coating
    landscaping: landscape
    elevator: elevators
    fire safety: protection
    surveillance: monitoring
    aircraft: avions
    airport: airports
    ferry: ferries
    bus: buses
    taxi truck: trucks trucking
    tractor: tractors
    bicycle: bicycles bikes
    toys: toy
    jewelry: jewellery jewelers jewellers
    watch: watches
    shoe: shoes footwear
    leather: leder
    cotton: wool
    carpet: carpets flooring
    timber: lumber
    hardware: eisenwaren
    fertilizer: fertilizers
    tobacco: tabak cigarette
    spirits: distillers distillery distilleries
    dairy: milk
    meat: meats
    fish: seafood fisheries
    fruit: fruits
    sugar: zucker
    salt: saline
    coal: kohle
    copper: cuivre
    nickel: zinc
    exploration: explorations
    drilling: drillers
    pipeline: pipelines
    utility: utilities
    lighting: luminaires
    battery: batteries
    cable: cables
    wire: wires wireless
    radio: radios
    television: tv
    broadcasting: broadcast broadcasters
    newspaper: newspapers zeitung
    magazine: magazines
    book: books
    music: musik
    theater: theatre theatres theaters
    casino: casinos
    payment: payments
    mortgage: mortgages
    loan: loans
    saving: savings
    wealth: vermogen
    broker: brokers brokerage
    exchange: bourse borse
    reinsurance: ruckversicherung
    advisory: advisors advisers advisor
    lab: labo
    process: processing
    product: production productions
    test: testing
    measure: measurement messtechnik
    vacuum: vakuum
    hydraulic: hydraulics hydraulik
    bearing: bearings
    fastener: fasteners
    casting: castings foundry
    forge: forging
    welding: schweiss
    spring: springs
    seal: seals
    filter: filters filtration
    compressor: compressors
    engine: engines
    turbine: turbines
    boiler: boilers
    furnace: furnaces
    ceramic: ceramics keramik
    fiber: fibre fibers fibres
    polymer: polymers
    resin: resins
    carbon: graphite
    silicon: wafer
    laser: lasers
    photonics: fotonics
    display: displays
    camera: cameras kamera
    printer: copiers
    phone: phones telephone
    mobile: mobil mobility
    satellite: satellites
    navigation: nav
    bank: trapeza
    shipping: naytiliaki nautiliaki naftiliaki
    food: trofima
    power: energeia energeiaki energiaki
    insurance: asfalistiki asfaleies
    construction: kataskeyastiki kataskevastiki
    pharmaceutical: farmakeytiki farmakeftiki
    """
)
"""What a firm does: many do the same, and a firm is often named without it."""
TRADE_ENDINGS: Final = (
    "fabrieken", "fabrik", "fabriken", "werke", "werken", "maschinen", "technik", "techniek", "elektronik", "industrie",
    "versicherung", "bau", "bouw", "gesellschaft", "maatschappij", "verwaltung", "vertrieb", "logistik", "systeme",
    "software", "technologies", "electronics", "pharma", "chemie", "verlag", "handel",
)  # fmt: skip
"""German and Dutch write trades as one word: what ends so is a trade (Gloeilampenfabrieken)."""

PLACES: Final = _canonical(
    """
    us: usa uniteds
    america: american amerika americas amerique
    uk: britain british england english grossbritannien
    europe: europa european europeenne europeo euro emea
    asia: asian apac pacific asien asie
    africa: african afrique
    north: northern nord norte norden
    south: southern sud sur sued
    east: eastern est oriental ost
    west: western ouest occidental
    central: centrale zentral mid midwest
    atlantic: atlantique
    germany: deutschland deutsche german allemagne alemania deutsch
    france: french francaise francais frankreich francia
    italy: italia italian italiana italien italiano
    spain: espana spanish espanola spanien
    portugal: portuguese portuguesa
    netherlands: nederland nederlandse netherland dutch holland niederlande
    belgium: belgique belgie belgian belgien
    luxembourg: luxemburg
    switzerland: schweiz suisse swiss schweizer svizzera
    austria: osterreich austrian
    poland: polska polish polen
    czech: ceska cesko
    slovakia: slovensko slovak
    hungary: magyar hungarian magyarorszag
    romania: romana romanian
    bulgaria: bulgarian
    greece: hellas hellenic greek
    turkey: turkiye turk turkish
    russia: russian rossiya rossii rossiyskiy russland
    ukraine: ukrainian ukraina
    sweden: sverige swedish svenska schweden
    norway: norge norwegian norsk
    denmark: danmark danish dansk danske
    finland: suomi finnish suomen
    iceland: island icelandic
    ireland: irish eire
    scotland: scottish
    wales: welsh
    israel: israeli
    emirates: uae dubai
    saudi: arabia arabian arab
    egypt: egyptian
    india: indian bharat hindustan
    china: chinese zhongguo prc sino
    japan: japanese nippon nihon
    korea: korean hanguk
    taiwan: taiwanese
    singapore: singapura
    malaysia: malaysian
    indonesia: indonesian
    thailand: thai siam
    vietnam: vietnamese
    philippines: philippine
    australia: australian
    zealand: nz
    canada: canadian
    mexico: mexican mexicana mexicano
    brazil: brasil brazilian brasileira brasileiro
    argentina: argentine
    chile: chilean chilena
    colombia: colombian
    peru: peruvian
    venezuela: venezuelan
    york london paris berlin munich: munchen muenchen
    hongkong shanghai beijing: peking
    tokyo osaka seoul busan shenzhen guangzhou hangzhou nanjing tianjin wuhan chengdu moscow: moskva moscou
    zurich geneva: geneve genf
    vienna: wien
    hamburg frankfurt amsterdam rotterdam antwerp: antwerpen anvers
    brussels: bruxelles brussel
    milan: milano
    rome: roma
    turin: torino
    madrid barcelona lisbon: lisboa
    copenhagen: kobenhavn
    stockholm oslo helsinki warsaw: warszawa
    prague: praha
    budapest athens: athina
    istanbul delhi mumbai: bombay
    bangalore sydney melbourne toronto vancouver montreal chicago boston texas california florida ohio virginia
    washington pennsylvania georgia carolina michigan illinois jersey francisco angeles dallas houston atlanta seattle
    puerto rico bermuda cayman bahamas panama iberia iberica nordic scandinavia scandinavian baltic benelux latin
    pakistan bangladesh lanka kenya nigeria nigerian ghana morocco tunisia algeria ontario quebec alberta columbia
    croningen groningen delft eindhoven veldhoven utrecht hague: haag
    """
)
COMMON: Final = _each(
    """
    first one two three national united union standard universal premier prime alpha beta gamma delta omega
    sigma apex summit pioneer liberty freedom eagle falcon hawk lion tiger wolf bear phoenix dragon star sun
    moon sky blue red green black white silver golden diamond crystal pearl royal crown king queen knight
    shield castle tower bridge gate gateway harbor harbour bay lake river mountain valley hill stone rock
    iron wood forest oak pine cedar maple elm willow rose lily garden park city urban metro capitol federal
    state county community public civic social smart quick fast rapid swift express direct instant easy
    simple clear bright pure fresh natural organic vital active dynamic creative innovative advanced
    integrated applied modern future next nova neo vision horizon frontier compass anchor beacon lighthouse
    atlas titan olympus zenith acme ace elite select choice quality value target focus core edge point line
    link connect cross circle square cube matrix vector vertex axis orbit spectrum prism quantum atom nano
    micro mini mega giga ultra super hyper meta omni pan poly multi trans inter uni mono max pro plus
    alliance allied associated consolidated combined continental coastal central main street american
    republic patriot heritage legacy century millennium classic evergreen everest mercury venus mars jupiter
    saturn neptune apollo athena hermes zeus hercules orion polaris aurora eclipse cosmos galaxy stellar
    lunar solar terra aqua hydro geo bio eco agri aero cyber digital virtual cloud byte pixel logic genius
    brain mind spirit soul heart hand eye voice echo sound wave stream flow current spring fountain ocean
    sea island coast beach shore wind storm thunder lightning fire flame spark ember ice snow frost winter
    summer autumn victory triumph champion hero legend master expert trusted reliable guardian sentinel
    safeguard secure trinity unity harmony infinity eternal paramount supreme sovereign imperial regal noble
    majestic grand great big little old new best better good happy lucky fortune paradise eden excel
    superior preferred allstar independent columbia lincoln washington jefferson franklin hamilton madison
    jackson monroe victoria elizabeth george saint san santa st mount port fort glen apple orange cherry
    high middle elementary primary secondary township government municipal municipality
    lemon olive meridian pinnacle keystone cornerstone landmark benchmark catalyst nexus synergy momentum
    velocity ascent vanguard endeavor endeavour evolve insight insights clarity radius impact inspire ignite
    elevate accelerate advantage vantage ally anthem ascend aspire atlantis avalon axiom azure bluebird
    brightstar cascade centennial chronicle citadel coastline concord concordia corner crest crossroads
    cypress delphi destiny discovery dominion dream dynasty echelon element elements elevation emerald
    eminent empire encore engage enigma enterprise envision envoy epic essence essential esteem ethos
    excalibur exodus explorer fidelity fusion gemini genesis glacier griffin halo helix heron highland
    hillside homestead icon ideal imagine imperium inspiration interface journey kestrel keynote kinetic
    laurel lead leader leverage lynx magna magnolia mainstream marathon maverick mayflower mentor meteor
    milestone mission monarch monument mosaic motion mustang mystic nautilus nimbus northstar oasis obelisk
    odyssey onyx optima optimum optimus oracle osprey outlook panorama paragon partner passport pegasus
    pilot pinewood plateau platinum portal precision prestige principal profile prodigy progress prosper
    prosperity proton provident pulse quest radiant radical raven reach redwood relay renaissance resolute
    resource ridge rising rocket saber sage sapphire scout sequoia serenity sirius skyline solid solstice
    source sparrow sphere spire sprint sterling strata strategic stratus strive success sunrise sunset swan
    symphony synapse talon tempest tempo thrive tide torch touchstone tradition trailblazer tribune trident
    trillium tundra turning twilight ultimate unicorn unison universe upward valiant valor venture veritas
    vertical vibrant victor vigor village virtue vivid volt voyager warrior wildcat windsor bell post mail
    press times news radio tele vista mesa sierra alta casa del mar rio verde azul oro plaza
    """
)
"""Everyday words that unrelated firms take for a name."""
SHORT_FOR: Final = {
    "st": "saint", "mt": "mount", "ft": "fort", "cnty": "county", "natl": "national", "fed": "federal",
    "twp": "township", "govt": "government", "elem": "elementary",
}  # fmt: skip
"""How common words are cut short."""
GIVEN_NAMES: Final = _each(
    """
    john james robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald
    steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason jeffrey ryan jacob gary nicholas
    eric jonathan stephen larry justin scott brandon benjamin samuel gregory frank alexander raymond patrick jack dennis
    jerry mary patricia jennifer linda elizabeth barbara susan jessica sarah karen nancy lisa betty margaret sandra
    ashley kimberly emily donna michelle carol amanda dorothy melissa deborah stephanie rebecca sharon laura cynthia
    kathleen amy angela shirley anna brenda pamela emma nicole helen samantha katherine christine peter hans klaus
    jurgen wolfgang dieter karl heinz werner gunter helmut manfred uwe stefan bernd johannes jan pieter cornelis
    hendrik willem gerrit dirk kees jean pierre michel philippe alain jacques francois louis marie nicolas henri andre
    marc luc olivier laurent giovanni giuseppe antonio mario luigi francesco marco paolo carlo roberto jose juan carlos
    luis miguel manuel pedro jorge fernando francisco javier rafael joao paulo lars erik anders sven nils olaf bjorn
    ivan vladimir sergei dmitri alexei mikhail boris yuri nikolai hiroshi takashi kenji akira wei ming jun lei mohammed
    ahmed ali hassan omar ravi raj sanjay amit anil eli arthur henry albert walter fred harry ralph howard eugene
    """
)

SCRIPTS: Final = {
    "μπ": "b", "Μπ": "b", "ΜΠ": "b",
    "株式会社": " kk ", "有限会社": " kk ", "合同会社": " kk ", "(株)": " kk ", "주식회사": " corp ",
    "㈜": " corp ", "유한회사": " ltd ", "股份有限公司": " ltd ", "有限责任公司": " ltd ",
    "有限公司": " ltd ", "责任公司": " ltd ", "股份公司": " ltd ", "公司": " company ", "集团": " group ",
    "集團": " group ", "控股": " holding ", "技术": " technology ", "技術": " technology ",
    "科技": " technology ", "电子": " electronics ", "電子": " electronics ", "电器": " electric ",
    "電器": " electric ", "電機": " electric ", "電気": " electric ", "银行": " bank ", "銀行": " bank ",
    "保险": " insurance ", "保険": " insurance ", "汽车": " motor ", "汽車": " motor ",
    "自動車": " motor ", "石油": " oil ", "化工": " chemical ", "化学": " chemical ", "化學": " chemical ",
    "製薬": " pharmaceutical ", "制药": " pharmaceutical ", "医药": " pharmaceutical ",
    "国际": " international ", "國際": " international ", "国際": " international ", "中国": " china ",
    "中國": " china ", "日本": " japan ", "北京": " beijing ", "上海": " shanghai ", "深圳": " shenzhen ",
    "广州": " guangzhou ", "杭州": " hangzhou ", "台湾": " taiwan ", "臺灣": " taiwan ",
    "香港": " hongkong ", "東京": " tokyo ", "大阪": " osaka ", "通信": " telecom ", "通讯": " telecom ",
    "电信": " telecom ", "電信": " telecom ", "网络": " network ", "在线": " online ",
    "软件": " software ", "軟件": " software ", "工业": " industry ", "工業": " industry ",
    "重工業": " heavy industry ", "製作所": " works ", "产业": " industry ", "産業": " industry ",
    "贸易": " trade ", "投资": " invest ", "建设": " construction ", "建設": " construction ",
    "食品": " food ", "航空": " air ", "物流": " logistics ", "商事": " trade ", "物産": " trade ",
    "鉄道": " rail ", "不動産": " property ", "地产": " property ", "集積回路": " semiconductor ",
    "半导体": " semiconductor ", "半導体": " semiconductor ", "能源": " power ", "电力": " power ",
    "グループ": " group ", "ホールディングス": " holding ", "ジャパン": " japan ",
    "コーポレーション": " corp ", "インターナショナル": " international ", "システムズ": " system ",
    "システム": " system ", "テクノロジーズ": " technology ", "テクノロジー": " technology ",
    "サービス": " service ", "エレクトロニクス": " electronics ", "ソリューションズ": " solution ",
    "ソフトウェア": " software ", "コーヒー": " coffee ", "モーター": " motor ", "バンク": " bank ",
    "ネットワーク": " network ", "ソフト": " soft ", "전자": " electronics ", "자동차": " motor ",
    "그룹": " group ", "은행": " bank ", "화학": " chemical ", "건설": " construction ",
    "보험": " insurance ", "제약": " pharmaceutical ", "통신": " telecom ", "텔레콤": " telecom ",
    "홀딩스": " holding ", "코리아": " korea ", "한국": " korea ", "에너지": " power ",
    "중공업": " heavy industry ", "산업": " industry ", "생명": " life ", "증권": " security ",
    "항공": " air ", "물산": " trade ", "소프트": " soft ", "삼성": " samsung ", "현대": " hyundai ",
    "기아": " kia ", "롯데": " lotte ", "두산": " doosan ", "한화": " hanwha ", "네이버": " naver ",
    "카카오": " kakao ", "腾讯": " tencent ", "騰訊": " tencent ", "三星": " samsung ", "丰田": " toyota ",
    "トヨタ": " toyota ", "日産": " nissan ", "本田": " honda ", "三菱": " mitsubishi ",
    "三井": " mitsui ", "住友": " sumitomo ", "東芝": " toshiba ", "日立": " hitachi ",
    "富士通": " fujitsu ", "任天堂": " nintendo ", "松下": " matsushita ", "百度": " baidu ",
    "小米": " xiaomi ", "联想": " lenovo ", "聯想": " lenovo ", "京东": " jd ", "美团": " meituan ",
    "比亚迪": " byd ", "中兴": " zte ", "海尔": " haier ", "鸿海": " foxconn ", "富士康": " foxconn ",
    "台积电": " tsmc ", "台積電": " tsmc ", "微软": " microsoft ", "苹果": " apple ", "谷歌": " google ",
    "亚马逊": " amazon ", "西门子": " siemens ", "大众": " volkswagen ", "宝马": " bmw ",
    "雀巢": " nestle ", "ソニー": " sony ", "スターバックス": " starbucks ", "アディダス": " adidas ",
    "マイクロソフト": " microsoft ", "グーグル": " google ", "アップル": " apple ", "アマゾン": " amazon ",
    "パナソニック": " panasonic ", "キヤノン": " canon ", "キャノン": " canon ", "ホンダ": " honda ",
    "スズキ": " suzuki ", "マツダ": " mazda ", "シャープ": " sharp ", "オリンパス": " olympus ",
    "ニコン": " nikon ", "リコー": " ricoh ", "ブリヂストン": " bridgestone ",
    "ソフトバンク": " softbank ", "セブン": " seven ", "イオン": " aeon ", "ヤマハ": " yamaha ",
    "オムロン": " omron ", "エプソン": " epson ", "サムスン": " samsung ", "インテル": " intel ",
    "オラクル": " oracle ", "シーメンス": " siemens ", "フィリップス": " philips ", "ネスレ": " nestle ",
    "ナイキ": " nike ", "ユニクロ": " uniqlo ", "楽天": " rakuten ", "武田": " takeda ", "花王": " kao ",
    "資生堂": " shiseido ", "阿里巴巴": " alibaba ", "华为": " huawei ", "華為": " huawei ",
    "平安": " pingan ", "网易": " netease ",
}  # fmt: skip
"""Words of Chinese, Japanese and Korean names whose meaning, not sound, is what Latin spellings of them have."""

OTHER_NAMES: Final = """
alphabet = google = goog = googl
meta platforms = facebook = meta = fb
rtx = raytheon technologies = raytheon = united technologies
international business machines = ibm
hewlett packard = hp = hpq
hewlett packard enterprise = hpe
united parcel service = ups
general electric = ge = ge aerospace
general motors = gm
american telephone and telegraph = att = at and t
procter and gamble = pg
johnson and johnson = jj = jnj
pricewaterhousecoopers = pwc
ernst and young = ey
deloitte touche tohmatsu = deloitte
klynveld peat marwick goerdeler = kpmg
bayerische motoren werke = bmw
badische anilin und soda fabrik = basf
british petroleum = bp
british american tobacco = bat
british telecommunications = bt = british telecom
hongkong and shanghai banking = hsbc
fabbrica italiana automobili torino = fiat
stellantis = fiat chrysler automobiles = fca = chrysler
volkswagen = vw
mercedes benz = daimler
taiwan semiconductor manufacturing = tsmc
hon hai precision industry = foxconn
becton dickinson = bd
minnesota mining and manufacturing = 3m = mmm
advanced micro devices = amd
boston properties = bxp
westinghouse air brake = wabtec
laboratory corp of america = labcorp
amazon = amzn
apple = aapl
microsoft = msft
tesla = tsla = tesla motors
netflix = nflx
nvidia = nvda
amazon web services = aws
salesforce = salesforcecom
jpmorgan chase = jpmorgan = jp morgan = jpm = jp morgan chase
bank of america = bofa = bac = boa
citigroup = citi = citibank
american express = amex = axp
walgreens boots alliance = walgreens
cvs health = cvs
elevance health = anthem
unitedhealth = united health
merck = merck sharp and dohme = msd
bristol myers squibb = bms
glaxosmithkline = gsk = glaxo smith kline = smithkline beecham
eli lilly = lilly
abb = asea brown boveri
sap = systems applications and products
koninklijke philips = philips electronics = royal philips electronics = philips gloeilampenfabrieken
shell = royal dutch shell = royal dutch petroleum
dsm = dutch state mines
klm = koninklijke luchtvaart maatschappij = klm royal dutch airlines
novartis = ciba geigy = sandoz
lvmh = lvmh moet hennessy louis vuitton = moet hennessy louis vuitton
pepsico = pepsi cola = pepsi
coca cola = coke
mcdonalds = mcd
walt disney = disney
warner bros discovery = time warner = warner media
paramount global = viacomcbs = viacom
comcast = nbcuniversal
nec = nippon electric
ntt = nippon telegraph and telephone
matsushita electric industrial = panasonic
toyota motor = toyota
dow = dow chemical
dupont = e i du pont de nemours = du pont de nemours = du pont
exxonmobil = exxon = mobil
totalenergies = total fina elf
equinor = statoil
engie = gdf suez
t mobile = tmobile
bytedance = tiktok
booking = priceline
gen digital = nortonlifelock = symantec
truist = bb and t
s and p global = sp = standard and poors
bny mellon = bank of new york mellon = bny
thales = thomson csf
airbus = eads = european aeronautic defence and space
safran = snecma
massachusetts institute of technology = mit
munchener ruck = munich re = munchener ruckversicherungs = munich reinsurance
swiss re = schweizerische ruckversicherungs = swiss reinsurance
mckinsey = mckinsey and company
boston consulting = bcg
"""
"""Names under which one company is known, as `names.spelled` leaves them."""
