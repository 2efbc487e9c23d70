/* Responses of a VStream that are a transaction of one table and nothing else: what vstream/reader.py finds event by event.
 *
 * As in rows/_decoder.c, nothing is decided here that Python does not decide too, and whatever is not quite ordinary is
 * left to it. The rows are not looked at but for the first one's table: the decoder does that.
 */

#include "_protobuf.h"
#include "_transactions.h"

/* What an event says beside its rows and its position. */
typedef struct {
    uint64_t type, timestamp, current_time, sequence_number;
    Slice shard, gtid;
} Head;

static int read_head(Slice event, Head *head) {
    static const uint8_t nothing[1];
    Field field;
    *head = (Head){.shard = {nothing, nothing}, .gtid = {nothing, nothing}};
    while (event.at < event.end) {
        if (!read_field(&event, &field) || !is_plain_member(field)) {
            return 0;
        }
        switch (field.tag) {
        case TAG(1, VARINT):
            head->type = field.number;
            break;
        case TAG(2, VARINT):
            head->timestamp = field.number;
            break;
        case TAG(20, VARINT):
            head->current_time = field.number;
            break;
        case TAG(23, BYTES):
            head->shard = field.bytes;
            break;
        case TAG(27, VARINT):
            head->sequence_number = field.number;
            break;
        case TAG(28, BYTES):
            head->gtid = field.bytes;
            break;
        }
    }
    return head->timestamp <= INT64_MAX && head->current_time <= INT64_MAX && head->sequence_number <= INT64_MAX;
}

/* The table of a ROW event, as VTGate names it. */
static int read_table(Slice event, Slice *table) {
    Field field;
    while (event.at < event.end) {
        if (!read_field(&event, &field)) {
            return 0;
        }
        if (field.tag != TAG(5, BYTES)) {
            continue;
        }
        Slice rows = field.bytes;
        while (rows.at < rows.end) {
            if (!read_field(&rows, &field)) {
                return 0;
            }
            if (field.tag == TAG(1, BYTES)) {
                *table = field.bytes;
                return is_utf8(*table);
            }
        }
        return 0;
    }
    return 0;
}

/* Whether an event begins with its type, as all do that VTGate sends. */
static int is_of(Slice event, int type) {
    return size_of(event) >= 2 && event.at[0] == TAG(1, VARINT) && event.at[1] == type;
}

/* Where the parts of a response are: BEGIN, rows, VGTID, COMMIT, and nothing else. */
typedef struct {
    Slice begin, first_row, vgtid, commit;
    /* Of all events with rows, with what precedes each in the response. */
    Slice rows;
} Parts;

static int read_parts(Slice response, Parts *parts) {
    enum { START, BEGUN, IN_ROWS, POSITIONED, COMMITTED } state = START;
    Field field;
    *parts = (Parts){.begin = {NULL, NULL}};
    while (response.at < response.end) {
        const uint8_t *at = response.at;
        if (!read_field(&response, &field) || field.tag != TAG(1, BYTES)) {
            return 0;
        }
        Slice event = field.bytes;
        if (state == START && is_of(event, BEGIN_EVENT)) {
            parts->begin = event;
            parts->rows.at = response.at;
            state = BEGUN;
        } else if (state == BEGUN && is_of(event, ROW_EVENT)) {
            parts->first_row = event;
            state = IN_ROWS;
        } else if (state == IN_ROWS && is_of(event, ROW_EVENT)) {
            continue;
        } else if (state == IN_ROWS && is_of(event, VGTID_EVENT)) {
            parts->rows.end = at;
            parts->vgtid = event;
            state = POSITIONED;
        } else if (state == POSITIONED && is_of(event, COMMIT_EVENT)) {
            parts->commit = event;
            state = COMMITTED;
        } else {
            return 0;
        }
    }
    return state == COMMITTED;
}

PyDoc_STRVAR(outline_doc,
             "outline(response)\n--\n\n"
             "Returns what a response consists of that is a transaction of one table: (shard, sequence_number, "
             "event_gtid, timestamp, current_time, table, rows, rows_end, vgtid, vgtid_end), or None if it is more, or "
             "less, or odd.");

static PyObject *outline(PyObject *module, PyObject *response) {
    Slice table;
    Head begin, commit;
    Parts parts;
    if (!PyBytes_CheckExact(response)) {
        PyErr_SetString(PyExc_TypeError, "a response is bytes");
        return NULL;
    }
    Slice all = slice_of(response);
    if (!read_parts(all, &parts) || !read_head(parts.begin, &begin) || begin.type != BEGIN_EVENT ||
        !read_head(parts.commit, &commit) || commit.type != COMMIT_EVENT || begin.timestamp != commit.timestamp ||
        !equal(begin.shard, commit.shard) || !read_table(parts.first_row, &table)) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(s#Ls#LLs#nnnn)", begin.shard.at, (Py_ssize_t)size_of(begin.shard),
                         (long long)begin.sequence_number, begin.gtid.at, (Py_ssize_t)size_of(begin.gtid),
                         (long long)begin.timestamp, (long long)begin.current_time, table.at,
                         (Py_ssize_t)size_of(table), (Py_ssize_t)(parts.rows.at - all.at),
                         (Py_ssize_t)(parts.rows.end - all.at), (Py_ssize_t)(parts.vgtid.at - all.at),
                         (Py_ssize_t)(parts.vgtid.end - all.at));
}

PyMethodDef transaction_functions[] = {
    {"outline", outline, METH_O, outline_doc},
    {NULL, NULL, 0, NULL},
};
