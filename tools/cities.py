"""Write `jobs_server/observatory/cities.txt`: cities and places of observatories, where they are, and their time zones.

    python3 -m venv venv && venv/bin/pip install tzdata==2026.6
    venv/bin/python tools/cities.py jobs_server/observatory/cities.txt

One city of each time zone, with its place to the minute of arc, is from the tables `zone.tab` and `iso3166.tab` of the
tz database, which are in the public domain. The others stand below: their places, to a hundredth of a degree, were
written down for this project. A line has names (the first is shown), country, latitude, longitude (east) and zone,
parted by tabs; the lines are in the order of their first names.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

MORE = """\
Aachen|DE|50.78|6.08|Europe/Berlin
Abuja|NG|9.06|7.49|Africa/Lagos
Ahmedabad|IN|23.03|72.58|Asia/Kolkata
Albuquerque|US|35.08|-106.65|America/Denver
Alexandria|EG|31.20|29.92|Africa/Cairo
Alice Springs|AU|-23.70|133.88|Australia/Darwin
Ankara|TR|39.93|32.86|Europe/Istanbul
Antalya|TR|36.89|30.71|Europe/Istanbul
Antofagasta|CL|-23.65|-70.40|America/Santiago
Antwerp, Antwerpen|BE|51.22|4.40|Europe/Brussels
Arequipa|PE|-16.40|-71.54|America/Lima
Atlanta|US|33.75|-84.39|America/New_York
Austin|US|30.27|-97.74|America/Chicago
Baltimore|US|39.29|-76.61|America/New_York
Bangalore, Bengaluru|IN|12.97|77.59|Asia/Kolkata
Barcelona|ES|41.39|2.17|Europe/Madrid
Bari|IT|41.12|16.87|Europe/Rome
Basel|CH|47.56|7.59|Europe/Zurich
Beijing|CN|39.90|116.41|Asia/Shanghai
Belfast|GB|54.60|-5.93|Europe/London
Belo Horizonte|BR|-19.92|-43.94|America/Sao_Paulo
Bergen|NO|60.39|5.32|Europe/Oslo
Bern|CH|46.95|7.45|Europe/Zurich
Bilbao|ES|43.26|-2.93|Europe/Madrid
Birmingham|GB|52.48|-1.90|Europe/London
Bologna|IT|44.49|11.34|Europe/Rome
Bonn|DE|50.74|7.10|Europe/Berlin
Bordeaux|FR|44.84|-0.58|Europe/Paris
Boston|US|42.36|-71.06|America/New_York
Boulder|US|40.01|-105.27|America/Denver
Brasilia|BR|-15.79|-47.88|America/Sao_Paulo
Braunschweig, Brunswick|DE|52.27|10.53|Europe/Berlin
Bremen|DE|53.08|8.80|Europe/Berlin
Brest|FR|48.39|-4.49|Europe/Paris
Bristol|GB|51.45|-2.59|Europe/London
Brno|CZ|49.20|16.61|Europe/Prague
Bucaramanga|CO|7.12|-73.12|America/Bogota
Buffalo|US|42.89|-78.88|America/New_York
Bursa|TR|40.19|29.06|Europe/Istanbul
Busan|KR|35.18|129.08|Asia/Seoul
Caen|FR|49.18|-0.37|Europe/Paris
Calgary|CA|51.05|-114.07|America/Edmonton
Cali|CO|3.45|-76.53|America/Bogota
Cambridge|GB|52.21|0.12|Europe/London
Canberra|AU|-35.28|149.13|Australia/Sydney
Cape Town|ZA|-33.92|18.42|Africa/Johannesburg
Cardiff|GB|51.48|-3.18|Europe/London
Cartagena|CO|10.40|-75.51|America/Bogota
Catania|IT|37.50|15.09|Europe/Rome
Charlotte|US|35.23|-80.84|America/New_York
Chengdu|CN|30.57|104.07|Asia/Shanghai
Chennai|IN|13.08|80.27|Asia/Kolkata
Chiang Mai|TH|18.79|98.98|Asia/Bangkok
Christchurch|NZ|-43.53|172.64|Pacific/Auckland
Cincinnati|US|39.10|-84.51|America/New_York
Cleveland|US|41.50|-81.69|America/New_York
Cluj-Napoca|RO|46.77|23.60|Europe/Bucharest
Cologne, Köln|DE|50.94|6.96|Europe/Berlin
Columbus|US|39.96|-83.00|America/New_York
Concepcion|CL|-36.83|-73.05|America/Santiago
Constanta|RO|44.18|28.64|Europe/Bucharest
Cordoba|ES|37.88|-4.78|Europe/Madrid
Cork|IE|51.90|-8.47|Europe/Dublin
Curitiba|BR|-25.43|-49.27|America/Sao_Paulo
Cusco|PE|-13.53|-71.97|America/Lima
Daejeon|KR|36.35|127.38|Asia/Seoul
Dallas|US|32.78|-96.80|America/Chicago
Darmstadt|DE|49.87|8.65|Europe/Berlin
Davos|CH|46.80|9.84|Europe/Zurich
Debrecen|HU|47.53|21.63|Europe/Budapest
Dortmund|DE|51.51|7.47|Europe/Berlin
Dresden|DE|51.05|13.74|Europe/Berlin
Dunedin|NZ|-45.88|170.50|Pacific/Auckland
Durban|ZA|-29.86|31.02|Africa/Johannesburg
Dusseldorf, Düsseldorf|DE|51.23|6.77|Europe/Berlin
Edinburgh|GB|55.95|-3.19|Europe/London
Eindhoven|NL|51.44|5.48|Europe/Amsterdam
El Paso|US|31.76|-106.49|America/Denver
Erfurt|DE|50.98|11.03|Europe/Berlin
Essen|DE|51.46|7.01|Europe/Berlin
Faro|PT|37.02|-7.93|Europe/Lisbon
Flagstaff|US|35.20|-111.65|America/Phoenix
Florence, Firenze|IT|43.77|11.26|Europe/Rome
Fortaleza, Ceara|BR|-3.73|-38.53|America/Fortaleza
Frankfurt|DE|50.11|8.68|Europe/Berlin
Freiburg|DE|48.00|7.84|Europe/Berlin
Fresno|US|36.74|-119.79|America/Los_Angeles
Fukuoka|JP|33.59|130.40|Asia/Tokyo
Galway|IE|53.27|-9.06|Europe/Dublin
Gdansk|PL|54.35|18.65|Europe/Warsaw
Geneva, Genève|CH|46.20|6.14|Europe/Zurich
Genoa, Genova|IT|44.41|8.93|Europe/Rome
Ghent, Gent|BE|51.05|3.72|Europe/Brussels
Glasgow|GB|55.86|-4.25|Europe/London
Gothenburg, Göteborg|SE|57.71|11.97|Europe/Stockholm
Göttingen, Goettingen|DE|51.54|9.92|Europe/Berlin
Granada|ES|37.18|-3.60|Europe/Madrid
Graz|AT|47.07|15.44|Europe/Vienna
Grenoble|FR|45.19|5.72|Europe/Paris
Groningen|NL|53.22|6.57|Europe/Amsterdam
Guadalajara|MX|20.67|-103.35|America/Mexico_City
Guangzhou|CN|23.13|113.26|Asia/Shanghai
Haifa|IL|32.79|34.99|Asia/Jerusalem
Hamburg|DE|53.55|9.99|Europe/Berlin
Hanoi|VN|21.03|105.85|Asia/Bangkok
Hanover, Hannover|DE|52.38|9.73|Europe/Berlin
Heidelberg|DE|49.40|8.67|Europe/Berlin
Heraklion|GR|35.34|25.14|Europe/Athens
Hilo|US|19.71|-155.08|Pacific/Honolulu
Hiroshima|JP|34.39|132.46|Asia/Tokyo
Houston|US|29.76|-95.37|America/Chicago
Hyderabad|IN|17.39|78.49|Asia/Kolkata
Innsbruck|AT|47.27|11.40|Europe/Vienna
Izmir|TR|38.42|27.14|Europe/Istanbul
Jena|DE|50.93|11.59|Europe/Berlin
Kansas City|US|39.10|-94.58|America/Chicago
Karlsruhe|DE|49.01|8.40|Europe/Berlin
Kassel|DE|51.31|9.48|Europe/Berlin
Kazan|RU|55.80|49.11|Europe/Moscow
Kharkiv|UA|49.99|36.23|Europe/Kyiv
Kiel|DE|54.32|10.14|Europe/Berlin
Klagenfurt|AT|46.62|14.31|Europe/Vienna
Konstanz|DE|47.66|9.18|Europe/Berlin
Kosice|SK|48.72|21.26|Europe/Bratislava
Krakow, Kraków|PL|50.06|19.94|Europe/Warsaw
Kyoto|JP|35.01|135.77|Asia/Tokyo
La Paz|MX|24.14|-110.31|America/Mazatlan
La Serena|CL|-29.90|-71.25|America/Santiago
Las Palmas|ES|28.12|-15.43|Atlantic/Canary
Las Vegas|US|36.17|-115.14|America/Los_Angeles
Lausanne|CH|46.52|6.63|Europe/Zurich
Leeds|GB|53.80|-1.55|Europe/London
Leh|IN|34.16|77.58|Asia/Kolkata
Leiden|NL|52.16|4.49|Europe/Amsterdam
Leipzig|DE|51.34|12.37|Europe/Berlin
Leon|ES|42.60|-5.57|Europe/Madrid
Leon|MX|21.12|-101.68|America/Mexico_City
Liege, Liège|BE|50.63|5.57|Europe/Brussels
Lille|FR|50.63|3.06|Europe/Paris
Linz|AT|48.31|14.29|Europe/Vienna
Liverpool|GB|53.41|-2.99|Europe/London
Lodz, Łódź|PL|51.76|19.46|Europe/Warsaw
Lugano|CH|46.00|8.95|Europe/Zurich
Lund|SE|55.70|13.19|Europe/Stockholm
Lviv|UA|49.84|24.03|Europe/Kyiv
Lyon|FR|45.76|4.84|Europe/Paris
Maastricht|NL|50.85|5.69|Europe/Amsterdam
Magdeburg|DE|52.12|11.63|Europe/Berlin
Mainz|DE|50.00|8.27|Europe/Berlin
Malaga, Málaga|ES|36.72|-4.42|Europe/Madrid
Malmö, Malmo|SE|55.60|13.00|Europe/Stockholm
Manchester|GB|53.48|-2.24|Europe/London
Mannheim|DE|49.49|8.47|Europe/Berlin
Maribor|SI|46.55|15.65|Europe/Ljubljana
Marrakesh|MA|31.63|-7.99|Africa/Casablanca
Marseille|FR|43.30|5.37|Europe/Paris
Medellin|CO|6.24|-75.58|America/Bogota
Memphis|US|35.15|-90.05|America/Chicago
Miami|US|25.76|-80.19|America/New_York
Milan, Milano|IT|45.46|9.19|Europe/Rome
Milwaukee|US|43.04|-87.91|America/Chicago
Minneapolis|US|44.98|-93.27|America/Chicago
Montpellier|FR|43.61|3.88|Europe/Paris
Montreal|CA|45.50|-73.57|America/Toronto
Mumbai, Bombay|IN|19.08|72.88|Asia/Kolkata
Munich, München|DE|48.14|11.58|Europe/Berlin
Münster, Muenster|DE|51.96|7.63|Europe/Berlin
Murcia|ES|37.99|-1.13|Europe/Madrid
Nagoya|JP|35.18|136.91|Asia/Tokyo
Nanjing|CN|32.06|118.80|Asia/Shanghai
Nantes|FR|47.22|-1.55|Europe/Paris
Naples, Napoli|IT|40.85|14.27|Europe/Rome
Nashville|US|36.16|-86.78|America/Chicago
New Delhi, Delhi|IN|28.61|77.21|Asia/Kolkata
New Orleans|US|29.95|-90.07|America/Chicago
Newcastle|GB|54.98|-1.61|Europe/London
Newcastle|AU|-32.93|151.78|Australia/Sydney
Nice|FR|43.70|7.27|Europe/Paris
Nizhny Novgorod|RU|56.33|44.00|Europe/Moscow
Nottingham|GB|52.95|-1.15|Europe/London
Nuremberg, Nürnberg|DE|49.45|11.08|Europe/Berlin
Oaxaca|MX|17.07|-96.73|America/Mexico_City
Odesa, Odessa|UA|46.48|30.73|Europe/Kyiv
Oklahoma City|US|35.47|-97.52|America/Chicago
Olomouc|CZ|49.59|17.25|Europe/Prague
Omaha|US|41.26|-95.93|America/Chicago
Orlando|US|28.54|-81.38|America/New_York
Osaka|JP|34.69|135.50|Asia/Tokyo
Osnabrück, Osnabrueck|DE|52.28|8.05|Europe/Berlin
Ottawa|CA|45.42|-75.70|America/Toronto
Oviedo|ES|43.36|-5.85|Europe/Madrid
Oxford|GB|51.75|-1.26|Europe/London
Padua, Padova|IT|45.41|11.88|Europe/Rome
Palermo|IT|38.12|13.36|Europe/Rome
Palma|ES|39.57|2.65|Europe/Madrid
Pamplona|ES|42.81|-1.64|Europe/Madrid
Patras|GR|38.25|21.73|Europe/Athens
Philadelphia|US|39.95|-75.17|America/New_York
Pisa|IT|43.72|10.40|Europe/Rome
Pittsburgh|US|40.44|-80.00|America/New_York
Plovdiv|BG|42.14|24.75|Europe/Sofia
Portland|US|45.52|-122.68|America/Los_Angeles
Porto|PT|41.15|-8.61|Europe/Lisbon
Porto Alegre|BR|-30.03|-51.22|America/Sao_Paulo
Potsdam|DE|52.40|13.06|Europe/Berlin
Poznan, Poznań|PL|52.41|16.93|Europe/Warsaw
Pretoria|ZA|-25.75|28.19|Africa/Johannesburg
Puebla|MX|19.04|-98.21|America/Mexico_City
Pune|IN|18.52|73.86|Asia/Kolkata
Quebec, Québec|CA|46.81|-71.21|America/Toronto
Quito|EC|-0.18|-78.47|America/Guayaquil
Raleigh|US|35.78|-78.64|America/New_York
Regensburg|DE|49.02|12.10|Europe/Berlin
Rennes|FR|48.11|-1.68|Europe/Paris
Rio de Janeiro|BR|-22.91|-43.17|America/Sao_Paulo
Rochester|US|43.16|-77.61|America/New_York
Rosario|AR|-32.95|-60.64|America/Argentina/Cordoba
Rostock|DE|54.09|12.13|Europe/Berlin
Rotterdam|NL|51.92|4.48|Europe/Amsterdam
Saarbrücken, Saarbruecken|DE|49.24|6.99|Europe/Berlin
Sacramento|US|38.58|-121.49|America/Los_Angeles
Saint Petersburg, St Petersburg|RU|59.93|30.34|Europe/Moscow
Salamanca|ES|40.97|-5.66|Europe/Madrid
Salt Lake City|US|40.76|-111.89|America/Denver
Salvador|BR|-12.97|-38.50|America/Bahia
Salzburg|AT|47.81|13.04|Europe/Vienna
San Antonio|US|29.42|-98.49|America/Chicago
San Diego|US|32.72|-117.16|America/Los_Angeles
San Francisco|US|37.77|-122.42|America/Los_Angeles
San Jose|US|37.34|-121.89|America/Los_Angeles
Santa Barbara|US|34.42|-119.70|America/Los_Angeles
Santa Cruz de Tenerife|ES|28.47|-16.25|Atlantic/Canary
Santa Fe|US|35.69|-105.94|America/Denver
Santander|ES|43.46|-3.81|Europe/Madrid
Santiago de Compostela|ES|42.88|-8.54|Europe/Madrid
Sapporo|JP|43.06|141.35|Asia/Tokyo
Seattle|US|47.61|-122.33|America/Los_Angeles
Sendai|JP|38.27|140.87|Asia/Tokyo
Seville, Sevilla|ES|37.39|-5.98|Europe/Madrid
Sheffield|GB|53.38|-1.47|Europe/London
Shenzhen|CN|22.54|114.06|Asia/Shanghai
Southampton|GB|50.91|-1.40|Europe/London
Split|HR|43.51|16.44|Europe/Zagreb
Springfield|US|39.80|-89.64|America/Chicago
St. Gallen|CH|47.42|9.38|Europe/Zurich
St. Louis|US|38.63|-90.20|America/Chicago
Strasbourg|FR|48.57|7.75|Europe/Paris
Stuttgart|DE|48.78|9.18|Europe/Berlin
Szeged|HU|46.25|20.15|Europe/Budapest
Tampa|US|27.95|-82.46|America/New_York
Tampere|FI|61.50|23.76|Europe/Helsinki
Tartu|EE|58.38|26.72|Europe/Tallinn
Tel Aviv|IL|32.09|34.78|Asia/Jerusalem
Temuco|CL|-38.74|-72.60|America/Santiago
Thessaloniki|GR|40.64|22.94|Europe/Athens
Timisoara, Timișoara|RO|45.75|21.23|Europe/Bucharest
Toledo|ES|39.86|-4.03|Europe/Madrid
Torun, Toruń|PL|53.01|18.60|Europe/Warsaw
Toulouse|FR|43.60|1.44|Europe/Paris
Trieste|IT|45.65|13.78|Europe/Rome
Tromsø, Tromso|NO|69.65|18.96|Europe/Oslo
Trondheim|NO|63.43|10.40|Europe/Oslo
Tübingen, Tuebingen|DE|48.52|9.06|Europe/Berlin
Tucson|US|32.22|-110.97|America/Phoenix
Turin, Torino|IT|45.07|7.69|Europe/Rome
Turku|FI|60.45|22.27|Europe/Helsinki
Ulm|DE|48.40|9.99|Europe/Berlin
Uppsala|SE|59.86|17.64|Europe/Stockholm
Utrecht|NL|52.09|5.12|Europe/Amsterdam
Valencia|ES|39.47|-0.38|Europe/Madrid
Valladolid|ES|41.65|-4.72|Europe/Madrid
Valparaiso, Valparaíso|CL|-33.05|-71.61|America/Santiago
Venice, Venezia|IT|45.44|12.33|Europe/Rome
Verona|IT|45.44|10.99|Europe/Rome
Victoria|CA|48.43|-123.37|America/Vancouver
Vigo|ES|42.24|-8.72|Europe/Madrid
Washington|US|38.91|-77.04|America/New_York
Wellington|NZ|-41.29|174.78|Pacific/Auckland
Wroclaw, Wrocław|PL|51.11|17.04|Europe/Warsaw
Wuhan|CN|30.59|114.31|Asia/Shanghai
Würzburg, Wuerzburg|DE|49.79|9.95|Europe/Berlin
Xi'an|CN|34.34|108.94|Asia/Shanghai
Zaragoza|ES|41.65|-0.88|Europe/Madrid
Apache Point|US|32.78|-105.82|America/Denver
Calar Alto|ES|37.22|-2.55|Europe/Madrid
Cerro Paranal|CL|-24.63|-70.40|America/Santiago
Cerro Tololo|CL|-30.17|-70.81|America/Santiago
Fort Davis, McDonald Observatory|US|30.67|-104.02|America/Chicago
Kitt Peak|US|31.96|-111.60|America/Phoenix
La Palma, Roque de los Muchachos|ES|28.76|-17.89|Atlantic/Canary
La Silla|CL|-29.26|-70.73|America/Santiago
Mauna Kea, Maunakea|US|19.82|-155.47|Pacific/Honolulu
Mount Wilson|US|34.22|-118.06|America/Los_Angeles
Palomar Mountain|US|33.36|-116.86|America/Los_Angeles
Pic du Midi|FR|42.94|0.14|Europe/Paris
San Pedro de Atacama|CL|-22.91|-68.20|America/Santiago
San Pedro Mártir|MX|31.04|-115.46|America/Tijuana
Siding Spring, Coonabarabran|AU|-31.27|149.07|Australia/Sydney
Sutherland|ZA|-32.38|20.81|Africa/Johannesburg
Teide, Izaña|ES|28.30|-16.51|Atlantic/Canary
Tekapo, Mount John|NZ|-43.99|170.46|Pacific/Auckland
Wendelstein|DE|47.70|12.01|Europe/Berlin
"""
"""Cities that are no time zone's name, and places of observatories."""
_NAMES = {
    "DumontDUrville": "Dumont d'Urville",
    "Kentucky/Louisville": "Louisville",
    "Saigon": "Ho Chi Minh City",
    "Ho_Chi_Minh": "Ho Chi Minh City",
    "Port-au-Prince": "Port-au-Prince",
    "Porto-Novo": "Porto-Novo",
    "St_Johns": "St. John's",
    "Sao_Paulo": "Sao Paulo, São Paulo",
    "Tirane": "Tirana",
    "Urumqi": "Urumqi, Ürümqi",
    "Vienna": "Vienna, Wien",
    "Zurich": "Zurich, Zürich",
    "Rome": "Rome, Roma",
    "Prague": "Prague, Praha",
    "Warsaw": "Warsaw, Warszawa",
    "Lisbon": "Lisbon, Lisboa",
    "Brussels": "Brussels, Bruxelles, Brussel",
    "Athens": "Athens, Athina",
    "Copenhagen": "Copenhagen, København",
    "Moscow": "Moscow, Moskva",
    "Kolkata": "Kolkata, Calcutta",
    "Yangon": "Yangon, Rangoon",
}
"""Cities whose zone is written otherwise than the city, or that have other names too."""
_NOT_CITIES = {"Canary", "Bahia_Banderas", "Center", "Faroe", "Azores", "Kerguelen", "Chagos"}
_PLACE = re.compile(r"([+-]\d+)([+-]\d+)")


