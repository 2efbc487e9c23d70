/* Rows of a VStream to JSON text, in C: what rows/decoder.py and rows/batch.py do, for ordinary values only.
 *
 * Nothing is decided here that Python does not decide too. Whatever is not quite ordinary (a value that a column's
 * encoder has to look at and refuses, a partial row image, an event of another table, bytes that are not what they
 * should be) is left alone, and the caller is told where: Python goes on from there, and says what is wrong.
 *
 * All input is untrusted. Bytes are read through a Slice only, whose end is checked before every step; what is written
 * goes through `reserve`.
 *
 * Of Python's C API only the limited part is used, as of 3.10: one build serves that version and all later ones.
 */

#include "_columns.h"
#include "_protobuf.h"
#include "_transactions.h"

/* The numbers stand in types/codec.py too. */
typedef enum {
    CALL,
    INTEGER,
    DECIMAL,
    DOUBLE,
    TEXT,
    JSON_COPIED,
    JSON,
    DATE,
    MOMENT,
    TIME,
    BASE64,
    INT64,
    QUOTED_INTEGER
} Kind;
#define KINDS (QUOTED_INTEGER + 1)

#define NULL_SIZE 5

typedef struct {
    PyObject *prefix; /* `"name":null,`, or NULL: not selected */
    Slice null;       /* its bytes */
    PyObject *encode; /* what Python does with a value, or NULL: not selected */
    Kind kind;
    size_t parameter;
    int told; /* INT64: the encoder has had a large one, and knows. */
    int key;
    int always_given;
} Column;

typedef struct {
    PyObject_HEAD
    size_t count;
    Column *columns;
    int has_key;
    int running; /* An encoder that called this decoder would write into the row that it is part of. */
    /* The row that is being written. */
    uint8_t *out;
    size_t used;
    size_t room;
} Decoder;

/* A row as protobuf has it. */
typedef struct {
    int there;
    Slice lengths;
    Slice values;
} Row;

/* --- writing -------------------------------------------------------------------------------------------------- */

/* A buffer that one large row has made larger than this is not kept. */
#define KEPT ((size_t)1 << 20)

