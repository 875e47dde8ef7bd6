"""What creditors call their columns, in Spanish and English, and what each name means.

A name is compared as words without accents, case and punctuation: `Teléfono_1`, `TELEFONO 1`
and `telefono1` are the same. Whole names come first (`saldo_total`), then names that are put
together from words: what it is (telefono, nombre, correo), whose (referencia, aval), where
(laboral, casa), which one (1, 2).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from campaigns.portfolio.fields import Field
from campaigns.portfolio.model import FlagKind
from compliance.messages import Message
from compliance.types import Channel, ConsentScope, PartyRole, PointLabel


class Column(Message, frozen=True, kw_only=True):
    """What one column means."""

    field: Field
    role: PartyRole = PartyRole.HOLDER
    label: PointLabel = PointLabel.UNKNOWN
    group: str = ""
    """Columns of one role with the same group belong together: `1` in phone1, phone1_type."""
    document_type: str = ""
    scope: ConsentScope = ConsentScope.CHANNEL
    channel: Channel | None = None
    flag: FlagKind | None = None


_NOT_WORD = re.compile(r"[^a-z0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TOKEN = re.compile(r"[a-z]+|\d+")


@lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """Lower case without accents or anything else outside ASCII: how words are compared."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()


def words_of(name: str) -> tuple[str, ...]:
    """`Teléfono_1` -> `('telefono', '1')`, `phone1Type` -> `('phone', '1', 'type')`."""
    spaced = _CAMEL.sub(" ", name.strip())
    return tuple(_TOKEN.findall(_NOT_WORD.sub(" ", fold(spaced))))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMES: dict[Field, str] = {
    Field.EXTERNAL_ID: """id_cuenta cuenta numero_cuenta num_cuenta nro_cuenta no_cuenta n_cuenta
        cuenta_id account account_number account_no account_id acct acct_no acct_number
        external_id id_externo id contrato numero_contrato num_contrato nro_contrato no_contrato
        contract contract_number loan_id loan_number id_credito numero_credito num_credito
        nro_credito no_credito credito_id folio id_cliente_cuenta reference_number file_number
        debtor_number customer_account cuenta_cliente numero_prestamo nro_prestamo id_prestamo
        codigo_cuenta cod_cuenta id_caso caso case_id case_number id_registro""",
    Field.DEBT_REFERENCE: """operacion numero_operacion num_operacion nro_operacion no_operacion
        id_operacion referencia_deuda debt_reference debt_id id_deuda numero_deuda factura
        numero_factura num_factura nro_factura no_factura invoice invoice_number invoice_no pagare
        numero_pagare nro_pagare numero_documento_deuda id_factura obligacion numero_obligacion
        nro_obligacion""",
    Field.RECALLED: """retirado retirada retiro recall recalled devuelto devuelta devolucion
        cuenta_retirada recalled_flag is_recalled baja_cartera""",
    Field.ACCOUNT_STATUS: """estado_cuenta status_cuenta estatus estatus_cuenta status
        account_status debt_status estado_deuda situacion situacion_cuenta estado_credito
        estado_operacion acct_status""",
    Field.STAGE: """etapa etapa_cobranza tipo_cobranza stage collection_stage fase instancia
        etapa_gestion""",
    Field.BUCKET: "tramo tramo_mora bucket aging aging_bucket rango_mora rango_dias banda franja",
    Field.DPD: """dias_mora dias_vencidos dias_vencido dias_atraso dias_de_mora dias_de_atraso
        dias_en_mora mora_dias dpd days_past_due days_overdue days_delinquent atraso dias
        dias_impago altura_mora""",
    Field.PRODUCT: """producto tipo_producto product product_type tipo_credito loan_type
        account_type tipo_cuenta linea_producto tipo_prestamo portfolio_type""",
    Field.SEGMENT: "segmento segment segmentacion score_segment cluster campana riesgo risk_band",
    Field.OWNER: """ejecutivo ejecutivo_asignado gestor gestor_asignado asesor cobrador agente
        agent owner collector assigned_to responsable""",
    Field.CURRENCY: "moneda divisa currency currency_code cod_moneda tipo_moneda moneda_deuda",
    Field.ORIGINAL_CREDITOR: """acreedor acreedor_original creditor original_creditor
        originador entidad entidad_originadora banco_origen creditor_name current_creditor
        mandante cedente comercio_origen""",
    Field.PRINCIPAL: """saldo_capital capital principal principal_balance monto_capital
        capital_insoluto saldo_insoluto monto_original deuda_capital valor_capital
        principal_amount capital_adeudado saldo_insoluto_capital""",
    Field.INTEREST: """interes intereses interest interest_balance monto_interes interes_mora
        intereses_moratorios interes_moratorio accrued_interest saldo_interes valor_intereses""",
    Field.FEES: """mora recargo recargos cargos fees fee comisiones comision gastos
        gastos_cobranza gasto_cobranza late_fees fees_balance costas penalidad otros_cargos
        other_charges honorarios""",
    Field.TOTAL: """saldo_total total deuda_total total_deuda monto_total total_due balance
        saldo current_balance amount_due total_balance amount_owed monto_adeudado adeudo
        adeudo_total saldo_actual valor_total total_adeudado deuda monto_deuda saldo_deudor
        balance_due total_amount total_a_pagar saldo_deuda""",
    Field.OVERDUE: """monto_vencido saldo_vencido vencido overdue overdue_amount past_due
        past_due_amount amount_past_due monto_mora saldo_mora saldo_en_mora monto_a_pagar
        valor_mora deuda_vencida monto_atrasado minimum_due pago_minimo""",
    Field.LAST_PAYMENT_AMOUNT: """monto_ultimo_pago ultimo_pago_monto last_payment_amount
        last_pay_amount valor_ultimo_pago last_pmt_amt""",
    Field.DUE_DATE: """fecha_vencimiento vencimiento fec_vencimiento fecha_venc fec_venc f_venc
        due_date fecha_mora fecha_de_vencimiento delinquency_date date_of_default default_date
        fecha_inicio_mora fecha_vcto fecha_limite_pago payment_due_date""",
    Field.ITEMIZATION_DATE: "itemization_date fecha_itemizacion fecha_detalle item_date",
    Field.CHARGE_OFF_DATE: """fecha_castigo charge_off_date chargeoff_date fecha_de_castigo
        co_date write_off_date fecha_quebranto fec_castigo date_charged_off""",
    Field.LIMITATION_DATE: """fecha_prescripcion limitation_date statute_date sol_date
        statute_of_limitations prescripcion""",
    Field.LAST_PAYMENT_DATE: """fecha_ultimo_pago ultimo_pago last_payment_date last_payment
        last_pay_date fec_ultimo_pago date_last_payment last_pmt_date fecha_ult_pago""",
    Field.NOTICE_DATE: """fecha_aviso fecha_carta fecha_notificacion fecha_aviso_escrito
        fecha_envio_carta fecha_carta_aviso fecha_aviso_validacion fec_aviso notice_date
        validation_notice_date letter_date notice_sent_date validation_notice_sent
        validation_letter_date letter_sent_date date_notice_sent""",
    Field.PARTY_ROLE: """rol tipo_deudor role party_role tipo_participante tipo_relacion
        relacion_deuda tipo_obligado calidad party_type""",
    Field.LANGUAGE: "idioma language lang preferred_language idioma_preferido lengua",
    Field.ZONE: "zona_horaria time_zone timezone tz huso_horario",
    Field.NOTE: """observaciones observacion obs nota notas note notes comentario comentarios
        comment comments remark remarks glosa gestion_anterior ultima_gestion historial memo
        mensaje detalle_gestion anotaciones marcas""",
    Field.IGNORE: "fila row row_number n no num nro item numero_fila correlativo secuencia",
}
"""Names of columns that belong to the account or debt, or to nobody."""

