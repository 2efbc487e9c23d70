/* Rows in JSON to columns as Arrow lays them out (arrow.apache.org/docs/format/Columnar.html), in C.
 *
 * The rows are members of JSON objects, as _decoder.c and the codecs write them: what a value is was decided there, and
 * is only laid out here. A column with a value that is not read here is left to Python, which gets the JSON of all its
 * values; rows with other columns than those that are meant are left as a whole.
 *
 * Who wrote the rows is not relied on: bytes are read through a Slice only, whose end is checked before every step, and
 * what is written goes through `reserve`, or where there is room for every row.
 */

#include "_columns.h"

#include <float.h>

/* The numbers stand in rows/column_buffers.py too. */
typedef enum {
    OTHER,
    BOOLEAN,
    INT8,
    INT16,
    INT32,
    INT64,
    DECIMAL128,
    FLOAT32,
    FLOAT64,
    TEXT,
    BINARY,
    DATE32,
    LOCAL_MICROSECONDS,
    UTC_MICROSECONDS
} Layout;
#define LAYOUTS (UTC_MICROSECONDS + 1)

/* Digits of a DECIMAL128. */
#define MOST_DIGITS 38

typedef struct {
    Slice prefix; /* `"name":` */
    Layout layout;
    size_t precision;
    size_t scale;
    int left; /* Python has it. */
    size_t nulls;
    PyObject *validity;
    PyObject *fixed;
    uint8_t *valid;  /* Of `validity`: a bit for each row, whether there is a value. */
    uint8_t *values; /* Of `fixed`: so many bytes for each row, its value, or where that ends in `bytes`. */
    /* Values of any length, end to end; or the JSON of a column that is left. */
    uint8_t *bytes;
    size_t used;
    size_t room;
} Column;

typedef struct {
    size_t count;
    Column *columns;
    size_t rows;
    uint8_t sextets[256]; /* By digit of Base64, what it says; NO_SEXTET. */
} Table;

#define NO_SEXTET 64

/* --- writing -------------------------------------------------------------------------------------------------- */

static Outcome reserve(Column *column, size_t more) {
    if (more <= column->room - column->used) {
        return DONE;
    }
    size_t room = column->used + more;
    if (room < more || room > PY_SSIZE_T_MAX / 2) {
        PyErr_NoMemory();
        return FAILED;
    }
    room += room / 4 + 256;
    uint8_t *bytes = PyMem_Realloc(column->bytes, room);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return FAILED;
    }
    column->bytes = bytes;
    column->room = room;
    return DONE;
}

static inline void set_bit(uint8_t *bits, size_t row) { bits[row >> 3] |= (uint8_t)(1u << (row & 7)); }

static inline void set_value(Column *column, size_t row, const void *value, size_t size) {
    memcpy(column->values + row * size, value, size);
}

/* --- values: each is read up to what follows it, or LEFT ------------------------------------------------------------- */

static Outcome take_boolean(Column *column, Slice *text, size_t row) {
    if (skip_word(text, "true", 4)) {
        set_bit(column->values, row);
        return DONE;
    }
    return skip_word(text, "false", 5) ? DONE : LEFT;
}

/* The whole part of a number, without needless zeros; how many digits it has, 0 if it is none. */
static size_t skip_whole(Slice *text) {
    const uint8_t *start = text->at;
    while (text->at < text->end && is_digit(*text->at)) {
        text->at++;
    }
    size_t digits = (size_t)(text->at - start);
    return digits > 1 && *start == '0' ? 0 : digits;
}

