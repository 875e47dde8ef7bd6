"""Names, places, products and notes that synthetic portfolios are made of."""

from __future__ import annotations

from typing import NamedTuple

FIRST_NAMES_ES = (
    "Ana", "Álvaro", "Andrés", "Antonia", "Begoña", "Camila", "Carlos", "Catalina", "Claudia",
    "Cristóbal", "Daniela", "Diego", "Elena", "Esteban", "Fernanda", "Francisco", "Gabriela",
    "Gonzalo", "Hernán", "Inés", "Iván", "Javiera", "Jorge", "José", "Juan", "Julia", "Lucía",
    "Luis", "Marcela", "María", "Martín", "Matías", "Mónica", "Nicolás", "Óscar", "Paola", "Pedro",
    "Raúl", "Rocío", "Sebastián", "Sofía", "Tomás", "Valentina", "Verónica", "Ximena", "Íñigo",
)  # fmt: skip
LAST_NAMES_ES = (
    "Araya", "Castillo", "Castro", "Contreras", "De la Cruz", "Díaz", "Espinoza", "Flores",
    "Fuentes", "García", "González", "Gutiérrez", "Hernández", "Herrera", "López", "Martínez",
    "Morales", "Muñoz", "Núñez", "Ñancupil", "O'Higgins", "Ortiz", "Peña", "Pérez", "Quispe",
    "Ramírez", "Ramos", "Reyes", "Rodríguez", "Rojas", "Sánchez", "Sepúlveda", "Silva", "Soto",
    "Torres", "Valenzuela", "Vargas", "Vega", "Yáñez", "Zúñiga",
)  # fmt: skip
FIRST_NAMES_EN = (
    "Aaron", "Barbara", "Brian", "Carol", "Chloé", "Daniel", "David", "Deborah", "Emily", "Grace",
    "James", "Jennifer", "José", "Karen", "Kevin", "Linda", "María", "Mary", "Michael", "Nancy",
    "Patricia", "Renée", "Robert", "Sarah", "Susan", "Thomas", "Tyler", "William", "Zoë",
)  # fmt: skip
LAST_NAMES_EN = (
    "Anderson", "Brown", "Davis", "De-la-Cruz", "Garcia", "Hernández", "Jackson", "Johnson",
    "Jones", "Lee", "Martínez", "Miller", "Moore", "Nguyen", "O'Brien", "Rodríguez", "Smith",
    "St. John", "Taylor", "Thomas", "Thompson", "White", "Williams", "Wilson",
)  # fmt: skip
COMPANY_STEMS = (
    "Comercial Andina", "Transportes del Norte", "Servicios Integrales", "Constructora del Valle",
    "Distribuidora Central", "Textiles Modernos", "Agrícola San Pedro", "Northside Supply",
)  # fmt: skip


class City(NamedTuple):
    name: str
    subdivision: str
    """As the country's files write it."""
    postal_code: str
    area: str
    """Area code of fixed lines, national form."""