_PARTY_NAMES: dict[Field, str] = {
    Field.FULL_NAME: """nombre_completo nombre name full_name consumer_name debtor_name
        customer_name cliente nombre_cliente titular nombre_titular deudor nombre_deudor
        borrower borrower_name razon_social nombre_razon_social apellidos_nombres
        nombres_apellidos nombres_y_apellidos apellidos_y_nombres nombre_y_apellido client_name
        debtor consumer nombre_o_razon_social""",
    Field.FIRST_NAME: "nombres primer_nombre first_name firstname first given_name fname",
    Field.LAST_NAME: """apellido apellidos apellido_paterno primer_apellido last_name lastname
        last surname family_name paterno ap_paterno lname""",
    Field.SECOND_LAST_NAME: "apellido_materno segundo_apellido materno ap_materno second_last_name",
    Field.DOCUMENT_TYPE: """tipo_documento tipo_doc tipo_identificacion document_type doc_type
        id_type tipo_id tdoc tipo_de_documento""",
    Field.DOCUMENT_NUMBER: """numero_documento num_documento nro_documento no_documento documento
        doc numero_doc nro_doc identificacion numero_identificacion nro_identificacion
        document_number document document_id national_id tax_id id_number documento_identidad
        num_doc cedula_ruc numero_de_documento doc_identidad""",
    Field.DOCUMENT_CHECK_DIGIT: "dv digito_verificador digito dv_rut",
    Field.BIRTH_DATE: """fecha_nacimiento fecha_de_nacimiento nacimiento birth_date birthdate
        date_of_birth dob fec_nac fec_nacimiento f_nacimiento fecha_nac""",
    Field.ADDRESS: """direccion domicilio address street street_address calle direccion_casa
        direccion_particular address_line address_line_1 direccion_1 address_1 addr
        direccion_completa calle_numero mailing_address home_address domicilio_particular
        address_line_2 address_2 addr_2 direccion_2 colonia barrio""",
    Field.CITY: """ciudad city comuna municipio localidad distrito town ciudad_residencia
        poblacion delegacion alcaldia""",
    Field.SUBDIVISION: """region estado state provincia departamento province entidad_federativa
        subdivision depto dpto department estado_residencia""",
    Field.POSTAL_CODE: "cp codigo_postal zip zip_code zipcode postal_code postcode postal",
    Field.COUNTRY: "pais country pais_residencia country_code cod_pais",
    Field.EMAIL: """correo email e_mail mail correo_electronico email_address mail_address
        direccion_correo direccion_email""",
}
"""Names that can be said of any party: with a role's word in front or behind they are theirs."""