static Outcome reserve(Decoder *self, size_t more) {
    if (more <= self->room - self->used) {
        return DONE;
    }
    size_t room = self->used + more;
    if (room < more || room > PY_SSIZE_T_MAX / 2) {
        PyErr_NoMemory();
        return FAILED;
    }
    room += room / 4 + 256;
    uint8_t *out = PyMem_Realloc(self->out, room);
    if (out == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    self->out = out;
    self->room = room;
    return DONE;
}

static inline void put(Decoder *self, uint8_t byte) { self->out[self->used++] = byte; }

static inline void put_all(Decoder *self, const void *bytes, size_t size) {
    memcpy(self->out + self->used, bytes, size);
    self->used += size;
}

/* --- a list, whose kind was looked at before ------------------------------------------------------------------------ */

static int shorten(PyObject *list, Py_ssize_t size) { return PyList_SetSlice(list, size, PY_SSIZE_T_MAX, NULL); }

/* --- values: each writes the JSON of an ordinary value, and is LEFT with any other ---------------------------------- */

static Outcome write_as_is(Decoder *self, Slice value) {
    if (reserve(self, size_of(value)) != DONE) {
        return FAILED;
    }
    put_all(self, value.at, size_of(value));
    return DONE;
}

static Outcome write_integer(Decoder *self, Slice value) {
    const uint8_t *at = value.at;
    if (size_of(value) == 1 && *at == '0') {
        return write_as_is(self, value);
    }
    if (at < value.end && *at == '-') {
        at++;
    }
    if (at == value.end || *at == '0' || !all_digits(at, value.end)) {
        return LEFT;
    }
    return write_as_is(self, value);
}

/* Whether digits without padding are beyond what a 64-bit integer with a sign holds, or the least that it does. */
static int is_large(Slice value) {
    static const char largest[] = "9223372036854775807";
    const size_t most = sizeof largest - 1;
    const uint8_t *at = value.at + (value.at < value.end && *value.at == '-');
    size_t digits = (size_t)(value.end - at);
    return digits >= most && *at != '0' && (digits > most || memcmp(at, largest, most) > 0);
}

static Outcome write_quoted_integer(Decoder *self, Slice value) {
    if (reserve(self, size_of(value) + 2) != DONE) {
        return FAILED;
    }
    put(self, '"');
    Outcome outcome = write_integer(self, value);
    if (outcome != DONE) {
        return outcome;
    }
    if (reserve(self, 1) != DONE) {
        return FAILED;
    }
    put(self, '"');
    return DONE;
}

/* `scale` digits after the point; none before it but a zero, or not beginning with one. */
static Outcome write_decimal(Decoder *self, Slice value, size_t scale) {
    if (scale == 0) {
        return write_integer(self, value);
    }
    const uint8_t *at = value.at;
    int negative = at < value.end && *at == '-';
    at += negative;
    size_t size = (size_t)(value.end - at);
    if (size < scale + 2) {
        return LEFT;
    }
    const uint8_t *point = value.end - scale - 1;
    /* A zero may have a sign that is none: that is for Python. */
    if (*point != '.' || (*at == '0' && (negative || size != scale + 2))) {
        return LEFT;
    }
    if (!all_digits(at, point) || !all_digits(point + 1, value.end)) {
        return LEFT;
    }
    return write_as_is(self, value);
}

/* As Go writes numbers, `-3.1415927E+00`: digits as they are, the point where the exponent says. Of up to 15 digits no
 * two are the same double, so the shortest text of the number has these. */
static Outcome write_scientific(Decoder *self, Slice value) {
    const uint8_t *at = value.at, *end = value.end;
    uint8_t digits[15];
    size_t count = 0;
    int negative = *at == '-';
    at += negative;
    if (end - at < 5 || end[-4] != 'E' || !is_digit(at[0]) || !all_digits(end - 2, end)) {
        return LEFT;
    }
    const uint8_t *exponent = end - 4;
    digits[count++] = *at++;
    if (at < exponent && *at++ != '.') {
        return LEFT;
    }
    for (; at < exponent; at++) {
        if (!is_digit(*at) || count == sizeof(digits)) {
            return LEFT;
        }
        digits[count++] = *at;
    }
    int places = two(end - 2);
    if (end[-3] != '-' && end[-3] != '+') {
        return LEFT;
    }
    if (end[-3] == '-') {
        places = -places;
    }
    /* No zero, no number that JSON would have an exponent for, none with zeros at its end. */
    if (places < -4 || places > 14 || digits[0] == '0' || (count > 1 && digits[count - 1] == '0')) {
        return LEFT;
    }
    if (reserve(self, 40) != DONE) {
        return FAILED;
    }
    if (negative) {
        put(self, '-');
    }
    if (places < 0) {
        put_all(self, "0.0000", (size_t)(1 - places));
        put_all(self, digits, count);
        return DONE;
    }
    size_t whole = (size_t)places + 1;
    for (size_t i = 0; i < whole || i < count; i++) {
        if (i == whole) {
            put(self, '.');
        }
        put(self, i < count ? digits[i] : '0');
    }
    if (count <= whole) {
        put_all(self, ".0", 2);
    }
    return DONE;
}

/* Digits with a point among them, few enough to be exact. */
static Outcome write_double(Decoder *self, Slice value) {
    size_t size = size_of(value);
    if (size < 3 || size > 24) {
        return LEFT;
    }
    if (size >= 5 && value.end[-4] == 'E') {
        return write_scientific(self, value);
    }
    const uint8_t *point = memchr(value.at, '.', size);
    if (point == NULL || point == value.at || point + 1 == value.end) {
        return LEFT;
    }
    if (*value.at == '0' && point != value.at + 1) {
        return LEFT;
    }
    if (!all_digits(value.at, point) || !all_digits(point + 1, value.end)) {
        return LEFT;
    }
    return write_as_is(self, value);
}

static Outcome write_date(Decoder *self, Slice value) {
    if (size_of(value) != 10 || !is_date(value.at)) {
        return LEFT;
    }
    if (reserve(self, 12) != DONE) {
        return FAILED;
    }
    put(self, '"');
    put_all(self, value.at, 10);
    put(self, '"');
    return DONE;
}

/* `:MM:SS` and a fraction of so many digits, up to the end. */
static int is_rest_of_time(const uint8_t *at, const uint8_t *end, size_t digits) {
    if ((size_t)(end - at) != 6 + (digits ? digits + 1 : 0)) {
        return 0;
    }
    if (at[0] != ':' || !all_digits(at + 1, at + 3) || at[3] != ':' || !all_digits(at + 4, at + 6)) {
        return 0;
    }
    return digits == 0 || (at[6] == '.' && all_digits(at + 7, end));
}

/* The parameter: digits of the fraction, and 8 for a time zone. */
static Outcome write_moment(Decoder *self, Slice value, size_t parameter) {
    size_t size = size_of(value);
    const uint8_t *at = value.at;
    if (size < 19 || !is_date(at) || at[10] != ' ' || !all_digits(at + 11, at + 13) ||
        !is_rest_of_time(at + 13, value.end, parameter & 7)) {
        return LEFT;
    }
    if (two(at + 11) > 23 || two(at + 14) > 59 || two(at + 17) > 59) {
        return LEFT;
    }
    if (reserve(self, size + 3) != DONE) {
        return FAILED;
    }
    put(self, '"');
    put_all(self, at, 10);
    put(self, 'T');
    put_all(self, at + 11, size - 11);
    if (parameter & 8) {
        put(self, 'Z');
    }
    put(self, '"');
    return DONE;
}

/* A duration: a sign, two or three digits of hours, minutes and seconds of any number; maybe without the fraction. */
static Outcome write_time(Decoder *self, Slice value, size_t digits) {
    const uint8_t *at = value.at;
    if (at < value.end && *at == '-') {
        at++;
    }
    const uint8_t *hours = at;
    while (at < value.end && is_digit(*at)) {
        at++;
    }
    if ((at - hours != 2 && at - hours != 3) ||
        !(is_rest_of_time(at, value.end, digits) || is_rest_of_time(at, value.end, 0))) {
        return LEFT;
    }
    if (reserve(self, size_of(value) + 2) != DONE) {
        return FAILED;
    }
    put(self, '"');
    put_all(self, value.at, size_of(value));
    put(self, '"');
    return DONE;
}

static void put_escaped(Decoder *self, uint8_t byte) {
    static const char hex[] = "0123456789abcdef";
    put(self, '\\');
    switch (byte) {
    case '"':
    case '\\':
        put(self, byte);
        break;
    case '\b':
        put(self, 'b');
        break;
    case '\t':
        put(self, 't');
        break;
    case '\n':
        put(self, 'n');
        break;
    case '\f':
        put(self, 'f');
        break;
    case '\r':
        put(self, 'r');
        break;
    default:
        put_all(self, "u00", 3);
        put(self, (uint8_t)hex[byte >> 4]);
        put(self, (uint8_t)hex[byte & 15]);
    }
}

static Outcome write_text(Decoder *self, Slice value) {
    const uint8_t *at = value.at, *end = value.end;
    if (reserve(self, size_of(value) + 2) != DONE) {
        return FAILED;
    }
    put(self, '"');
    while (at < end) {
        size_t plain = plain_size(at, end);
        put_all(self, at, plain);
        at += plain;
        /* One by one to the end, or over the eight bytes that are not plain. */
        const uint8_t *stop = end - at > 8 ? at + 8 : end;
        while (at < stop) {
            if (*at >= 0x80) {
                size_t size = utf8_size(at, end);
                if (size == 0) {
                    return LEFT;
                }
                put_all(self, at, size);
                at += size;
            } else if (*at < 0x20 || *at == '"' || *at == '\\') {
                /* Room for this one, the rest as it is, and the quote. */
                if (reserve(self, (size_t)(end - at) + 6) != DONE) {
                    return FAILED;
                }
                put_escaped(self, *at++);
            } else {
                put(self, *at++);
            }
        }
    }
    put(self, '"');
    return DONE;
}

/* --- JSON documents: a part of the valid ones, as a string --- */

#define DEPTH 100
/* No number of so many bytes, with an exponent of two digits, is out of a double's range. */
#define NUMBER 40

static void skip_space(Slice *text) {
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\n' || *text->at == '\t' || *text->at == '\r')) {
        text->at++;
    }
}

