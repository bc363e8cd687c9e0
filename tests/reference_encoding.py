"""
A second implementation of specs/encoding-v1.md, for the vectors and the parity tests.

Written from the specification with the standard library alone, and straightforward on purpose: it
shares no code with the package, so a mistake in one of the two shows as a difference. The vectors
of specs/vectors/encoding/ that hold keys, tokens and filters come from ``python
tests/reference_encoding.py``; a test holds that they still do.
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import json
import re
from pathlib import Path

MASK = (1 << 64) - 1
FORMAT = "pseudolink/encoding/1"
VECTORS = Path(__file__).parent.parent / "specs" / "vectors" / "encoding"

# ---------------------------------------------------------------- section 2: derivations


def letters(name):
    return "".join(c for c in name if c.isalpha())


def latin_or_none(name):
    """The letters, when there are some and all of them are A to Z."""
    found = letters(name)
    return found.upper() if found and found.isascii() else None


SOUNDEX_DIGIT = {c: d for d, cs in enumerate(["", "BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"]) for c in cs}


def soundex(name):
    word = latin_or_none(name)
    if word is None:
        return name
    code = word[0]
    before = SOUNDEX_DIGIT.get(word[0])
    for c in word[1:]:
        if c in "HW":
            continue  # the digit before an H or W still counts as adjacent
        digit = SOUNDEX_DIGIT.get(c)
        if digit is not None and digit != before:
            code += str(digit)
        before = digit
    return (code + "000")[:4]


def metaphone(name):
    word = latin_or_none(name)
    if word is None:
        return name
    if word[:2] in ("KN", "GN", "PN", "WR", "AE"):
        word = word[1:]
    code = ""
    i = 0
    while i < len(word):
        c, b, a = word[i], word[i + 1 : i + 2], word[i + 2 : i + 3]
        if c == b and c != "C":
            i += 1
            continue
        out, step = metaphone_letter(word, i, c, b, a)
        code += out
        i += step
    return code or name


def one_of(letter, set_of_letters):
    return letter != "" and letter in set_of_letters


def metaphone_letter(word, i, c, b, a):
    """What one letter gives and how far to go on; b and a are the next two letters or empty."""
    vowels = "AEIOU"
    same = {"F": "F", "J": "J", "L": "L", "M": "M", "N": "N", "R": "R", "Q": "K", "V": "F", "Z": "S"}
    if c in same:
        return same[c], 1
    if c in vowels:
        return (c if i == 0 else ""), 1
    if c == "B":
        return ("" if b == "" and i > 0 and word[i - 1] == "M" else "B"), 1
    if c == "C":
        if (b == "I" and a == "A") or b == "H":
            return "X", 2
        return ("S", 2) if one_of(b, "IEY") else ("K", 1)
    if c == "D":
        return ("J", 3) if b == "G" and one_of(a, "IEY") else ("T", 1)
    if c == "G":
        if one_of(b, "IEY"):
            return "J", 1
        if b == "H" and not one_of(a, vowels):
            return "", 2
        return ("", 2) if b == "N" and a == "" else ("K", 1)
    if c == "H":
        return ("H" if i == 0 or one_of(b, vowels) or word[i - 1] not in vowels else ""), 1
    if c == "K":
        return ("K" if i == 0 or word[i - 1] != "C" else ""), 1
    if c == "P":
        return ("F", 2) if b == "H" else ("P", 1)
    if c == "S":
        if b == "H":
            return "X", 2
        return ("X", 3) if b == "I" and one_of(a, "OA") else ("S", 1)
    if c == "T":
        if b == "I" and one_of(a, "OA"):
            return "X", 1
        if b == "H":
            return "0", 2
        return ("" if b == "C" and a == "H" else "T"), 1
    if c == "W":
        if i == 0 and b == "H":
            return "W", 2
        return ("W" if one_of(b, vowels) else ""), 1
    if c == "X":
        if i == 0:
            return ("X" if b == "H" or (b == "I" and one_of(a, "OA")) else "S"), 1
        return "KS", 1
    return ("Y" if one_of(b, vowels) else ""), 1  # c is Y


def known_date(value):
    year, month, day = value.split("-")
    return {"y": year, "m": month, "d": day}


def date_component(derivation, value):
    wanted = {
        "": "ymd",
        "year": "y",
        "month": "m",
        "day": "d",
        "year_month": "ym",
        "year_day": "yd",
        "month_day": "md",
        "sorted": "ymd",
    }[derivation]
    known = known_date(value)
    chosen = [known[part] for part in wanted]
    if any(not part.isdigit() for part in chosen):
        return None
    if "m" in wanted and "d" in wanted:
        # Without the year, February may have 29 days: 2000 is a leap year.
        year = int(known["y"]) if "y" in wanted else 2000
        if int(known["d"]) > calendar.monthrange(year or 2000, int(known["m"]))[1]:
            return None
    if derivation == "sorted":
        return "-".join([known["y"], *sorted([known["m"], known["d"]])])
    return "-".join(chosen)


def postcode_component(derivation, value):
    ordinary = re.fullmatch(r"(\S+) ([0-9])[A-Z]{2}", value)
    if derivation == "":
        return value
    if derivation == "area":
        return value[:2] if value[1:2].isalpha() else value[:1]
    if ordinary is None:  # a BFPO number
        return value
    return ordinary[1] if derivation == "district" else f"{ordinary[1]} {ordinary[2]}"


def name_component(derivation, value):
    plain = letters(value) or value
    return {
        "": value,
        "soundex": soundex(value),
        "metaphone": metaphone(value),
        "initial": plain[:1],
        "first3": plain[:3],
        "last3": plain[-3:],
    }[derivation]


def component(kind, derivation, value):
    if kind in ("forename", "surname"):
        return name_component(derivation, value)
    if kind == "date":
        return date_component(derivation, value)
    if kind == "postcode":
        return postcode_component(derivation, value)
    if kind == "nino" and derivation == "stem":
        return value[:8]
    if kind == "text" and derivation:
        middle, odd = divmod(len(value), 2)
        return value[: middle + odd] if derivation == "head" else value[middle:]
    assert derivation == ""
    return value


def names_component(derivation, forename, surname):
    inner = {
        "sorted": "",
        "sorted_soundex": "soundex",
        "sorted_metaphone": "metaphone",
        "sorted_first3": "first3",
    }
    both = sorted(name_component(inner[derivation], name) for name in (forename, surname))
    return "\n".join(both)


# ---------------------------------------------------------------- sections 3 and 4: keys and tokens


def prefixed(text):
    raw = text.encode("utf-8")
    return len(raw).to_bytes(4, "big") + raw


def kbkdf(key, label, *context):
    joined = b"".join(prefixed(part) for part in context)
    data = b"\0\0\0\1" + label.encode() + b"\0" + joined + b"\0\0\1\0"
    return hmac.new(key, data, hashlib.sha256).digest()


def pass_keys(linkage_key, project, schema_digest, name, compare):
    context = (FORMAT, project, schema_digest, name)
    keys = {
        "token": kbkdf(linkage_key, "token", *context, ""),
        "block": kbkdf(linkage_key, "filter", *context, ""),
    }
    return keys | {field: kbkdf(linkage_key, "filter", *context, field) for field in compare}


def block_message(values):
    """The length-prefixed values of ``on``; None when one is missing."""
    return None if None in values else b"".join(prefixed(value) for value in values)


def prf16(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()[:16]


# ---------------------------------------------------------------- section 5: filters


def rotate(x, by):
    return ((x << by) | (x >> (64 - by))) & MASK


def sip_round(v):
    v[0] = (v[0] + v[1]) & MASK
    v[1] = rotate(v[1], 13) ^ v[0]
    v[0] = rotate(v[0], 32)
    v[2] = (v[2] + v[3]) & MASK
    v[3] = rotate(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & MASK
    v[3] = rotate(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & MASK
    v[1] = rotate(v[1], 17) ^ v[2]
    v[2] = rotate(v[2], 32)


def siphash24(key, message):
    """SipHash-2-4 of any bytes under 16 bytes of key; the output as an integer."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    padded = message + b"\0" * (7 - len(message) % 8) + bytes([len(message) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        sip_round(v)
        sip_round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(4):
        sip_round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def plain_grams(kind, value):
    if kind == "date":
        known = known_date(value)
        digits = [f"{tag}{i}{c}" for tag, part in known.items() for i, c in enumerate(part) if c != "X"]
        return digits + [f"{tag}={part}" for tag, part in known.items() if "X" not in part]
    if kind == "postcode":
        outward, _, inward = value.partition(" ")
        places = [f"o{i}{c}" for i, c in enumerate(outward)] + [f"i{i}{c}" for i, c in enumerate(inward)]
        return [*places, f"o={outward}"]
    padded = " " + value + " "
    return [padded[i] + padded[i + 1] for i in range(len(padded) - 1)]


