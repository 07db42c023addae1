"""Words of the English-German transfer grammar, as tables.

`|` separates the sub-words of a word, so `Äpfel|n` is one word of two tokens; `_` stands for a
space inside a column, `-` for an empty column. Genders are m, f, n.
"""


def _table(text: str) -> tuple[tuple[str, ...], ...]:
    """Rows of a table: entries between commas or lines, columns between spaces."""
    entries = text.strip().replace("\n", ",").split(",")
    return tuple(
        tuple(column.replace("_", " ").removeprefix("-") for column in entry.split())
        for entry in entries
    )


# English noun, gender, German noun.
PEOPLE = _table("""
brother m Bruder, sister f Schwester, father m Vater, mother f Mutter, son m Sohn
daughter f Tochter, uncle m Onkel, aunt f Tante, teacher m Lehrer, doctor m Arzt
friend m Freund, child n Kind, queen f Königin, king m König
boss m Chef, girl n Mädchen, painter m Maler, nurse f Krankenschwester, gardener m Gärtner
actress f Schauspielerin, baker m Bäcker, grandmother f Großmutter
""")
VEHICLES = _table("""
train m Zug, bus m Bus, ship n Schiff, tram f Straßenbahn, ferry f Fähre
""")
CONTAINERS = _table("bag f Tasche, basket m Korb, parcel n Paket, box f Kiste, bowl f Schüssel")
JOURNEYS = _table("journey f Reise, flight m Flug, trip f Fahrt, hike f Wanderung")

# English singular and plural; gender; German singular, plural, dative plural.
THINGS = _table("""
apple apple|s m Apfel Äpfel Äpfel|n
table table|s m Tisch Tisch|e Tisch|e|n
chair chair|s m Stuhl Stühl|e Stühl|e|n
hat hat|s m Hut Hüt|e Hüt|e|n
letter letter|s m Brief Brief|e Brief|e|n
suitcase suitcase|s m Koffer Koffer Koffer|n
key key|s m Schlüssel Schlüssel Schlüssel|n
plate plate|s m Teller Teller Teller|n
lamp lamp|s f Lampe Lampe|n Lampe|n
pear pear|s f Birne Birne|n Birne|n
flower flower|s f Blume Blume|n Blume|n
watch watch|es f Uhr Uhr|en Uhr|en
cup cup|s f Tasse Tasse|n Tasse|n
potato potato|es f Kartoffel Kartoffel|n Kartoffel|n
book book|s n Buch Bücher Bücher|n
egg egg|s n Ei Ei|er Ei|er|n
knife knives n Messer Messer Messer|n
picture picture|s n Bild Bild|er Bild|er|n
shirt shirt|s n Hemd Hemd|en Hemd|en
car car|s n Auto Auto|s Auto|s
radio radio|s n Radio Radio|s Radio|s
ball ball|s m Ball Bäll|e Bäll|e|n
spoon spoon|s m Löffel Löffel Löffel|n
coat coat|s m Mantel Mäntel Mäntel|n
ring ring|s m Ring Ring|e Ring|e|n
bottle bottle|s f Flasche Flasche|n Flasche|n
card card|s f Karte Karte|n Karte|n
newspaper newspaper|s f Zeitung Zeitung|en Zeitung|en
fork fork|s f Gabel Gabel|n Gabel|n
blanket blanket|s f Decke Decke|n Decke|n
dress dress|es n Kleid Kleid|er Kleid|er|n
glass glass|es n Glas Gläser Gläser|n
bicycle bicycle|s n Fahrrad Fahrräder Fahrräder|n
pillow pillow|s n Kissen Kissen Kissen
""")
UNITS = _table("""
minute minute|s f Minute Minute|n Minute|n
hour hour|s f Stunde Stunde|n Stunde|n
day day|s m Tag Tag|e Tag|e|n
week week|s f Woche Woche|n Woche|n
month month|s m Monat Monat|e Monat|e|n
year year|s n Jahr Jahr|e Jahr|e|n
""")
CURRENCIES = _table("""
euro euro|s m Euro Euro Euro
dollar dollar|s m Dollar Dollar Dollar
pound pound|s n Pfund Pfund Pfund
crown crown|s f Krone Krone|n Krone|n
mark mark|s f Mark Mark Mark
franc franc|s m Franken Franken Franken
""")
CENT = _table("cent cent|s m Cent Cent Cent")

# English word; German stem, to which the endings e, en, er, es are added.
ADJECTIVES_OF_PEOPLE = _table("""
old alt, young jung, small klein, tall groß, good gut, clever klug, rich reich, poor arm
strong stark, tired müd
friendly freundlich, famous berühmt, sick krank, thin dünn
""")
ADJECTIVES_OF_THINGS = _table("""
old alt, small klein, big groß, new neu, red rot, green grün, black schwarz, white weiß
heavy schwer, cheap billig, good gut, cold kalt
blue blau, beautiful schön, round rund, warm warm, yellow gelb, brown braun, dirty schmutzig
""")