CITIES = {
    "CL": (
        City("Santiago", "RM", "8320000", "2"), City("Antofagasta", "AN", "1240000", "55"),
        City("Valparaíso", "VS", "2340000", "32"), City("Concepción", "BI", "4030000", "41"),
        City("Temuco", "AR", "4780000", "45"), City("Coyhaique", "AI", "5950000", "67"),
        City("Punta Arenas", "MA", "6200000", "61"), City("Isla de Pascua", "VS", "2770000", "32"),
        City("La Serena", "CO", "1700000", "51"), City("Puerto Montt", "LL", "5480000", "65"),
    ),
    "CO": (
        City("Bogotá", "DC", "110111", "601"), City("Medellín", "ANT", "050001", "604"),
        City("Cali", "VAC", "760001", "602"), City("Barranquilla", "ATL", "080001", "605"),
        City("Leticia", "AMA", "910001", "608"), City("Bucaramanga", "SAN", "680001", "607"),
        City("San Andrés", "SAP", "880001", "608"),
    ),
    "MX": (
        City("Cuauhtémoc", "Ciudad de México", "06000", "55"),
        City("Guadalajara", "Jalisco", "44100", "33"),
        City("Monterrey", "Nuevo León", "64000", "81"),
        City("Tijuana", "Baja California", "22000", "664"),
        City("Hermosillo", "Sonora", "83000", "662"),
        City("Cancún", "Quintana Roo", "77500", "998"),
        City("Mazatlán", "Sinaloa", "82000", "669"),
        City("Ciudad Juárez", "Chihuahua", "32000", "656"),
        City("Bahía de Banderas", "Nayarit", "63732", "329"),
        City("Mérida", "Yucatán", "97000", "999"),
    ),
    "PE": (
        City("Miraflores", "Lima", "15074", "1"),
        City("San Juan de Lurigancho", "Lima", "15400", "1"),
        City("Arequipa", "Arequipa", "04001", "54"),
        City("Trujillo", "La Libertad", "13001", "44"),
        City("Cusco", "Cusco", "08000", "84"), City("Iquitos", "Loreto", "16001", "65"),
    ),
    "US": (
        City("New York", "NY", "10001", ""), City("Brooklyn", "NY", "11201", ""),
        City("Miami", "FL", "33101", ""), City("Pensacola", "FL", "32501", ""),
        City("Chicago", "IL", "60601", ""), City("Houston", "TX", "77002", ""),
        City("El Paso", "TX", "79901", ""), City("Los Angeles", "CA", "90012", ""),
        City("Phoenix", "AZ", "85001", ""), City("Boise", "ID", "83702", ""),
        City("Indianapolis", "IN", "46204", ""), City("Seattle", "WA", "98101", ""),
        City("Boston", "MA", "02108", ""), City("Washington", "DC", "20001", ""),
        City("Anchorage", "AK", "99501", ""), City("Honolulu", "HI", "96801", ""),
    ),
}  # fmt: skip

PRODUCTS_ES = ("Consumo", "Tarjeta", "Retail", "Telefonía", "Automotriz", "Hipotecario")
CREDITORS_US = ("First Example Bank", "Example Card Services", "Sample Medical Group")

# What a note says, as the importer understands it; shares of accounts are in `generator`.
NOTES_ES = {
    "cease": ("no contactar", "solicita cese de contacto por escrito"),
    "attorney": ("tiene abogado; no contactar", "representado por abogado"),
    "bankrupt": ("liquidación concursal en curso", "en quiebra"),
    "deceased": ("fallecido", "titular falleció en marzo"),
    "dispute": ("desconoce la deuda", "no reconoce el cargo"),
    "fraud": ("víctima de fraude", "suplantación de identidad"),
    "vulnerable": ("enfermedad grave", "hospitalizado"),
    "paid": ("dice que ya pagó", "informa que ya canceló"),
    "no_work": ("NO LLAMAR AL TRABAJO", "no llamar a la oficina"),
    "wrong": ("no es su número", "número equivocado"),
    "unclear": ("amenaza con ir a tribunales", "dejen de molestar a su mamá"),
    "opt_out": ("no desea recibir sms", "no enviar sms"),
    "plain": ('"cliente"; difícil', "promesa anterior incumplida", "sin novedad",
              "volver a llamar"),
}  # fmt: skip
NOTES_EN = {
    "fraud": ("identity theft affidavit pending", "says it is a fraudulent account"),
    "vulnerable": ("terminally ill", "in the hospital"),
    "paid": ("claims paid", "says she already paid"),
    "no_work": ("do not call at work", "no work calls"),
    "wrong": ("wrong number per relative", "wrong party answered"),
    "unclear": ("threatens to sue", "mentioned her rights"),
    "opt_out": ("stop texting", "no texts"),
    "plain": ('"difficult", call early', "prefers e-mail", "busy when called", "promised Friday"),
}
