"""What a column can mean to the model: the closed set of fields that a profile may name."""

from __future__ import annotations

from enum import StrEnum


class Field(StrEnum):
    """Meaning of a column. Names are what a person writes into a profile."""

    IGNORE = "ignore"
    # the account
    EXTERNAL_ID = "external_id"
    RECALLED = "recalled"
    ACCOUNT_STATUS = "account_status"
    STAGE = "stage"
    BUCKET = "bucket"
    DPD = "dpd"
    PRODUCT = "product"
    SEGMENT = "segment"
    OWNER = "owner"
    CURRENCY = "currency"
    # the debt
    DEBT_REFERENCE = "debt_reference"
    ORIGINAL_CREDITOR = "original_creditor"
    PRINCIPAL = "principal"
    INTEREST = "interest"
    FEES = "fees"
    TOTAL = "total"
    OVERDUE = "overdue"
    LAST_PAYMENT_AMOUNT = "last_payment_amount"
    DUE_DATE = "due_date"
    ITEMIZATION_DATE = "itemization_date"
    CHARGE_OFF_DATE = "charge_off_date"
    LIMITATION_DATE = "limitation_date"
    LAST_PAYMENT_DATE = "last_payment_date"
    NOTICE_DATE = "notice_date"
    # people; `role` and `group` of the column tell which
    PARTY_ROLE = "party_role"
    FULL_NAME = "full_name"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    SECOND_LAST_NAME = "second_last_name"
    DOCUMENT_TYPE = "document_type"
    DOCUMENT_NUMBER = "document_number"
    DOCUMENT_CHECK_DIGIT = "document_check_digit"
    BIRTH_DATE = "birth_date"
    LANGUAGE = "language"
    ZONE = "zone"
    ADDRESS = "address"
    CITY = "city"
    SUBDIVISION = "subdivision"
    POSTAL_CODE = "postal_code"
    COUNTRY = "country"
    # contact points; `group` ties a number to its type and country
    PHONE = "phone"
    PHONE_TYPE = "phone_type"
    PHONE_COUNTRY = "phone_country"
    PHONE_AREA = "phone_area"
    PHONE_EXTENSION = "phone_extension"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    # permissions and meaning
    CONSENT = "consent"
    CONSENT_DATE = "consent_date"
    FLAG = "flag"
    NOTE = "note"


AMOUNTS = frozenset(
    {
        Field.PRINCIPAL,
        Field.INTEREST,
        Field.FEES,
        Field.TOTAL,
        Field.OVERDUE,
        Field.LAST_PAYMENT_AMOUNT,
    }
)
DATES = frozenset(
    {
        Field.DUE_DATE,
        Field.ITEMIZATION_DATE,
        Field.CHARGE_OFF_DATE,
        Field.LIMITATION_DATE,
        Field.LAST_PAYMENT_DATE,
        Field.NOTICE_DATE,
        Field.BIRTH_DATE,
        Field.CONSENT_DATE,
    }
)
PARTY_FIELDS = frozenset(
    {
        Field.FULL_NAME,
        Field.FIRST_NAME,
        Field.LAST_NAME,
        Field.SECOND_LAST_NAME,
        Field.DOCUMENT_TYPE,
        Field.DOCUMENT_NUMBER,
        Field.DOCUMENT_CHECK_DIGIT,
        Field.BIRTH_DATE,
        Field.LANGUAGE,
        Field.ZONE,
        Field.ADDRESS,
        Field.CITY,
        Field.SUBDIVISION,
        Field.POSTAL_CODE,
        Field.COUNTRY,
    }
)
POINTS = frozenset({Field.PHONE, Field.WHATSAPP, Field.EMAIL})
PHONE_ATTRIBUTES = frozenset(
    {Field.PHONE_TYPE, Field.PHONE_COUNTRY, Field.PHONE_AREA, Field.PHONE_EXTENSION}
)
SEVERAL = POINTS | frozenset(
    {Field.FLAG, Field.NOTE, Field.IGNORE, Field.RECALLED, Field.ADDRESS, Field.ACCOUNT_STATUS}
)
"""Fields that several columns of one person may have; of the others there is one."""