def grams(kind, value):
    found = plain_grams(kind, value)
    return [f"{gram}\n{found[: i + 1].count(gram)}" for i, gram in enumerate(found)]


def gram_word(component_key, gram):
    return hashlib.blake2b(gram.encode("utf-8"), digest_size=8, key=component_key).digest()


def segment(block_key, component_key, found, bits, budget):
    """The bytes of one segment, from its grams in order; no grams give an empty segment."""
    out = bytearray(bits // 8)
    width = bits.bit_length() - 1
    for index, gram in enumerate(found):
        share = budget // len(found) + (1 if index < budget % len(found) else 0)
        word = gram_word(component_key, gram)
        for n in range(share):
            counter, slot = divmod(n, 64 // width)
            drawn = siphash24(block_key, word + counter.to_bytes(8, "little"))
            bit = (drawn >> (slot * width)) % bits
            out[bit // 8] |= 0x80 >> (bit % 8)
    return bytes(out)


# ---------------------------------------------------------------- a whole record


def schema_digest(canonical):
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def encode_record(canonical, linkage_key, project, record):
    """
    Pass name -> (token, filter) of one cleaned record (field -> canonical value or None).

    The token is None where a value of ``on`` is missing, the filter also where the pass compares
    nothing. ``canonical`` is the canonical form of the schema (linkage-schema-v1, section 7).
    """
    fields = canonical["fields"]
    digest = schema_digest(canonical)
    kinds = {spec["kind"]: name for name, spec in fields.items()}
    result = {}
    for one in canonical["passes"]:
        values = []
        for name in one["on"]:
            field, _, derivation = name.partition(".")
            if field == "names":
                pair = [record[kinds["forename"]], record[kinds["surname"]]]
                values.append(None if None in pair else names_component(derivation, *pair))
            else:
                value = record[field]
                values.append(None if value is None else component(fields[field]["kind"], derivation, value))
                if fields[field]["kind"] == "upn" and len(one["on"]) == 1 and (value or "0")[-1].isalpha():
                    values = [None]  # a temporary number is no evidence on its own
        message = block_message(values)
        if message is None:
            result[one["name"]] = (None, None)
            continue
        keys = pass_keys(linkage_key, project, digest, one["name"], one["compare"])
        block_key = prf16(keys["block"], message)
        segments = [
            segment(
                block_key,
                keys[field],
                [] if record[field] is None else grams(fields[field]["kind"], record[field]),
                fields[field]["bits"],
                fields[field]["budget"],
            )
            for field in one["compare"]
        ]
        result[one["name"]] = (prf16(keys["token"], message), b"".join(segments) if segments else None)
    return result


# ---------------------------------------------------------------- the vectors

# Keys of vectors guard nothing: they are counted-up bytes.
KEY = bytes(range(32))
PROJECT = "vector-project"


def derive_cases():
    names = {
        "plain": "ROBERT",
        "same_code_as_robert": "RUPERT",
        "letters_around_h": "ASHCRAFT",
        "letters_around_a_vowel": "TYMCZAK",
        "first_letter_counts": "PFISTER",
        "hyphen": "SMITH-JONES",
        "short": "LI",
        "other_script": "Ольга",
    }
    for scenario, name in names.items():
        yield f"derive_soundex_{scenario}", "2.3", "forename", "soundex", name, "soundex"
    names = {
        "silent_first_letter": "KNIGHT",
        "sh": "SHAW",
        "th": "SMITH",
        "final_mb": "LAMB",
        "final_gn": "CHAMPAGN",
        "gh": "HUGHES",
        "dge": "BRIDGER",
        "first_x": "XIA",
        "cc": "MCCARTHY",
        "doubled_first_vowel": "AARON",
        "tch": "MITCHELL",
        "tio": "HORATIO",
        "no_code_stands_for_itself": "Y",
        "other_script": "Ольга",
    }
    for scenario, name in names.items():
        yield f"derive_metaphone_{scenario}", "2.4", "surname", "metaphone", name, "metaphone"
    for derivation in ("initial", "first3", "last3"):
        yield f"derive_{derivation}_of_two_words", "2.2", "surname", derivation, "AL-SAYED", "not a letter: -"
    yield "derive_first3_of_two_letters", "2.2", "surname", "first3", "NG", "fewer letters than three"
    dates = {
        "whole_unknown_day": ("", "1957-12-XX"),
        "month_day_unknown_year": ("month_day", "XXXX-02-28"),
        "year_of_unknown_day": ("year", "1957-12-XX"),
        "year_month_unknown_month": ("year_month", "1957-XX-03"),
        "whole_31_april": ("", "1990-04-31"),
        "day_of_31_april": ("day", "1990-04-31"),
        "month_day_31_april": ("month_day", "1990-04-31"),
        "whole_29_february_no_leap_year": ("", "1900-02-29"),
        "month_day_29_february_no_leap_year": ("month_day", "1900-02-29"),
        "whole_29_february_leap_year": ("", "2000-02-29"),
        "sorted_day_before_month": ("sorted", "1990-11-04"),
        "sorted_month_before_day": ("sorted", "1990-04-11"),
        "sorted_impossible": ("sorted", "1990-02-30"),
    }
    for scenario, (derivation, value) in dates.items():
        yield f"derive_date_{scenario}", "2.6", "date", derivation, value, "a date's component"
    postcodes = {
        "sector": ("sector", "DH1 3AB"),
        "district": ("district", "EC1A 1BB"),
        "area_two_letters": ("area", "TS18 2AH"),
        "area_one_letter": ("area", "M1 1AE"),
        "sector_of_a_bfpo_number": ("sector", "BFPO 57"),
        "district_of_a_bfpo_number": ("district", "BFPO 57"),
    }
    for scenario, (derivation, value) in postcodes.items():
        yield f"derive_postcode_{scenario}", "2.7", "postcode", derivation, value, "a postcode's component"
    for derivation in ("head", "tail"):
        yield f"derive_{derivation}_even", "2.9", "text", derivation, "2650", "half of the characters"
        yield f"derive_{derivation}_odd", "2.9", "text", derivation, "ŁÓDŹ 7", "characters, not bytes"
        yield f"derive_{derivation}_of_three", "2.9", "text", derivation, "ABC", "the middle belongs to both"
    yield "derive_nino_stem", "2.8", "nino", "stem", "QQ123456A", "without the suffix"


def gram_cases():
    yield "grams_name", "surname", "SMITH", "padded with one space on each side"
    yield "grams_name_with_a_gram_twice", "forename", "ANAN", "the second AN is another gram"
    yield "grams_name_of_two_words", "forename", "MARY ANN", "the space inside is a character"
    yield "grams_date", "date", "1990-04-11", "digits with their places, then the parts"
    yield "grams_date_without_a_day", "date", "1957-12-XX", "an unknown part has no gram"
    yield "grams_postcode", "postcode", "DH1 3AB", "characters with their places, then the outward half"


def vectors():
    """Scenario -> vector, as it stands in specs/vectors/encoding/."""

    def vector(section, case, comment, expect="success", **rest):
        return {
            "spec": f"specs/encoding-v1.md#{section}",
            "expect": expect,
            "comment": comment,
            "case": case,
            **rest,
        }

    found = {}
    for length in (15, 16):
        key, message = bytes(range(16)), bytes(range(length))
        found[f"siphash_{length}_bytes"] = vector(
            "5.3",
            "siphash",
            "key 00..0f; vector of the function's authors",
            key_hex=key.hex(),
            message_hex=message.hex(),
            output_hex=siphash24(key, message).to_bytes(8, "little").hex(),
        )
    for scenario, context in {
        "kbkdf_pass_key": [FORMAT, PROJECT, "0" * 64, "nino", ""],
        "kbkdf_component_key": [FORMAT, PROJECT, "0" * 64, "nino", "surname"],
        "kbkdf_boundary_inside_context": [FORMAT, PROJECT, "0" * 64, "ninos", "urname"],
        "kbkdf_context_beyond_ascii": [FORMAT, "Áed", "0" * 64, "nino", ""],
    }.items():
        found[scenario] = vector(
            "4.1",
            "kbkdf",
            "counter 1, label, 00, context, length 256 bits",
            key_hex=KEY.hex(),
            label="filter",
            context=context,
            output_hex=kbkdf(KEY, "filter", *context).hex(),
        )
    for scenario, section, kind, derivation, value, comment in derive_cases():
        found[scenario] = vector(
            section,
            "derive",
            comment,
            kind=kind,
            derivation=derivation,
            value=value,
            component=component(kind, derivation, value),
        )
    for derivation in ("sorted", "sorted_soundex", "sorted_metaphone", "sorted_first3"):
        for order, pair in {"": ("MARY", "SMITH"), "_swapped": ("SMITH", "MARY")}.items():
            found[f"names_{derivation}{order}"] = vector(
                "2.5",
                "names",
                "the same in either order",
                derivation=derivation,
                forename=pair[0],
                surname=pair[1],
                component=names_component(derivation, *pair),
            )
    for scenario, kind, value, comment in gram_cases():
        found[scenario] = vector("5.1", "grams", comment, kind=kind, value=value, grams=grams(kind, value))
    found["gram_word_beyond_ascii"] = vector(
        "5.2",
        "gram_word",
        "the gram in UTF-8",
        key_hex=KEY.hex(),
        gram="ЬГ\n1",
        word_hex=gram_word(KEY, "ЬГ\n1").hex(),
    )
    block = bytes(range(100, 116))
    for scenario, kind, value, bits, budget, comment in [
        ("segment_name_default", "surname", "SMITH", 256, 100, "6 grams, 100 = 4 * 17 + 2 * 16"),
        ("segment_budget_below_grams", "surname", "SMITH", 64, 4, "two grams have no position"),
        ("segment_smallest", "date", "1990-04-11", 64, 48, "6 bits a position, 10 positions an output"),
        ("segment_largest", "surname", "NG", 1024, 400, "10 bits a position, 6 positions an output"),
        ("segment_one_gram", "text", "", 128, 48, "an empty text is two spaces, one gram"),
    ]:
        found[scenario] = vector(
            "5.3",
            "segment",
            comment,
            block_key_hex=block.hex(),
            component_key_hex=KEY.hex(),
            kind=kind,
            value=value,
            bits=bits,
            budget=budget,
            segment_hex=segment(block, KEY, grams(kind, value), bits, budget).hex(),
        )
    found["segment_other_block"] = {
        **found["segment_name_default"],
        "comment": "the same value in another block: another mapping",
        "block_key_hex": KEY[:16].hex(),
        "segment_hex": segment(KEY[:16], KEY, grams("surname", "SMITH"), 256, 100).hex(),
    }
    for scenario, values, comment in [
        ("token_one_value", ["QQ123456"], "one value"),
        ("token_two_values", ["1990-04-11", "SMITH"], "in the order of on"),
        ("token_boundary_early", ["A", "BC"], "not the token of AB, C"),
        ("token_boundary_late", ["AB", "C"], "not the token of A, BC"),
        ("token_beyond_ascii", ["Ольга"], "the length counts bytes, not characters"),
        ("token_missing_value", ["1990-04-11", None], "a missing value: no token"),
    ]:
        message = block_message(values)
        found[scenario] = vector(
            "3.4" if message is None else "3.3",
            "token",
            comment,
            token_key_hex=KEY.hex(),
            values=values,
            token_hex=None if message is None else prf16(KEY, message).hex(),
        )
    found |= record_vectors(vector)
    found |= file_vectors(vector)
    return found


SCHEMA = {
    "format": "pseudolink/linkage-schema/1",
    "name": "vector",
    "fields": {
        name: {
            "kind": kind,
            "columns": [name],
            "parts": None,
            "formats": [],
            "optional": False,
            "bits": bits,
            "budget": budget,
        }
        for name, kind, bits, budget in [
            ("forename", "forename", 256, 100),
            ("surname", "surname", 128, 60),
            ("dob", "date", 128, 48),
            ("postcode", "postcode", 128, 48),
            ("nino", "nino", 0, 0),
        ]
    },
    "field_order": ["forename", "surname", "dob", "postcode", "nino"],
    "passes": [
        {"name": "nino", "on": ["nino.stem"], "compare": ["forename", "surname", "dob"]},
        {"name": "born", "on": ["dob", "names.sorted_soundex"], "compare": ["postcode"]},
        {
            "name": "place",
            "on": ["postcode.sector", "surname", "dob.year_day", "forename.initial"],
            "compare": [],
        },
    ],
    "floor": {"company": "0.05", "component": 20},
}


UPN_SCHEMA = SCHEMA | {
    "fields": SCHEMA["fields"]
    | {
        "upn": {
            "kind": "upn",
            "columns": ["upn"],
            "parts": None,
            "formats": [],
            "optional": False,
            "bits": 0,
            "budget": 0,
        }
    },
    "field_order": [*SCHEMA["field_order"], "upn"],
    "passes": [
        {"name": "upn", "on": ["upn"], "compare": ["forename"]},
        {"name": "upn_born", "on": ["upn", "dob"], "compare": []},
    ],
}


def record_vectors(vector):
    whole = {
        "forename": "MARY ANN",
        "surname": "SMITH-JONES",
        "dob": "1990-04-11",
        "postcode": "DH1 3AB",
        "nino": "QQ123456A",
    }
    found = {}
    for scenario, changes, comment in [
        ("record_whole", {}, "all values"),
        ("record_other_nino_suffix", {"nino": "QQ123456B"}, "tokens and filters of record_whole"),
        ("record_missing_on_value", {"nino": None}, "pass nino has neither token nor filter"),
        ("record_missing_compared_value", {"surname": None}, "an empty segment in pass nino"),
        ("record_partial_date", {"dob": "1990-XX-11"}, "no whole date, but a year and a day"),
        ("record_other_script", {"forename": "Ольга", "surname": "Петрова"}, "UTF-8"),
        ("record_upn", {"upn": "B801200005001"}, "a pupil number has a token of its own"),
        (
            "record_temporary_upn",
            {"upn": "Q84020009901A"},
            "a temporary number has none, and takes part where something else agrees too",
        ),
    ]:
        record = whole | changes
        upn = "upn" in record
        schema = UPN_SCHEMA if upn else SCHEMA
        encoded = encode_record(schema, KEY, PROJECT, record)
        found[scenario] = vector(
            "3.5" if upn else "5.4",
            "record",
            comment,
            linkage_key_hex=KEY.hex(),
            project=PROJECT,
            schema=schema,
            schema_digest=schema_digest(schema),
            record=record,
            passes={
                name: {
                    "token_hex": None if token is None else token.hex(),
                    "filter_hex": None if bits is None else bits.hex(),
                }
                for name, (token, bits) in encoded.items()
            },
        )
    return found


def file_vectors(vector):
    layout = {"nino": 4, "born": 0}
    a, b, filled = "aa" * 16, "bb" * 16, "0f" * 4
    good = {
        "record": [16, [a, b]],
        "nino.token": [16, [b, None]],
        "nino.filter": [4, [filled, None]],
        "born.token": [16, [None, a]],
    }

    def but(**changes):
        named = {name.replace("__", "."): column for name, column in changes.items()}
        return {name: column for name, column in (good | named).items() if column}

    cases = [
        ("file_good", good, [], "two records"),
        ("file_other_order", dict(reversed(good.items())), [], "the order of columns does not count"),
        ("file_record_twice", but(record=[16, [a, a]]), [], "two versions of one record"),
        ("file_without_rows", {n: [w, []] for n, (w, _) in good.items()}, [], "no record is an extract too"),
        ("file_column_missing", but(born__token=None), ["born.token"], "a pass has no token column"),
        ("file_column_unknown", but(surname=[16, [a, b]]), ["surname"], "a column of no pass"),
        ("file_token_width", but(born__token=[15, [None, "cc" * 15]]), ["born.token"], "15 bytes"),
        ("file_filter_width", but(nino__filter=[8, [filled * 2, None]]), ["nino.filter"], "another schema's"),
        ("file_record_null", but(record=[16, [a, None]]), ["record"], "a row that is nobody's"),
        ("file_filter_without_token", but(nino__filter=[4, [filled, filled]]), ["nino.filter"], "too much"),
        ("file_token_without_filter", but(nino__filter=[4, [None, None]]), ["nino.filter"], "too little"),
        (
            "file_three_problems",
            but(born__token=None, surname=[16, [a, b]], nino__token=[8, [b[:16], None]]),
            ["surname", "nino.token", "born.token"],
            "all are reported at once",
        ),
    ]
    return {
        scenario: vector(
            "7.5" if places else "7.1",
            "file",
            comment,
            "failure" if places else "success",
            layout=layout,
            columns=[{"name": name, "width": width, "rows": rows} for name, (width, rows) in columns.items()],
            problems=places,
        )
        for scenario, columns, places, comment in cases
    }


def as_text(vector):
    return json.dumps(vector, indent=1, ensure_ascii=False) + "\n"


def main():
    VECTORS.mkdir(parents=True, exist_ok=True)
    for scenario, vector in vectors().items():
        (VECTORS / f"{scenario}.json").write_text(as_text(vector), encoding="utf-8")


if __name__ == "__main__":
    main()