_DOCUMENTS = {
    "rut": "rut", "run": "rut", "dni": "dni", "cedula": "cc", "cedula_ciudadania": "cc",
    "cc": "cc", "nit": "nit", "curp": "curp", "rfc": "rfc", "ruc": "ruc", "ssn": "ssn",
    "ssn_last_4": "ssn_last4", "last_4_ssn": "ssn_last4", "last_4": "ssn_last4",
    "ssn_4": "ssn_last4", "social_security_number": "ssn", "ein": "ein", "nss": "nss",
    "ine": "ine", "cuit": "cuit", "cuil": "cuit", "cpf": "cpf", "pasaporte": "passport",
    "passport": "passport", "rut_cliente": "rut", "rut_deudor": "rut", "rut_titular": "rut",
    "numero_rut": "rut", "num_rut": "rut", "ruc_dni": "", "dni_ruc": "",
}  # fmt: skip

_ROLES = {
    PartyRole.REFERENCE: "referencia referencias referido ref reference references contacto",
    PartyRole.GUARANTOR: "aval avalista fiador garante guarantor solidario deudor_solidario",
    PartyRole.CO_DEBTOR: """codeudor codeudora codebtor cosigner coborrower cofirmante
        cotitular cosignatario""",
    PartyRole.SPOUSE: "conyuge esposa esposo spouse husband wife pareja",
    PartyRole.RELATIVE: """familiar familia pariente relative hermano hermana madre padre hijo
        hija mother father tio tia vecino""",
    PartyRole.REPRESENTATIVE: "representante apoderado representative",
    PartyRole.ATTORNEY: "attorney lawyer abogado",
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words.split()}
_HOLDER_WORDS = _words(
    "cliente titular deudor consumer debtor customer borrower client principal primary"
)

_PHONE_WORDS = _words(
    """telefono telefonos tel tels tlf tfno fono fonos telef celular celulares cel movil moviles
    phone phones mobile cell cellphone fijo telephone ph"""
)
_WHATSAPP_WORDS = _words("whatsapp wsp wa whats wapp")
_MOBILE_WORDS = _words("celular celulares cel movil moviles mobile cell cellphone")
_LABELS = {
    PointLabel.WORK: """laboral trabajo oficina work office empleo empresa empleador comercial
        business employer job poe""",
    PointLabel.HOME: "casa domicilio particular home residencial residencia fijo hogar house",
}
_LABEL_OF = {word: label for label, words in _LABELS.items() for word in words.split()}
_LABEL_OF |= dict.fromkeys(_MOBILE_WORDS, PointLabel.MOBILE)
_TYPE_WORDS = _words("type tipo etiqueta label clase")
_EXTENSION_WORDS = _words("ext extension anexo interno")
_COUNTRY_WORDS = _words("pais country")
_AREA_WORDS = _words("area lada ddd")
_FILLER = _words(
    """de del la el los las y o a numero num nro no n contacto principal alternativo
    alterno adicional otro otros secundario other alt alternate primary secondary number
    completo cod codigo code line"""
)