# English infinitive, third person, past; German auxiliary of the perfect, third person, separable
# prefix, participle and infinitive without the prefix.
VERBS_OF_THINGS = _table("""
buy buy|s bought hat kauf|t - gekauft kauf|en
sell sell|s sold hat verkauf|t - verkauft verkauf|en
find find|s found hat findet - gefunden finden
see see|s saw hat sieht - gesehen sehen
lose lose|s lost hat verlier|t - verloren verlier|en
forget forget|s forgot hat vergisst - vergessen vergessen
need need|s need|ed hat brauch|t - gebraucht brauch|en
pack pack|s pack|ed hat pack|t ein gepackt pack|en
unpack unpack|s unpack|ed hat pack|t aus gepackt pack|en
choose choose|s chose hat such|t aus gesucht such|en
throw_away throw|s_away threw_away hat wirft weg geworfen werfen
bring_along bring|s_along brought_along hat bring|t mit gebracht bring|en
repair repair|s repair|ed hat reparier|t - repariert reparier|en
carry carries carried hat trägt - getragen tragen
order order|s order|ed hat bestell|t - bestellt bestell|en
prepare prepare|s prepare|d hat bereitet vor bereitet bereiten
hang_up hang|s_up hung_up hat häng|t auf gehängt häng|en
""")
VERBS_OF_PEOPLE = _table("""
visit visit|s visit|ed hat besuch|t - besucht besuch|en
meet meet|s met hat trifft - getroffen treffen
ask ask|s ask|ed hat frag|t - gefragt frag|en
call call|s call|ed hat ruf|t an gerufen ruf|en
invite invite|s invite|d hat lädt ein geladen laden
pick_up pick|s_up pick|ed_up hat hol|t ab geholt hol|en
look_at look|s_at look|ed_at hat sieht an gesehen sehen
photograph photograph|s photograph|ed hat fotografier|t - fotografiert fotografier|en
wake wake|s woke hat weck|t auf geweckt weck|en
introduce introduce|s introduce|d hat stell|t vor gestellt stell|en
""")
VERBS_OF_GIVING = _table("""
give give|s gave hat gibt - gegeben geben
show show|s show|ed hat zeig|t - gezeigt zeig|en
send send|s sent hat schick|t - geschickt schick|en
lend lend|s lent hat leih|t - geliehen leih|en
offer offer|s offer|ed hat bietet an geboten bieten
give_back give|s_back gave_back hat gibt zurück gegeben geben
promise promise|s promise|d hat verspricht - versprochen versprech|en
""")
VERBS_OF_MOVING_PEOPLE = _table("""
arrive arrive|s arrive|d ist komm|t an gekommen komm|en
come_back come|s_back came_back ist komm|t zurück gekommen komm|en
get_up get|s_up got_up ist steh|t auf gestanden steh|en
fall_asleep fall|s_asleep fell_asleep ist schläft ein geschlafen schlafen
wake_up wake|s_up woke_up ist wach|t auf gewacht wach|en
depart depart|s depart|ed ist reis|t ab gereist reis|en
""")
VERBS_OF_MOVING_VEHICLES = _table("""
arrive arrive|s arrive|d ist komm|t an gekommen komm|en
come_back come|s_back came_back ist komm|t zurück gekommen komm|en
leave leave|s left ist fährt ab gefahren fahren
stop stop|s stop|ped hat hält an gehalten halten
""")
VERBS_OF_STAYING = _table("""
lived wohnt wohnen, worked arbeitet arbeiten, studied studiert studieren
""")

# English verb of a statement and first word of a question, each of one and of many; what else a
# question has before the infinitive; German of one and of many.
MODALS = _table("""
will will will will - wird werden
must must must must - muss müssen
can can can can - kann können
should should should should - sollte sollten
want|s_to want_to does do want_to will wollen
""")

NAMES = _table("""
Anna Anna, Peter Peter, Maria Maria, Paul Paul, Clara Clara, Felix Felix
Max Max, Julia Julia, Sophie Sophie, Emil Emil, Laura Laura, Oskar Oskar
""")
CITIES = _table("""
Berlin Berlin, Hamburg Hamburg, Bremen Bremen, Bonn Bonn, Munich München, Cologne Köln
Vienna Wien, Geneva Genf, Prague Prag, London London
Leipzig Leipzig, Dresden Dresden, Zurich Zürich, Rome Rom, Paris Paris, Warsaw Warschau
Nuremberg Nürnberg, Brussels Brüssel
""")
OWNERS = _table("my mein, his sein, her ihr, our unser")
INTRODUCTIONS = _table(
    "says sagt, knows weiß, hopes hofft, hears hört, thinks denkt, writes schreibt"
)
WEEKDAYS = _table("""
Monday Montag, Tuesday Dienstag, Wednesday Mittwoch, Thursday Donnerstag, Friday Freitag
Saturday Samstag, Sunday Sonntag
""")
# English and German, first and last hour.
PARTS_OF_DAY = _table("- - 1 12, morning morgen 6 11, afternoon nachmittag 1 5, evening abend 6 11")
MONTHS = _table("""
January Januar, February Februar, March März, April April, May Mai, June Juni, July Juli
August August, September September, October Oktober, November November, December Dezember
""")