/* Whether it is UTF-8 is seen when it is written. */
static int skip_string(Slice *text) {
    if (!skip_byte(text, '"')) {
        return 0;
    }
    while (text->at < text->end) {
        uint8_t byte = *text->at++;
        if (byte == '"') {
            return 1;
        }
        if (byte < 0x20) {
            return 0;
        }
        if (byte == '\\') {
            /* \u has surrogates: for Python. */
            if (text->at == text->end || *text->at == 0 || strchr("\"\\/bfnrt", *text->at) == NULL) {
                return 0;
            }
            text->at++;
        }
    }
    return 0;
}

static int skip_digits(Slice *text) {
    const uint8_t *start = text->at;
    while (text->at < text->end && is_digit(*text->at)) {
        text->at++;
    }
    return (int)(text->at - start > NUMBER ? 0 : text->at - start);
}

static int skip_number(Slice *text) {
    skip_byte(text, '-');
    if (!skip_byte(text, '0') && !skip_digits(text)) {
        return 0;
    }
    if (skip_byte(text, '.') && !skip_digits(text)) {
        return 0;
    }
    if (skip_byte(text, 'e') || skip_byte(text, 'E')) {
        if (!skip_byte(text, '-')) {
            skip_byte(text, '+');
        }
        int digits = skip_digits(text);
        return digits == 1 || digits == 2;
    }
    return 1;
}