static Outcome take_integer(Column *column, Slice *text, size_t row, size_t size) {
    int negative = skip_byte(text, '-');
    const uint8_t *at = text->at;
    size_t digits = skip_whole(text);
    /* 64 bits have all numbers of 19 digits. */
    if (digits == 0 || digits > 19) {
        return LEFT;
    }
    uint64_t number = 0, most = UINT64_MAX >> (65 - 8 * size);
    for (; at < text->at; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    if (number > most + (uint64_t)negative) {
        return LEFT;
    }
    number = negative ? 0 - number : number;
    switch (size) {
    case 1:
        set_value(column, row, &(uint8_t){(uint8_t)number}, 1);
        break;
    case 2:
        set_value(column, row, &(uint16_t){(uint16_t)number}, 2);
        break;
    case 4:
        set_value(column, row, &(uint32_t){(uint32_t)number}, 4);
        break;
    default:
        set_value(column, row, &number, 8);
    }
    return DONE;
}

/* A number of two words. */
typedef struct {
    uint64_t low;
    uint64_t high;
    size_t digits;
} Wide;

static inline void push_digit(Wide *wide, uint64_t digit) {
    if (wide->digits == 0 && digit == 0) {
        return;
    }
    if (++wide->digits <= 19) {
        wide->low = wide->low * 10 + digit;
        return;
    }
    uint64_t lower = (wide->low & UINT32_MAX) * 10 + digit, upper = (wide->low >> 32) * 10 + (lower >> 32);
    wide->low = upper << 32 | (lower & UINT32_MAX);
    wide->high = wide->high * 10 + (upper >> 32);
}

static Outcome take_decimal(Column *column, Slice *text, size_t row) {
    Wide wide = {0, 0, 0};
    size_t scale = 0;
    int negative = skip_byte(text, '-');
    const uint8_t *at = text->at;
    size_t whole = skip_whole(text);
    if (whole == 0 || (*at != '0' && whole > column->precision - column->scale)) {
        return LEFT;
    }
    for (; at < text->at; at++) {
        push_digit(&wide, (uint64_t)(*at - '0'));
    }
    if (skip_byte(text, '.')) {
        for (; text->at < text->end && is_digit(*text->at); text->at++) {
            if (scale++ == column->scale) {
                return LEFT;
            }
            push_digit(&wide, (uint64_t)(*text->at - '0'));
        }
        if (scale == 0) {
            return LEFT;
        }
    }
    for (; scale < column->scale; scale++) {
        push_digit(&wide, 0);
    }
    if (negative) {
        wide.low = 0 - wide.low;
        wide.high = ~wide.high + (wide.low == 0);
    }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    uint64_t words[2] = {wide.high, wide.low};
#else
    uint64_t words[2] = {wide.low, wide.high};
#endif
    set_value(column, row, words, sizeof words);
    return DONE;
}

/* A longer number than this is for Python. */
#define NUMBER 40

/* A number of so few digits, by so small a power of ten, comes out as the nearest double: both are exact, and the
 * processor rounds once, if it has no longer doubles than others. */
#define EXACT_DIGITS (FLT_EVAL_METHOD == 0 ? 15 : 0)
#define EXACT_POWER 22

/* What Python's float() makes of the text, which is the nearest double. */
static Outcome call_float(const uint8_t *start, const uint8_t *end, double *number) {
    char text[NUMBER + 1];
    size_t size = (size_t)(end - start);
    if (size > NUMBER) {
        return LEFT;
    }
    memcpy(text, start, size);
    text[size] = 0;
    *number = PyOS_string_to_double(text, NULL, NULL);
    if (*number == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return LEFT;
    }
    return DONE;
}

static Outcome read_number(Slice *text, double *number) {
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const uint8_t *start = text->at;
    int negative = skip_byte(text, '-'), is_integer = 1, power = 0;
    const uint8_t *at = text->at;
    size_t digits = skip_whole(text);
    if (digits == 0 || digits > NUMBER) {
        return LEFT;
    }
    uint64_t whole = 0;
    for (; at < text->at; at++) {
        whole = whole * 10 + (uint64_t)(*at - '0');
    }
    if (skip_byte(text, '.')) {
        is_integer = 0;
        const uint8_t *point = text->at;
        for (; text->at < text->end && is_digit(*text->at); text->at++) {
            whole = whole * 10 + (uint64_t)(*text->at - '0');
        }
        size_t places = (size_t)(text->at - point);
        if (places == 0 || places > NUMBER) {
            return LEFT;
        }
        digits += places;
        power = -(int)places;
    }
    if (skip_byte(text, 'e') || skip_byte(text, 'E')) {
        is_integer = 0;
        int down = skip_byte(text, '-'), exponent = 0;
        if (!down) {
            skip_byte(text, '+');
        }
        const uint8_t *first = text->at;
        for (; text->at < text->end && is_digit(*text->at) && text->at - first < 4; text->at++) {
            exponent = exponent * 10 + (*text->at - '0');
        }
        if (text->at == first) {
            return LEFT;
        }
        power += down ? -exponent : exponent;
    }
    /* An integer has no zero with a sign. */
    if (is_integer && negative && whole == 0) {
        return LEFT;
    }
    if (digits > EXACT_DIGITS || power > EXACT_POWER || power < -EXACT_POWER) {
        return call_float(start, text->at, number);
    }
    double exact = (double)whole;
    exact = power < 0 ? exact / powers[-power] : exact * powers[power];
    *number = negative ? -exact : exact;
    return DONE;
}

static Outcome take_double(Column *column, Slice *text, size_t row) {
    double number;
    Outcome outcome = read_number(text, &number);
    if (outcome == DONE) {
        set_value(column, row, &number, sizeof number);
    }
    return outcome;
}

static Outcome take_float(Column *column, Slice *text, size_t row) {
    double number;
    Outcome outcome = read_number(text, &number);
    if (outcome != DONE) {
        return outcome;
    }
    if (number > 3e38 || number < -3e38) { /* near the largest: what it is rounded to is for Python */
        return LEFT;
    }
    float rounded = (float)number;
    set_value(column, row, &rounded, sizeof rounded);
    return DONE;
}

/* A number as text, which Python would write in the same way: of any number of digits, without an exponent. */
static Outcome take_digits(Column *column, Slice *text) {
    const uint8_t *start = text->at;
    int negative = skip_byte(text, '-');
    const uint8_t *whole = text->at;
    if (skip_whole(text) == 0) {
        return LEFT;
    }
    if (skip_byte(text, '.')) {
        const uint8_t *point = text->at;
        while (text->at < text->end && is_digit(*text->at)) {
            text->at++;
        }
        if (text->at == point) {
            return LEFT;
        }
    } else if (negative && *whole == '0') {
        return LEFT;
    }
    size_t size = (size_t)(text->at - start);
    if (size > 2 * NUMBER || reserve(column, size) != DONE) {
        return size > 2 * NUMBER ? LEFT : FAILED;
    }
    memcpy(column->bytes + column->used, start, size);
    column->used += size;
    return DONE;
}

static int hex_digit(uint8_t byte) {
    if (is_digit(byte)) {
        return byte - '0';
    }
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The ASCII character that an escape stands for, at its backslash: how long the escape is, or 0 for another one. */
static size_t read_escape(const uint8_t *at, const uint8_t *end, uint8_t *byte) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (end - at < 2) {
        return 0;
    }
    if (at[1] != 'u') {
        const char *name = at[1] == 0 ? NULL : strchr(names, at[1]);
        *byte = name == NULL ? 0 : (uint8_t)meant[name - names];
        return name == NULL ? 0 : 2;
    }
    if (end - at < 6 || at[2] != '0' || at[3] != '0') {
        return 0;
    }
    int high = hex_digit(at[4]), low = hex_digit(at[5]);
    if (high < 0 || low < 0 || high > 7) {
        return 0;
    }
    *byte = (uint8_t)(high << 4 | low);
    return 6;
}

static Outcome take_text(Column *column, Slice *text) {
    if (!skip_byte(text, '"')) {
        return take_digits(column, text);
    }
    /* No character is longer than it is in JSON. */
    if (reserve(column, size_of(*text)) != DONE) {
        return FAILED;
    }
    const uint8_t *at = text->at, *end = text->end;
    uint8_t *out = column->bytes + column->used;
    while (at < end) {
        size_t plain = plain_size(at, end);
        memcpy(out, at, plain);
        at += plain;
        out += plain;
        const uint8_t *stop = end - at > 8 ? at + 8 : end;
        while (at < stop) {
            size_t size = 1;
            if (*at == '"') {
                text->at = at + 1;
                column->used = (size_t)(out - column->bytes);
                return DONE;
            }
            if (*at == '\\') {
                size = read_escape(at, end, out++);
            } else if (*at < 0x80) {
                *out++ = *at;
                size = *at >= 0x20;
            } else {
                size = utf8_size(at, end);
                memcpy(out, at, size);
                out += size;
            }
            if (size == 0) {
                return LEFT;
            }
            at += size;
        }
    }
    return LEFT;
}

static void learn_base64(uint8_t *sextets) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    memset(sextets, NO_SEXTET, 256);
    for (uint8_t i = 0; i < NO_SEXTET; i++) {
        sextets[(uint8_t)digits[i]] = i;
    }
}