_CONSENT_WORDS = _words(
    """consentimiento consent consiente autoriza autorizacion autorizado optin acepta aceptacion
    permiso permission authorization"""
)
_CHANNELS = {
    "sms": Channel.SMS, "texto": Channel.SMS, "text": Channel.SMS, "whatsapp": Channel.WHATSAPP,
    "wsp": Channel.WHATSAPP, "email": Channel.EMAIL, "correo": Channel.EMAIL,
    "mail": Channel.EMAIL, "voz": Channel.VOICE, "voice": Channel.VOICE, "call": Channel.VOICE,
    "calls": Channel.VOICE, "llamada": Channel.VOICE, "llamadas": Channel.VOICE,
    "telefono": Channel.VOICE, "phone": Channel.VOICE, "cell": Channel.VOICE,
}  # fmt: skip
_SCOPES = {
    "recorded": ConsentScope.RECORDED_VOICE, "prerecorded": ConsentScope.RECORDED_VOICE,
    "grabado": ConsentScope.RECORDED_VOICE, "grabada": ConsentScope.RECORDED_VOICE,
    "ivr": ConsentScope.RECORDED_VOICE, "autodialer": ConsentScope.AUTODIALER,
    "tcpa": ConsentScope.AUTODIALER, "marketing": ConsentScope.MARKETING,
    "grabacion": ConsentScope.RECORDING, "recording": ConsentScope.RECORDING,
    "laboral": ConsentScope.WORKPLACE, "workplace": ConsentScope.WORKPLACE,
}  # fmt: skip
_DATE_WORDS = _words("fecha date fec on at")

_FLAGS: dict[FlagKind, str] = {
    FlagKind.ATTORNEY: """attorney abogado tiene_abogado represented represented_by_attorney
        representado attorney_flag atty lawyer has_attorney con_abogado""",
    FlagKind.CEASE: """cease cease_and_desist cd_flag cease_flag ceased no_contactar no_contacto
        do_not_contact dnc_all cese_contacto cese""",
    FlagKind.DECEASED: """deceased fallecido fallecida difunto deceased_flag muerto fallecimiento
        fecha_fallecimiento date_of_death fecha_defuncion""",
    FlagKind.BANKRUPTCY: """bankrupt bankruptcy bk quiebra insolvencia concurso bankruptcy_flag
        liquidacion_concursal bk_chapter insolvente""",
    FlagKind.LITIGATION: """litigation litigio en_litigio demandado suit lawsuit juicio en_juicio
        demanda""",
    FlagKind.LITIGATOR: "litigator tcpa_litigator litigioso serial_litigator",
    FlagKind.DISPUTE: """dispute disputed disputa en_disputa dispute_flag objecion controversia
        desconoce_deuda""",
    FlagKind.COMPLAINT: "reclamo en_reclamo queja complaint denuncia reclamo_abierto",
    FlagKind.FRAUD: """fraud fraude fraud_flag identity_theft robo_identidad
        suplantacion suplantacion_identidad""",
    FlagKind.VULNERABLE: "vulnerable vulnerabilidad vulnerable_flag hardship_medical discapacidad",
    FlagKind.ELDERLY: "adulto_mayor tercera_edad elderly senior",
    FlagKind.MINOR: "minor menor menor_edad menor_de_edad is_minor",
    FlagKind.INCARCERATED: "incarcerated preso recluido privado_libertad",
    FlagKind.NO_CALLS: """do_not_call dnc no_llamar opt_out_voice optout_voz lista_no_llame
        no_llame dnc_flag opt_out baja""",
    FlagKind.NO_SMS: "opt_out_sms sms_opt_out optout_sms no_sms baja_sms sms_stop",
    FlagKind.NO_EMAIL: "opt_out_email email_opt_out no_email unsubscribed baja_correo no_correo",
    FlagKind.NO_WHATSAPP: "opt_out_whatsapp whatsapp_opt_out no_whatsapp baja_whatsapp",
    FlagKind.NO_WORK_CALLS: """no_work_calls no_llamar_trabajo no_calls_at_work no_laboral
        no_llamar_al_trabajo""",
    FlagKind.SAYS_PAID: "dice_pagado says_paid claims_paid pago_informado dice_que_pago",
    FlagKind.SETTLED: "pagado paid settled liquidado paid_in_full cancelado saldado",
}