static int skip_json(Slice *text, int depth) {
    skip_space(text);
    if (text->at == text->end || depth == 0) {
        return 0;
    }
    int object = *text->at == '{';
    switch (*text->at) {
    case '{':
    case '[':
        text->at++;
        skip_space(text);
        if (skip_byte(text, object ? '}' : ']')) {
            return 1;
        }
        do {
            if (object) {
                skip_space(text);
                if (!skip_string(text)) {
                    return 0;
                }
                skip_space(text);
                if (!skip_byte(text, ':')) {
                    return 0;
                }
            }
            if (!skip_json(text, depth - 1)) {
                return 0;
            }
            skip_space(text);
        } while (skip_byte(text, ','));
        return skip_byte(text, object ? '}' : ']');
    case '"':
        return skip_string(text);
    case 't':
        return skip_word(text, "true", 4);
    case 'f':
        return skip_word(text, "false", 5);
    case 'n':
        return skip_word(text, "null", 4);
    default:
        return skip_number(text);
    }
}

static Outcome write_json(Decoder *self, Slice value) {
    Slice text = value;
    if (!skip_json(&text, DEPTH)) {
        return LEFT;
    }
    skip_space(&text);
    return text.at == text.end ? write_text(self, value) : LEFT;
}

/* BINARY(n) has n bytes, whatever zeros were left out at its end. */
static Outcome write_base64(Decoder *self, Slice value, size_t least) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t given = size_of(value), size = given < least ? least : given;
    if (reserve(self, (size / 3 + 1) * 4 + 2) != DONE) {
        return FAILED;
    }
    put(self, '"');
    for (size_t i = 0; i < size; i += 3) {
        uint32_t group = 0;
        for (size_t j = i; j < i + 3; j++) {
            group = group << 8 | (j < given ? value.at[j] : 0);
        }
        for (size_t j = 0; j < 4; j++) {
            put(self, i + j > size ? '=' : (uint8_t)digits[group >> (18 - 6 * j) & 63]);
        }
    }
    put(self, '"');
    return DONE;
}

static Outcome write_called(Decoder *self, const Column *column, Slice value) {
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)value.at, (Py_ssize_t)size_of(value));
    if (bytes == NULL) {
        return FAILED;
    }
    PyObject *json = PyObject_CallFunctionObjArgs(column->encode, bytes, NULL);
    Py_DECREF(bytes);
    if (json == NULL) {
        /* `Altered`, most likely. Python asks again, and tells of it. */
        if (PyErr_ExceptionMatches(PyExc_Exception)) {
            PyErr_Clear();
            return LEFT;
        }
        return FAILED;
    }
    Outcome outcome = LEFT;
    if (PyBytes_CheckExact(json)) {
        outcome = write_as_is(self, slice_of(json));
    }
    Py_DECREF(json);
    return outcome;
}

