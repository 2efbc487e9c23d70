/* Protobuf as far as it is read here (the encoding guide of protobuf.dev), and what a VEvent has of it: what
 * rows/_decoder.c and rows/_transactions.c share.
 */

#ifndef SOURCE_VITESS_PROTOBUF_H
#define SOURCE_VITESS_PROTOBUF_H

#include "_bytes.h"

static int read_varint(Slice *from, uint64_t *number) {
    *number = 0;
    for (unsigned shift = 0; from->at < from->end && shift < 64; shift += 7) {
        uint8_t byte = *from->at++;
        *number |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            return 1;
        }
    }
    return 0;
}

/* A tag or a size: protobuf takes five bytes for it at most. */
static int read_short_varint(Slice *from, uint64_t *number) {
    const uint8_t *start = from->at;
    return read_varint(from, number) && from->at - start <= 5;
}

typedef struct {
    uint64_t tag; /* number << 3 | wire type */
    uint64_t number;
    Slice bytes;
} Field;

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
#define TAG(number, type) ((number) << 3 | (type))

static int read_field(Slice *from, Field *field) {
    uint64_t size;
    if (!read_short_varint(from, &field->tag) || field->tag >> 3 == 0 || field->tag > UINT32_MAX) {
        return 0;
    }
    switch (field->tag & 7) {
    case VARINT:
        return read_varint(from, &field->number);
    case FIXED64:
        size = 8;
        break;
    case FIXED32:
        size = 4;
        break;
    case BYTES:
        if (!read_short_varint(from, &size) || size > INT32_MAX) {
            return 0;
        }
        break;
    default: /* groups, which nobody writes any more */
        return 0;
    }
    if (size > size_of(*from)) {
        return 0;
    }
    field->bytes = (Slice){from->at, from->at + size};
    from->at += size;
    return 1;
}

/* Protobuf refuses a string that is not UTF-8. Names and positions are ASCII, as a rule. */
static int is_utf8(Slice text) {
    while (text.at < text.end) {
        size_t size = *text.at < 0x80 ? 1 : utf8_size(text.at, text.end);
        if (size == 0) {
            return 0;
        }
        text.at += size;
    }
    return 1;
}

/* binlogdata.VEventType */
enum { BEGIN_EVENT = 2, COMMIT_EVENT = 3, ROW_EVENT = 12, VGTID_EVENT = 15 };

/* Whether protobuf takes a member of a VEvent beside its row_event and its vgtid (protos/, binlogdata.proto), as far as
 * that is told here: what else an event says in messages is for protobuf to read. */
static int is_plain_member(Field field) {
    switch (field.tag) {
    case TAG(3, BYTES):  /* gtid */
    case TAG(4, BYTES):  /* statement */
    case TAG(9, BYTES):  /* dml */
    case TAG(22, BYTES): /* keyspace */
    case TAG(23, BYTES): /* shard */
    case TAG(25, BYTES): /* throttled_reason */
    case TAG(28, BYTES): /* event_gtid */
        return is_utf8(field.bytes);
    case TAG(5, BYTES): /* row_event */
    case TAG(6, BYTES): /* field_event */
    case TAG(7, BYTES): /* vgtid */
    case TAG(8, BYTES): /* journal */
        return 0;
    }
    return 1;
}

#endif