def _table(names: dict[Field, str]) -> dict[str, Field]:
    return {name: field for field, words in names.items() for name in words.split()}


_FIELD_OF = _table(_NAMES)
_PARTY_FIELD_OF = _table(_PARTY_NAMES)
_RANK = {
    name: rank
    for names in (*_NAMES.values(), *_PARTY_NAMES.values())
    for rank, name in enumerate(names.split())
}
_FLAG_OF = {name: kind for kind, words in _FLAGS.items() for name in words.split()}


@lru_cache(maxsize=4096)
def column_for(name: str) -> Column | None:
    """What a column of this name means; None where the name is not known."""
    words = words_of(name)
    if not words:
        return None
    joined = "_".join(words)
    numbers = [word for word in words if word.isdigit()]
    number = numbers[-1] if numbers else ""
    letters = tuple(word for word in words if not word.isdigit())
    plain = "_".join(letters)

    if field := _FIELD_OF.get(joined):
        return Column(field=field)
    if joined in _DOCUMENTS:
        return Column(field=Field.DOCUMENT_NUMBER, document_type=_DOCUMENTS[joined])
    if field := _PARTY_FIELD_OF.get(joined):
        return Column(field=field)
    if kind := _FLAG_OF.get(joined):
        return Column(field=Field.FLAG, flag=kind)
    if consent := _consent(letters):
        return consent
    if phone := _phone(letters, number):
        return phone
    if party := _party(letters, number):
        return party
    if field := _FIELD_OF.get(plain):
        # `observaciones_2`; of a field that stands once, a numbered name is somebody else's.
        return Column(field=field) if field is Field.NOTE else None
    return None


def _consent(letters: tuple[str, ...]) -> Column | None:
    joined = "_".join(letters)
    if not (_CONSENT_WORDS & set(letters) or joined.startswith(("opt_in", "fecha_opt_in"))):
        return None
    channel = next((_CHANNELS[word] for word in letters if word in _CHANNELS), None)
    scope = next((_SCOPES[word] for word in letters if word in _SCOPES), ConsentScope.CHANNEL)
    is_date = bool(_DATE_WORDS & set(letters))
    if scope is not ConsentScope.CHANNEL and channel is None:
        channel = Channel.VOICE
    return Column(
        field=Field.CONSENT_DATE if is_date else Field.CONSENT, scope=scope, channel=channel
    )


def _role(letters: tuple[str, ...]) -> tuple[PartyRole | None, tuple[str, ...]]:
    """The party that a name speaks of, and the words that are left."""
    found: PartyRole | None = None
    rest = []
    for index, word in enumerate(letters):
        if (
            word == "co"
            and index + 1 < len(letters)
            and letters[index + 1] in _HOLDER_WORDS | {"signer"}
        ):
            found = PartyRole.CO_DEBTOR
        elif found is PartyRole.CO_DEBTOR and word in _HOLDER_WORDS | {"signer"}:
            continue
        elif word in _ROLE_OF and (found is None or word != "contacto"):
            found = _ROLE_OF[word]
        elif word not in _HOLDER_WORDS:
            rest.append(word)
    return found, tuple(rest)