static Outcome write_value(Decoder *self, Column *column, Slice value) {
    size_t start = self->used;
    Outcome outcome = LEFT;
    switch (column->kind) {
    case CALL:
        break;
    case INTEGER:
        outcome = write_integer(self, value);
        break;
    case DECIMAL:
        outcome = write_decimal(self, value, column->parameter);
        break;
    case DOUBLE:
        outcome = write_double(self, value);
        break;
    case TEXT:
        outcome = write_text(self, value);
        break;
    case JSON_COPIED:
        outcome = size_of(value) ? write_text(self, value) : LEFT;
        break;
    case JSON:
        outcome = write_json(self, value);
        break;
    case DATE:
        outcome = write_date(self, value);
        break;
    case MOMENT:
        outcome = write_moment(self, value, column->parameter);
        break;
    case TIME:
        outcome = write_time(self, value, column->parameter);
        break;
    case BASE64:
        outcome = write_base64(self, value, column->parameter);
        break;
    case INT64:
        if (!column->told && is_large(value)) {
            outcome = write_called(self, column, value);
            column->told = outcome == DONE;
            return outcome;
        }
        outcome = write_integer(self, value);
        break;
    case QUOTED_INTEGER:
        outcome = write_quoted_integer(self, value);
        break;
    }
    if (outcome != LEFT) {
        return outcome;
    }
    self->used = start;
    return write_called(self, column, value);
}

/* --- the values of a row ------------------------------------------------------------------------------------------ */

/* The next value of a row: its bytes, or `at` NULL. */
static int read_value(Slice *lengths, Slice *values, Slice *value) {
    uint64_t zigzag;
    if (!read_varint(lengths, &zigzag)) {
        return 0;
    }
    if (zigzag == 1) {
        *value = (Slice){NULL, NULL};
        return 1;
    }
    if (zigzag & 1 || zigzag >> 1 > size_of(*values)) {
        return 0;
    }
    *value = (Slice){values->at, values->at + (zigzag >> 1)};
    values->at = value->end;
    return 1;
}

/* Whether nothing is left behind the last value. */
static int is_read(Row row) { return row.lengths.at == row.lengths.end && row.values.at == row.values.end; }

static int read_row(Slice from, Row *row) {
    static const uint8_t nothing[1];
    Field field;
    *row = (Row){1, {nothing, nothing}, {nothing, nothing}};
    while (from.at < from.end) {
        if (!read_field(&from, &field)) {
            return 0;
        }
        switch (field.tag) {
        case TAG(1, BYTES):
            row->lengths = field.bytes;
            break;
        case TAG(2, BYTES):
            row->values = field.bytes;
            break;
        case TAG(1, VARINT): /* lengths that are not packed */
            return 0;
        }
    }
    return 1;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

static Outcome write_row(Decoder *self, Row row) {
    self->used = 0;
    for (size_t i = 0; i < self->count; i++) {
        Column *column = &self->columns[i];
        Slice value;
        if (!read_value(&row.lengths, &row.values, &value)) {
            return LEFT;
        }
        if (column->prefix == NULL) {
            continue;
        }
        if (write_as_is(self, column->null) != DONE) {
            return FAILED;
        }
        if (value.at == NULL) {
            continue;
        }
        self->used -= NULL_SIZE;
        Outcome outcome = write_value(self, column, value);
        if (outcome != DONE) {
            return outcome;
        }
        if (reserve(self, 1) != DONE) {
            return FAILED;
        }
        put(self, ',');
    }
    return is_read(row) ? DONE : LEFT;
}

static Outcome append_row(Decoder *self, Row row, PyObject *members) {
    Outcome outcome = write_row(self, row);
    if (outcome == DONE) {
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)self->out, (Py_ssize_t)self->used);
        if (bytes == NULL || PyList_Append(members, bytes) < 0) {
            outcome = FAILED;
        }
        Py_XDECREF(bytes);
    }
    if (self->room > KEPT) {
        PyMem_Free(self->out);
        self->out = NULL;
        self->room = 0;
    }
    self->used = 0;
    return outcome;
}