/* Base64 in groups of four, with nothing between them. */
static Outcome take_base64(Column *column, Slice *text, const uint8_t *sextets) {
    if (!skip_byte(text, '"')) {
        return LEFT;
    }
    if (reserve(column, size_of(*text)) != DONE) {
        return FAILED;
    }
    uint8_t *out = column->bytes + column->used;
    while (size_of(*text) >= 4) {
        const uint8_t *at = text->at;
        uint32_t one = sextets[at[0]], two = sextets[at[1]], three = sextets[at[2]], four = sextets[at[3]];
        size_t size = 3;
        if ((one | two | three | four) & NO_SEXTET) {
            if ((one | two) & NO_SEXTET || at[3] != '=' || (at[2] != '=' && three == NO_SEXTET)) {
                break;
            }
            size = at[2] == '=' ? 1 : 2;
        }
        uint32_t group = one << 18 | two << 12 | (three & 63) << 6 | (four & 63);
        for (size_t i = 0; i < size; i++) {
            *out++ = (uint8_t)(group >> (16 - 8 * i));
        }
        text->at += 4;
        if (size < 3) {
            break;
        }
    }
    column->used = (size_t)(out - column->bytes);
    return skip_byte(text, '"') ? DONE : LEFT;
}

/* Days from 1970-01-01 to a day of the calendar: years begin with March here, so that the leap day is the last one. */
static int32_t days_of(const uint8_t *date) {
    int year = two(date) * 100 + two(date + 2), month = two(date + 5), day = two(date + 8);
    year -= month <= 2;
    int since_march = (month + 9) % 12;
    int day_of_year = (153 * since_march + 2) / 5 + day - 1;
    return 365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

static Outcome take_date(Column *column, Slice *text, size_t row) {
    if (size_of(*text) < 12 || text->at[0] != '"' || !is_date(text->at + 1) || text->at[11] != '"') {
        return LEFT;
    }
    int32_t days = days_of(text->at + 1);
    text->at += 12;
    set_value(column, row, &days, sizeof days);
    return DONE;
}

static Outcome take_moment(Column *column, Slice *text, size_t row, int utc) {
    if (size_of(*text) < 21 || text->at[0] != '"') {
        return LEFT;
    }
    const uint8_t *at = text->at + 1;
    if (!is_date(at) || at[10] != 'T' || !all_digits(at + 11, at + 13) || at[13] != ':' ||
        !all_digits(at + 14, at + 16) || at[16] != ':' || !all_digits(at + 17, at + 19)) {
        return LEFT;
    }
    int hours = two(at + 11), minutes = two(at + 14), seconds = two(at + 17);
    if (hours > 23 || minutes > 59 || seconds > 59) {
        return LEFT;
    }
    int64_t fraction = 0;
    text->at = at + 19;
    if (skip_byte(text, '.')) {
        int digits = 0;
        for (; text->at < text->end && is_digit(*text->at) && digits < 6; text->at++, digits++) {
            fraction = fraction * 10 + (*text->at - '0');
        }
        if (digits == 0) {
            return LEFT;
        }
        for (; digits < 6; digits++) {
            fraction *= 10;
        }
    }
    if (skip_byte(text, 'Z') != utc || !skip_byte(text, '"')) {
        return LEFT;
    }
    int64_t whole = (int64_t)days_of(at) * 86400 + hours * 3600 + minutes * 60 + seconds;
    int64_t moment = whole * 1000000 + fraction;
    set_value(column, row, &moment, sizeof moment);
    return DONE;
}

static inline int has_ends(Layout layout) { return layout == TEXT || layout == BINARY; }

/* Where a row's value ends in `bytes`; Arrow has 32 bits for that. */
static Outcome end_value(Column *column, size_t row) {
    if (column->used > INT32_MAX) {
        return LEFT;
    }
    int32_t end = (int32_t)column->used;
    set_value(column, row + 1, &end, sizeof end);
    return DONE;
}

static Outcome take_value(const Table *table, Column *column, Slice *text, size_t row) {
    Outcome outcome = LEFT;
    if (skip_word(text, "null", 4)) {
        column->nulls++;
        return has_ends(column->layout) ? end_value(column, row) : DONE;
    }
    switch (column->layout) {
    case OTHER:
        break;
    case BOOLEAN:
        outcome = take_boolean(column, text, row);
        break;
    case INT8:
        outcome = take_integer(column, text, row, 1);
        break;
    case INT16:
        outcome = take_integer(column, text, row, 2);
        break;
    case INT32:
        outcome = take_integer(column, text, row, 4);
        break;
    case INT64:
        outcome = take_integer(column, text, row, 8);
        break;
    case DECIMAL128:
        outcome = take_decimal(column, text, row);
        break;
    case FLOAT32:
        outcome = take_float(column, text, row);
        break;
    case FLOAT64:
        outcome = take_double(column, text, row);
        break;
    case TEXT:
        outcome = take_text(column, text);
        break;
    case BINARY:
        outcome = take_base64(column, text, table->sextets);
        break;
    case DATE32:
        outcome = take_date(column, text, row);
        break;
    case LOCAL_MICROSECONDS:
        outcome = take_moment(column, text, row, 0);
        break;
    case UTC_MICROSECONDS:
        outcome = take_moment(column, text, row, 1);
        break;
    }
    if (outcome == DONE && has_ends(column->layout)) {
        outcome = end_value(column, row);
    }
    if (outcome == DONE) {
        set_bit(column->valid, row);
    }
    return outcome;
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

/* A value of JSON up to the comma behind it; whether it is one is not looked at. */
static int skip_value(Slice *text) {
    const uint8_t *start = text->at;
    size_t depth = 0;
    while (text->at < text->end) {
        uint8_t byte = *text->at;
        if (byte == ',' && depth == 0) {
            return text->at > start;
        }
        text->at++;
        if (byte == '[' || byte == '{') {
            depth++;
        } else if (byte == ']' || byte == '}') {
            if (depth-- == 0) {
                return 0;
            }
        } else if (byte == '"') {
            while (!skip_byte(text, '"')) {
                size_t size = text->at < text->end && *text->at == '\\' ? 2 : 1;
                if (size > size_of(*text)) {
                    return 0;
                }
                text->at += size;
            }
        }
    }
    return 0;
}

static Outcome take_row(Table *table, Slice text, size_t row) {
    for (size_t i = 0; i < table->count; i++) {
        Column *column = &table->columns[i];
        if (!skip_word(&text, (const char *)column->prefix.at, size_of(column->prefix))) {
            return LEFT;
        }
        const uint8_t *start = text.at;
        Outcome outcome = column->left ? LEFT : take_value(table, column, &text, row);
        if (outcome == FAILED) {
            return FAILED;
        }
        if (outcome == DONE && skip_byte(&text, ',')) {
            continue;
        }
        column->left = 1;
        text.at = start;
        if (!skip_value(&text) || !skip_byte(&text, ',')) {
            return LEFT;
        }
    }
    return text.at == text.end ? DONE : LEFT;
}

/* Collects the values of the columns that are left, of a row that was taken, each with a comma behind it. */
static Outcome collect_left(Table *table, Slice text) {
    for (size_t i = 0; i < table->count; i++) {
        Column *column = &table->columns[i];
        if (!skip_word(&text, (const char *)column->prefix.at, size_of(column->prefix))) {
            return LEFT;
        }
        const uint8_t *start = text.at;
        if (!skip_value(&text) || !skip_byte(&text, ',')) {
            return LEFT;
        }
        if (column->left) {
            size_t size = (size_t)(text.at - start);
            if (reserve(column, size) != DONE) {
                return FAILED;
            }
            memcpy(column->bytes + column->used, start, size);
            column->used += size;
        }
    }
    return DONE;
}

static Outcome take_rows(Table *table, PyObject *members) {
    int left = 0;
    for (size_t row = 0; row < table->rows; row++) {
        PyObject *item = PyTuple_GetItem(members, (Py_ssize_t)row);
        if (!PyBytes_CheckExact(item)) {
            PyErr_SetString(PyExc_TypeError, "a row is bytes");
            return FAILED;
        }
        Outcome outcome = take_row(table, slice_of(item), row);
        if (outcome != DONE) {
            return outcome;
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        Column *column = &table->columns[i];
        if (!column->left) {
            continue;
        }
        left = 1;
        column->used = 0;
        if (reserve(column, 2) != DONE) {
            return FAILED;
        }
        column->bytes[column->used++] = '[';
    }
    for (size_t row = 0; left && row < table->rows; row++) {
        Outcome outcome = collect_left(table, slice_of(PyTuple_GetItem(members, (Py_ssize_t)row)));
        if (outcome != DONE) {
            return outcome;
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        Column *column = &table->columns[i];
        if (column->left) {
            /* In the place of the last comma; without rows, behind the bracket, where there is room. */
            column->bytes[table->rows == 0 ? column->used++ : column->used - 1] = ']';
        }
    }
    return DONE;
}

/* --- Python ------------------------------------------------------------------------------------------------------- */

/* Makes bytes, all zero, which are written to until somebody has them. */
static PyObject *zeros(size_t size, uint8_t **start) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (bytes != NULL) {
        *start = (uint8_t *)PyBytes_AsString(bytes);
        memset(*start, 0, size);
    }
    return bytes;
}

static int read_column(PyObject *item, Column *column, size_t rows) {
    static const uint8_t sizes[LAYOUTS] = {0, 0, 1, 2, 4, 8, 16, 4, 8, 4, 4, 4, 8, 8};
    PyObject *prefix;
    unsigned int layout;
    Py_ssize_t precision, scale;
    if (!PyTuple_Check(item)) {
        PyErr_SetString(PyExc_TypeError, "a column is a tuple");
        return -1;
    }
    if (!PyArg_ParseTuple(item, "SInn", &prefix, &layout, &precision, &scale)) {
        return -1;
    }
    int is_decimal = layout == DECIMAL128;
    if (layout >= LAYOUTS || (is_decimal && (precision < 1 || precision > MOST_DIGITS || scale < 0 || scale > precision))) {
        PyErr_SetString(PyExc_ValueError, "not a column");
        return -1;
    }
    column->prefix = slice_of(prefix);
    column->layout = (Layout)layout;
    column->precision = (size_t)precision;
    column->scale = (size_t)scale;
    column->left = layout == OTHER;
    column->validity = zeros(rows / 8 + 1, &column->valid);
    size_t each = rows + (size_t)has_ends(column->layout);
    column->fixed = zeros(layout == BOOLEAN ? rows / 8 + 1 : each * sizes[layout], &column->values);
    return column->validity == NULL || column->fixed == NULL ? -1 : 0;
}

static PyObject *column_result(Column *column) {
    PyObject *bytes = NULL;
    if (column->left || has_ends(column->layout)) {
        bytes = PyBytes_FromStringAndSize((const char *)column->bytes, (Py_ssize_t)column->used);
        PyMem_Free(column->bytes);
        column->bytes = NULL;
        if (bytes == NULL || column->left) {
            return bytes;
        }
        return Py_BuildValue("(nOON)", (Py_ssize_t)column->nulls, column->validity, column->fixed, bytes);
    }
    return Py_BuildValue("(nOOO)", (Py_ssize_t)column->nulls, column->validity, Py_None, column->fixed);
}

static PyObject *result_of(Table *table) {
    PyObject *results = PyList_New(0);
    for (size_t i = 0; results != NULL && i < table->count; i++) {
        PyObject *result = column_result(&table->columns[i]);
        if (result == NULL || PyList_Append(results, result) < 0) {
            Py_CLEAR(results);
        }
        Py_XDECREF(result);
    }
    return results;
}

PyDoc_STRVAR(lay_out_doc,
             "lay_out(columns, members)\n--\n\n"
             "Lays out rows as columns, each a tuple (prefix, layout, precision, scale). Returns for each column a tuple "
             "(nulls, validity, ends, values), or the JSON of its values if it is left to Python; None if all are.");

static PyObject *lay_out(PyObject *module, PyObject *args) {
    PyObject *columns, *list;
    if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &columns, &PyList_Type, &list)) {
        return NULL;
    }
    /* What is read from here on is nobody else's to change. */
    PyObject *members = PyList_AsTuple(list);
    if (members == NULL) {
        return NULL;
    }
    Table table = {(size_t)PyTuple_Size(columns), NULL, (size_t)PyTuple_Size(members), {0}};
    Outcome outcome = FAILED;
    PyObject *result = NULL;
    learn_base64(table.sextets);
    table.columns = PyMem_Calloc(table.count + 1, sizeof(Column));
    if (table.columns == NULL || table.rows > PY_SSIZE_T_MAX / 16 - 1) {
        PyErr_NoMemory();
    } else {
        outcome = DONE;
        for (size_t i = 0; outcome == DONE && i < table.count; i++) {
            if (read_column(PyTuple_GetItem(columns, (Py_ssize_t)i), &table.columns[i], table.rows) < 0) {
                outcome = FAILED;
            }
        }
    }
    if (outcome == DONE) {
        outcome = take_rows(&table, members);
    }
    if (outcome == DONE) {
        result = result_of(&table);
    } else if (outcome == LEFT) {
        result = Py_NewRef(Py_None);
    }
    for (size_t i = 0; table.columns != NULL && i < table.count; i++) {
        Py_XDECREF(table.columns[i].validity);
        Py_XDECREF(table.columns[i].fixed);
        PyMem_Free(table.columns[i].bytes);
    }
    PyMem_Free(table.columns);
    Py_DECREF(members);
    return result;
}

PyMethodDef column_functions[] = {
    {"lay_out", lay_out, METH_VARARGS, lay_out_doc},
    {NULL, NULL, 0, NULL},
};