def _phone(letters: tuple[str, ...], number: str) -> Column | None:
    kinds = set(letters)
    is_whatsapp = bool(kinds & _WHATSAPP_WORDS)
    of_phone = bool(kinds & _PHONE_WORDS) or is_whatsapp
    if not of_phone:
        return _beside_phone(letters, number)
    role, rest = _role(letters)
    if role is PartyRole.REFERENCE and kinds & _ROLE_OF.keys() == {"contacto"}:
        role = None  # `telefono_contacto` is the holder's
    label = next((_LABEL_OF[word] for word in rest if word in _LABEL_OF), PointLabel.UNKNOWN)
    where = [word for word in rest if word in _LABEL_OF and word not in _PHONE_WORDS]
    group = "_".join([*where, *([number] if number else [])]) or "_".join(
        word for word in rest if word in _MOBILE_WORDS
    )
    unknown = kinds - _PHONE_WORDS - _WHATSAPP_WORDS - _FILLER - _LABEL_OF.keys() - _ROLE_OF.keys()
    unknown -= _HOLDER_WORDS | {"co", "signer"}
    field = Field.WHATSAPP if is_whatsapp else Field.PHONE
    if unknown & _TYPE_WORDS:
        field, unknown = Field.PHONE_TYPE, unknown - _TYPE_WORDS
    elif unknown & _EXTENSION_WORDS:
        field, unknown = Field.PHONE_EXTENSION, unknown - _EXTENSION_WORDS
    elif unknown & _COUNTRY_WORDS:
        field, unknown = Field.PHONE_COUNTRY, unknown - _COUNTRY_WORDS
    elif unknown & _AREA_WORDS:
        field, unknown = Field.PHONE_AREA, unknown - _AREA_WORDS
    if unknown:
        return None  # `fecha_telefono`, `estado_telefono_1`: about a phone, not a phone
    return Column(field=field, role=role or PartyRole.HOLDER, label=label, group=group)


def _beside_phone(letters: tuple[str, ...], number: str) -> Column | None:
    """`pais_1`, `etiqueta_1`, `lada`: they go with `telefono_1` and `telefono`."""
    said = set(letters) - _FILLER
    if said and said <= _AREA_WORDS:
        return Column(field=Field.PHONE_AREA, group=number)
    if number and said and said <= _COUNTRY_WORDS:
        return Column(field=Field.PHONE_COUNTRY, group=number)
    if number and said and said <= _TYPE_WORDS:
        return Column(field=Field.PHONE_TYPE, group=number)
    return None


def _party(letters: tuple[str, ...], number: str) -> Column | None:
    role, rest = _role(letters)
    name = "_".join(rest)
    holder_said = any(word in _HOLDER_WORDS for word in letters)
    if role is None:
        if name == "email" or _PARTY_FIELD_OF.get(name) is Field.EMAIL:
            return Column(field=Field.EMAIL, group=number)
        if number and not holder_said:
            return None
        role = PartyRole.HOLDER
    if not name:
        if role is PartyRole.REFERENCE:
            return None  # `referencia` alone is as often a payment reference
        name = "nombre"
    if name in _DOCUMENTS:
        return Column(
            field=Field.DOCUMENT_NUMBER, role=role, group=number, document_type=_DOCUMENTS[name]
        )
    field = _PARTY_FIELD_OF.get(name)
    if field is None:
        trimmed = "_".join(word for word in rest if word not in _FILLER)
        field = _PARTY_FIELD_OF.get(trimmed)
    return Column(field=field, role=role, group=number) if field else None


def role_named(text: str) -> PartyRole | None:
    """The role that a cell of a role column names."""
    role, _ = _role(words_of(text))
    if role is not None:
        return role
    return PartyRole.HOLDER if set(words_of(text)) & _HOLDER_WORDS else None


@lru_cache(maxsize=4096)
def type_named(text: str) -> tuple[PointLabel | None, PartyRole]:
    """Label and owner that a phone's type names: `cell`, `Trabajo`, `referencia` ..."""
    words = words_of(text)
    label = next((_LABEL_OF[word] for word in words if word in _LABEL_OF), None)
    if label is None and set(words) & {"otro", "other", "alternativo", "adicional", "phone"}:
        label = PointLabel.OTHER
    role = next((_ROLE_OF[word] for word in words if word in _ROLE_OF), PartyRole.HOLDER)
    if role is not PartyRole.HOLDER and label is None:
        label = PointLabel.UNKNOWN
    return label, role


def preference(name: str) -> int:
    """Order of names for the same thing: the lower, the more certainly it means it."""
    words = words_of(name)
    joined = "_".join(words)
    rank = _RANK.get(joined)
    return rank if rank is not None else len(_RANK) + len(words)


def count_known(names: Sequence[str]) -> int:
    """How many of the cells are names of columns that mean something."""
    return sum(
        1
        for name in names
        if (column := column_for(name)) is not None and column.field is not Field.IGNORE
    )