/* Whether the row of `before` does not exist any more under the same key. LEFT stands for: not to be told here. */
static Outcome find_moved(const Decoder *self, Row before, Row after, int *moved) {
    *moved = !self->has_key;
    for (size_t i = 0; !*moved && i < self->count; i++) {
        Slice one, other;
        if (!read_value(&before.lengths, &before.values, &one) || !read_value(&after.lengths, &after.values, &other)) {
            return LEFT;
        }
        if (self->columns[i].key) {
            *moved = (one.at == NULL) != (other.at == NULL) || size_of(one) != size_of(other) ||
                     (one.at != NULL && memcmp(one.at, other.at, size_of(one)) != 0);
        }
    }
    /* Nobody else looks at a row of before that stays: it has to be one of these columns, too. */
    return *moved || is_read(before) ? DONE : LEFT;
}

/* Whether a before image may lack a value (rows/batch.py says why). */
static int may_lack(const Decoder *self, Row row) {
    for (size_t i = 0; i < self->count; i++) {
        Slice value;
        if (!read_value(&row.lengths, &row.values, &value)) {
            return 1;
        }
        if (value.at == NULL && self->columns[i].always_given) {
            return 1;
        }
    }
    return 0;
}

static Outcome append_gone(Decoder *self, Row before, PyObject *members, PyObject *deleted) {
    if (may_lack(self, before)) {
        return LEFT;
    }
    PyObject *index = PyLong_FromSsize_t(PyList_Size(members));
    if (index == NULL) {
        return FAILED;
    }
    int failed = PyList_Append(deleted, index);
    Py_DECREF(index);
    return failed < 0 ? FAILED : append_row(self, before, members);
}

static Outcome append_change(Decoder *self, Slice change, int copied, PyObject *members, PyObject *deleted) {
    Row before = {0}, after = {0};
    Field field;
    while (change.at < change.end) {
        if (!read_field(&change, &field)) {
            return LEFT;
        }
        switch (field.tag) {
        case TAG(1, BYTES):
            if (before.there || !read_row(field.bytes, &before)) {
                return LEFT;
            }
            break;
        case TAG(2, BYTES):
            if (after.there || !read_row(field.bytes, &after)) {
                return LEFT;
            }
            break;
        case TAG(3, BYTES): /* data_columns and json_partial_values: a partial image */
        case TAG(4, BYTES):
            return LEFT;
        }
    }
    if (copied) {
        return after.there && !before.there ? append_row(self, after, members) : LEFT;
    }
    if (before.there) {
        int moved = 1;
        if (after.there && find_moved(self, before, after, &moved) != DONE) {
            return LEFT;
        }
        if (moved) {
            Outcome outcome = append_gone(self, before, members, deleted);
            if (outcome != DONE) {
                return outcome;
            }
        }
    }
    return after.there ? append_row(self, after, members) : DONE;
}

/* What the events of a batch have in common. */
typedef struct {
    Slice table;
    Slice shard;
    uint64_t timestamp;
} Batch;

