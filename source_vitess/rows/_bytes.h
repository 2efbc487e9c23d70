/* Bytes that are read, and what they are: what all that is compiled shares.
 *
 * Whatever is read has an end, which is looked at before every step.
 */

#ifndef SOURCE_VITESS_BYTES_H
#define SOURCE_VITESS_BYTES_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030A0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* What a step came to. LEFT: this is for Python. FAILED: a Python error is set. */
typedef enum { DONE, LEFT, FAILED } Outcome;

typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} Slice;

static inline size_t size_of(Slice slice) { return (size_t)(slice.end - slice.at); }

/* Of Python's bytes, whose kind was looked at before. */
static inline Slice slice_of(PyObject *bytes) {
    const uint8_t *at = (const uint8_t *)PyBytes_AsString(bytes);
    return (Slice){at, at + PyBytes_Size(bytes)};
}

static inline int equal(Slice one, Slice other) {
    return size_of(one) == size_of(other) && memcmp(one.at, other.at, size_of(one)) == 0;
}

static inline int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

static inline int two(const uint8_t *at) { return (at[0] - '0') * 10 + (at[1] - '0'); }

static inline int all_digits(const uint8_t *at, const uint8_t *end) {
    for (; at < end; at++) {
        if (!is_digit(*at)) {
            return 0;
        }
    }
    return 1;
}

/* Ten bytes: a day of the calendar, `2026-02-28`. */
static inline int is_date(const uint8_t *at) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!all_digits(at, at + 4) || at[4] != '-' || !all_digits(at + 5, at + 7) || at[7] != '-' ||
        !all_digits(at + 8, at + 10)) {
        return 0;
    }
    int year = two(at) * 100 + two(at + 2), month = two(at + 5), day = two(at + 8);
    if (year == 0 || month == 0 || month > 12 || day == 0) {
        return 0;
    }
    int leap = month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day <= days[month - 1] + leap;
}

/* The number of bytes of the UTF-8 character at `at`, which is not ASCII; 0 if it is none (RFC 3629, section 4). */
static inline size_t utf8_size(const uint8_t *at, const uint8_t *end) {
    uint8_t first = at[0], low = 0x80, high = 0xBF;
    size_t size;
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    } else if (first < 0xE0) {
        size = 2;
    } else if (first < 0xF0) {
        size = 3;
        low = first == 0xE0 ? 0xA0 : 0x80;
        high = first == 0xED ? 0x9F : 0xBF;
    } else {
        size = 4;
        low = first == 0xF0 ? 0x90 : 0x80;
        high = first == 0xF4 ? 0x8F : 0xBF;
    }
    if ((size_t)(end - at) < size || at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (at[i] < 0x80 || at[i] > 0xBF) {
            return 0;
        }
    }
    return size;
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Whether eight bytes are ASCII that JSON has as it is: no control character, no quote, no backslash. */
static inline int is_plain(uint64_t word) {
    uint64_t quotes = word ^ EACH_BYTE('"'), slashes = word ^ EACH_BYTE('\\');
    uint64_t found = word | (word - EACH_BYTE(0x20)) | (quotes - EACH_BYTE(1)) | (slashes - EACH_BYTE(1));
    return (found & EACH_BYTE(0x80)) == 0;
}

/* How many bytes at the beginning can be copied as they are, in steps of eight. */
static inline size_t plain_size(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at;
    uint64_t words[4];
    while (end - at >= 32) {
        memcpy(words, at, 32);
        if (!is_plain(words[0]) || !is_plain(words[1]) || !is_plain(words[2]) || !is_plain(words[3])) {
            break;
        }
        at += 32;
    }
    while (end - at >= 8) {
        memcpy(words, at, 8);
        if (!is_plain(words[0])) {
            break;
        }
        at += 8;
    }
    return (size_t)(at - start);
}

static inline int skip_byte(Slice *text, uint8_t byte) {
    if (text->at < text->end && *text->at == byte) {
        text->at++;
        return 1;
    }
    return 0;
}

static inline int skip_word(Slice *text, const char *word, size_t size) {
    if (size_of(*text) < size || memcmp(text->at, word, size) != 0) {
        return 0;
    }
    text->at += size;
    return 1;
}

#endif
