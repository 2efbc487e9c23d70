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

PyDoc_STRVAR(outline_doc,
             "outline(events)\n--\n\n"
             "Returns what begins and ends a transaction: (shard, sequence_number, event_gtid, timestamp, current_time, "
             "table), or None if the events are more, or less, or odd.");

static PyObject *outline(PyObject *module, PyObject *events) {
    Py_ssize_t count;
    Slice first, last, table;
    Head begin, commit;
    if (!PyList_Check(events)) {
        PyErr_SetString(PyExc_TypeError, "events are a list");
        return NULL;
    }
    /* BEGIN, rows, VGTID, COMMIT. */
    count = PyList_Size(events);
    if (count < 4) {
        Py_RETURN_NONE;
    }
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *event = PyList_GetItem(events, index);
        int type = index == 0           ? BEGIN_EVENT
                   : index == count - 2 ? VGTID_EVENT
                   : index == count - 1 ? COMMIT_EVENT
                                        : ROW_EVENT;
        if (!PyBytes_CheckExact(event) || !is_of(slice_of(event), type)) {
            Py_RETURN_NONE;
        }
    }
    first = slice_of(PyList_GetItem(events, 0));
    last = slice_of(PyList_GetItem(events, count - 1));
    if (!read_head(first, &begin) || begin.type != BEGIN_EVENT || !read_head(last, &commit) ||
        commit.type != COMMIT_EVENT || begin.timestamp != commit.timestamp || !equal(begin.shard, commit.shard) ||
        !read_table(slice_of(PyList_GetItem(events, 1)), &table)) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("(s#Ls#LLs#)", begin.shard.at, (Py_ssize_t)size_of(begin.shard),
                         (long long)begin.sequence_number, begin.gtid.at, (Py_ssize_t)size_of(begin.gtid),
                         (long long)begin.timestamp, (long long)begin.current_time, table.at,
                         (Py_ssize_t)size_of(table));
}

PyMethodDef transaction_functions[] = {
    {"outline", outline, METH_O, outline_doc},
    {NULL, NULL, 0, NULL},
};