static Outcome append_event(Decoder *self, Slice event, Batch batch, PyObject *members, PyObject *deleted) {
    static const uint8_t nothing[1];
    uint64_t type = 0, timestamp = 0;
    Slice rows = {NULL, NULL}, table = {nothing, nothing}, shard = {nothing, nothing};
    Field field;
    while (event.at < event.end) {
        if (!read_field(&event, &field)) {
            return LEFT;
        }
        switch (field.tag) {
        case TAG(1, VARINT):
            type = field.number;
            break;
        case TAG(2, VARINT):
            timestamp = field.number;
            break;
        case TAG(5, BYTES):
            if (rows.at != NULL) {
                return LEFT;
            }
            rows = field.bytes;
            break;
        default:
            if (!is_plain_member(field)) {
                return LEFT;
            }
        }
    }
    if (type != ROW_EVENT || rows.at == NULL || timestamp != batch.timestamp) {
        return LEFT;
    }
    /* What the rows belong to may stand behind them. */
    Slice all = rows;
    while (all.at < all.end) {
        if (!read_field(&all, &field)) {
            return LEFT;
        }
        switch (field.tag) {
        case TAG(1, BYTES):
            if (size_of(table)) {
                return LEFT;
            }
            table = field.bytes;
            break;
        case TAG(3, BYTES): /* keyspace */
            if (!is_utf8(field.bytes)) {
                return LEFT;
            }
            break;
        case TAG(4, BYTES):
            if (size_of(shard)) {
                return LEFT;
            }
            shard = field.bytes;
            break;
        case TAG(6, VARINT): /* is_internal_table */
            return LEFT;
        }
    }
    if (!equal(table, batch.table) || !equal(shard, batch.shard)) {
        return LEFT;
    }
    while (rows.at < rows.end) {
        if (!read_field(&rows, &field)) {
            return LEFT;
        }
        if (field.tag == TAG(2, BYTES)) {
            Outcome outcome = append_change(self, field.bytes, timestamp == 0, members, deleted);
            if (outcome != DONE) {
                return outcome;
            }
        }
    }
    return DONE;
}

/* --- Python ------------------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(append_doc,
             "append(events, index, table, shard, timestamp, members, deleted)\n--\n\n"
             "Appends the rows of consecutive events; returns the index of the first event that is left to Python.");

static PyObject *Decoder_append(Decoder *self, PyObject *args) {
    PyObject *events, *table, *shard, *members, *deleted;
    Py_ssize_t index;
    long long timestamp;
    if (!PyArg_ParseTuple(args, "O!nSSLO!O!", &PyList_Type, &events, &index, &table, &shard, &timestamp, &PyList_Type,
                          &members, &PyList_Type, &deleted)) {
        return NULL;
    }
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "the decoder is in the middle of a row");
        return NULL;
    }
    self->running = 1;
    Batch batch = {slice_of(table), slice_of(shard), (uint64_t)timestamp};
    Outcome outcome = DONE;
    for (; index >= 0 && index < PyList_Size(events); index++) {
        PyObject *event = PyList_GetItem(events, index);
        if (!PyBytes_CheckExact(event)) {
            break;
        }
        Py_ssize_t rows = PyList_Size(members), gone = PyList_Size(deleted);
        /* An encoder could change the list. */
        Py_INCREF(event);
        outcome = append_event(self, slice_of(event), batch, members, deleted);
        Py_DECREF(event);
        if (outcome != DONE) {
            if (outcome == LEFT && (shorten(members, rows) < 0 || shorten(deleted, gone) < 0)) {
                outcome = FAILED;
            }
            break;
        }
    }
    self->running = 0;
    return outcome == FAILED ? NULL : PyLong_FromSsize_t(index);
}

PyDoc_STRVAR(append_within_doc,
             "append_within(response, start, end, table, shard, timestamp, members, deleted)\n--\n\n"
             "Appends the rows of the events in a part of a response; returns whether none of them is left to Python.");

static PyObject *Decoder_append_within(Decoder *self, PyObject *args) {
    PyObject *response, *table, *shard, *members, *deleted;
    Py_ssize_t start, end;
    long long timestamp;
    if (!PyArg_ParseTuple(args, "SnnSSLO!O!", &response, &start, &end, &table, &shard, &timestamp, &PyList_Type,
                          &members, &PyList_Type, &deleted)) {
        return NULL;
    }
    if (start < 0 || end < start || end > PyBytes_Size(response)) {
        PyErr_SetString(PyExc_ValueError, "this is no part of the response");
        return NULL;
    }
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "the decoder is in the middle of a row");
        return NULL;
    }
    self->running = 1;
    Batch batch = {slice_of(table), slice_of(shard), (uint64_t)timestamp};
    Slice events = {slice_of(response).at + start, slice_of(response).at + end};
    Outcome outcome = DONE;
    Field field;
    while (outcome == DONE && events.at < events.end) {
        if (!read_field(&events, &field) || field.tag != TAG(1, BYTES)) {
            outcome = LEFT;
        } else {
            outcome = append_event(self, field.bytes, batch, members, deleted);
        }
    }
    self->running = 0;
    return outcome == FAILED ? NULL : PyBool_FromLong(outcome == DONE);
}

