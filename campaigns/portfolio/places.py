"""Names of states and regions, as files write them, to ISO 3166-2 codes."""

from __future__ import annotations

from functools import cache, lru_cache

from campaigns.portfolio.columns import fold

# CODE name = other name; codes and names of ISO 3166-2, with the abbreviations that files use.
_SUBDIVISIONS = {
    "CL": """AI aysen=aisen=aysen del general carlos ibanez del campo=aisen del general carlos
        ibanez del campo=xi; AN antofagasta=ii; AP arica y parinacota=arica=xv; AR la
        araucania=araucania=de la araucania=ix; AT atacama=iii; BI biobio=bio bio=bio-bio=del
        biobio=viii; CO coquimbo=iv; LI o'higgins=ohiggins=libertador general bernardo
        o'higgins=del libertador general bernardo o'higgins=vi; LL los lagos=de los lagos=x; LR los
        rios=de los rios=xiv; MA magallanes=magallanes y de la antartica chilena=magallanes y la
        antartica chilena=xii; ML maule=del maule=vii; NB nuble=xvi; RM metropolitana=region
        metropolitana=metropolitana de santiago=region metropolitana de santiago=santiago=xiii; TA
        tarapaca=i; VS valparaiso=v""",
    "CO": """AMA amazonas; ANT antioquia; ARA arauca; ATL atlantico; BOL bolivar; BOY boyaca; CAL
        caldas; CAQ caqueta; CAS casanare; CAU cauca; CES cesar; CHO choco; COR cordoba; CUN
        cundinamarca; DC bogota=bogota d.c.=bogota dc=distrito capital=distrito capital de
        bogota; GUA guainia; GUV guaviare; HUI huila; LAG la guajira=guajira; MAG magdalena; MET
        meta; NAR narino; NSA norte de santander; PUT putumayo; QUI quindio; RIS risaralda; SAN
        santander; SAP san andres=san andres y providencia=san andres, providencia y santa
        catalina; SUC sucre; TOL tolima; VAC valle del cauca=valle=vc; VAU vaupes; VID vichada""",
    "MX": """AGU aguascalientes=ags=as; BCN baja california=bc; BCS baja california sur=bs; CAM
        campeche=camp=cc; CHH chihuahua=chih=ch; CHP chiapas=chis=cs; CMX ciudad de
        mexico=cdmx=df=d.f.=distrito federal; COA coahuila=coahuila de zaragoza=coah=cl; COL
        colima=cm; DUR durango=dgo=dg; GRO guerrero=gr; GUA guanajuato=gto=gt; HID
        hidalgo=hgo=hg; JAL jalisco=jc; MEX estado de mexico=mexico=edomex=edo
        mex=edo. de mexico=edo de mexico=em=mc; MIC michoacan=michoacan de ocampo=mich=mn; MOR
        morelos=ms; NAY nayarit=nt; NLE nuevo leon=nl; OAX oaxaca=oc; PUE puebla=pl; QUE
        queretaro=queretaro de arteaga=qro=qt; ROO quintana roo=q roo=qr; SIN sinaloa=sl; SLP
        san luis potosi=sp; SON sonora=sr; TAB tabasco=tc; TAM tamaulipas=tamps=ts; TLA
        tlaxcala=tlax=tl; VER veracruz=veracruz de ignacio de la llave=vz; YUC yucatan=yn; ZAC
        zacatecas=zs""",
    "PE": """AMA amazonas; ANC ancash; APU apurimac; ARE arequipa; AYA ayacucho; CAJ cajamarca; CAL
        callao=el callao; CUS cusco=cuzco; HUC huanuco; HUV huancavelica; ICA ica; JUN junin; LAL
        la libertad; LAM lambayeque; LIM lima region=lima provincias; LMA
        lima=lima metropolitana=municipalidad metropolitana de lima; LOR loreto; MDD madre de dios;
        MOQ moquegua; PAS pasco; PIU piura; PUN puno; SAM san martin; TAC tacna; TUM tumbes; UCA
        ucayali""",
    "US": """AL alabama; AK alaska; AZ arizona; AR arkansas; CA california; CO colorado; CT
        connecticut; DE delaware; DC district of columbia=washington dc=washington d.c.; FL
        florida; GA georgia; HI hawaii; ID idaho; IL illinois; IN indiana; IA iowa; KS kansas; KY
        kentucky; LA louisiana; ME maine; MD maryland; MA massachusetts; MI michigan; MN minnesota;
        MS mississippi; MO missouri; MT montana; NE nebraska; NV nevada; NH new hampshire; NJ new
        jersey; NM new mexico; NY new york; NC north carolina; ND north dakota; OH ohio; OK
        oklahoma; OR oregon; PA pennsylvania; RI rhode island; SC south carolina; SD south dakota;
        TN tennessee; TX texas; UT utah; VT vermont; VA virginia; WA washington; WV west virginia;
        WI wisconsin; WY wyoming; AS american samoa; GU guam; MP northern mariana islands; PR
        puerto rico; VI us virgin islands=virgin islands""",
}

_PREFIXES = ("region de ", "region del ", "region ", "estado de ", "departamento de ", "depto. ")


@cache
def _codes(country: str) -> dict[str, str]:
    """Every way of writing a country's subdivisions, to the code."""
    codes: dict[str, str] = {}
    for entry in _SUBDIVISIONS[country].split(";"):
        code, _, names = " ".join(entry.split()).partition(" ")
        for name in (code.lower(), *names.split("=")):
            codes[name] = f"{country}-{code}"
    return codes


@lru_cache(maxsize=16384)
def subdivision_code(text: str, country: str) -> str | None:
    """ISO 3166-2 code of a state or region; None where it is not known.

    Of a country whose subdivisions are not listed here, a text that has the form of a code is
    taken for one.
    """
    folded = " ".join(fold(text).split()).removeprefix(f"{country.lower()}-")
    if country not in _SUBDIVISIONS:
        is_code = folded.isalnum() and folded.isascii() and len(folded) <= 3
        return f"{country}-{folded.upper()}" if is_code else None
    codes = _codes(country)
    if folded in codes:
        return codes[folded]
    for prefix in _PREFIXES:
        if folded.startswith(prefix) and folded.removeprefix(prefix) in codes:
            return codes[folded.removeprefix(prefix)]
    return None