class City(NamedTuple):
    """A place with names."""

    names: tuple[str, ...]
    country: str
    latitude_deg: float
    longitude_deg: float
    zone: str


def main(path: Path) -> None:
    countries = dict(line.split("\t")[:2] for line in _table("iso3166.tab"))
    found = sorted([*_of_zones(countries), *_more(countries)], key=lambda city: (city.names[0], city.country))
    lines = [
        "\t".join((", ".join(c.names), c.country, f"{c.latitude_deg:.2f}", f"{c.longitude_deg:.2f}", c.zone))
        for c in found
    ]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _table(name: str) -> list[str]:
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _of_zones(countries: dict[str, str]) -> Iterator[City]:
    for line in _table("zone.tab"):
        code, place, zone = line.split("\t")[:3]
        last = zone.rpartition("/")[2]
        match = _PLACE.fullmatch(place)
        if match is None or last in _NOT_CITIES:
            continue
        names = tuple(_NAMES.get(last, last.replace("_", " ")).split(", "))
        yield City(names, countries[code], _degrees(match[1], 2), _degrees(match[2], 3), zone)


def _more(countries: dict[str, str]) -> Iterator[City]:
    for line in MORE.splitlines():
        names, code, latitude, longitude, zone = line.split("|")
        yield City(tuple(names.split(", ")), countries[code], float(latitude), float(longitude), zone)


def _degrees(text: str, digits: int) -> float:
    """Read ±DDMM or ±DDMMSS, with so many digits of degrees."""
    sign, rest = (-1 if text[0] == "-" else 1), text[1:]
    degrees, minutes, seconds = rest[:digits], rest[digits : digits + 2], rest[digits + 2 :] or "0"
    return sign * (int(degrees) + int(minutes) / 60 + int(seconds) / 3600)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