static int Decoder_clear(Decoder *self) {
    for (size_t i = 0; i < self->count; i++) {
        Py_CLEAR(self->columns[i].prefix);
        Py_CLEAR(self->columns[i].encode);
    }
    return 0;
}

static int Decoder_traverse(Decoder *self, visitproc visit, void *arg) {
    for (size_t i = 0; i < self->count; i++) {
        Py_VISIT(self->columns[i].encode);
    }
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void Decoder_dealloc(Decoder *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Decoder_clear(self);
    PyMem_Free(self->columns);
    PyMem_Free(self->out);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static int read_column(PyObject *item, Column *column) {
    PyObject *prefix, *encode;
    unsigned int kind;
    Py_ssize_t parameter;
    if (!PyTuple_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "a column is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(item, "OInOpp", &prefix, &kind, &parameter, &encode, &column->key, &column->always_given)) {
        return -1;
    }
    int is_prefix = prefix == Py_None || (PyBytes_CheckExact(prefix) && PyBytes_Size(prefix) >= NULL_SIZE);
    int is_encode = prefix == Py_None ? encode == Py_None : PyCallable_Check(encode);
    if (!is_prefix || !is_encode || kind >= KINDS || parameter < 0 || parameter > UINT16_MAX) {
        PyErr_SetString(PyExc_ValueError, "not a column");
        return -1;
    }
    column->kind = (Kind)kind;
    column->parameter = (size_t)parameter;
    if (prefix != Py_None) {
        column->prefix = Py_NewRef(prefix);
        column->null = slice_of(prefix);
        column->encode = Py_NewRef(encode);
    }
    return 0;
}

static PyObject *Decoder_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *columns;
    if (keywords != NULL && PyDict_Size(keywords) != 0) {
        PyErr_SetString(PyExc_TypeError, "Decoder takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!", &PyTuple_Type, &columns)) {
        return NULL;
    }
    Decoder *self = (Decoder *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* all zero */
    if (self == NULL) {
        return NULL;
    }
    Py_ssize_t count = PyTuple_Size(columns);
    self->columns = PyMem_Calloc(count > 0 ? (size_t)count : 1, sizeof(Column));
    if (self->columns == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    self->count = (size_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (read_column(PyTuple_GetItem(columns, i), &self->columns[i]) < 0) {
            Py_DECREF(self);
            return NULL;
        }
        self->has_key |= self->columns[i].key;
    }
    return (PyObject *)self;
}

static PyMethodDef decoder_methods[] = {
    {"append", (PyCFunction)Decoder_append, METH_VARARGS, append_doc},
    {"append_within", (PyCFunction)Decoder_append_within, METH_VARARGS, append_within_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(decoder_doc, "Decoder(columns)\n--\n\n"
                          "Decodes the rows of one table of one shard: of columns in the order of the row, each a tuple "
                          "(prefix, kind, parameter, encode, key, always_given).");

static PyType_Slot decoder_slots[] = {
    {Py_tp_doc, (void *)decoder_doc},      {Py_tp_new, Decoder_new},
    {Py_tp_dealloc, Decoder_dealloc},      {Py_tp_traverse, Decoder_traverse},
    {Py_tp_clear, Decoder_clear},          {Py_tp_methods, decoder_methods},
    {0, NULL},
};

static PyType_Spec decoder_spec = {
    .name = "source_vitess.rows._decoder.Decoder",
    .basicsize = sizeof(Decoder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = decoder_slots,
};

static int module_exec(PyObject *module) {
    if (PyModule_AddFunctions(module, transaction_functions) < 0) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &decoder_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddObjectRef(module, "Decoder", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_decoder",
    .m_doc = "Rows of a VStream to JSON text, and these to columns, for ordinary values.",
    .m_methods = column_functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__decoder(void) { return PyModuleDef_Init(&module); }
